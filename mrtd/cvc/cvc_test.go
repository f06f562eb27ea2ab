package cvc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// vectors reads a file of "name = hexadecimal" lines.
func vectors(t testing.TB, name string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			b, err := hex.DecodeString(strings.TrimSpace(value))
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			out[strings.TrimSpace(key)] = b
		}
	}
	return out
}

func mustParse(t testing.TB, b []byte) *Certificate {
	t.Helper()
	c, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOtherSoftwaresCertificates(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	for _, kind := range []struct{ prefix, key, algorithm string }{
		{"ec_", "EC brainpoolP256r1", "ECDSA SHA-256"},
		{"rsa_", "RSA 2048", "RSA-PSS SHA-256"},
	} {
		cvca, dv, is := mustParse(t, v[kind.prefix+"cvca"]), mustParse(t, v[kind.prefix+"dv"]), mustParse(t, v[kind.prefix+"is"])
		key, err := Verify(cvca, dv, is)
		if err != nil {
			t.Fatalf("%s: %v", kind.prefix, err)
		}
		if err := cvca.VerifySignatureBy(cvca.Key); err != nil {
			t.Errorf("%s: self-signed: %v", kind.prefix, err)
		}
		if key.String() != kind.key || key.Algorithm.String() != kind.algorithm {
			t.Errorf("terminal's key: got %s, %s; want %s, %s", key, key.Algorithm, kind.key, kind.algorithm)
		}
		if got, want := cvca.String()+" "+is.Authority+" "+is.Holder, "UTCVCA00001 (CVCA, "+kind.key+") UTDV00001 UTIS00001"; got != want {
			t.Errorf("names: got %s, want %s", got, want)
		}
		if got := Effective([]*Certificate{dv, is}); dv.Authorization.Rights != everyRight || got != ReadDG3 {
			t.Errorf("rights: document verifier %s, effective %s; want DG3, DG4 and DG3", dv.Authorization.Rights, got)
		}
		if !is.Effective.Equal(day("2024-01-01")) || !is.Expires.Equal(day("2024-02-01")) {
			t.Errorf("dates: got %v to %v", is.Effective, is.Expires)
		}
		for name, b := range v {
			private, err := ParseKey(b)
			if strings.HasPrefix(name, kind.prefix+"is_pkcs8") && (err != nil || !private.Certified(is) || private.Certified(dv)) {
				t.Errorf("%s: %v; want the key of the terminal's certificate and no other's", name, err)
			}
		}
	}
}

// What is encoded here of the same content is what the other software wrote.
func TestEncodingAgrees(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	for _, name := range []string{"ec_cvca", "ec_dv", "ec_is", "rsa_cvca", "rsa_dv", "rsa_is"} {
		c := mustParse(t, v[name])
		if c.Key.Curve == nil && c.Key.Modulus == nil {
			var err error
			if c.Key, err = c.Key.Inherit(mustParse(t, v["ec_cvca"]).Key); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := c.encodeBody(); err != nil || !bytes.Equal(got, c.Body) {
			t.Errorf("%s: got %X, %v\nwant %X", name, got, err, c.Body)
		}
	}
}

func TestParseKeyForms(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	ecTerminal, rsaTerminal := mustParse(t, v["ec_is"]), mustParse(t, v["rsa_is"])
	wrap := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	parameters := wrap("EC PARAMETERS", ber.EncodeOID(ec.ByName("brainpoolP256r1").OID()))
	for _, c := range []struct {
		name  string
		file  []byte
		certs *Certificate
	}{
		{"SEC 1", wrap("EC PRIVATE KEY", v["ec_is_sec1"]), ecTerminal},
		{"parameters before the key", append(parameters, wrap("EC PRIVATE KEY", v["ec_is_sec1"])...), ecTerminal},
		{"PKCS#8", wrap("PRIVATE KEY", v["ec_is_pkcs8"]), ecTerminal},
		{"PKCS#8 in DER", v["ec_is_pkcs8"], ecTerminal},
		{"PKCS#8 of RSA", wrap("PRIVATE KEY", v["rsa_is_pkcs8"]), rsaTerminal},
		{"PKCS#1", wrap("RSA PRIVATE KEY", v["rsa_is_pkcs1"]), rsaTerminal},
	} {
		k, err := ParseKey(c.file)
		if err != nil || !k.Certified(c.certs) {
			t.Errorf("%s: %v; want the key of %s", c.name, err, c.certs)
			continue
		}
		text, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseKey(text); err != nil || !back.Certified(c.certs) {
			t.Errorf("%s: written and read again: %v", c.name, err)
		}
	}
	k, err := ParseKey(v["explicit_pkcs8"])
	if err != nil || k.curve != ec.ByName("brainpoolP320r1") || !bytes.Equal(k.curve.Marshal(k.point), v["explicit_point"]) {
		t.Errorf("explicit parameters: %v", err)
	}
	for name, b := range map[string][]byte{
		"encrypted": wrap("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), "certificate": wrap("CERTIFICATE", []byte{0x30, 0}),
		"empty": nil, "no curve": wrap("EC PRIVATE KEY", ber.Encode(ber.Sequence, ber.EncodeInt(ec.ByName("P-256").P), ber.Encode(ber.OctetString, []byte{1}))),
	} {
		if _, err := ParseKey(b); err == nil || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Dutch test certificates of 2009: two chains under the same names, the second
// behind a link that the first one's CVCA signed.
func TestRealChains(t *testing.T) {
	load := func(edition string) []*Certificate {
		certs, err := LoadCertificates(os.DirFS(repotest.Shared(t, "data/emrtd/cvc/"+edition)))
		if err != nil || len(certs) != 3 {
			t.Fatalf("%s: %d certificates, %v", edition, len(certs), err)
		}
		return certs
	}
	first, second := load("orig"), load("new")
	cvca, link := first[0], second[0]
	if !cvca.SelfSigned() || link.SelfSigned() {
		t.Fatalf("got %s and %s, want a self-signed certificate and a link", cvca, link)
	}
	for name, chain := range map[string][]*Certificate{"first": first[1:], "through the link": second} {
		key, err := Verify(cvca, chain...)
		if err != nil || key.String() != "EC brainpoolP224r1" || Effective(chain) != ReadDG3 {
			t.Errorf("%s: got %s, %s, %v", name, key, Effective(chain), err)
		}
	}
	if _, err := Verify(cvca, link, first[1], first[2]); err == nil {
		t.Error("a document verifier of the first key verified by the second")
	}
	all := append(append([]*Certificate(nil), first...), second...)
	for reference, want := range map[string]*Certificate{cvca.Holder: first[2], link.Holder: second[2]} {
		path, err := Find(all, []string{reference}, day("2009-06-01"))
		if err != nil || len(path) != 2 || !bytes.Equal(path[1].Raw, want.Raw) || path[1].Key.Curve != ec.ByName("brainpoolP224r1") {
			t.Errorf("from %s: path %v, %v", reference, path, err)
		}
		if _, err := Find(all, []string{reference}, day("2009-11-19")); !errors.Is(err, ErrNoChain) {
			t.Errorf("from %s, the day after the last: got %v, want ErrNoChain", reference, err)
		}
	}
	path, err := Find(append([]*Certificate{cvca}, second...), []string{cvca.Holder}, day("2009-11-18"))
	if err != nil || len(path) != 3 || !bytes.Equal(path[0].Raw, link.Raw) {
		t.Errorf("by the link: path %v, %v", path, err)
	}
}

func TestFlippedBitsAreNoticed(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	for _, kind := range []string{"ec_", "rsa_"} {
		cvca, raw := mustParse(t, v[kind+"cvca"]), v[kind+"dv"]
		for i := range raw {
			changed := bytes.Clone(raw)
			changed[i] ^= 1
			if c, err := Parse(changed); err == nil && c.VerifySignatureBy(cvca.Key) == nil {
				t.Errorf("%s: byte %d changed and the signature verifies", kind, i)
			}
		}
	}
}

func newKey(t testing.TB, a Algorithm, size string) (*Key, PublicKey) {
	t.Helper()
	var k *Key
	if a.Scheme == trust.ECDSA {
		var err error
		if k, err = GenerateECKey(ec.ByName(size), rand.Reader); err != nil {
			t.Fatal(err)
		}
	} else {
		r, err := rsa.GenerateKey(rand.Reader, map[string]int{"1024": 1024, "2048": 2048}[size])
		if err != nil {
			t.Fatal(err)
		}
		k = RSAKey(r)
	}
	public, err := k.Public(a)
	if err != nil {
		t.Fatal(err)
	}
	return k, public
}

func TestEveryAlgorithmSigns(t *testing.T) {
	for _, a := range Algorithms() {
		sizes := []string{"2048"}
		if a.Scheme == trust.ECDSA {
			sizes = []string{"P-256", "brainpoolP224r1", "brainpoolP512r1", "P-521"}
		}
		for _, size := range sizes {
			k, public := newKey(t, a, size)
			message := []byte("threshold")
			signature, err := k.Sign(t.Context(), a.digest(message), a.options())
			if err != nil {
				t.Fatalf("%s %s: %v", a, size, err)
			}
			if err := public.Verify(message, signature); err != nil {
				t.Errorf("%s %s: %v", a, size, err)
			}
			if err := public.Verify([]byte("other"), signature); !errors.Is(err, trust.ErrSignature) {
				t.Errorf("%s %s: another message: got %v", a, size, err)
			}
			signature[0] ^= 1
			if err := public.Verify(message, signature); !errors.Is(err, trust.ErrSignature) {
				t.Errorf("%s %s: changed signature: got %v", a, size, err)
			}
			if err := public.Verify(message, nil); !errors.Is(err, trust.ErrSignature) {
				t.Errorf("%s %s: no signature: got %v", a, size, err)
			}
		}
	}
	if _, known := AlgorithmOf(trust.RSAPSS, crypto.SHA384); known {
		t.Error("RSA with SHA-384 is no algorithm of terminal authentication")
	}
}

func TestStrictSignatureForms(t *testing.T) {
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	k, public := newKey(t, a, "P-256")
	r, s, err := k.signECDSA(a.digest([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if public.Verify([]byte("x"), ber.Encode(ber.Sequence, ber.EncodeInt(r), ber.EncodeInt(s))) == nil {
		t.Error("a DER signature passed; TR-03111 has r and s alone")
	}
	pss, _ := AlgorithmOf(trust.RSAPSS, crypto.SHA256)
	v := vectors(t, "testdata/openpace.txt")
	if err := mustParse(t, v["rsa_dv_salt"]).VerifySignatureBy(mustParse(t, v["rsa_cvca"]).Key); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("a salt longer than the hash: got %v", err)
	}
	rk, rp := newKey(t, pss, "2048")
	short, err := rsa.SignPSS(rand.Reader, rk.rsa, crypto.SHA256, pss.digest([]byte("x")), &rsa.PSSOptions{SaltLength: 20})
	if err != nil {
		t.Fatal(err)
	}
	if rp.Verify([]byte("x"), short) == nil {
		t.Error("a salt shorter than the hash passed")
	}
}

func TestParseRefuses(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	body := mustParse(t, v["ec_dv"])
	whole, err := ber.Parse(body.Body, tagBody)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := whole.Children()
	if err != nil {
		t.Fatal(err)
	}
	build := func(change func([][]byte) [][]byte) []byte {
		var parts [][]byte
		for _, o := range objects {
			parts = append(parts, o.Raw)
		}
		return ber.Encode(tagCertificate, ber.Encode(tagBody, change(parts)...), ber.Encode(tagSignature, body.Signature))
	}
	if _, err := Parse(build(func(p [][]byte) [][]byte { return p })); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	if _, err := Parse(build(func(p [][]byte) [][]byte { return append(p, ber.Encode(tagExtensions)) })); err != nil {
		t.Errorf("extensions must not be refused: %v", err)
	}
	replace := func(i int, with []byte) func([][]byte) [][]byte {
		return func(p [][]byte) [][]byte { p[i] = with; return p }
	}
	for name, b := range map[string][]byte{
		"profile 2":          build(replace(0, ber.Encode(tagProfile, []byte{1}))),
		"long reference":     build(replace(1, ber.Encode(tagAuthority, make([]byte, 17)))),
		"control character":  build(replace(1, ber.Encode(tagAuthority, []byte("UT\n00001")))),
		"unknown algorithm":  build(replace(2, ber.Encode(tagPublicKey, ber.EncodeOID("1.2.3"), ber.Encode(tagPoint, []byte{4})))),
		"half parameters":    build(replace(2, ber.Encode(tagPublicKey, ber.EncodeOID(oidTA+".2.3"), ber.Encode(tagPrime, []byte{7}), ber.Encode(tagPoint, []byte{4})))),
		"objects reversed":   build(replace(2, ber.Encode(tagPublicKey, ber.EncodeOID(oidTA+".2.3"), ber.Encode(tagPoint, []byte{4}), ber.Encode(tagPrime, []byte{7})))),
		"tiny RSA":           build(replace(2, ber.Encode(tagPublicKey, ber.EncodeOID(oidTA+".1.2"), ber.Encode(tagModulus, []byte{15}), ber.Encode(tagExponent, []byte{3})))),
		"two rights octets":  build(replace(4, ber.Encode(tagAuthorization, ber.EncodeOID(InspectionSystems), ber.Encode(tagDiscretionary, []byte{0x80, 3})))),
		"no rights":          build(replace(4, ber.Encode(tagAuthorization, ber.EncodeOID(InspectionSystems)))),
		"31 February":        build(replace(5, ber.Encode(tagEffective, []byte{2, 4, 0, 2, 3, 1}))),
		"no digit":           build(replace(5, ber.Encode(tagEffective, []byte("240101")))),
		"short date":         build(replace(5, ber.Encode(tagEffective, []byte{2, 4, 0, 2}))),
		"object twice":       build(func(p [][]byte) [][]byte { return append(p, p[0]) }),
		"unknown object":     build(func(p [][]byte) [][]byte { return append(p, ber.Encode(0x5F21, []byte{1})) }),
		"no expiration date": build(func(p [][]byte) [][]byte { return p[:6] }),
		"no signature":       ber.Encode(tagCertificate, body.Body, ber.Encode(tagSignature)),
		"body alone":         body.Body,
		"after the end":      append(bytes.Clone(body.Raw), 0),
		"endless":            make([]byte, maxCertificate+1),
		"nothing":            nil,
	} {
		if c, err := Parse(b); err == nil {
			t.Errorf("%s: got %v", name, c)
		}
	}
}

func TestKeysPrintRedacted(t *testing.T) {
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	k, _ := newKey(t, a, "P-256")
	secret := k.private.String()
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %d", *k, k, k)} {
		if strings.Contains(text, secret) || !strings.Contains(text, "redacted") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestLoadPairsKeysAndCertificates(t *testing.T) {
	v := vectors(t, "testdata/openpace.txt")
	folder := fstest.MapFS{"ec/is.pem": {Data: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: v["ec_is_pkcs8"]})}}
	for _, name := range []string{"ec_cvca", "ec_dv", "ec_is"} {
		folder["ec/"+name+".cvcert"] = &fstest.MapFile{Data: v[name]}
	}
	sub, err := fs.Sub(folder, "ec")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(sub, day("2024-01-15"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.Chain([]string{"UTCVCA00002", "UTCVCA00001"})
	if err != nil || len(path) != 2 || path[1].Holder != "UTIS00001" {
		t.Fatalf("chain: got %v, %v", path, err)
	}
	signature, err := s.Sign(t.Context(), path[1], []byte("challenge"))
	if err != nil || path[1].Key.Verify([]byte("challenge"), signature) != nil {
		t.Errorf("signature: %v", err)
	}
	// Another's key under the terminal's name is found out before the chip is asked.
	other, _ := newKey(t, path[1].Key.Algorithm, "brainpoolP256r1")
	s.Keys["UTIS00001"] = other
	if _, err := s.Sign(t.Context(), path[1], []byte("challenge")); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("another's key: got %v", err)
	}
	delete(s.Keys, "UTIS00001")
	if _, err := s.Chain([]string{"UTCVCA00001"}); !errors.Is(err, ErrNoChain) {
		t.Errorf("without a key: got %v, want ErrNoChain", err)
	}
	text, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	folder["ec/other.pem"] = &fstest.MapFile{Data: text}
	if _, err := Load(sub, day("2024-01-15")); err == nil || !strings.Contains(err.Error(), "other.pem") {
		t.Errorf("a key of no certificate: got %v", err)
	}
	if _, err := Load(fstest.MapFS{}, day("2024-01-15")); err == nil {
		t.Error("an empty folder was loaded")
	}
}

func TestCancelledSigning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	k, _ := newKey(t, a, "P-256")
	if _, err := k.Sign(ctx, make([]byte, 32), crypto.SHA256); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range vectors(f, "testdata/openpace.txt") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, Parse)
		if err != nil {
			return
		}
		_ = c.String()
		_ = c.VerifySignatureBy(c.Key)
		if c.Key.Curve != nil && !c.Key.Curve.Contains(c.Key.Point) {
			t.Error("a key off its curve")
		}
		if again, err := Parse(c.Raw); err != nil || again.Holder != c.Holder {
			t.Errorf("read again: %v", err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, b := range vectors(f, "testdata/openpace.txt") {
		f.Add(b)
		f.Add(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := repotest.Parsed(t, b, ParseKey); err == nil && k.curve != nil && !k.curve.Contains(k.point) {
			t.Error("a key off its curve")
		}
	})
}
