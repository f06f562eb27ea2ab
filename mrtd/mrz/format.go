package mrz

import (
	"fmt"
	"strings"
)

// Format builds the lines of an MRZ with right check digits. Names are
// transliterated (see Transliterate) and shortened where they do not fit;
// states may be given without their fillers ("D"); a number of more than nine
// characters goes into the optional data of TD1 and TD2. The error names the
// field and what it may hold, not its content.
func Format(f Fields) ([]string, error) {
	s := f.Layout.shape()
	if s.lines == 0 {
		return nil, fmt.Errorf("cannot format an MRZ: layout %d is none of TD1, TD2, TD3, MRV-A and MRV-B", int(f.Layout))
	}
	w := writer{shape: s, grid: make(grid, s.lines)}
	for i := range w.grid {
		w.grid[i] = []byte(strings.Repeat("<", s.width))
	}
	if visa := f.Layout == MRVA || f.Layout == MRVB; visa != strings.HasPrefix(f.DocumentCode, "V") {
		w.fail(FieldCode, "a visa's begins with V and no other document's does")
	}
	w.put(FieldCode, s.code, f.DocumentCode, false)
	w.put(FieldIssuer, s.issuer, f.Issuer, false)
	w.put(FieldNationality, s.nationality, f.Nationality, false)
	w.put(FieldBirth, s.birth, w.date(FieldBirth, f.Birth), true)
	w.put(FieldExpiry, s.expiry, w.date(FieldExpiry, f.Expiry), true)
	switch f.Sex {
	case Female, Male, Unspecified:
		w.put(FieldSex, s.sex, string(f.Sex), false)
	default:
		w.fail(FieldSex, `it is "F", "M" or ""`)
	}
	w.number(f)
	if s.optional2.none() && f.Optional2 != "" {
		w.fail(FieldOptional, "only TD1 has a second one")
	}
	w.put(FieldOptional, s.optional2, f.Optional2, true)
	w.name(f.Primary, f.Secondary)
	if w.err != nil {
		return nil, w.err
	}
	if !w.long { // before groups looks at it: a filler there announces a long number
		at := s.numberCD
		w.grid[at.line][at.from] = Digit(w.grid.text(s.number))
	}
	for _, c := range groups(s, w.grid) {
		digit := Digit(c.text(w.grid))
		if c.filler && f.Optional == "" {
			digit = '<'
		}
		w.grid[c.digit.line][c.digit.col] = digit
	}
	return w.grid.strings(), nil
}

// writer fills a grid and keeps the first error.
type writer struct {
	shape shape
	grid  grid
	long  bool // the number goes on in the optional data
	err   error
}

func (w *writer) fail(f Field, what string) {
	if w.err == nil {
		w.err = fmt.Errorf("cannot format an MRZ: %s: %s", f, what)
	}
}

// put writes text, checked, from the span's start.
func (w *writer) put(f Field, at span, text string, digits bool) {
	if len(text) > at.to-at.from {
		w.fail(f, fmt.Sprintf("it has %d characters, want at most %d", len(text), at.to-at.from))
		return
	}
	for i := range len(text) {
		b := text[i]
		if b != '<' && (b < 'A' || b > 'Z') && !(digits && b >= '0' && b <= '9') {
			w.fail(f, fmt.Sprintf("character %d is not allowed there", i+1))
			return
		}
	}
	copy(w.grid[at.line][at.from:], text)
}

func (w *writer) date(f Field, d Date) string {
	part := func(n, most int) string {
		switch {
		case n == 0:
			return "<<"
		case n < 0 || n > most:
			w.fail(f, "it is no date")
			return "<<"
		}
		return fmt.Sprintf("%02d", n%100)
	}
	if d.Month > 0 && d.Month <= 12 && d.Day > daysIn(d.Year, d.Month) {
		w.fail(f, "it is no date")
	}
	return part(d.Year, 9999) + part(d.Month, 12) + part(d.Day, 31)
}

// number writes the document number and, since a long one pushes it, the
// first optional data.
func (w *writer) number(f Fields) {
	s := w.shape
	short := s.number.to - s.number.from
	if f.Number == "" {
		w.fail(FieldNumber, "it is empty")
		return
	}
	if len(f.Number) <= short || s.compCD.none() || !s.optionalCD.none() {
		w.put(FieldNumber, s.number, f.Number, true)
		w.put(FieldOptional, s.optional, f.Optional, true)
		return
	}
	if strings.Contains(f.Number, "<") {
		w.fail(FieldNumber, "one of more than nine characters cannot hold a filler")
		return
	}
	w.long = true
	more := f.Number[short:] + string(Digit(f.Number))
	w.put(FieldNumber, s.number, f.Number[:short], true)
	if f.Optional != "" {
		more += "<" + f.Optional
	}
	w.put(FieldNumber, s.optional, more, true)
}

// name writes both identifiers (Doc 9303-4 4.2.3, 9303-5 4.2.3).
func (w *writer) name(primary, secondary string) {
	at := w.shape.name
	var parts [2]string
	for i, name := range []string{primary, secondary} {
		text, err := Transliterate(name)
		if err != nil {
			w.fail(FieldName, err.Error())
			return
		}
		parts[i] = text
	}
	if parts[0] == "" && parts[1] == "" {
		w.fail(FieldName, "both identifiers are empty")
		return
	}
	copy(w.grid[at.line][at.from:], fitName(parts[0], parts[1], at.to-at.from))
}

// fitName joins the identifiers. A name that is too long is cut so that a
// letter of the secondary identifier remains and the last character is a
// letter, the mark of a shortened name.
func fitName(primary, secondary string, width int) string {
	if secondary == "" {
		if len(primary) > width {
			return endInLetter(primary, width)
		}
		return primary
	}
	if len(primary)+2+len(secondary) <= width {
		return primary + "<<" + secondary
	}
	if room := width - 3; len(primary) > room {
		primary = strings.TrimRight(primary[:room], "<")
	}
	return endInLetter(primary+"<<"+secondary, width)
}

// endInLetter cuts text to width. Where the cut falls after a filler, a letter
// of the longest component before it goes, and the rest moves up.
func endInLetter(text string, width int) string {
	for len(text) > width && text[width-1] == '<' {
		from, to := longest(text[:width])
		if to-from < 2 {
			return text[:width] // nothing but single letters: leave the mark out
		}
		text = text[:to-1] + text[to:]
	}
	return text[:width]
}

// longest is the place of the longest component.
func longest(text string) (from, to int) {
	start := 0
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == '<' {
			if i-start > to-from {
				from, to = start, i
			}
			start = i + 1
		}
	}
	return from, to
}
