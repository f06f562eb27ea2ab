package lds

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// example reads one of testdata/examples.txt, each of which names its clause.
func example(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/examples.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == name && line[0] != '#' {
			return octets(t, strings.ReplaceAll(value, " ", ""))
		}
	}
	t.Fatalf("no example %s", name)
	return nil
}

func TestDG11Example(t *testing.T) {
	d, err := ParseDG11(example(t, "dg11"))
	if err != nil || d.Name != (Name{"SMITH", "JOHN J"}) || d.Telephone != "1-612-555-1212" || d.Profession != "TRAVEL AGENT" ||
		!reflect.DeepEqual(d.PlaceOfBirth, []string{"ANYTOWN", "MN"}) || !reflect.DeepEqual(d.Address, []string{"123 MAPLE RD", "ANYTOWN", "MN"}) ||
		len(d.Listed) != 5 || len(d.Unread) != 0 {
		t.Errorf("not as the example says: %v", err)
	}
	// The encoder writes text as it is given: the example's profession has a filler for its space.
	d.Profession = "TRAVEL<AGENT"
	if b, err := EncodeDG11(d); err != nil || !bytes.Equal(b, example(t, "dg11")) {
		t.Errorf("encoding: got %X, %v", b, err)
	}
}

func fullDG11(form DateForm) DG11 {
	return DG11{
		Listed: []ber.Tag{tagFullName, tagOtherName, tagPersonalNumber, tagFullBirth, tagPlaceOfBirth, tagAddress, tagTelephone,
			tagProfession, tagTitle, tagSummary, tagCitizenship, tagOtherDocuments, tagCustody},
		Name: Name{"Эрикссон", "Анна Мария"}, OtherNames: []Name{{"إريكسون", "آنا ماريا"}, {Primary: "Eriksson-Müller"}},
		PersonalNumber: "ZE184226B", Birth: mrz.Date{Year: 1974, Month: 8, Day: 12}, PlaceOfBirth: []string{"Zenith", "UTO"},
		Address: []string{"1 Main Street", "Zenith"}, Telephone: "+999 5550100", Profession: "Engineer", Title: "Dr", Summary: "none",
		Citizenship: jpegBytes, OtherDocuments: []string{"D23145890", "V12345678"}, Custody: "none", DateForm: form,
	}
}

