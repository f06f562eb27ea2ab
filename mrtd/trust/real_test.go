package trust

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"limen/internal/repotest"
)

const lists = "data/emrtd/masterlists/"

func shared(t testing.TB, rel string) []byte {
	t.Helper()
	b, err := os.ReadFile(repotest.Shared(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func certificate(t testing.TB, b []byte) *Certificate {
	t.Helper()
	c, err := ParseCertificates(b)
	if err != nil {
		t.Fatal(err)
	}
	return c[0]
}

func TestRealMasterLists(t *testing.T) {
	roots := map[string]*Certificate{
		"DE": certificate(t, shared(t, lists+"DE_ROOT_CA_CSCA07.cer")),
		"NL": certificate(t, shared(t, lists+"NL_ROOT_CA.cer")),
	}
	for _, c := range []struct {
		file, root string
		want       int
		signed     string
	}{
		{"DE_ML_2026-05-28-08-28-45.ml", "DE", 588, "2026-05-28"},
		{"NL_ML_2026-07-22.ml", "NL", 411, "2026-07-23"},
	} {
		b := shared(t, lists+c.file)
		list, err := VerifyMasterList(b, roots[c.root])
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if got := len(list.Certificates); got != c.want || list.Duplicates != 0 || len(list.Unreadable) != 0 {
			t.Errorf("%s: got %d certificates, %d duplicates, unreadable %v; want %d, 0, none", c.file, got, list.Duplicates, list.Unreadable, c.want)
		}
		if got := list.SigningTime.Format(time.DateOnly); got != c.signed {
			t.Errorf("%s: signed %s, want %s", c.file, got, c.signed)
		}
		other := map[string]string{"DE": "NL", "NL": "DE"}[c.root]
		if _, err := VerifyMasterList(b, roots[other]); !errors.Is(err, ErrSignature) {
			t.Errorf("%s under the root of %s: got %v, want ErrSignature", c.file, other, err)
		}
		changed := append([]byte(nil), b...)
		changed[len(changed)/2] ^= 1
		if _, err := VerifyMasterList(changed, roots[c.root]); err == nil {
			t.Errorf("%s with one bit changed: accepted", c.file)
		}
		self, selfOK, link, kinds := 0, 0, 0, map[string]int{}
		for _, x := range list.Certificates {
			kinds[x.Key.String()]++
			if !x.IsCA() {
				t.Logf("%s: no CA: %s", c.file, x.Subject)
			}
			if x.Link() {
				link++
				continue
			}
			self++
			if err := x.VerifySignatureBy(x); err == nil {
				selfOK++
			} else {
				t.Logf("%s: %s %X (%s, %s): %v", c.file, x.Subject, x.Serial, x.Key, x.Algorithm, err)
			}
		}
		t.Logf("%s: %d self-issued, %d of them verify; %d link; keys %v", c.file, self, selfOK, link, kinds)
	}
	icao := shared(t, lists+"ICAO_ml_September2023.bad-signature.ml")
	list, err := ParseMasterList(icao)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ICAO list: %d certificates, signers %d, embedded %d", len(list.Certificates), len(list.signed.Signers), len(list.signed.Certificates))
	// Its own embedded CSCA as root: nothing but the signature can be wrong.
	for _, raw := range list.signed.Certificates {
		c := certificate(t, raw)
		if _, err := VerifyMasterList(icao, c); !errors.Is(err, ErrSignature) {
			t.Errorf("ICAO list under %s: got %v, want ErrSignature", c.Subject, err)
		}
	}
}

func TestMockPKI(t *testing.T) {
	dir := repotest.Shared(t, "data/emrtd/mock-pki")
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var cscas []*Certificate
	store := NewStore()
	for _, f := range folders {
		b, err := os.ReadFile(filepath.Join(dir, f.Name(), "mock_csca.pem"))
		if err == nil {
			c := certificate(t, b)
			cscas = append(cscas, c)
			store.Add(Source{Name: f.Name()}, c)
		}
	}
	verified := 0
	for _, f := range folders {
		b, err := os.ReadFile(filepath.Join(dir, f.Name(), "mock_dsc.pem"))
		if err != nil {
			t.Logf("%s: %v", f.Name(), err)
			continue
		}
		ds := certificate(t, b)
		ok := false
		for _, c := range store.Find(ds.Issuer.Raw, ds.AuthorityKeyID) {
			ok = ok || ds.VerifySignatureBy(c) == nil
		}
		if ok {
			verified++
		} else {
			t.Logf("%s: no CSCA verifies %s (%s)", f.Name(), ds.Subject, ds.Algorithm)
		}
	}
	t.Logf("%d folders, %d CSCAs, %d signers verified", len(folders), len(cscas), verified)
}
