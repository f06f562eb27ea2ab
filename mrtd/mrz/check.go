package mrz

import "fmt"

// Field names a part of an MRZ, in results that hold no content.
type Field string

// The fields.
const (
	FieldLine        Field = "line"
	FieldCode        Field = "document code"
	FieldIssuer      Field = "issuing state"
	FieldName        Field = "name"
	FieldNumber      Field = "document number"
	FieldNationality Field = "nationality"
	FieldBirth       Field = "date of birth"
	FieldSex         Field = "sex"
	FieldExpiry      Field = "date of expiry"
	FieldOptional    Field = "optional data"
	FieldComposite   Field = "composite"
)

// CheckDigit is the outcome of one check digit. A false OK is a fact about
// what was read, not an error.
type CheckDigit struct {
	Field Field `json:"field"`
	OK    bool  `json:"ok"`
}

// String names the field and whether its check digit is right.
func (c CheckDigit) String() string {
	if c.OK {
		return string(c.Field) + ": check digit right"
	}
	return string(c.Field) + ": check digit wrong"
}

// Digit calculates the check digit over text: weights 7, 3, 1 repeating,
// modulo 10 (Doc 9303-3 4.9). Characters that no MRZ has count as fillers.
func Digit(text string) byte {
	sum := 0
	for i := range len(text) {
		sum += weight(i) * value(text[i])
	}
	return byte('0' + sum%10)
}

func weight(i int) int { return [3]int{7, 3, 1}[i%3] }

func value(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'A' && b <= 'Z':
		return int(b-'A') + 10
	}
	return 0
}

// group is a check digit with the characters it covers.
type group struct {
	field  Field
	data   []cell
	digit  cell
	digits bool // the data, too, is numeric by its nature
	filler bool // an all-filler field may have a filler for its digit (Doc 9303-4 4.2.2.2, data element 14)
}

// groups lists the layout's check digits, composite last.
func groups(s shape, g grid) []group {
	list := []group{
		numberGroup(s, g),
		{field: FieldBirth, data: s.birth.cells(), digit: s.birthCD.cells()[0], digits: true},
		{field: FieldExpiry, data: s.expiry.cells(), digit: s.expiryCD.cells()[0], digits: true},
	}
	if !s.optionalCD.none() {
		list = append(list, group{field: FieldOptional, data: s.optional.cells(), digit: s.optionalCD.cells()[0], filler: true})
	}
	if !s.compCD.none() {
		all := group{field: FieldComposite, digit: s.compCD.cells()[0]}
		for _, part := range s.composite {
			all.data = append(all.data, part.cells()...)
		}
		list = append(list, all)
	}
	return list
}

// numberGroup knows the long numbers of TD1 and TD2: a filler stands for the
// check digit, the number goes on in the optional data, and its check digit and
// a filler follow it there (Doc 9303-5 4.2.4, 9303-6 4.2.4).
func numberGroup(s shape, g grid) group {
	n := group{field: FieldNumber, data: s.number.cells(), digit: s.numberCD.cells()[0]}
	if end := longEnd(s, g); end > 0 {
		more := span{s.optional.line, s.optional.from, end}.cells()
		n.data = append(n.data, more[:len(more)-1]...)
		n.digit = more[len(more)-1]
	}
	return n
}

// longEnd is the column after a long number's check digit; 0 where the number is not long.
func longEnd(s shape, g grid) int {
	if s.compCD.none() || !s.optionalCD.none() || g.text(s.numberCD) != "<" {
		return 0
	}
	if g[s.number.line][s.number.to-1] == '<' {
		return 0 // a number that goes on has filled its own field
	}
	end := s.optional.from
	for end < s.optional.to && g[s.optional.line][end] != '<' {
		end++
	}
	if end-s.optional.from < 2 { // at least one character and its check digit
		return 0
	}
	return end
}

func (c group) text(g grid) string {
	b := make([]byte, len(c.data))
	for i, at := range c.data {
		b[i] = g.at(at)
	}
	return string(b)
}

func (c group) holds(g grid) bool {
	sum, empty := 0, true
	for i, at := range c.data {
		b := g.at(at)
		sum += weight(i) * value(b)
		empty = empty && b == '<'
	}
	digit := g.at(c.digit)
	return digit == byte('0'+sum%10) || c.filler && empty && digit == '<'
}

// Repair is one change that was made to what was read. From and To are the
// document's characters and stay out of String and logs; 0 stands for none.
type Repair struct {
	Field  Field `json:"field"`
	Line   int   `json:"line"`   // from 1
	Column int   `json:"column"` // from 1; 0 where the whole line is meant
	From   byte  `json:"-"`
	To     byte  `json:"-"`
}

// String names the place of the repair and nothing of what was read.
func (r Repair) String() string {
	switch {
	case r.Column == 0:
		return fmt.Sprintf("line %d: case or spaces put right", r.Line)
	case r.From == 0:
		return fmt.Sprintf("line %d, column %d: missing filler added", r.Line, r.Column)
	case r.To == 0:
		return fmt.Sprintf("line %d, column %d: surplus filler removed", r.Line, r.Column)
	}
	return fmt.Sprintf("%s, line %d, column %d: misread character put right", r.Field, r.Line, r.Column)
}

// Format prints String whatever the verb, so that no character slips out.
func (r Repair) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }
