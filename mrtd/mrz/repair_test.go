package mrz

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// swap puts text into a line at a column counted from 1.
func swap(line string, column int, text string) string {
	return line[:column-1] + text + line[column-1+len(text):]
}

var (
	td3 = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	td1 = []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}
	td2 = []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"}
)

func TestRepairsThatCheckDigitsDecide(t *testing.T) {
	f := parse(t, td3...).Fields
	f.Optional = "AB7734" // one look-alike only: the specimen's own has several that fit
	personal, err := Format(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		lines []string // as read
		want  []string
		say   string
	}{
		{"O for 0 in the birth date", []string{td3[0], swap(td3[1], 16, "O")}, td3, "date of birth, line 2, column 16"},
		{"I for 1 and B for 8", []string{td3[0], swap(swap(td3[1], 18, "I"), 17, "B")}, td3, "date of birth, line 2, column 17"},
		{"L for 1, decided by being a date", []string{td3[0], swap(td3[1], 22, "L")}, td3, "date of expiry, line 2, column 22"},
		{"Z, S, U and Q in dates", []string{td3[0], swap(td3[1], 22, "IZU4IS")}, td3, "date of expiry, line 2, column 27"},
		{"G for 6 as a check digit", []string{td3[0], swap(td3[1], 10, "G")}, td3, "document number, line 2, column 10"},
		{"O for 0 in the number", []string{td3[0], swap(td3[1], 6, "O")}, td3, "document number, line 2, column 6"},
		{"8 for B in the personal number", []string{personal[0], swap(personal[1], 30, "8")}, personal, "optional data, line 2, column 30"},
		{"O for the composite digit", []string{td3[0], swap(td3[1], 44, "O")}, td3, "composite, line 2, column 44"},
		{"TD1 composite digit", []string{td1[0], swap(td1[1], 30, "G"), td1[2]}, td1, "composite, line 2, column 30"},
		{"lost filler of the name", []string{td3[0][:43], td3[1]}, td3, "line 1, column 44: missing filler added"},
		{"lost filler before the last digits", []string{td3[0], td3[1][:40] + td3[1][41:]}, td3, "line 2, column 42: missing filler added"},
		{"lost filler in both lines", []string{td3[0][:43], td3[1][:40] + td3[1][41:]}, td3, "line 2, column 42: missing filler added"},
		{"lost filler of TD1's first line", []string{td1[0][:29], td1[1], td1[2]}, td1, "line 1, column 30: missing filler added"},
		{"lost filler and a misreading", []string{td2[0], swap(td2[1], 15, "A")[:14] + "4O8122F1204159<<<<<<6"}, td2, "date of birth, line 2, column 16"},
		{"surplus filler of the name", []string{td3[0] + "<", td3[1]}, td3, "line 1, column 45: surplus filler removed"},
		{"surplus filler in line 2", []string{td3[0], td3[1][:38] + "<" + td3[1][38:]}, td3, "line 2, column 43: surplus filler removed"},
		{"lower case", []string{strings.ToLower(td3[0]), td3[1]}, td3, "line 1: case or spaces"},
		{"spaces between", []string{"P<UTO ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", td3[1]}, td3, "line 1: case or spaces"},
		{"spaces for fillers", []string{strings.ReplaceAll(td3[0], "<", " ")[:25] + td3[0][25:], td3[1]}, td3, "line 1: case or spaces"},
		{"quotation marks for fillers", []string{strings.Replace(td3[0], "<<", "«", 1), td3[1]}, td3, "line 1: case or spaces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := parse(t, test.lines...)
			if !slices.Equal(m.Lines(), test.want) || !m.Valid() {
				t.Errorf("got %q, valid %v, want %q", m.Lines(), m.Valid(), test.want)
			}
			if said := fmt.Sprint(m.Repairs); !strings.Contains(said, test.say) {
				t.Errorf("repairs: got %s, want %q among them", said, test.say)
			}
		})
	}
}

func TestWhatIsNotRepaired(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		valid bool
	}{
		{"a digit that looks like no letter", []string{td3[0], swap(td3[1], 14, "3")}, false},
		{"two misread characters in the number", []string{td3[0], swap(swap(td3[1], 2, "B"), 6, "O")}, false},
		{"digit in a name, where nothing decides", []string{swap(td3[0], 12, "0"), td3[1]}, false},
		{"the state, where nothing decides", []string{swap(td3[0], 5, "0"), td3[1]}, false},
		{"8 for B in the personal number, where another exchange fits too", []string{td3[0], swap(td3[1], 37, "8")}, false},
		{"1 for L, which no check digit notices", []string{td3[0], swap(td3[1], 1, "1")}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := parse(t, test.lines...)
			if !slices.Equal(m.Lines(), test.lines) || len(m.Repairs) != 0 || m.Valid() != test.valid {
				t.Errorf("got %q, repairs %v, valid %v, want it as read, valid %v", m.Lines(), m.Repairs, m.Valid(), test.valid)
			}
		})
	}
}

// Where two exchanges would both make the check digit right, none is made.
// S and S at columns 1 and 4 have the same weight, 7.
func TestAmbiguityIsNotRepaired(t *testing.T) {
	f := parse(t, td3...).Fields
	f.Number = "5335AAC3"
	lines, err := Format(f)
	if err != nil {
		t.Fatal(err)
	}
	read := swap(lines[1], 1, "S") // now "S335…": only the first can be exchanged back
	if m := parse(t, lines[0], read); !m.Valid() {
		t.Errorf("one way: got invalid, want it repaired")
	}
	f.Number = "533SAAC3"
	if lines, err = Format(f); err != nil {
		t.Fatal(err)
	}
	read = swap(lines[1], 1, "S") // "S33SAAC3": either S may have been a 5
	m := parse(t, lines[0], read)
	if m.Valid() || len(m.Repairs) != 0 {
		t.Errorf("two ways: got valid %v, repairs %v, want it left alone", m.Valid(), m.Repairs)
	}
}

// The comment in repair.go on what check digits cannot see, as arithmetic.
func TestLookAlikesCheckDigitsCannotTell(t *testing.T) {
	for _, pair := range []string{"L1", "G6", "U0"} {
		if Digit(pair[:1]) != Digit(pair[1:]) {
			t.Errorf("%s: got different digits, want equal ones", pair)
		}
	}
	for _, b := range []byte("0125680ODQIZSB") {
		for _, to := range []byte(alikes(b)) {
			for i := range 3 {
				pad := "<<<"[:i]
				if Digit(pad+string(b)) == Digit(pad+string(to)) {
					t.Errorf("%c and %c at weight %d: the check digit cannot tell them apart", b, to, weight(i))
				}
			}
		}
	}
}
