package chipsim

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// Whatever a chip can do wrong has a name, and each name does something else.
func TestEveryFaultHasAName(t *testing.T) {
	unnamed := map[string]bool{}
	for field := range reflect.TypeFor[Faults]().Fields() {
		unnamed[field.Name] = true
	}
	names, does := map[string]bool{}, map[Faults]string{}
	form := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)+$`)
	for _, m := range Misbehaviors() {
		if names[m.Name] || !form.MatchString(m.Name) || m.About == "" || strings.Contains(m.About, "|") {
			t.Errorf("%q, %q: not a name of its own with one line about it", m.Name, m.About)
		}
		names[m.Name] = true
		f, err := Misbehave(m.Name)
		if err != nil || f == (Faults{}) || does[f] != "" {
			t.Errorf("%s: got %+v, %v, like %q; want faults of its own", m.Name, f, err, does[f])
		}
		does[f] = m.Name
		for _, field := range f.Fields() {
			delete(unnamed, field)
		}
	}
	for field := range unnamed {
		t.Errorf("no misbehavior sets Faults.%s", field)
	}
}

func TestMisbehaviorsAddUp(t *testing.T) {
	got, err := Misbehave("no_short_identifiers", "session_broken_off", "length_refused_160")
	if want := (Faults{NoSFI: true, BareErrorsEnd: true, LeRefused: 160}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if again, _ := Misbehave("length_refused_160", "session_broken_off", "no_short_identifiers"); again != got {
		t.Errorf("in another order: got %+v, want %+v", again, got)
	}
	_, err = Misbehave("no_short_identifiers", "NO_SUCH")
	if err == nil || !strings.Contains(err.Error(), `"NO_SUCH"`) || !strings.Contains(err.Error(), "chip_returned") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line with the name and those there are", err)
	}
}

// What those misbehaviors send that no other test of this package looks at.
func TestMisbehaviorsOnTheWire(t *testing.T) {
	const (
		mse, named  = "0022C1A40F 800A04007F00070202040202 830101", "0022C1A412 800A04007F00070202040202 830101 84010C"
		application = "00A4040C07A0000002471001"
	)
	authenticate := "008200002800" + strings.Repeat("00", 39) + "28"
	two := specimen(true, PACE{OID: oid128, ParameterID: 12}, PACE{OID: oidPACE + "2.4", ParameterID: 12})
	chips := specimen(false)
	curve := ec.ByName("P-256")
	chips.ChipAuth = []ChipAuth{
		{OIDs: []string{oidCA + ".2.2"}, Key: ChipKey{KeyID: 1, Curve: curve, Private: curve.N}},
		{OIDs: []string{oidCA + ".2.4"}, Key: ChipKey{KeyID: 2, Curve: curve, Private: curve.N}},
	}
	for _, c := range []struct {
		name string
		p    Passport
		rows [][2]string
	}{
		{"master_file_refused", two, [][2]string{{"00A4000C023F00", "6982"}, {"00B09C0000", "6A86"}, {"00A4020C02011C", "9000"}}},
		{"card_access_empty", two, [][2]string{{"00B09C0000", "6B00"}, {"00A4020C02011C", "9000"}, {"00B0000000", "6B00"}}},
		{"files_padded", two, [][2]string{{"00A4020C02011C", "9000"}, {"00B0001740", "6282"}, {"00B0003F00", "6B00"}}},
		{"le_unwanted", two, [][2]string{{"00A4000C023F0000", "6700"}, {"00A4000C023F00", "9000"}, {mse + "00", "6700"}, {mse, "9000"}}},
		{"pace_variant_refused", two, [][2]string{{mse, "6A80"}, {strings.Replace(mse, "02 83", "04 83", 1), "9000"}}},
		{"pace_parameters_wanted", two, [][2]string{{mse, "6A87"}, {named, "9000"}}},
		{"pace_tries_counted", two, [][2]string{{mse, "63C7"}, {"10860000027C0000", "9000"}}},
		{"pace_breaks_off", two, [][2]string{{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000027C0000", "6A80"}, {application, "9000"}}},
		{"chain_left_open", two, [][2]string{{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000027C0000", "6A80"}, {application, "6883"}, {application, "9000"}}},
		{"bac_answers_key_not_found", two, [][2]string{{application, "9000"}, {"0084000008", "9000"}, {authenticate, "6A88"}}},
		{"past_end_refused", two, [][2]string{{"00B09C0000", "6B00"}, {"00B09C0004", "9000"}, {"00B0000412", "9000"}, {"00B0000413", "6B00"}}},
		{"past_end_6282", two, [][2]string{{"00B09C0000", "6282"}, {"00B09C0016", "9000"}}},
		{"optional_file_6985", specimen(false), [][2]string{{"00B0810000", "6985"}, {application, "9000"}, {"00B0830000", "6985"}, {"00B0810000", "9000"}, {"00B0910000", "6A82"}}},
		{"group_withheld_6982", withGroup(12), [][2]string{{application, "9000"}, {"00B08C0000", "6982"}, {"00B0810000", "9000"}}},
		{"chip_authentication_key_refused", chips, [][2]string{
			{application, "9000"},
			{"002241A40F 800A04007F00070202030202 840101", "6A80"}, {"002241A40F 800A04007F00070202030204 840102", "9000"},
		}},
	} {
		faults, err := Misbehave(c.name)
		if err != nil {
			t.Fatal(err)
		}
		card := New(c.p, Options{Faults: faults})
		for _, row := range c.rows {
			r, err := card.Transmit(t.Context(), unhex(t, row[0]))
			if err != nil || len(r) < 2 {
				t.Fatalf("%s: %s: %X, %v", c.name, row[0], r, err)
			}
			if _, got, _ := apduResponse(r); got != row[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, row[0], got, row[1])
			}
		}
	}
	faults, err := Misbehave("file_information_unasked")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := New(two, Options{Faults: faults}).Transmit(t.Context(), unhex(t, application)); err != nil || len(r) < 4 || r[0] != 0x6F {
		t.Errorf("file information unasked: got %X, %v", r, err)
	}
}

func withGroup(n int) Passport {
	p := specimen(false)
	f, _ := lds.FileOfGroup(n)
	p.Files[f.Path()] = ber.Encode(f.Tag, []byte{1})
	return p
}

func apduResponse(b []byte) (data []byte, sw string, err error) {
	r, err := apdu.ParseResponse(b)
	return r.Data, strings.Fields(r.SW.String())[0], err
}

// A chip that slips is away until it is powered up, and away once.
func TestSlippedChipComesBack(t *testing.T) {
	card := New(specimen(true), Options{Faults: Faults{SlipsAfter: 2}})
	read := func() bool { _, err := card.Transmit(t.Context(), unhex(t, "00B09C0000")); return err == nil }
	got := []bool{read(), read(), read(), read()}
	card.Reset()
	for range 5 {
		got = append(got, read())
	}
	card.Reset()
	got = append(got, read())
	want := []bool{true, true, false, false, true, true, true, true, true, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("answers: got %v, want %v", got, want)
	}
}
