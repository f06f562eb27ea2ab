package lds

import (
	"bytes"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func TestDIR(t *testing.T) {
	for _, c := range []struct {
		name, in string
		aids     []string
		err      string
	}{
		{"Doc 9303-10, table 31", "61094F07A0000002471001 61094F07A0000002472001", []string{"A0000002471001", "A0000002472001"}, ""},
		{"label and discretionary data", "61144F07A0000002471001 5004654D5254 5303010203", []string{"A0000002471001"}, ""},
		{"bare identifier, padding", "4F07A0000002471001 0000", []string{"A0000002471001"}, ""},
		{"template without identifier", "6106 5004654D5254", nil, ""},
		{"empty", "", nil, ""},
		{"cut", "61094F07A00000", nil, "truncated"},
		{"cut inside", "61034F07A0", nil, "application 1"},
	} {
		d, err := ParseDIR(octets(t, strings.ReplaceAll(c.in, " ", "")))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || len(d) != len(c.aids) {
			t.Errorf("%s: got %+v, %v; want %d applications", c.name, d, err, len(c.aids))
			continue
		}
		for _, aid := range c.aids {
			if !d.Has(octets(t, aid)) {
				t.Errorf("%s: got %+v, want %s", c.name, d, aid)
			}
		}
		if d.Has(AIDVisaRecords) {
			t.Errorf("%s: has an application it does not list", c.name)
		}
	}
	if _, err := ParseDIR(bytes.Repeat(octets(t, "4F05A000000247"), maxApplications+1)); err == nil {
		t.Error("too many applications: no error")
	}
	want := DIR{{AID: AIDTravelDocument, Label: "eMRTD"}, {AID: AIDBiometrics}}
	got, err := ParseDIR(EncodeDIR(want))
	if err != nil || len(got) != 2 || got[0].Label != "eMRTD" || !bytes.Equal(got[1].AID, AIDBiometrics) {
		t.Errorf("round trip: got %+v, %v; want %+v", got, err, want)
	}
}

func FuzzParseDIR(f *testing.F) {
	f.Add(EncodeDIR(DIR{{AID: AIDTravelDocument, Label: "eMRTD"}, {AID: AIDVisaRecords}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := repotest.Parsed(t, b, ParseDIR)
		if err != nil {
			return
		}
		again, err := ParseDIR(EncodeDIR(d))
		if err != nil || len(again) != len(d) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}
