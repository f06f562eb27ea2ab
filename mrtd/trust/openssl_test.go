package trust_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"limen/mrtd/trust"
)

// testdata/openssl was made by OpenSSL 3.0.19 with keys that were thrown away:
// a CSCA (brainpoolP256r1, parameters spelled out), a signer it revoked
// (`openssl ca -revoke … -crl_reason keyCompromise`, `-gencrl`, number 42), and
// Germany's deviations of 2018 signed anew, the signer named by its key
// (`openssl cms -sign -nodetach -econtent_type 2.23.136.1.1.7 -keyid`).
func TestListsMadeByOpenSSL(t *testing.T) {
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile("testdata/openssl/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	at := time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC)
	s := storeOf(t, read("ca.cer"))
	for _, c := range []struct {
		name string
		kind trust.Kind
	}{{"a.crl", trust.KindCRL}, {"list.dvl", trust.KindDeviationList}} {
		if i, err := s.ImportFrom(c.name, bytes.NewReader(read(c.name)), trust.Vouching{}, at); err != nil || i.Kind != c.kind {
			t.Errorf("%s: got %+v, %v", c.name, i, err)
		}
	}
	r := s.Revoked(parse(t, read("ds.cer")), at)
	if !r.Revoked || r.Reason != trust.KeyCompromise || r.List.NumberText() != "42" || r.Overdue {
		t.Errorf("the signer: got %+v", r)
	}
	if lists := s.DeviationLists(); len(lists) != 1 || lists[0].Deviations[0].String() != "signer_encoding" || lists[0].Signer.Subject.Country != "UT" {
		t.Errorf("got %d deviation lists", len(lists))
	}
	for _, name := range []string{"a.crl", "list.dvl"} {
		b := read(name)
		b[len(b)-1] ^= 1
		if _, err := storeOf(t, read("ca.cer")).Import(name, b, nil, at); err == nil {
			t.Errorf("%s with its last octet changed: taken", name)
		}
	}
}
