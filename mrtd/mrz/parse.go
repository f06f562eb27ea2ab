package mrz

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// maxInput bounds what is looked at: three lines with generous noise.
const maxInput = 512

// Parse reads the lines of an MRZ; one string with all the lines' characters,
// as DG1 holds them, will do too. Case, spaces, a lost or surplus filler and
// characters that OCR confuses are repaired where check digits decide (see
// repair.go), and the result says so.
//
// now is used for nothing but centuries, which an MRZ does not state. A birth
// is the latest one that does not lie after now, so that someone over 100
// reads as a child: with two digits nothing can be done about it, and the
// portrait tells. An expiry lies within 49 years before and 50 years after now:
// documents are issued for at most some ten years, but some states give the
// old a card without end, stated decades ahead, while nobody travels on one that
// expired half a century ago.
//
// The error says which line is not one of an MRZ; it holds no content.
func Parse(lines []string, now time.Time) (MRZ, error) {
	clean, repairs, err := normalize(lines)
	if err != nil {
		return MRZ{}, err
	}
	layout, err := layoutOf(clean)
	if err != nil {
		return MRZ{}, err
	}
	g, more, err := repair(layout.shape(), clean)
	if err != nil {
		return MRZ{}, err
	}
	m := MRZ{Fields: Fields{Layout: layout}, Repairs: append(repairs, more...), grid: g}
	m.read(now)
	return m, nil
}

// normalize splits, drops empty lines and noise, and checks the characters.
func normalize(lines []string) (clean []string, repairs []Repair, err error) {
	total := 0
	for _, line := range lines {
		if total += len(line); total > maxInput {
			return nil, nil, fmt.Errorf("no MRZ: more than %d characters; give the two or three lines alone", maxInput)
		}
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if part = strings.TrimSpace(part); part != "" {
				clean = append(clean, part)
			}
		}
	}
	if len(clean) == 1 {
		clean = split(clean[0])
	}
	for i, line := range clean {
		tidy := tidy(line)
		if tidy != line {
			repairs = append(repairs, Repair{Field: FieldLine, Line: i + 1})
		}
		for col := range len(tidy) {
			if b := tidy[col]; b != '<' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') {
				return nil, nil, fmt.Errorf("no MRZ: line %d has at column %d a character that no MRZ has (A to Z, 0 to 9 and < only); read the document again", i+1, utf8.RuneCountInString(tidy[:col])+1)
			}
		}
		clean[i] = tidy
	}
	return clean, repairs, nil
}

// split cuts an MRZ that came as one string.
func split(all string) []string {
	for _, l := range []Layout{TD1, TD3, TD2} {
		if s := l.shape(); len(all) == s.lines*s.width {
			var lines []string
			for i := range s.lines {
				lines = append(lines, all[i*s.width:(i+1)*s.width])
			}
			return lines
		}
	}
	return []string{all}
}

// tidy removes what readers add to a line: lower case, quotation marks for
// fillers, and spaces. Spaces stand for fillers where the line has its length
// with them, and are noise otherwise.
func tidy(line string) string {
	line = strings.NewReplacer("«", "<<", "‹", "<", "\t", " ", "\u00a0", " ").Replace(strings.ToUpper(line))
	if !strings.Contains(line, " ") {
		return line
	}
	if w := len(line); w == 30 || w == 36 || w == 44 {
		return strings.ReplaceAll(line, " ", "<")
	}
	return strings.ReplaceAll(line, " ", "")
}

// layoutOf tells the layout from the number and length of lines; a filler more
// or less does not matter yet.
func layoutOf(lines []string) (Layout, error) {
	near := func(width int) bool {
		for _, line := range lines {
			if len(line) < width-1 || len(line) > width+1 {
				return false
			}
		}
		return true
	}
	const want = "an MRZ has three lines of 30, or two lines of 36 or 44 characters"
	switch {
	case len(lines) == 0:
		return 0, errors.New("no MRZ: nothing but blanks; " + want)
	case len(lines) == 3 && near(30):
		return TD1, nil
	case len(lines) == 2 && near(36):
		if lines[0][0] == 'V' {
			return MRVB, nil
		}
		return TD2, nil
	case len(lines) == 2 && near(44):
		if lines[0][0] == 'V' {
			return MRVA, nil
		}
		return TD3, nil
	}
	lengths := make([]string, min(len(lines), 5))
	for i := range lengths {
		lengths[i] = fmt.Sprint(len(lines[i]))
	}
	return 0, fmt.Errorf("no MRZ: %d lines of %s characters; %s", len(lines), strings.Join(lengths, ", "), want)
}

// read fills in the fields, check digits and faults from the grid.
func (m *MRZ) read(now time.Time) {
	s, g := m.Layout.shape(), m.grid
	fault := func(f Field, problem string) { m.Faults = append(m.Faults, Fault{f, problem}) }

	m.DocumentCode = strings.TrimRight(g.text(s.code), "<")
	if b := g.text(s.code)[0]; b < 'A' || b > 'Z' {
		fault(FieldCode, "does not begin with a letter")
	}
	for _, code := range []struct {
		field Field
		at    span
		to    *string
	}{{FieldIssuer, s.issuer, &m.Issuer}, {FieldNationality, s.nationality, &m.Nationality}} {
		*code.to = g.text(code.at)
		if !letters(*code.to) || (*code.to)[0] == '<' {
			fault(code.field, "is not letters")
		}
	}

	number := numberGroup(s, g)
	m.Number = strings.TrimRight(number.text(g), "<")
	if m.Number == "" {
		fault(FieldNumber, "is empty")
	}
	optional := s.optional
	if end := longEnd(s, g); end > 0 {
		optional.from = min(end+1, optional.to) // the filler after the number belongs to it
	}
	m.Optional = strings.TrimRight(g.text(optional), "<")
	if !s.optional2.none() {
		m.Optional2 = strings.TrimRight(g.text(s.optional2), "<")
	}

	var ok bool
	if m.Birth, ok = parseDate(g.text(s.birth), birthCentury(now)); !ok {
		fault(FieldBirth, "is no date")
	}
	if m.Expiry, ok = parseDate(g.text(s.expiry), expiryCentury(now)); !ok {
		fault(FieldExpiry, "is no date")
	}
	switch sex := g.text(s.sex); sex {
	case "F", "M":
		m.Sex = Sex(sex)
	case "<", "X": // X belongs in the visual zone; some states print it here too
	default:
		fault(FieldSex, "is none of F, M and <")
	}

	m.readName(s, fault)
	for _, c := range groups(s, g) {
		m.Checks = append(m.Checks, CheckDigit{c.field, c.holds(g)})
	}
}

// readName splits the name at the first double filler (Doc 9303-3 4.6).
func (m *MRZ) readName(s shape, fault func(Field, string)) {
	text := m.grid.text(s.name)
	m.NameTruncated = text[len(text)-1] != '<'
	if !letters(text) {
		fault(FieldName, "holds a digit")
	}
	primary, secondary, _ := strings.Cut(strings.TrimRight(text, "<"), "<<")
	spaced := func(t string) string {
		return strings.Join(strings.FieldsFunc(t, func(r rune) bool { return r == '<' }), " ")
	}
	m.Primary, m.Secondary = spaced(primary), spaced(secondary)
	if m.Primary == "" && m.Secondary == "" {
		fault(FieldName, "is empty")
	}
}

func letters(text string) bool {
	for i := range len(text) {
		if text[i] != '<' && (text[i] < 'A' || text[i] > 'Z') {
			return false
		}
	}
	return true
}
