package access_test

import (
	"math/big"
	"slices"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

const oidPACE = "0.4.0.127.0.7.2.2.4."

// paceInfos are the infos of a chip that lists these variants, with version 2.
func paceInfos(t *testing.T, rows ...lds.PACEInfo) lds.SecurityInfos {
	t.Helper()
	var set []byte
	for _, row := range rows {
		set = append(set, ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+row.OID),
			ber.EncodeInt(big.NewInt(int64(row.Version))), ber.EncodeInt(big.NewInt(int64(row.ParameterID))))...)
	}
	infos, err := lds.ParseCardAccess(ber.Encode(ber.Set, set))
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

func TestVariantsAreListedBestFirst(t *testing.T) {
	got := access.Variants(paceInfos(t,
		lds.PACEInfo{OID: "2.1", Version: 2, ParameterID: 12}, lds.PACEInfo{OID: "2.2", Version: 2, ParameterID: 12},
		lds.PACEInfo{OID: "4.4", Version: 2, ParameterID: 16}, lds.PACEInfo{OID: "6.2", Version: 2, ParameterID: 13},
		lds.PACEInfo{OID: "2.4", Version: 2, ParameterID: 16}, lds.PACEInfo{OID: "6.4", Version: 2, ParameterID: 16},
		lds.PACEInfo{OID: "1.3", Version: 2, ParameterID: 2}, lds.PACEInfo{OID: "3.2", Version: 2, ParameterID: 0}))
	var names []string
	for _, v := range got {
		names = append(names, v.Name()+" "+v.Cipher.String())
		if !v.Ambiguous {
			t.Errorf("%s: several domain parameters are not ambiguous", v.Name())
		}
	}
	want := []string{
		"ECDH-CAM AES-256", "ECDH-IM AES-256", "ECDH-GM AES-256", "DH-GM AES-192",
		"ECDH-CAM AES-128", "ECDH-GM AES-128", "DH-IM AES-128", "ECDH-GM 3DES",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestVariantsThatDoNotRun(t *testing.T) {
	for name, row := range map[string]lds.PACEInfo{
		"version 1":                  {OID: "2.2", Version: 1, ParameterID: 13},
		"curve of a group's number":  {OID: "2.2", Version: 2, ParameterID: 0},
		"group of a curve's number":  {OID: "1.2", Version: 2, ParameterID: 13},
		"reserved number":            {OID: "2.2", Version: 2, ParameterID: 19},
		"parameters not given":       {OID: "2.2", Version: 2, ParameterID: 32},
		"IM over P-224":              {OID: "4.2", Version: 2, ParameterID: 10},
		"CAM with 3DES":              {OID: "6.1", Version: 2, ParameterID: 13},
		"unknown mapping":            {OID: "5.2", Version: 2, ParameterID: 13},
		"unknown cipher":             {OID: "2.5", Version: 2, ParameterID: 13},
		"unknown cipher of two arcs": {OID: "2.22", Version: 2, ParameterID: 13},
	} {
		if got := access.Variants(paceInfos(t, row)); len(got) != 0 {
			t.Errorf("%s: got %v, want none", name, got)
		}
	}
}

func TestVariantsWithExplicitParameters(t *testing.T) {
	c, g := ec.ByName("brainpoolP320r1"), dh.ByParameterID(2)
	cofactor := *c
	cofactor.H = 2
	unknownOrder := &dh.Group{P: g.P, G: g.G}
	infos := lds.SecurityInfos{
		PACE: []lds.PACEInfo{
			{OID: oidPACE + "2.2", Version: 2, ParameterID: 40}, {OID: oidPACE + "2.3", Version: 2, ParameterID: 41},
			{OID: oidPACE + "2.4", Version: 2, ParameterID: 42}, {OID: oidPACE + "1.2", Version: 2, ParameterID: 43},
			{OID: oidPACE + "3.2", Version: 2, ParameterID: 44}, {OID: oidPACE + "2.2", Version: 2, ParameterID: -1},
			{OID: oidPACE + "1.2", Version: 2, ParameterID: 40},
		},
		Domains: []lds.PACEDomainParameterInfo{
			{OID: oidPACE + "2", ParameterID: 40, Curve: c},
			{OID: oidPACE + "2", ParameterID: 41, Curve: &cofactor},
			{OID: oidPACE + "4", ParameterID: 42, Curve: c},
			{OID: oidPACE + "1", ParameterID: 43, Group: g},
			{OID: oidPACE + "3", ParameterID: 44, Group: unknownOrder},
			{OID: oidPACE + "2", ParameterID: -1, Curve: c},
		},
	}
	got := access.Variants(infos)
	if len(got) != 3 || got[0].Curve != c || got[0].ParameterID != 40 || got[1].Group != g || got[2].Curve != c || got[2].ParameterID != -1 {
		t.Errorf("got %v, want the three whose parameters belong to them, have no cofactor and a known order", got)
	}
	// The numbers of table 12 mean what they say there, whatever the chip spells out under them.
	infos = lds.SecurityInfos{
		PACE:    []lds.PACEInfo{{OID: oidPACE + "2.2", Version: 2, ParameterID: 13}},
		Domains: []lds.PACEDomainParameterInfo{{OID: oidPACE + "2", ParameterID: 13, Curve: c}},
	}
	if got := access.Variants(infos); len(got) != 1 || got[0].Curve != ec.ByName("brainpoolP256r1") {
		t.Errorf("number 13: got %v, want brainpoolP256r1", got)
	}
}

func TestLongestTellsWhatNeedsExtendedLength(t *testing.T) {
	for _, v := range []access.Variant{
		{Mapping: access.GM, Curve: ec.ByName("P-521")}, {Mapping: access.IM, Group: dh.ByParameterID(0)},
		{Mapping: access.GM, Group: dh.ByParameterID(1)}, {Mapping: access.IM, Group: dh.ByParameterID(2)},
	} {
		command, response := v.Longest()
		short := command <= 261 && response <= 258
		if want := v.Group == nil || v.Group.P.BitLen() == 1024; short != want {
			t.Errorf("%s: longest command %d, response %d", v.Name(), command, response)
		}
	}
}
