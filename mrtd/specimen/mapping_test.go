package specimen

import (
	"bytes"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

const oidCAM = oidPACE + ".6.2"

func issue(t *testing.T, s Spec) (*Authority, chipsim.Passport) {
	t.Helper()
	a, err := NewAuthority(DefaultProfile(day), Seed("mapping"))
	if err != nil {
		t.Fatal(err)
	}
	s.Lines, s.SignedAt = utopia, day
	p, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	return a, p
}

func TestCardSecurityIsSigned(t *testing.T) {
	a, p := issue(t, Spec{PACE: []chipsim.PACE{
		{OID: oidCAM, ParameterID: 13}, {OID: oidPACE + ".6.4", ParameterID: 13}, {OID: oidPACE + ".6.2", ParameterID: 16},
		{OID: oidPACE + ".1.2", ParameterID: 40, Group: dh.ByParameterID(1)},
	}})
	c, err := lds.ParseCardSecurity(append(p.Files[lds.EFCardSecurity.Path()], 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := trust.ParseCertificate(a.Signer())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(c.Signers[0], ds); err != nil || !bytes.Equal(c.Certificates[0], a.Signer()) {
		t.Errorf("the document signer's signature: %v", err)
	}
	announced, err := lds.ParseCardAccess(p.Files[lds.EFCardAccess.Path()])
	if err != nil || !reflect.DeepEqual(c.Infos.PACE, announced.PACE) || len(announced.Domains) != 1 || !reflect.DeepEqual(c.Infos.Domains, announced.Domains) {
		t.Errorf("EF.CardAccess has %v, %v; EF.CardSecurity %v", announced.PACE, err, c.Infos.PACE)
	}
	if len(announced.PublicKeys) != 0 {
		t.Error("EF.CardAccess tells the chip's keys to whoever asks")
	}
	dg14, err := lds.ParseDG14(p.Files[0x010E])
	if err != nil {
		t.Fatal(err)
	}
	if len(p.CAM) != 2 || len(c.Infos.PublicKeys) != 2 || len(dg14.PublicKeys) != 2 {
		t.Fatalf("got %d keys, %d in EF.CardSecurity, %d in DG14; want one a curve", len(p.CAM), len(c.Infos.PublicKeys), len(dg14.PublicKeys))
	}
	for _, k := range p.CAM {
		found := 0
		for _, public := range append(c.Infos.PublicKeys, dg14.PublicKeys...) {
			if public.KeyID == k.KeyID && public.Curve == k.Curve && bytes.Equal(k.Curve.Marshal(public.Point), k.Public()) {
				found++
			}
		}
		if found != 2 || k.KeyID != k.Curve.ParameterID() {
			t.Errorf("key %d is announced %d times, want 2", k.KeyID, found)
		}
	}
}

// A key of chip authentication over the same curve is the mapping's as well.
func TestChipAuthenticationAndMappingShareAKey(t *testing.T) {
	ca := ChipAuth{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: 7}
	_, p := issue(t, Spec{PACE: []chipsim.PACE{{OID: oidCAM, ParameterID: 13}}, ChipAuth: []ChipAuth{ca}})
	if len(p.CAM) != 1 || p.CAM[0].Private.Cmp(p.ChipAuth[0].Key.Private) != 0 || p.CAM[0].KeyID != 7 {
		t.Errorf("got %d keys of the mapping, want that of chip authentication", len(p.CAM))
	}
	dg14, err := lds.ParseDG14(p.Files[0x010E])
	if err != nil || len(dg14.PublicKeys) != 1 {
		t.Errorf("DG14: got %d keys, %v; want one", len(dg14.PublicKeys), err)
	}
	ca.Curve, ca.KeyID = "P-384", 13
	_, p = issue(t, Spec{PACE: []chipsim.PACE{{OID: oidCAM, ParameterID: 13}}, ChipAuth: []ChipAuth{ca}})
	if len(p.CAM) != 1 || p.CAM[0].KeyID != 14 {
		t.Errorf("got %v, want a key beside the 13 of chip authentication", p.CAM)
	}
	ca.KeyID = -1
	a, err := NewAuthority(DefaultProfile(day), Seed("mapping"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Issue(Spec{Lines: utopia, PACE: []chipsim.PACE{{OID: oidCAM, ParameterID: 13}}, ChipAuth: []ChipAuth{ca}}); err == nil {
		t.Error("two keys, one without identifier: issued")
	}
}

func TestParametersSurviveTheFolder(t *testing.T) {
	_, p := issue(t, Spec{BAC: true, PACE: []chipsim.PACE{
		{OID: oidPACE + ".2.2", ParameterID: 12}, {OID: oidCAM, ParameterID: 33, Curve: ec.ByName("brainpoolP320r1")},
		{OID: oidPACE + ".3.2", ParameterID: 2}, {OID: oidPACE + ".1.4", ParameterID: 200, Group: dh.ByParameterID(0)},
	}})
	p.CARs = []string{"UTCVCA00002", "UTCVCA00001"}
	dir := t.TempDir()
	if err := Save(p, dir); err != nil {
		t.Fatal(err)
	}
	back, err := Load(os.DirFS(dir))
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("a saved passport came back changed: %v", err)
	}
	text, err := os.ReadFile(dir + "/passport.yaml")
	if err != nil {
		t.Fatal(err)
	}
	private := "private: " + p.CAM[0].Private.Text(16)
	for _, c := range [][3]string{
		{private, "private: 0", "zero"},
		{private, "private: " + p.CAM[0].Curve.N.Text(16), "range"},
		{private, `private: ""`, "hexadecimal"},
		{"key_id: 33\n  curve: brainpoolP320r1", "key_id: 33\n  curve: P-99", "P-99"},
	} {
		changed := strings.Replace(string(text), c[0], c[1], 1)
		if changed == string(text) {
			t.Fatal("passport.yaml does not hold what the test changes")
		}
		if err := os.WriteFile(dir+"/passport.yaml", []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), p.CAM[0].Private.Text(16)) {
			t.Errorf("%s: got %v", c[1], err)
		}
	}
	p.PACE[0] = chipsim.PACE{OID: oidPACE + ".1.2", ParameterID: 50, Group: &dh.Group{P: big.NewInt(23), G: big.NewInt(4), Q: big.NewInt(11)}}
	if err := Save(p, dir); err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("a group without a name: got %v", err)
	}
}

func TestVariantsThatNoChipRuns(t *testing.T) {
	for name, v := range map[string]chipsim.PACE{
		"unknown protocol":       {OID: oidPACE + ".5.2", ParameterID: 13},
		"group for a curve":      {OID: oidPACE + ".2.2", ParameterID: 1},
		"curve for a group":      {OID: oidPACE + ".1.2", ParameterID: 13},
		"IM over P-224":          {OID: oidPACE + ".4.2", ParameterID: 10},
		"reserved number":        {OID: oidPACE + ".2.2", ParameterID: 13, Curve: ec.ByName("P-256")},
		"number of three octets": {OID: oidPACE + ".2.2", ParameterID: 1 << 16, Curve: ec.ByName("P-256")},
		"no such number":         {OID: oidPACE + ".2.2", ParameterID: 32},
		"group without an order": {OID: oidPACE + ".1.2", ParameterID: 32, Group: &dh.Group{P: dh.ByParameterID(0).P, G: big.NewInt(2)}},
	} {
		if err := checkVariant(v); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := checkVariant(chipsim.PACE{OID: oidPACE + ".3.2", ParameterID: 2}); err != nil {
		t.Errorf("DH-IM in group 2: %v", err)
	}
}
