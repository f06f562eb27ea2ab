package lds_test

import (
	"fmt"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// A file that says or holds far too much costs no more memory than its length
// warrants, whichever of its elements it is that swells.
func TestSwollenFilesStayWithinTheBound(t *testing.T) {
	security, _ := cardSecurity(t)
	variant := ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.2.2"), ber.Encode(ber.Integer, []byte{2}), ber.Encode(ber.Integer, []byte{13}))
	for name, c := range map[string]struct {
		file  []byte
		parse func([]byte)
	}{
		"EF.COM":          {lds.EncodeCOM(lds.COM{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2}}), func(b []byte) { lds.ParseCOM(b) }},
		"EF.SOD":          {specimenSOD(t), func(b []byte) { lds.ParseSOD(b) }},
		"EF.CardSecurity": {security, func(b []byte) { lds.ParseCardSecurity(b) }},
		"EF.CardAccess":   {ber.Encode(ber.Set, variant), func(b []byte) { lds.ParseCardAccess(b) }},
		"EF.DIR":          {lds.EncodeDIR(lds.DIR{{AID: lds.AIDTravelDocument, Label: "eMRTD"}}), func(b []byte) { lds.ParseDIR(b) }},
		"EF.ATR/INFO":     {lds.EncodeATRInfo(lds.ATRInfo{ExtendedLength: true, MaxCommand: 1000, MaxResponse: 1000}), func(b []byte) { lds.ParseATRInfo(b) }},
	} {
		t.Run(name, func(t *testing.T) {
			repotest.Inflate(c.file, func(b []byte) { repotest.Bounded(t, len(b), func() { c.parse(b) }) })
		})
	}
	groups := map[string][]byte{"1/TD3": nil, "14/PACE": ber.Encode(0x6E, ber.Encode(ber.Set, variant))}
	groups["1/TD3"], _ = lds.EncodeDG1([]string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"})
	for n := range 17 {
		for _, kind := range specimen.ExampleKinds(n) {
			groups[fmt.Sprintf("%d/%s", n, kind)], _ = specimen.ExampleGroup(n, kind)
		}
	}
	for name, file := range groups {
		var n int
		if _, err := fmt.Sscanf(name, "%d/", &n); err != nil {
			t.Fatal(err)
		}
		if _, err := lds.Describe(n, file); err != nil {
			t.Fatalf("DG%s: %v", name, err)
		}
		t.Run("DG"+name, func(t *testing.T) {
			repotest.Inflate(file, func(b []byte) { repotest.Bounded(t, len(b), func() { lds.Describe(n, b) }) })
		})
	}
}
