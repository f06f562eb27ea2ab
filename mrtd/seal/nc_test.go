package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/authn"
	"limen/mrtd/seal"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

func openSSLNC(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/openssl_nc.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNCMadeByOpenSSL: canonical form, signature and certificates are not of
// this repository's making.
func TestNCMadeByOpenSSL(t *testing.T) {
	store := storeOf(t, vectors(t, "openssl_nc.txt")["csca"])
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	n, err := seal.ParseNC(openSSLNC(t))
	if err != nil || n.Type != "icao.test" || n.Version != 1 || n.Country != "UTO" {
		t.Fatalf("got %v, %v", n, err)
	}
	r := seal.VerifyNC(n, store, at)
	if r.Format.Status != authn.Passed || r.Signature.Status != authn.Passed || r.Chain.Status != authn.Passed || !slices.Equal(r.Notes, noCRL) {
		t.Errorf("got %s, %s, %s, %v", r.Format, r.Signature, r.Chain, r.Notes)
	}
	var message struct {
		Tested struct {
			Number string `json:"dn"`
		} `json:"pid"`
	}
	if err := json.Unmarshal(n.Message, &message); err != nil || message.Tested.Number != "L898902C3" {
		t.Errorf("the message is not the signed one: %v", err)
	}
	for _, change := range [][2]string{{"negative", "positive"}, {"L898902C3", "L898902C4"}, {`"v": 1`, `"v": 2`}, {`"UTO"`, `"D<<"`}} {
		n, err := seal.ParseNC(bytes.Replace(openSSLNC(t), []byte(change[0]), []byte(change[1]), 1))
		if err != nil {
			t.Fatal(err)
		}
		if r := seal.VerifyNC(n, store, at); r.Signature.String() != "failed seal_signature_invalid" {
			t.Errorf("%s: got %s", change[1], r.Signature)
		}
	}
}

func TestNCOfEveryKey(t *testing.T) {
	a := authority(t, "nc")
	store := storeOf(t, a.CSCA())
	const usage = "2.23.136.1.1.14.2"
	for _, c := range []struct {
		name, kind, country string
		profile             specimen.SealProfile
		at                  time.Time
		want                string
	}{
		{"P-256", "icao.test", "UTO", specimen.SealProfile{Curve: "P-256", Usage: usage, Types: []string{"NT"}}, check, "passed, passed, passed"},
		{"P-384", "icao.vacc", "UTO", specimen.SealProfile{Curve: "P-384", Usage: usage, Types: []string{"N"}}, check, "passed, passed, passed"},
		{"brainpool", "icao.test", "UTO", specimen.SealProfile{Curve: "brainpoolP512r1", Usage: usage}, check, "passed, passed, passed"},
		{"unknown type", "icao.pass", "UTO", specimen.SealProfile{Usage: usage, Types: []string{"NT"}}, check, "inconclusive seal_kind_unknown, passed, passed"},
		{"not for the type", "icao.vacc", "UTO", specimen.SealProfile{Usage: usage, Types: []string{"NT"}}, check, "passed, passed, failed signer_document_type"},
		{"of other seals", "icao.test", "UTO", specimen.SealProfile{}, check, "passed, passed, failed signer_key_usage:extended_key_usage"},
		{"of another state", "icao.test", "AUS", specimen.SealProfile{Usage: usage}, check, "passed, passed, failed issuer_country_mismatch:document"},
		{"expired", "icao.test", "UTO", specimen.SealProfile{Usage: usage, Years: 1}, check, "passed, passed, failed signer_expired"},
		{"not begun", "icao.test", "UTO", specimen.SealProfile{Usage: usage}, start.Add(-time.Hour), "passed, passed, failed signer_not_yet_valid"},
	} {
		c.profile.Name, c.profile.Serial = "NC", 7
		by, der := sealSigner(t, a, c.profile)
		b, err := seal.EncodeNC(c.kind, 1, c.country, json.RawMessage(`{"pid":{"n":"ERIKSSON ANNA"},"z":1.50}`), der.Raw, by.Curve(), by.Sign)
		if err != nil {
			t.Fatal(err)
		}
		n, err := seal.ParseNC(b)
		if err != nil {
			t.Fatal(err)
		}
		r := seal.VerifyNC(n, store, c.at)
		if got := fmt.Sprintf("%s, %s, %s", r.Format, r.Signature, r.Chain); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		n.Algorithm = "none"
		if r := seal.VerifyNC(n, store, c.at); r.Signature.Status != authn.Inconclusive {
			t.Errorf("%s without an algorithm: got %s", c.name, r.Signature)
		}
	}
	if r := seal.VerifyNC(ncOf(t, openSSLNC(t)), trust.NewStore(), check); r.Chain.String() != "failed csca_unknown" {
		t.Errorf("empty store: got %s", r.Chain)
	}
	by, der := sealSigner(t, a, specimen.SealProfile{Name: "NC", Serial: 8, Curve: "P-224"})
	for _, message := range []string{`{}`, `{`} { // no algorithm has SHA-224; no JSON
		if b, err := seal.EncodeNC("icao.test", 1, "UTO", json.RawMessage(message), der.Raw, by.Curve(), by.Sign); err == nil {
			t.Errorf("%s: got %d bytes", message, len(b))
		}
	}
}

func ncOf(t testing.TB, b []byte) *seal.NC {
	t.Helper()
	n, err := seal.ParseNC(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNCShowsWhatWasSigned: of a member that is there twice, what is verified
// is what is shown.
func TestNCShowsWhatWasSigned(t *testing.T) {
	twice := bytes.Replace(openSSLNC(t), []byte(`"opt":`), []byte(`"utci": "FORGED", "opt":`), 1)
	n := ncOf(t, twice)
	r := seal.VerifyNC(n, nil, check)
	if shown := strings.Contains(string(n.Message), "FORGED"); shown && r.Signature.Status == authn.Passed {
		t.Errorf("a forged member is shown and the signature %s", r.Signature)
	}
}

func TestParseNCRefuses(t *testing.T) {
	good := string(openSSLNC(t))
	for _, c := range []struct{ name, in, err string }{
		{"empty", "", "no JSON"},
		{"other JSON", `{"isThisAVDS": false}`, "header"},
		{"list", `[]`, "no JSON"},
		{"more behind", good + "{}", "more follows"},
		{"Latin-1", strings.Replace(good, "negative", "n\xE9gative", 1), "UTF-8"},
		{"no state", strings.Replace(good, `"UTO"`, `"uto"`, 1), "header"},
		{"no message", strings.Replace(good, `"msg"`, `"message"`, 1), "no message"},
		{"no certificate", strings.Replace(good, `"cer": "`, `"cer": "!`, 1), "certificate"},
		{"short certificate", strings.Replace(good, `"cer": "MII`, `"cer": "`, 1), "certificate"},
		{"no signature", strings.Replace(good, `"sigvl"`, `"sig"`, 1), "signature"},
		{"deep", strings.Replace(good, `"negative"`, strings.Repeat("[", 99)+strings.Repeat("]", 99), 1), "deeper"},
		{"long", strings.Repeat(" ", 40<<10), "longer"},
	} {
		if n, err := seal.ParseNC([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, %v; want an error with %q", c.name, n, err, c.err)
		}
	}
}

func TestNothingOfAnNCPrints(t *testing.T) {
	n := ncOf(t, openSSLNC(t))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "seal", n)
	marshaled, err := json.Marshal([]any{n, *n})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %d", n, *n, *n, *n) + log.String() + string(marshaled)
	for _, secret := range []string{"Eriksson", "L898902C3", "1974", "69 114 105"} {
		if strings.Contains(text, secret) {
			t.Errorf("printed %q in %s", secret, text)
		}
	}
}

func FuzzParseNC(f *testing.F) {
	f.Add(openSSLNC(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := repotest.Parsed(t, b, seal.ParseNC)
		if err != nil {
			return
		}
		if n.Certificate == nil || len(n.Signature) == 0 || !json.Valid(n.Message) {
			t.Errorf("got %v", n)
		}
		seal.VerifyNC(n, nil, check)
	})
}
