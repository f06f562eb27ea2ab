package trust_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var (
	this = begin.AddDate(0, 6, 0)
	next = begin.AddDate(0, 9, 0)
	now  = begin.AddDate(0, 7, 0)
)

func crl(t testing.TB, a *specimen.Authority, number int64, this, next time.Time, revoked ...specimen.Revoked) []byte {
	t.Helper()
	b, err := a.CRL(number, this, next, revoked...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func revoke(t testing.TB, certificate []byte, at time.Time) specimen.Revoked {
	t.Helper()
	r, err := specimen.Revoke(certificate, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parseCRL(t testing.TB, b []byte) *trust.CRL {
	t.Helper()
	l, err := trust.ParseCRL(b)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func storeOf(t testing.TB, certificates ...[]byte) *trust.Store {
	t.Helper()
	s := trust.NewStore()
	for _, der := range certificates {
		s.Add(trust.Source{Name: "test", Imported: begin}, parse(t, der))
	}
	return s
}

func TestCRLIsRead(t *testing.T) {
	a := authority(t, "a")
	ds := parse(t, a.Signer())
	der := crl(t, a, 7, this, next, specimen.Revoked{Serial: ds.Serial, At: begin, Reason: 1}, specimen.Revoked{Serial: big.NewInt(-5), At: begin})
	for name, b := range map[string][]byte{
		"DER": der,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}),
		"PEM after a certificate": append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.CSCA()}),
			pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...),
	} {
		l, err := trust.ParseCRL(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if l.NumberText() != "7" || !l.ThisUpdate.Equal(this) || !l.NextUpdate.Equal(next) || l.Len() != 2 || l.Issuer.Country != "UT" {
			t.Errorf("%s: got number %s of %v until %v, %d entries", name, l.NumberText(), l.ThisUpdate, l.NextUpdate, l.Len())
		}
		since, reason, listed := l.Lists(ds.Serial)
		if !listed || reason != trust.KeyCompromise || !since.Equal(begin) {
			t.Errorf("%s: the signer: got %v %s %v", name, listed, reason, since)
		}
		if _, _, listed := l.Lists(big.NewInt(5)); listed {
			t.Errorf("%s: serial 5 is listed, -5 was revoked", name)
		}
		if err := l.VerifySignatureBy(parse(t, a.CSCA())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l := parseCRL(t, crl(t, a, 1, this, time.Time{})); l.Overdue(this.AddDate(0, 0, 89)) || !l.Overdue(this.AddDate(0, 0, 91)) {
		t.Error("a list without a next update is overdue after 90 days (Doc 9303-12, 4.1.5)")
	}
}

func TestCRLRefusesWhatItCannotAnswerFor(t *testing.T) {
	a := authority(t, "a")
	with := func(oid string, critical bool, value []byte) []byte {
		b, err := a.CRLWith(1, this, next, [][]byte{specimen.Extension(oid, critical, value)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tbs := func(fields ...[]byte) []byte {
		algorithm := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.2"))
		name := parse(t, a.CSCA()).Subject.Raw
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, bytes.Join(append([][]byte{ber.EncodeInt(big.NewInt(1)), algorithm, name}, fields...), nil)), algorithm, ber.EncodeBits([]byte{0}))
	}
	at := ber.Encode(ber.UTCTime, []byte("240101000000Z"))
	entry := func(extensions ...[]byte) []byte {
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(9)), at, ber.Encode(ber.Sequence, extensions...)))
	}
	yes := ber.Encode(ber.Boolean, []byte{0xFF})
	der := crl(t, a, 1, this, next)
	for name, c := range map[string]struct {
		b        []byte
		indirect bool
	}{
		"empty":                   {nil, false},
		"text":                    {[]byte("hello"), false},
		"certificate":             {a.CSCA(), false},
		"cut":                     {der[:len(der)-1], false},
		"bytes after":             {append(bytes.Clone(der), 0), false},
		"two in PEM":              {bytes.Repeat(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 2), false},
		"delta":                   {with("2.5.29.27", true, ber.EncodeInt(big.NewInt(1))), true},
		"indirect":                {with("2.5.29.28", true, ber.Encode(ber.Sequence, ber.Encode(0x84, []byte{0xFF}))), true},
		"of CAs only":             {with("2.5.29.28", true, ber.Encode(ber.Sequence, ber.Encode(0x82, []byte{0xFF}))), true},
		"unknown critical":        {with("1.2.3.4", true, yes), false},
		"long number":             {with("2.5.29.20", false, ber.Encode(ber.Integer, make([]byte, 65))), false},
		"no time":                 {tbs(), false},
		"never":                   {tbs(ber.Encode(ber.UTCTime, []byte("never"))), false},
		"field after":             {tbs(at, at, ber.Encode(ber.Sequence), ber.Encode(0xA1)), false},
		"entry of another issuer": {tbs(at, entry(specimen.Extension("2.5.29.29", true, yes))), true},
		"entry unknown critical":  {tbs(at, entry(specimen.Extension("1.2.3.4", true, yes))), false},
		"entry reason 7":          {tbs(at, entry(specimen.Extension("2.5.29.21", false, ber.Encode(0x0A, []byte{7})))), false},
		"serial twice":            {crl(t, a, 1, this, next, specimen.Revoked{Serial: big.NewInt(1), At: begin}, specimen.Revoked{Serial: big.NewInt(1), At: begin}), false},
		"serial of 129 octets":    {crl(t, a, 1, this, next, specimen.Revoked{Serial: new(big.Int).Lsh(big.NewInt(1), 8*128), At: begin}), false},
	} {
		_, err := trust.ParseCRL(c.b)
		if err == nil || !strings.HasPrefix(err.Error(), "CRL: ") || errors.Is(err, trust.ErrIndirect) != c.indirect {
			t.Errorf("%s: got %v; want an error, indirect: %v", name, err, c.indirect)
		}
	}
	for name, b := range map[string][]byte{
		"where it is published": with("2.5.29.28", true, ber.Encode(ber.Sequence, ber.Encode(0xA0))),
		"unknown, not critical": with("1.2.3.4", false, yes),
	} {
		if _, err := trust.ParseCRL(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Lists of the greatest size, or made to take memory, stay within a bound.
func TestCRLBombs(t *testing.T) {
	at := ber.Encode(ber.UTCTime, []byte("240101000000Z"))
	var many []byte
	for i := range 100_001 {
		many = append(many, ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(int64(i))), at)...)
	}
	algorithm := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.4.3.2"))
	name := parse(t, authority(t, "a").CSCA()).Subject.Raw
	list := func(entries []byte) []byte {
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, algorithm, name, at, ber.Encode(ber.Sequence, entries)), algorithm, ber.EncodeBits([]byte{0}))
	}
	fullest := list(many[:len(many)-len(ber.Encode(ber.Sequence, ber.EncodeInt(big.NewInt(100_000)), at))])
	for name, c := range map[string]struct {
		b    []byte
		want string // of the error; "" is none
	}{
		"the fullest":      {fullest, ""},
		"one entry more":   {list(many), "more than 100000 entries"},
		"nothing but NULL": {ber.Encode(ber.Sequence, bytes.Repeat([]byte{5, 0}, 4<<20-10)), "more than 3 elements"},
		"NULL inside":      {ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, bytes.Repeat([]byte{5, 0}, 3<<20)), algorithm, ber.EncodeBits([]byte{0})), "more than"},
		"name of a megabyte": {ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, algorithm, ber.Encode(ber.Sequence, bytes.Repeat([]byte{0x31, 0}, 1<<19)), at),
			algorithm, ber.EncodeBits([]byte{0})), "longer than"},
		"17 megabytes": {make([]byte, 17<<20), "longer than"},
		"nested":       {bytes.Repeat([]byte{0x30, 0x80}, 1<<20), ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := trust.ParseCRL(c.b)
		runtime.ReadMemStats(&after)
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(20*len(c.b)+1<<20); used > limit {
			t.Errorf("%s: %d octets took %d, want at most %d", name, len(c.b), used, limit)
		}
		if name == "nested" {
			if err == nil {
				t.Error("nested: read")
			}
			continue
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParseCRL(f *testing.F) {
	a := authority(f, "fuzz")
	csca := parse(f, a.CSCA())
	former, err := a.CRLWith(3, this, next, [][]byte{specimen.Extension("2.5.29.18", false, ber.Encode(ber.Sequence, ber.Encode(0xA4, csca.Subject.Raw)))})
	if err != nil {
		f.Fatal(err)
	}
	genuine := map[string]bool{}
	for _, b := range [][]byte{crl(f, a, 1, this, next), crl(f, a, 2, this, time.Time{}, specimen.Revoked{Serial: big.NewInt(77), At: begin, Reason: 1}), former} {
		genuine[string(parseCRL(f, b).TBS)] = true
		f.Add(b)
		f.Add(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: b}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := repotest.Parsed(t, b, trust.ParseCRL)
		if err != nil {
			return
		}
		l.Overdue(now)
		l.Lists(big.NewInt(77))
		_ = l.NumberText() + l.Issuer.String()
		if !genuine[string(l.TBS)] && l.VerifySignatureBy(csca) == nil {
			t.Error("a list nobody signed verifies")
		}
	})
}

func pemOf(certificates ...[]byte) []byte {
	var out []byte
	for _, der := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
