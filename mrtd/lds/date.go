package lds

import (
	"fmt"
	"time"

	"limen/mrtd/mrz"
)

// DateForm is how a document writes its dates. "" is that it writes none.
type DateForm string

// The forms. Doc 9303-10 asks for text and recommends that readers understand
// BCD too (4.7.12), which several states write.
const (
	TextDates DateForm = "text" // 8 characters YYYYMMDD
	BCDDates  DateForm = "BCD"  // 4 octets
)

// parseDay reads a date in either form; parts that are zero are unknown (4.7.11,
// note), and so are fillers and spaces, which documents write for them too.
func parseDay(b []byte) (mrz.Date, DateForm, bool) {
	digits, form, ok := dateDigits(b, 8)
	if !ok {
		return mrz.Date{}, "", false
	}
	d := mrz.Date{Year: decimal(digits[:4]), Month: decimal(digits[4:6]), Day: decimal(digits[6:8])}
	if d.Month > 12 || d.Day > 31 {
		return mrz.Date{}, "", false
	}
	if d.Month > 0 && d.Day > 0 {
		year := d.Year
		if year == 0 {
			year = 2000 // a leap year: an unknown year excludes no day
		}
		if time.Date(year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC).Day() != d.Day {
			return mrz.Date{}, "", false
		}
	}
	return d, form, true
}

// parseMoment reads YYYYMMDDhhmmss in either form. The document states no zone.
func parseMoment(b []byte) (time.Time, DateForm, bool) {
	digits, form, ok := dateDigits(b, 14)
	if !ok {
		return time.Time{}, "", false
	}
	t, err := time.Parse("20060102150405", string(digits))
	return t, form, err == nil
}

// dateDigits is n decimal digits, from as many characters or half as many octets.
func dateDigits(b []byte, n int) ([]byte, DateForm, bool) {
	digits, form := make([]byte, 0, n), TextDates
	switch len(b) {
	case n:
		for _, c := range b {
			if c == '<' || c == ' ' {
				c = '0'
			}
			digits = append(digits, c)
		}
	case n / 2:
		form = BCDDates
		for _, c := range b {
			digits = append(digits, '0'+c>>4, '0'+c&0x0F)
		}
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, "", false
		}
	}
	return digits, form, len(digits) == n
}

func decimal(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = 10*n + int(c-'0')
	}
	return n
}

// encodeDay writes a date that parseDay reads, or says that there is no such day.
func encodeDay(d mrz.Date, form DateForm) ([]byte, error) {
	if d.Year < 0 || d.Year > 9999 || d.Month < 0 || d.Month > 12 || d.Day < 0 || d.Day > 31 {
		return nil, fmt.Errorf("a date that is none")
	}
	b := encodeDigits(fmt.Sprintf("%04d%02d%02d", d.Year, d.Month, d.Day), form)
	if _, _, ok := parseDay(b); !ok {
		return nil, fmt.Errorf("a date that is none")
	}
	return b, nil
}

func encodeDigits(digits string, form DateForm) []byte {
	if form != BCDDates {
		return []byte(digits)
	}
	out := make([]byte, len(digits)/2)
	for i := range out {
		out[i] = (digits[2*i]-'0')<<4 | (digits[2*i+1] - '0')
	}
	return out
}
