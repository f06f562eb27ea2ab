package mrz

import (
	"fmt"
	"log/slog"
	"time"
)

// Date is a date as an MRZ states it. A part that the document leaves unknown
// is 0; the zero Date is wholly unknown, or could not be read (see Faults).
type Date struct {
	Year  int `json:"year"`
	Month int `json:"month"`
	Day   int `json:"day"`
}

// ISO is the date as YYYY-MM-DD, with "??" for unknown parts. It is what the
// passport said: show it, do not log it.
func (d Date) ISO() string {
	part := func(n, width int) string {
		if n == 0 {
			return "????"[:width]
		}
		return fmt.Sprintf("%0*d", width, n)
	}
	return part(d.Year, 4) + "-" + part(d.Month, 2) + "-" + part(d.Day, 2)
}

// String, Format and LogValue say nothing of the date.
func (d Date) String() string                { return "date(redacted)" }
func (d Date) Format(s fmt.State, verb rune) { fmt.Fprint(s, d.String()) }
func (d Date) LogValue() slog.Value          { return slog.StringValue(d.String()) }
func (d Date) compare(year, month, day int) int {
	for _, p := range [3][2]int{{d.Year, year}, {d.Month, month}, {d.Day, day}} {
		if p[0] == 0 || p[0] != p[1] {
			return p[0] - p[1] // an unknown part is never reached by earliest and latest
		}
	}
	return 0
}

// earliest and latest are the ends of what a date with unknown parts can mean.
func (d Date) earliest() Date {
	return Date{d.Year, max(d.Month, 1), max(d.Day, 1)}
}

func (d Date) latest() Date {
	if d.Month == 0 {
		d.Month = 12
		if d.Day == 0 {
			d.Day = 31
		}
	} else if d.Day == 0 {
		d.Day = daysIn(d.Year, d.Month)
	}
	return d
}

// After tells whether the date is certainly after the day of at; a date whose
// unknown parts leave it open is not.
func (d Date) After(at time.Time) bool {
	y, m, day := at.Date()
	return d.Year != 0 && d.earliest().compare(y, int(m), day) > 0
}

// Expired tells whether a document that is good through this date no longer is
// at the given time, in at's own zone; known is false where unknown parts of
// the date leave that open.
func (d Date) Expired(at time.Time) (expired, known bool) {
	if d.Year == 0 {
		return false, false
	}
	y, m, day := at.Date()
	if d.latest().compare(y, int(m), day) < 0 {
		return true, true
	}
	return false, d.earliest().compare(y, int(m), day) >= 0
}

// Age is the completed years of someone born on this date, in at's own zone.
// Where unknown parts leave it open, years is the least it can be and known is
// false. Who was born on 29 February is a year older on 1 March.
func (d Date) Age(at time.Time) (years int, known bool) {
	if d.Year == 0 {
		return 0, false
	}
	least, most := d.latest().yearsUntil(at), d.earliest().yearsUntil(at)
	return max(0, least), least == most && most >= 0
}

func (d Date) yearsUntil(at time.Time) int {
	y, m, day := at.Date()
	years := y - d.Year
	if (Date{y, d.Month, d.Day}).compare(y, int(m), day) > 0 {
		years--
	}
	return years
}

func daysIn(year, month int) int {
	if year == 0 {
		year = 2000 // a leap year: an unknown year excludes no day
	}
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseDate reads YYMMDD; century turns YY and the other parts into the year.
// Fillers are unknown parts (Doc 9303-3 4.8); "00" for a month or a day is not
// allowed there but found on documents, and means the same.
func parseDate(text string, century func(yy, month, day int) int) (Date, bool) {
	var parts [3]int
	unknownYear := false
	for i := range parts {
		a, b := text[2*i], text[2*i+1]
		switch {
		case a == '<' && b == '<':
			unknownYear = unknownYear || i == 0
		case a >= '0' && a <= '9' && b >= '0' && b <= '9':
			parts[i] = int(a-'0')*10 + int(b-'0')
		default:
			return Date{}, false
		}
	}
	d := Date{Month: parts[1], Day: parts[2]}
	if d.Month > 12 {
		return Date{}, false
	}
	if !unknownYear {
		d.Year = century(parts[0], d.Month, d.Day)
	}
	if month := d.Month; d.Day > 31 || month != 0 && d.Day > daysIn(d.Year, month) {
		return Date{}, false
	}
	return d, true
}

// birthCentury puts a birth as late as it can be without lying in the future.
func birthCentury(now time.Time) func(yy, month, day int) int {
	return func(yy, month, day int) int {
		y := now.Year()/100*100 + yy
		if (Date{y, month, day}).After(now) {
			y -= 100
		}
		return y
	}
}

// expiryCentury puts an expiry within 49 years back and 50 years ahead.
func expiryCentury(now time.Time) func(yy, month, day int) int {
	return func(yy, _, _ int) int {
		y := now.Year()/100*100 + yy
		switch {
		case y > now.Year()+50:
			y -= 100
		case y < now.Year()-49:
			y += 100
		}
		return y
	}
}
