package specimen

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

func TestVerifiersOfEveryKind(t *testing.T) {
	for name, key := range map[string]KeyKind{
		"default":              DefaultVerifier(day).Key,
		"P-224 SHA-1":          {Scheme: trust.ECDSA, Curve: "P-224", Hash: crypto.SHA1},
		"brainpool512 SHA-512": {Scheme: trust.ECDSA, Curve: "brainpoolP512r1", Hash: crypto.SHA512},
		"P-521 SHA-384":        {Scheme: trust.ECDSA, Curve: "P-521", Hash: crypto.SHA384},
		"RSA":                  {Scheme: trust.RSAPKCS1, Bits: 1024, Hash: crypto.SHA1},
		"RSA-PSS":              {Scheme: trust.RSAPSS, Bits: 1024, Hash: crypto.SHA256},
	} {
		p := DefaultVerifier(day)
		p.Key, p.Links, p.Rights = key, 2, cvc.ReadDG3
		v, err := NewVerifier(p, Seed(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		point, err := cvc.Parse(v.TrustPoint())
		if err != nil || point.VerifySignatureBy(point.Key) != nil || !point.Effective.Equal(day.AddDate(-6, 0, 0)) {
			t.Errorf("%s: trust point %v, %v", name, point, err)
		}
		system := v.InspectionSystem(day)
		path, err := system.Chain([]string{point.Holder})
		if err != nil || len(path) != 4 || cvc.Effective(path) != cvc.ReadDG3 {
			t.Errorf("%s: chain %v, %v; want two links, a document verifier and a terminal", name, path, err)
			continue
		}
		if _, err := cvc.Verify(point, path...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := system.Sign(t.Context(), path[3], []byte("challenge")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := NewVerifier(p, Seed(name))
		if err != nil || !reflect.DeepEqual(again.Certificates(), v.Certificates()) {
			t.Errorf("%s: the same seed made another hierarchy: %v", name, err)
		}
	}
	for name, change := range map[string]func(*VerifierProfile){
		"country":   func(p *VerifierProfile) { p.Country = "UTO" },
		"algorithm": func(p *VerifierProfile) { p.Key = KeyKind{Scheme: trust.RSAPSS, Bits: 2048, Hash: crypto.SHA384} },
		"curve":     func(p *VerifierProfile) { p.Key.Curve = "P-99" },
		"links":     func(p *VerifierProfile) { p.Links = 9 },
	} {
		p := DefaultVerifier(day)
		change(&p)
		if _, err := NewVerifier(p, Seed("x")); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func TestSavedVerifierIsAnInspectionSystem(t *testing.T) {
	o := order(t)
	v, err := o.Verifier()
	if err != nil || v == nil {
		t.Fatalf("got %v, %v", v, err)
	}
	dir := filepath.Join(t.TempDir(), "terminal")
	if err := v.Save(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "UTIS00001.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v; want mode 0600", info, err)
	}
	system, err := cvc.Load(os.DirFS(dir), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || len(system.Certificates) != 5 || len(system.Keys) != 1 {
		t.Fatalf("got %+v, %v; want five certificates and a key", system, err)
	}
	path, err := system.Chain([]string{"UTCVCA00001"})
	if err != nil || len(path) != 3 || path[0].Holder != "UTCVCA00002" {
		t.Errorf("chain: got %v, %v", path, err)
	}
}

func TestIssuedChipTrustsItsVerifier(t *testing.T) {
	o := order(t)
	o.Profile.DS = DefaultProfile(day).DS
	_, p, err := o.Issue()
	if err != nil {
		t.Fatal(err)
	}
	v, err := o.Verifier()
	if err != nil || len(p.CVCA) != 1 || !bytes.Equal(p.CVCA[0], v.TrustPoint()) {
		t.Errorf("trust points: got %d, %v", len(p.CVCA), err)
	}
	dg14, err := ber.Parse(p.Files[0x010E], 0x6E)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := lds.ParseSecurityInfos(dg14.Value)
	if err != nil || len(infos.TermAuth) != 1 || infos.TermAuth[0].Version != 1 {
		t.Errorf("DG14: got %+v, %v", infos.TermAuth, err)
	}
	o.CVCA = nil
	if _, p, err = o.Issue(); err != nil || p.CVCA != nil {
		t.Errorf("without an authority: %d trust points, %v", len(p.CVCA), err)
	}
	if v, err := o.Verifier(); v != nil || err != nil {
		t.Errorf("without an authority: got %v, %v", v, err)
	}
}

func TestVerifierOrders(t *testing.T) {
	const before = "mrz: [x]\nsigned: 2024-01-01\nissuer: {country: nl}\ncvca:\n"
	read := func(text string) (Order, error) { return ParseSpec([]byte(before+text), nil) }
	o, err := read("  rights: [4]\n  foreign: true\n")
	if err != nil || o.CVCA == nil || o.CVCA.Rights != cvc.ReadDG4 || !o.CVCA.Foreign || o.CVCA.Country != "NL" || o.CVCA.Key != DefaultVerifier(day).Key {
		t.Errorf("got %+v, %v", o.CVCA, err)
	}
	for _, c := range []struct{ name, text, where, what string }{
		{"right", "  rights: [2]\n", "[5:11]", "groups 3 and 4"},
		{"links", "  links: 100\n", "[5:10]", "0 to 8"},
		{"hash", "  {scheme: rsa, bits: 2048, hash: SHA-384}\n", "[5:", "SHA-512"},
		{"bits", "  {scheme: rsa, bits: 8192, hash: SHA-256}\n", "[5:", "4096"},
		{"scheme", "  scheme: dsa\n", "[5:", "ecdsa"},
	} {
		if _, err := read(c.text); err == nil || !strings.Contains(err.Error(), c.where) || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: got %v; want %s and %q", c.name, err, c.where, c.what)
		}
	}
	folder := t.TempDir()
	_, p, err := order(t).Issue()
	if err != nil {
		t.Fatal(err)
	}
	if err := Save(p, folder); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, "passport.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(text, []byte("7f21"), []byte("7f20"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(os.DirFS(folder)); err == nil || !strings.Contains(err.Error(), "card-verifiable") {
		t.Errorf("a damaged trust point: got %v", err)
	}
}
