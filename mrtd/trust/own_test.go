package trust_test

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var begin = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func authority(t testing.TB, seed string) *specimen.Authority {
	t.Helper()
	p := specimen.DefaultProfile(begin)
	p.CSCA.Curve, p.DS.Curve = "P-384", "P-256"
	a, err := specimen.NewAuthority(p, specimen.Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t testing.TB, der []byte) *trust.Certificate {
	t.Helper()
	c, err := trust.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func masterList(t testing.TB, a *specimen.Authority, signed time.Time, certificates ...[]byte) []byte {
	t.Helper()
	b, err := a.MasterList(signed, certificates...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMasterList(t *testing.T) {
	a, other := authority(t, "a"), authority(t, "b")
	root := parse(t, a.CSCA())
	signed := begin.AddDate(0, 1, 0)
	b := masterList(t, a, signed, a.CSCA(), other.CSCA(), a.CSCA(), []byte{0x30, 0})
	list, err := trust.VerifyMasterList(b, root)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Certificates) != 2 || list.Duplicates != 1 || len(list.Unreadable) != 1 || !list.SigningTime.Equal(signed) || list.Signer == nil {
		t.Errorf("got %d certificates, %d duplicates, unreadable %v, signed %v", len(list.Certificates), list.Duplicates, list.Unreadable, list.SigningTime)
	}
	if _, err := trust.VerifyMasterList(b, parse(t, other.CSCA())); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("another root of the same name: got %v, want ErrSignature", err)
	}
	if _, err := trust.VerifyMasterList(b, nil); err == nil {
		t.Error("no root: accepted")
	}
	if _, err := trust.VerifyMasterList(masterList(t, a, begin.AddDate(6, 0, 0), a.CSCA()), root); err == nil || !strings.Contains(err.Error(), "not valid") {
		t.Errorf("expired signer: got %v", err)
	}
	if _, err := trust.VerifyMasterList(masterList(t, a, time.Time{}, a.CSCA()), root); err == nil || !strings.Contains(err.Error(), "signing time") {
		t.Errorf("no signing time: got %v", err)
	}
	for i := 0; i < len(b); i += 7 {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		got, err := trust.VerifyMasterList(changed, root)
		if err == nil && (len(got.Certificates) != 2 || !got.SigningTime.Equal(signed)) {
			t.Errorf("octet %d changed: accepted with %d certificates", i, len(got.Certificates))
		}
	}
	// A security object is signed by the same CSCA's signer and is no list.
	p, err := a.Issue(specimen.Spec{Lines: []string{strings.Repeat("P<UTO", 8) + "<<<<", strings.Repeat("1", 44)}})
	if err != nil {
		t.Fatal(err)
	}
	sod, err := ber.Parse(p.Files[0x011D], 0x77)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParseMasterList(sod.Value); err == nil || !strings.Contains(err.Error(), "content type") {
		t.Errorf("EF.SOD as a list: got %v", err)
	}
}

func TestMasterListSignerUnderALinkCertificate(t *testing.T) {
	// The old CSCA is pinned; the new one signs, and its link certificate is in the message.
	old, next := authority(t, "old"), authority(t, "new")
	link, err := old.Link(next)
	if err != nil {
		t.Fatal(err)
	}
	b := masterList(t, next, begin.AddDate(0, 1, 0), next.CSCA())
	if _, err := trust.VerifyMasterList(b, parse(t, old.CSCA())); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("without the link: got %v, want ErrSignature", err)
	}
	// The certificates of a message are not signed: the link is put beside them.
	if _, err := trust.VerifyMasterList(carry(t, b, link), parse(t, old.CSCA())); err != nil {
		t.Errorf("with the link: %v", err)
	}
	if _, err := trust.VerifyMasterList(carry(t, b, authority(t, "other").CSCA()), parse(t, old.CSCA())); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("with another's CSCA: got %v, want ErrSignature", err)
	}
}

