package mrz

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTransliterate(t *testing.T) {
	for name, want := range map[string]string{
		"Eriksson":           "ERIKSSON",
		"van der Muellen":    "VAN<DER<MUELLEN",
		"Smith-Jones":        "SMITH<JONES",
		"O'Connor":           "OCONNOR",
		"D’Arc":              "DARC",
		"Müller-Groß":        "MUELLER<GROSS",
		"Ångström Ærø":       "AANGSTROEM<AEROE",
		"Łódź Žižka":         "LODZ<ZIZKA",
		"Þór Guðmundsdóttir": "THOR<GUDMUNDSDOTTIR",
		"Ñuño, Jr.":          "NUNO<JR",
		" Ștefan  Țepeș ":    "STEFAN<TEPES",
		"Nguyễn Ĳsbrand":     "NGUYEN<IJSBRAND",
		"":                   "",
	} {
		if got, err := Transliterate(name); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"Ευαγγελία", "Anna2"} {
		_, err := Transliterate(name)
		if err == nil || !strings.Contains(err.Error(), "character") || strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v, want an error that names the place and not the name", name, err)
		}
	}
}

func TestNamesThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		primary, secondary string
		width              int
		want               string
	}{
		{"NILAVADHANANANDA", "CHAYAPA<DEJTHAMRONG<KRASUANG", 39, "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K"},
		{"NILAVADHANANANDA", "CHAYAPA<DEJTHAMRONG<KRASUANG", 30, "NILAVADHANANANDA<<CHAYAPA<DEJT"},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BB", 30, "AAAAAAAAAAAAAAAAAAAAAAAAAAA<<B"},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", 30, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		{"ERIKSSON", "ANNA<MARIA<SOFIA<EVA<INGRID", 31, "ERIKSSON<<ANNA<MARIA<SOFIA<EVA<"[:7] + "<<ANNA<MARIA<SOFIA<EVA<I"},
	} {
		got := fitName(test.primary, test.secondary, test.width)
		if got != test.want || len(got) != test.width || got[len(got)-1] == '<' {
			t.Errorf("%d: got %q, want %q", test.width, got, test.want)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	good := parse(t, td3...).Fields
	for _, test := range []struct {
		name   string
		change func(*Fields)
		say    Field
	}{
		{"layout", func(f *Fields) { f.Layout = 0 }, "layout"},
		{"visa as passport", func(f *Fields) { f.DocumentCode = "V" }, FieldCode},
		{"long number in TD3", func(f *Fields) { f.Number = "D23145890734" }, FieldNumber},
		{"lower case number", func(f *Fields) { f.Number = "l898902c3" }, FieldNumber},
		{"no number", func(f *Fields) { f.Number = "" }, FieldNumber},
		{"digit in the state", func(f *Fields) { f.Issuer = "U70" }, FieldIssuer},
		{"sex", func(f *Fields) { f.Sex = "X" }, FieldSex},
		{"date", func(f *Fields) { f.Birth = Date{1974, 2, 30} }, FieldBirth},
		{"month", func(f *Fields) { f.Expiry = Date{1974, 13, 1} }, FieldExpiry},
		{"no name", func(f *Fields) { f.Primary, f.Secondary = "", "" }, FieldName},
		{"name", func(f *Fields) { f.Primary = "Άννα" }, FieldName},
		{"second optional data", func(f *Fields) { f.Optional2 = "A" }, FieldOptional},
		{"optional data", func(f *Fields) { f.Optional = "123456789012345" }, FieldOptional},
	} {
		f := good
		test.change(&f)
		if _, err := Format(f); err == nil || !strings.Contains(err.Error(), string(test.say)) {
			t.Errorf("%s: got %v, want an error that names the %s", test.name, err, test.say)
		}
	}
}

// What Format writes, Parse reads: any fields, all layouts, nothing to repair.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layout := rapid.SampledFrom([]Layout{TD1, TD2, TD3, MRVA, MRVB}).Draw(t, "layout")
		name := rapid.StringMatching(`[A-Z]{1,8}( [A-Z]{1,6}){0,1}`)
		birth := Date{Year: rapid.IntRange(1927, 2025).Draw(t, "birth year"), Month: rapid.IntRange(0, 12).Draw(t, "month"), Day: rapid.IntRange(0, 28).Draw(t, "day")}
		number := `[A-Z0-9]{1,9}`
		if layout == TD1 || layout == TD2 {
			number = `[A-Z0-9]{1,12}`
		}
		f := Fields{
			Layout: layout, DocumentCode: map[Layout]string{TD1: "I", TD2: "AC", TD3: "P", MRVA: "V", MRVB: "VB"}[layout],
			Issuer:      rapid.SampledFrom([]string{"UTO", "D<<", "XXA"}).Draw(t, "issuer"),
			Nationality: rapid.SampledFrom([]string{"UTO", "D<<", "XXB"}).Draw(t, "nationality"),
			Number:      rapid.StringMatching(number).Draw(t, "number"),
			Birth:       birth,
			Sex:         rapid.SampledFrom([]Sex{Male, Female, Unspecified}).Draw(t, "sex"),
			Expiry:      Date{Year: rapid.IntRange(1977, 2076).Draw(t, "expiry year"), Month: rapid.IntRange(1, 12).Draw(t, "expiry month"), Day: rapid.IntRange(1, 28).Draw(t, "expiry day")},
			Primary:     name.Draw(t, "primary"), Secondary: rapid.OneOf(name, rapid.Just("")).Draw(t, "secondary"),
		}
		if len(f.Number) <= 9 {
			f.Optional = rapid.StringMatching(`([A-Z0-9][A-Z0-9<]{0,5}[A-Z0-9])?`).Draw(t, "optional")
		}
		if layout == TD1 {
			f.Optional2 = rapid.StringMatching(`([A-Z0-9]{1,11})?`).Draw(t, "optional 2")
		}
		lines, err := Format(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(lines, today)
		if err != nil {
			t.Fatal(err)
		}
		if m.Fields != f || !m.Valid() || len(m.Repairs) != 0 {
			t.Fatalf("lines %q: number %q, optional %q, birth %s, names %q %q, valid %v, repairs %v",
				lines, m.Number, m.Optional, m.Birth.ISO(), m.Primary, m.Secondary, m.Valid(), m.Repairs)
		}
	})
}
