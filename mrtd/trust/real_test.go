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
		links      int
		signed     string
	}{
		{"DE_ML_2026-05-28-08-28-45.ml", "DE", 588, 213, "2026-05-28"},
		{"NL_ML_2026-07-22.ml", "NL", 411, 0, "2026-07-23"},
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
		counts := map[string]int{}
		for _, x := range list.Certificates {
			switch {
			case !x.IsCA():
				t.Errorf("%s: %s is no CA", c.file, x.Subject)
			case x.Link():
				counts["link"]++
			case x.VerifySignatureBy(x) == nil:
				counts["self-signed"]++
			default:
				t.Errorf("%s: %s (%s, %s) does not verify by its own key", c.file, x.Subject, x.Key, x.Algorithm)
			}
		}
		if counts["link"] != c.links {
			t.Errorf("%s: got %v, want %d links", c.file, counts, c.links)
		}
		t.Logf("%s: %v", c.file, counts)
	}
	icao := shared(t, lists+"ICAO_ml_September2023.bad-signature.ml")
	list, err := ParseMasterList(icao)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Certificates) != 394 || len(list.signed.Certificates) != 2 {
		t.Errorf("ICAO list: got %d certificates and %d embedded, want 394 and 2", len(list.Certificates), len(list.signed.Certificates))
	}
	// Its own embedded CSCA as root: nothing but the signature can be wrong. It
	// is a block over the right digest without DigestInfo's NULL.
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
	store := NewStore()
	for _, f := range folders {
		b, err := os.ReadFile(filepath.Join(dir, f.Name(), "mock_csca.pem"))
		if err == nil {
			store.Add(Source{Name: f.Name()}, certificate(t, b))
		}
	}
	signers := 0
	for _, f := range folders {
		b, err := os.ReadFile(filepath.Join(dir, f.Name(), "mock_dsc.pem"))
		if err != nil {
			continue
		}
		signers++
		ds := certificate(t, b)
		if ds.IsCA() {
			t.Errorf("%s: the signer counts as a CA", f.Name())
		}
		verified := 0
		for _, c := range store.Find(ds.Issuer.Raw, ds.AuthorityKeyID) {
			if ds.VerifySignatureBy(c) == nil {
				verified++
			}
		}
		if verified != 1 {
			t.Errorf("%s: %d CSCAs verify the signer (%s), want 1", f.Name(), verified, ds.Algorithm)
		}
		ds.TBS = append([]byte(nil), ds.TBS...)
		ds.TBS[len(ds.TBS)/2] ^= 1
		for _, c := range store.Certificates() {
			if ds.VerifySignatureBy(c) == nil {
				t.Errorf("%s: verifies with a bit changed", f.Name())
			}
		}
	}
	// Eight folders lack the CSCA, which is another folder's; one lacks the signer.
	if len(folders) != 41 || store.Len() != 33 || signers != 40 {
		t.Errorf("got %d folders, %d CSCAs, %d signers; want 41, 33, 40", len(folders), store.Len(), signers)
	}
}
