package authn

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

var today = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func file(t testing.TB, rel string) []byte {
	t.Helper()
	b, err := os.ReadFile(repotest.Shared(t, "data/emrtd/"+rel))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func realStore(t testing.TB) *trust.Store {
	t.Helper()
	s := trust.NewStore()
	for list, root := range map[string]string{"DE_ML_2026-05-28-08-28-45.ml": "DE_ROOT_CA_CSCA07.cer", "NL_ML_2026-07-22.ml": "NL_ROOT_CA.cer"} {
		anchors, err := trust.ParseCertificates(file(t, "masterlists/"+root))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(list, file(t, "masterlists/"+list), anchors[0], today); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// What the real security objects are, found by judging them and by reading
// the damaged ones octet by octet.
func TestRealSecurityObjects(t *testing.T) {
	store := realStore(t)
	want := map[string]struct{ signature, chain, country string }{
		"gmrtd-01.bin":  {"failed sod_malformed", "not_performed sod_malformed", ""}, // content type 2.23.136.2.2.2
		"gmrtd-02.bin":  {"failed sod_malformed", "not_performed sod_malformed", ""}, // a length too long by one
		"gmrtd-03.bin":  {"passed", "passed", "AT"},
		"gmrtd-06.bin":  {"passed", "passed", "AU"},
		"gmrtd-09.bin":  {"passed", "passed", "CN"}, // content type id-data
		"gmrtd-12.bin":  {"passed", "passed", "DE"},
		"gmrtd-15.bin":  {"passed", "passed", "FI"},
		"gmrtd-18.bin":  {"passed", "passed", "FR"},
		"pymrtd-01.bin": {"passed", "failed csca_unknown", "DE"},                       // specimens of a test CSCA
		"pymrtd-02.bin": {"passed", "failed csca_unknown", "DE"},                       //
		"pymrtd-03.bin": {"failed sod_signature_invalid", "failed csca_unknown", "DE"}, // content type changed to id-data
		"pymrtd-04.bin": {"failed sod_malformed", "not_performed sod_malformed", ""},   // not CMS signed data
		"pymrtd-05.bin": {"failed sod_malformed", "not_performed sod_malformed", ""},   //
		"pymrtd-06.bin": {"passed", "failed csca_unknown", "DE"},                       // CMS version 1, which is not signed
	}
	paths, err := filepath.Glob(repotest.Shared(t, "data/emrtd/sod") + "/*.bin")
	if err != nil || len(paths) != len(want) {
		t.Fatalf("%d security objects, want %d: %v", len(paths), len(want), err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := PassiveFile(b, nil, store, today)
		w := want[name]
		if r.Signature.String() != w.signature || r.Chain.String() != w.chain || r.Signer.Country != w.country {
			t.Errorf("%s: got %s, %s, signer of %q; want %+v", name, r.Signature, r.Chain, r.Signer.Country, w)
		}
		t.Logf("%-14s %-2s %-28s %-26s %-7s %-26s %-22s trust of %s, notes %v", name, r.Signer.Country, r.Signature, r.Chain,
			r.HashAlgorithm, r.Signer.Algorithm, r.Signer.Key, r.TrustDate.Format(time.DateOnly), r.Notes)
	}
}

// No single octet of a real security object can change and leave it passed
// with another meaning.
func TestRealSecurityObjectsDamaged(t *testing.T) {
	store := realStore(t)
	for _, name := range []string{"gmrtd-06.bin", "gmrtd-18.bin"} { // RSA: quick to judge
		b := file(t, "sod/"+name)
		sod, err := lds.ParseSOD(b)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, sod.Content)
		if at < 0 {
			t.Fatalf("%s: content not found", name)
		}
		for i := range sod.Content {
			changed := bytes.Clone(b)
			changed[at+i] ^= 0x20
			if r := PassiveFile(changed, nil, store, today); r.Signature.Status == Passed {
				t.Errorf("%s: octet %d of the content changed and the signature passed", name, i)
			}
		}
	}
}

func TestBSISpecimen(t *testing.T) {
	const dir = "specimen/bsi2008/"
	groups := map[int][]byte{}
	for n, name := range map[int]string{1: "Datagroup1.bin", 2: "Datagroup2.bin", 3: "Datagroup3.bin", 4: "Datagroup4.bin", 14: "Datagroup14.bin", 15: "Datagroup15.bin"} {
		groups[n] = file(t, dir+name)
	}
	sodBytes := file(t, dir+"EF_SOD.bin")
	r := PassiveFile(sodBytes, groups, realStore(t), today)
	if r.Signature.String() != "passed" || r.Chain.String() != "failed csca_unknown" || !has(r.Notes, HashAlgorithmWeak) {
		t.Errorf("got %s, %s, notes %v; want passed, failed csca_unknown, a weak hash", r.Signature, r.Chain, r.Notes)
	}
	for n, want := range map[int]string{
		1: "passed:DG1", 2: "passed:DG2", 3: "passed:DG3", 14: "passed:DG14", 4: "failed dg_hash_missing:DG4", 15: "failed dg_hash_missing:DG15",
	} {
		if got := r.Groups[n].String(); got != want {
			t.Errorf("DG%d: got %s, want %s", n, got, want)
		}
	}
	com, err := lds.ParseCOM(file(t, dir+"EF_COM.bin"))
	if err != nil {
		t.Fatal(err)
	}
	sod, err := lds.ParseSOD(sodBytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := CompareCOM(&com, sod).String(); got != "passed" {
		t.Errorf("EF.COM: got %s, want passed", got)
	}
	lines, err := lds.ParseDG1(groups[1])
	if err != nil || CompareMRZ(lines, lines).Status != Passed {
		t.Errorf("DG1: %v", err)
	}
}
