package mrz

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
)

var today = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

type specimen struct {
	Source                                         string
	Lines                                          []string
	Layout, Number, Birth, Expiry, Sex             string
	Primary, Secondary, Optional, Key, Nationality string
	Fails                                          string // the check digit that the standard itself prints wrong
	Seed                                           string // SHA-1 of the key material, first 16 bytes, as the standard prints it
}

func specimens(t testing.TB) []specimen {
	t.Helper()
	raw, err := os.ReadFile("testdata/specimens.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []specimen
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func parse(t testing.TB, lines ...string) MRZ {
	t.Helper()
	m, err := Parse(lines, today)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSpecimens(t *testing.T) {
	for _, s := range specimens(t) {
		t.Run(s.Source, func(t *testing.T) {
			m := parse(t, s.Lines...)
			if s.Nationality == "" {
				s.Nationality = "UTO"
			}
			got := []string{m.Layout.String(), m.Number, m.Birth.ISO(), m.Expiry.ISO(), string(m.Sex), m.Primary, m.Secondary, m.Optional, m.Nationality, m.Issuer, m.KeyMaterial()}
			want := []string{s.Layout, s.Number, s.Birth, s.Expiry, s.Sex, s.Primary, s.Secondary, s.Optional, s.Nationality, "UTO", s.Key}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			for _, c := range m.Checks {
				if want := string(c.Field) != s.Fails; c.OK != want {
					t.Errorf("%s: got check digit %v, want %v", c.Field, c.OK, want)
				}
			}
			if seed := sha1.Sum([]byte(m.KeyMaterial())); s.Seed != "" && hex.EncodeToString(seed[:16]) != s.Seed {
				t.Errorf("key seed: got %x, want %s", seed[:16], s.Seed)
			}
			if m.Valid() != (s.Fails == "") || len(m.Repairs) != 0 || m.NameTruncated {
				t.Errorf("got valid %v, repairs %v, truncated %v, faults %v, checks %v, want valid and nothing else", m.Valid(), m.Repairs, m.NameTruncated, m.Faults, m.Checks)
			}
			if !slices.Equal(m.Lines(), s.Lines) {
				t.Errorf("lines: got %q, want %q", m.Lines(), s.Lines)
			}
			if one := parse(t, strings.Join(s.Lines, "")); one.Fields != m.Fields {
				t.Error("as one string: got other fields than from lines")
			}
			lines, err := Format(m.Fields)
			if err != nil {
				t.Fatal(err)
			}
			if s.Fails == "" && !slices.Equal(lines, s.Lines) {
				t.Errorf("formatted: got %q, want %q", lines, s.Lines)
			}
		})
	}
}

// Doc 9303-3, appendix A.
func TestDigit(t *testing.T) {
	for text, want := range map[string]byte{
		"520727":    '3',
		"AB2134<<<": '5',
		"HA672242<658022549601086<<<<<<<<<<<<<<0":            '8',
		"D231458907<<<<<<<<<<<<<<<34071279507122<<<<<<<<<<<": '2',
		"HA672242<658022549601086<<<<<<<":                    '8',
	} {
		if got := Digit(text); got != want {
			t.Errorf("Digit(%q): got %c, want %c", text, got, want)
		}
	}
}

// Every digit of every specimen is changed to every other one, and the check
// digits must notice. A change that looks like a misreading of its neighbor may
// be "repaired" in the wrong place; that is the price of one check digit, and told.
func TestEveryChangedDigitIsNoticed(t *testing.T) {
	for _, s := range specimens(t) {
		if s.Fails != "" {
			continue
		}
		for li, line := range s.Lines {
			for col := range line {
				for _, to := range []byte("0123456789") {
					if b := line[col]; b < '0' || b > '9' || b == to {
						continue
					}
					lines := slices.Clone(s.Lines)
					lines[li] = line[:col] + string(to) + line[col+1:]
					m := parse(t, lines...)
					covered := !(strings.HasPrefix(s.Layout, "MRV") && col >= 28)
					if covered && m.Valid() && len(m.Repairs) == 0 {
						t.Errorf("%s, line %d, column %d: a changed digit went unnoticed", s.Source, li+1, col+1)
					}
				}
			}
		}
	}
}

func TestFailedCheckDigitIsAFact(t *testing.T) {
	m := parse(t, "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408132F1204159ZE184226B<<<<<10")
	want := "[document number: check digit right date of birth: check digit wrong date of expiry: check digit right optional data: check digit right composite: check digit wrong]"
	if got := fmt.Sprint(m.Checks); got != want || m.Valid() {
		t.Errorf("got %v, valid %v, want %v", got, m.Valid(), want)
	}
	if m.Birth.ISO() != "1974-08-13" {
		t.Error("the birth date that was read is not in the result")
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		field, primary, secondary string
		truncated                 bool
	}{
		{"ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "ERIKSSON", "ANNA MARIA", false},
		{"VAN<DER<MUELLEN<<MARTINUS<MATTHEUS<<<<<", "VAN DER MUELLEN", "MARTINUS MATTHEUS", false},
		{"ARKFREITH<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "ARKFREITH", "", false},
		{"SMITH<JONES<<SUSIE<MARGARET<<<<<<<<<<<<", "SMITH JONES", "SUSIE MARGARET", false},
		{"NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K", "NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K", true},
		{"BENNELONG<WOOLOOMOOLOO<WARRANDYTE<W<<DI", "BENNELONG WOOLOOMOOLOO WARRANDYTE W", "DI", true},
		{"<<ANNA<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "", "ANNA", false},
	} {
		m := parse(t, "P<UTO"+test.field, "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
		if m.Primary != test.primary || m.Secondary != test.secondary || m.NameTruncated != test.truncated {
			t.Errorf("%s: got %q, %q, truncated %v, want %q, %q, %v", test.field, m.Primary, m.Secondary, m.NameTruncated, test.primary, test.secondary, test.truncated)
		}
	}
}

func TestFaults(t *testing.T) {
	good := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	for _, test := range []struct {
		name     string
		line, at int
		text     string
		want     Field
	}{
		{"digit in the name", 0, 5, "3", FieldName},
		{"digit in the issuer", 0, 2, "1", FieldIssuer},
		{"no issuer", 0, 2, "<<<", FieldIssuer},
		{"digit in the nationality", 1, 11, "1", FieldNationality},
		{"sex", 1, 20, "H", FieldSex},
		{"month 13", 1, 15, "13", FieldBirth},
		{"30 February", 1, 23, "0230", FieldExpiry},
		{"no number", 1, 0, "<<<<<<<<<0", FieldNumber},
		{"no name", 0, 5, strings.Repeat("<", 39), FieldName},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := slices.Clone(good)
			l := lines[test.line]
			lines[test.line] = l[:test.at] + test.text + l[test.at+len(test.text):]
			m := parse(t, lines...)
			if m.Valid() || len(m.Faults) != 1 || m.Faults[0].Field != test.want {
				t.Errorf("got valid %v, faults %v, want one of %s", m.Valid(), m.Faults, test.want)
			}
		})
	}
}

func TestWhatIsNoMRZ(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		say   string
	}{
		{"nothing", nil, "three lines of 30"},
		{"blanks", []string{"  ", "\r\n"}, "nothing but blanks"},
		{"one line", []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"}, "1 lines of 44"},
		{"four lines", []string{"A", "B", "C", "D"}, "4 lines of 1, 1, 1, 1"},
		{"uneven lines", []string{strings.Repeat("A", 44), strings.Repeat("B", 36)}, "2 lines of 44, 36"},
		{"a foreign character", []string{"P<UTOERIKSSON<<ANNA*MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, "line 1 has at column 20"},
		{"too much", []string{strings.Repeat("<", 600)}, "more than 512"},
		{"a letter too many", []string{"P<UTONILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<KA", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, "line 1 has 45"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.lines, today)
			if err == nil || !strings.Contains(err.Error(), test.say) || strings.Contains(err.Error(), "ERIKSSON") {
				t.Errorf("got %v, want an error that says %q and quotes nothing", err, test.say)
			}
		})
	}
}

func TestNothingIsPrinted(t *testing.T) {
	m := parse(t, "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "l898902C36UTO74O8122F1204159ZE184226B<<<<<10")
	var out bytes.Buffer
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey { // its digits could be a secret's by chance
			return slog.Attr{}
		}
		return a
	}}
	log := slog.New(slog.NewJSONHandler(&out, timeless))
	log.Info("x", "mrz", m, "pointer", &m, "fields", m.Fields, "birth", m.Birth, "repairs", m.Repairs, "checks", m.Checks)
	slog.New(slog.NewTextHandler(&out, timeless)).Info("x", "mrz", m, "fields", m.Fields, "birth", m.Birth, "repairs", m.Repairs)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", m, &m, m.Fields, m.Birth)
	}
	fmt.Fprintf(&out, "%v %+v %#v %d", m.Repairs, m.Repairs[1], m.Repairs[1], m.Repairs[1])
	for _, secret := range []string{"ERIKSSON", "ANNA", "L898902", "1974", "7408", "ZE184226B", "455249", "UTO", "0x4f", "79"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("got %q in what was printed, want nothing the document says:\n%s", secret, out.String())
		}
	}
}

func TestAlpha3(t *testing.T) {
	for code, want := range map[string]string{"D<<": "DEU", "UTO": "UTO", "GBD": "GBD", "<<<": ""} {
		if got := Alpha3(code); got != want {
			t.Errorf("Alpha3(%q): got %q, want %q", code, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range specimens(f) {
		f.Add(strings.Join(s.Lines, "\n"))
		f.Add(strings.Join(s.Lines, ""))
		f.Add(strings.Replace(strings.Join(s.Lines, "\n"), "<", "", 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := repotest.Parsed(t, []byte(text), func([]byte) (MRZ, error) { return Parse([]string{text}, today) })
		if err != nil {
			return
		}
		again, err := Parse(m.Lines(), today)
		if err != nil {
			t.Fatalf("the lines of the result are no MRZ: %v", err)
		}
		if again.Fields != m.Fields || !slices.Equal(again.Checks, m.Checks) || len(again.Repairs) != 0 {
			t.Error("the lines of the result read differently from the result")
		}
		_ = m.KeyMaterial()
		m.Birth.Age(today)
		m.Expiry.Expired(today)
	})
}

func BenchmarkParse(b *testing.B) {
	lines := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(lines, today); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRepairing(b *testing.B) {
	lines := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<", "L898902C36UTO74O8122F12O4159ZE184226B<<<<10"}
	b.ReportAllocs()
	for b.Loop() {
		if m, err := Parse(lines, today); err != nil || !m.Valid() {
			b.Fatal(err)
		}
	}
}