func TestDG11RoundTrip(t *testing.T) {
	for _, form := range []DateForm{TextDates, BCDDates} {
		want := fullDG11(form)
		b, err := EncodeDG11(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseDG11(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s dates: not what was encoded: %v", form, err)
		}
	}
	if _, err := EncodeDG11(DG11{Birth: mrz.Date{Year: 2023, Month: 2, Day: 29}}); err == nil {
		t.Error("29 February 2023 was encoded")
	}
	if b, err := EncodeDG11(DG11{}); err != nil || !bytes.Equal(b, []byte{0x6B, 2, 0x5C, 0}) {
		t.Errorf("nothing: got %X, %v", b, err)
	}
}

func TestDatesInEveryForm(t *testing.T) {
	for _, c := range []struct {
		in   string
		want mrz.Date
		form DateForm
		ok   bool
	}{
		{"19740812", mrz.Date{Year: 1974, Month: 8, Day: 12}, TextDates, true},
		{"\x19\x74\x08\x12", mrz.Date{Year: 1974, Month: 8, Day: 12}, BCDDates, true},
		{"19740800", mrz.Date{Year: 1974, Month: 8}, TextDates, true}, // Doc 9303-10, 4.7.11, note
		{"19740000", mrz.Date{Year: 1974}, TextDates, true},
		{"00000812", mrz.Date{Month: 8, Day: 12}, TextDates, true},
		{"\x19\x74\x00\x00", mrz.Date{Year: 1974}, BCDDates, true},
		{"1974<<<<", mrz.Date{Year: 1974}, TextDates, true},
		{"1974    ", mrz.Date{Year: 1974}, TextDates, true},
		{"00000229", mrz.Date{Month: 2, Day: 29}, TextDates, true},
		{"20230229", mrz.Date{}, "", false},
		{"19741312", mrz.Date{}, "", false},
		{"19740832", mrz.Date{}, "", false},
		{"\x19\x74\x0A\x12", mrz.Date{}, "", false},
		{"740812", mrz.Date{}, "", false},
		{"12.08.74", mrz.Date{}, "", false},
		{"", mrz.Date{}, "", false},
	} {
		b := ber.Encode(0x6B, ber.Encode(tagFullBirth, []byte(c.in)), ber.Encode(tagTitle, []byte("Dr")))
		d, err := ParseDG11(b)
		if err != nil || d.Birth != c.want || d.DateForm != c.form || (len(d.Unread) == 0) != c.ok || d.Title != "Dr" {
			t.Errorf("%q: got %s in %q, %d unread, %v; want %s in %q", c.in, d.Birth.ISO(), d.DateForm, len(d.Unread), err, c.want.ISO(), c.form)
		}
	}
}

func TestDG11TakesWhatDocumentsHold(t *testing.T) {
	for _, c := range []struct {
		name, want string
		in         []byte
		got        func(DG11) string
	}{
		{"Latin-1", "MÜLLER", []byte("\x5F\x0E\x06M\xDCLLER"), func(d DG11) string { return d.Name.Primary }},
		{"one filler between", "ERIKSSON ANNA", []byte("\x5F\x0E\x0DERIKSSON<ANNA"), func(d DG11) string { return d.Name.Primary }},
		{"fillers at the end", "ANNA", []byte("\x5F\x0E\x10ERIKSSON<<ANNA<<"), func(d DG11) string { return d.Name.Secondary }},
		{"other name outside A0", "ANNA", []byte("\x5F\x0F\x04ANNA"), func(d DG11) string { return d.OtherNames[0].Primary }},
		{"control characters", "a b", []byte("\x5F\x15\x04a\nb\x1B"), func(d DG11) string { return d.Summary }},
		{"direction overrides", "ab", []byte("\x5F\x15\x05a\xE2\x80\xAEb"), func(d DG11) string { return d.Summary }},
	} {
		d, err := ParseDG11(ber.Encode(0x6B, c.in))
		if err != nil || c.got(d) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, c.got(d), err, c.want)
		}
	}
	many := ber.Encode(0x6B, bytes.Repeat([]byte{0x5F, 0x14, 0}, maxElements+1))
	for name, in := range map[string][]byte{"other group": {0x6C, 0}, "cut": {0x6B, 3, 0x5F}, "too many": many, "empty": {}} {
		if _, err := ParseDG11(in); err == nil || !strings.HasPrefix(err.Error(), "DG11: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDG12RoundTrip(t *testing.T) {
	for _, form := range []DateForm{TextDates, BCDDates} {
		want := DG12{
			Listed:    []ber.Tag{tagAuthority, tagIssued, tagOtherPerson, tagEndorsements, tagTaxExit, tagFront, tagRear, tagPersonalized, tagSystem},
			Authority: "Passport Office Zenith", Issued: mrz.Date{Year: 2007, Month: 4, Day: 16}, OtherPersons: []Name{{"Eriksson", "Karl"}},
			Endorsements: "none", TaxExit: "none", Front: jpegBytes, Rear: jp2Bytes,
			Personalized: time.Date(2007, 4, 16, 13, 5, 59, 0, time.UTC), System: "P-001", DateForm: form,
		}
		b, err := EncodeDG12(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseDG12(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s dates: not what was encoded: %v", form, err)
		}
	}
	d, err := ParseDG12(ber.Encode(0x6C, ber.Encode(tagIssued, []byte("soon")), ber.Encode(tagPersonalized, []byte("20070416250000")), ber.Encode(0x5F60, []byte("x"))))
	if err != nil || len(d.Unread) != 3 || !d.Personalized.IsZero() {
		t.Errorf("odd elements: got %d unread, %v; want 3", len(d.Unread), err)
	}
}

func TestDG16Example(t *testing.T) {
	in := example(t, "dg16")
	d, err := ParseDG16(in)
	if err != nil || len(d.Persons) != 2 || d.DateForm != TextDates {
		t.Fatalf("got %d persons, %v", len(d.Persons), err)
	}
	if p := d.Persons[1]; p.Name != (Name{"BROWN", "MARY J"}) || p.Recorded != (mrz.Date{Year: 2002, Month: 3, Day: 15}) ||
		p.Telephone != "14155551212" || !reflect.DeepEqual(p.Address, []string{"49 REDWOOD LN", "OCEAN BREEZE", "CA", "94000"}) {
		t.Error("the second person is not the example's")
	}
	if b, err := EncodeDG16(d); err != nil || !bytes.Equal(b, in) {
		t.Errorf("encoding: got %X, %v", b, err)
	}
	for name, in := range map[string][]byte{"nobody": {0x70, 3, 2, 1, 0}, "cut person": {0x70, 4, 0xA1, 2, 0x5F, 0x50}} {
		if _, err := ParseDG16(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := EncodeDG16(DG16{Persons: make([]PersonToNotify, maxPersons+1)}); err == nil {
		t.Error("sixteen persons were encoded")
	}
}

func TestDisplayedPictures(t *testing.T) {
	images, err := ParseDG5(example(t, "dg5"))
	if err != nil || len(images) != 1 || images[0].Format != JPEG || len(images[0].Data) != 4 {
		t.Errorf("example: got %v, %v", images, err)
	}
	b, err := EncodeDG7(jpegBytes, jp2Bytes, []byte("BM"))
	if err != nil {
		t.Fatal(err)
	}
	images, err = ParseDG7(b)
	if err != nil || len(images) != 3 || images[0].Format != JPEG || images[1].Format != JPEG2000 || images[2].Format != "" {
		t.Errorf("three marks: got %v, %v", images, err)
	}
	if _, err := ParseDG5(b); err == nil {
		t.Error("DG7 was read as DG5")
	}
	for name, in := range map[string][]byte{
		"none":     {0x65, 3, 2, 1, 0},
		"too many": ber.Encode(0x65, bytes.Repeat([]byte{0x5F, 0x40, 0}, maxDisplayed+1)),
	} {
		if _, err := ParseDG5(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOpaqueGroups(t *testing.T) {
	o, err := ParseDG13(EncodeDG13([]byte("issuer's own")))
	if err != nil || string(o) != "issuer's own" {
		t.Errorf("got %d bytes, %v", len(o), err)
	}
	if o, err := ParseOpaque(8, []byte{0x68, 1, 7}); err != nil || !bytes.Equal(o, []byte{7}) {
		t.Errorf("DG8: got %v, %v", o, err)
	}
	for _, group := range []int{0, 17, 9} {
		if _, err := ParseOpaque(group, []byte{0x68, 1, 7}); err == nil {
			t.Errorf("DG%d: no error", group)
		}
	}
}

func TestSniffImage(t *testing.T) {
	for in, want := range map[string]ImageFormat{
		"\xFF\xD8\xFF\xE0": JPEG, "\x00\x00\x00\x0CjP  \r\n": JPEG2000, "\xFF\x4F\xFF\x51": JPEG2000, "\xFF\xA0\xFF\xA4": WSQ,
		"\x89PNG\r\n\x1A\n": PNG, "II*\x00": TIFF, "MM\x00*": TIFF, "GIF89a": "", "": "", "\xFF": "",
	} {
		if got := SniffImage([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