// carry adds a certificate to those a signed message carries.
func carry(t *testing.T, message, certificate []byte) []byte {
	t.Helper()
	children := func(b []byte) []ber.TLV {
		t.Helper()
		tlv, _, err := ber.Next(b)
		if err != nil {
			t.Fatal(err)
		}
		list, err := tlv.Children()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	info := children(message)
	var data []byte
	for _, f := range children(info[1].Value) {
		if f.Tag == 0xA0 {
			data = append(data, ber.Encode(0xA0, f.Value, certificate)...)
		} else {
			data = append(data, f.Raw...)
		}
	}
	return ber.Encode(ber.Sequence, info[0].Raw, ber.Encode(0xA0, ber.Encode(ber.Sequence, data)))
}

func TestStoreFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	a, other := authority(t, "a"), authority(t, "b")
	root := parse(t, a.CSCA())
	s, err := trust.Open(dir)
	if err != nil || s.Len() != 0 {
		t.Fatalf("absent folder: got %v, %v", s, err)
	}
	signed, imported := begin.AddDate(0, 1, 0), begin.AddDate(0, 2, 0)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.CSCA()})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Signer()})...)
	for _, c := range []struct {
		name string
		b    []byte
		want trust.Counts
	}{
		{"own.pem", text, trust.Counts{Total: 2, Added: 1, Refused: 1}},
		{"own.cer", a.CSCA(), trust.Counts{Total: 1, Duplicates: 1}},
		{"list.ml", masterList(t, a, signed, a.CSCA(), other.CSCA(), other.CSCA()), trust.Counts{Total: 3, Added: 1, Duplicates: 2}},
	} {
		got, err := s.Import(c.name, c.b, root, imported)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	for name, b := range map[string][]byte{"text": []byte("hello"), "empty": nil, "another's list": masterList(t, other, signed, other.CSCA())} {
		if _, err := s.Import(name, b, root, imported); err == nil {
			t.Errorf("%s: imported", name)
		}
	}
	back, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if back.Len() != 2 || len(back.Sources()) != 3 || back.Countries()["UT"] != 2 {
		t.Errorf("opened again: %d certificates of %d sources", back.Len(), len(back.Sources()))
	}
	for _, c := range []struct {
		der  []byte
		want time.Time
	}{{a.CSCA(), imported}, {other.CSCA(), signed}, {a.Signer(), time.Time{}}} {
		if got := back.Date(parse(t, c.der)); !got.Equal(c.want) {
			t.Errorf("trust of %v, want %v", got, c.want)
		}
	}
	ds := parse(t, other.Signer())
	found := back.Find(ds.Issuer.Raw, ds.AuthorityKeyID)
	if len(found) != 2 || ds.VerifySignatureBy(found[0]) != nil {
		t.Errorf("found %d issuers; want the true one first, then its namesake", len(found))
	}
	if got := back.Find([]byte("nonsense"), nil); len(got) != 0 {
		t.Errorf("a malformed name found %d", len(got))
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.cer"))
	if err != nil || len(names) != 2 {
		t.Fatalf("files: %v, %v", names, err)
	}
	// A certificate exchanged on disk is found out.
	if err := os.WriteFile(names[0], a.Signer(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Open(dir); err == nil || !strings.Contains(err.Error(), "has been changed") {
		t.Errorf("exchanged certificate: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"version":9}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Open(dir); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("other version: got %v", err)
	}
}

// edit rewrites the to-be-signed part of a certificate; its signature no longer holds.
func edit(t *testing.T, der []byte, field int, to []byte) []byte {
	t.Helper()
	outer, err := ber.Parse(der, ber.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := outer.Children()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := parts[0].Children()
	if err != nil {
		t.Fatal(err)
	}
	var tbs []byte
	for i, f := range fields {
		if i == field {
			tbs = append(tbs, to...)
		} else {
			tbs = append(tbs, f.Raw...)
		}
	}
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, tbs), parts[1].Raw, parts[2].Raw)
}

func TestOddSerials(t *testing.T) {
	der := authority(t, "a").CSCA()
	for _, want := range []*big.Int{new(big.Int), big.NewInt(-1), big.NewInt(-99999), new(big.Int).Lsh(big.NewInt(5), 400)} {
		c, err := trust.ParseCertificate(edit(t, der, 1, ber.EncodeInt(want)))
		if err != nil || c.Serial.Cmp(want) != 0 {
			t.Errorf("serial %X: got %v", want, err)
		}
	}
}

func TestOddTimes(t *testing.T) {
	der := authority(t, "a").CSCA()
	want := time.Date(2030, 6, 5, 4, 3, 0, 0, time.UTC)
	for _, c := range []struct {
		tag  ber.Tag
		text string
		want time.Time
	}{
		{ber.UTCTime, "300605040300Z", want},
		{ber.UTCTime, "3006050403Z", want},
		{ber.UTCTime, "300605060300+0200", want},
		{ber.UTCTime, "300605040300", want},
		{ber.UTCTime, "500605040300Z", want.AddDate(-80, 0, 0)},
		{ber.GeneralizedTime, "20300605040300Z", want},
		{ber.GeneralizedTime, "20300605040300.000Z", want},
		{ber.GeneralizedTime, "203006050403Z", want},
		{ber.GeneralizedTime, "20300605010300-0300", want},
		{ber.GeneralizedTime, "20300605", time.Date(2030, 6, 5, 0, 0, 0, 0, time.UTC)},
		{ber.UTCTime, "never", time.Time{}},
		{ber.OctetString, "300605040300Z", time.Time{}},
	} {
		at := ber.Encode(c.tag, []byte(c.text))
		got, err := trust.ParseCertificate(edit(t, der, 4, ber.Encode(ber.Sequence, at, at)))
		if c.want.IsZero() {
			if err == nil {
				t.Errorf("%s: accepted", c.text)
			}
			continue
		}
		if err != nil || !got.NotAfter.Equal(c.want) {
			t.Errorf("%s: got %v, want %v", c.text, err, c.want)
		}
	}
}

func TestNamesAreEqualAcrossEncodings(t *testing.T) {
	name := func(tag ber.Tag, value string) trust.Name {
		n, err := trust.ParseName(ber.Encode(ber.Sequence,
			ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.5.4.6"), ber.Encode(ber.PrintableString, []byte("ut")))),
			ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.5.4.3"), ber.Encode(tag, []byte(value))))))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := name(ber.UTF8String, "Country  Signer")
	if b := name(ber.PrintableString, "COUNTRY SIGNER "); !a.Equal(b) {
		t.Errorf("%q and %q differ", a, b)
	}
	if b := name(0x1E, "\x00C\x00o\x00u\x00n\x00t\x00r\x00y\x00 \x00S\x00i\x00g\x00n\x00e\x00r"); !a.Equal(b) {
		t.Errorf("%q and %q differ", a, b)
	}
	if b := name(ber.UTF8String, "Country Signer 2"); a.Equal(b) || a.Country != "UT" || a.String() != "C=ut, CN=Country Signer" {
		t.Errorf("%q of %s equals %q", a, a.Country, b)
	}
}

func TestVerifyRefuses(t *testing.T) {
	a := authority(t, "a")
	c := parse(t, a.CSCA())
	rsa := &trust.PublicKey{Modulus: new(big.Int).Lsh(big.NewInt(3), 1500), Exponent: big.NewInt(3)}
	pkcs := trust.Algorithm{Scheme: trust.RSAPKCS1, Hash: crypto.SHA256}
	for name, err := range map[string]error{
		"RSA by an EC key": trust.Verify(c.Key, pkcs, 0, nil, make([]byte, 200)),
		"EC by an RSA key": trust.Verify(rsa, c.Algorithm, 0, c.TBS, c.Signature),
		"empty":            trust.Verify(c.Key, c.Algorithm, 0, c.TBS, nil),
		"zero r and s":     trust.Verify(c.Key, c.Algorithm, 0, c.TBS, make([]byte, 96)),
		"signature 0":      trust.Verify(rsa, pkcs, 0, nil, nil),
		"PSS 0":            trust.Verify(rsa, trust.Algorithm{Scheme: trust.RSAPSS, Hash: crypto.SHA256, MGF: crypto.SHA1}, 0, nil, nil),
		"out of range":     trust.Verify(rsa, pkcs, 0, nil, bytes.Repeat([]byte{0xFF}, 300)),
	} {
		if !errors.Is(err, trust.ErrSignature) {
			t.Errorf("%s: got %v, want ErrSignature", name, err)
		}
	}
	for name, err := range map[string]error{
		"no key":            trust.Verify(nil, pkcs, 0, nil, nil),
		"unknown key":       trust.Verify(&trust.PublicKey{}, pkcs, 0, nil, nil),
		"unknown algorithm": trust.Verify(rsa, trust.Algorithm{OID: "1.2.3"}, 0, nil, nil),
		"no hash":           trust.Verify(rsa, trust.Algorithm{Scheme: trust.RSAPKCS1}, 0, nil, nil),
	} {
		if err == nil || errors.Is(err, trust.ErrSignature) {
			t.Errorf("%s: got %v, want an error that is no judgment", name, err)
		}
	}
	// r || s of fixed length is the same signature (BSI TR-03111, 5.2.1).
	seq, err := ber.Parse(c.Signature, ber.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := seq.Children()
	if err != nil {
		t.Fatal(err)
	}
	var plain []byte
	for _, n := range numbers {
		i, err := n.Int()
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, i.FillBytes(make([]byte, 48))...)
	}
	if err := trust.Verify(c.Key, c.Algorithm, 0, c.TBS, plain); err != nil {
		t.Errorf("plain signature: %v", err)
	}
}

func TestParseCertificateRefuses(t *testing.T) {
	der := authority(t, "a").CSCA()
	for name, b := range map[string][]byte{
		"empty":           nil,
		"text":            []byte("hello"),
		"cut":             der[:len(der)-1],
		"bytes after":     append(bytes.Clone(der), 0),
		"no name":         edit(t, der, 3, nil),
		"inner algorithm": edit(t, der, 2, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.1"))),
		"tiny RSA":        edit(t, der, 6, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.1")), ber.EncodeBits(ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(77)), ber.EncodeInt(big.NewInt(3)))))),
		"point off":       edit(t, der, 6, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.EncodeOID("1.2.840.10045.3.1.7")), ber.EncodeBits(append([]byte{4}, make([]byte, 64)...)))),
	} {
		if _, err := trust.ParseCertificate(b); err == nil || !strings.HasPrefix(err.Error(), "certificate: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	a := authority(f, "fuzz")
	f.Add(a.CSCA())
	f.Add(a.Signer())
	c := parse(f, a.CSCA())
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := repotest.Parsed(t, b, trust.ParseCertificate)
		if err != nil {
			return
		}
		if got.VerifySignatureBy(c) == nil && !bytes.Equal(got.TBS, c.TBS) && !bytes.Equal(got.TBS, parse(t, a.Signer()).TBS) {
			t.Error("a certificate nobody signed verifies")
		}
		got.IsCA()
		got.Link()
		_ = got.Key.String() + got.Subject.String() + got.Algorithm.String()
	})
}

func FuzzParseMasterList(f *testing.F) {
	a := authority(f, "fuzz")
	f.Add(masterList(f, a, begin.AddDate(0, 1, 0), a.CSCA()))
	root := parse(f, a.CSCA())
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := repotest.Parsed(t, b, trust.ParseMasterList)
		if err != nil {
			return
		}
		if verified, err := repotest.Parsed(t, b, func(b []byte) (trust.MasterList, error) { return trust.VerifyMasterList(b, root) }); err == nil && (len(verified.Certificates) != 1 || !bytes.Equal(verified.Certificates[0].Raw, a.CSCA())) {
			t.Errorf("a list nobody signed verifies, with %d certificates", len(list.Certificates))
		}
	})
}
