package authn

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// A key of active authentication, and DG15 with its public half.
type activeKey struct {
	n, d *big.Int
	dg15 []byte
}

func rsaDG15(t testing.TB, bits int) activeKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return activeKey{k.N, k.D, ber.Encode(0x6F, ber.Encode(ber.Sequence,
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.1"), ber.Encode(ber.Null)),
		ber.EncodeBits(ber.Encode(ber.Sequence, ber.EncodeInt(k.N), ber.EncodeInt(big.NewInt(int64(k.E)))))))}
}

// sign is the private operation on a message representative.
func (k activeKey) sign(block []byte) []byte {
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, k.d, k.n).FillBytes(make([]byte, len(block)))
}

// block writes a message representative of n bytes: header, M1, hash of M1 and
// the challenge, trailer.
func block(n int, header []byte, hash crypto.Hash, challenge, trailer []byte) []byte {
	m1 := make([]byte, n-len(header)-hash.Size()-len(trailer))
	rand.Read(m1)
	h := hash.New()
	h.Write(m1)
	h.Write(challenge)
	return append(append(append(bytes.Clone(header), m1...), h.Sum(nil)...), trailer...)
}

var challenge = []byte{0xF1, 0x73, 0x58, 0x99, 0x74, 0xBF, 0x40, 0xC6}

// example reads a worked example: named values, and the chip's last answer.
func example(t *testing.T, name string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		key, value, ok := strings.Cut(line, " = ")
		if !ok {
			key, value, ok = strings.Cut(line, " ")
		}
		b, err := hex.DecodeString(strings.TrimSpace(value))
		if ok && err == nil && line[0] != '#' { // else it says where the example is from
			out[strings.TrimSpace(key)] = b
		}
	}
	return out
}

func TestWorkedExampleActiveAuthentication(t *testing.T) {
	v := example(t, "active_rsa.txt")
	if want := append(append([]byte{0, 0x88, 0, 0, 8}, v["challenge"]...), 0); !bytes.Equal(v[">"], want) {
		t.Errorf("command: got %X, want %X", v[">"], want)
	}
	m1, digest, hash, ok := splitBlock(v["representative"])
	if !ok || hash != crypto.SHA1 || !bytes.Equal(m1, v["m1"]) || !bytes.Equal(digest, v["digest"]) {
		t.Fatalf("got M1 %X, digest %X, %v", m1, digest, hash)
	}
	// Under a key of ours the example's representative is a signature over its challenge.
	k := rsaDG15(t, 1024)
	got, notes := Active(k.dg15, nil, v["challenge"], k.sign(v["representative"]))
	if got.Status != Passed || !has(notes, HashAlgorithmWeak) {
		t.Errorf("got %s, %v; want passed with SHA-1", got, notes)
	}
	// Its own signature is none of this key's.
	if got, _ := Active(k.dg15, nil, v["challenge"], v["<"][:128]); got.String() != "failed active_authentication_failed" {
		t.Errorf("under another key: got %s", got)
	}
}

func TestActiveRSA(t *testing.T) {
	trailers := map[string]crypto.Hash{"BC": crypto.SHA1, "33CC": crypto.SHA1, "38CC": crypto.SHA224, "34CC": crypto.SHA256, "36CC": crypto.SHA384, "35CC": crypto.SHA512}
	for _, bits := range []int{1024, 1280, 1536, 2048, 3072} {
		k := rsaDG15(t, bits)
		for text, hash := range trailers {
			trailer, _ := hex.DecodeString(text)
			for _, header := range [][]byte{{0x6A}, {0x6B, 0xBA}, {0x6B, 0xBB, 0xBB, 0xBA}} {
				f := block(bits/8, header, hash, challenge, trailer)
				s := k.sign(f)
				complement := new(big.Int).Sub(k.n, new(big.Int).SetBytes(s)).FillBytes(make([]byte, bits/8))
				for form, s := range map[string][]byte{"s": s, "n-s": complement} {
					got, notes := Active(k.dg15, nil, challenge, s)
					if got.Status != Passed || has(notes, HashAlgorithmWeak) != (hash == crypto.SHA1) {
						t.Errorf("RSA %d, %s, header %X, %s: got %s, %v", bits, text, header, form, got, notes)
					}
					if got, _ := Active(k.dg15, nil, []byte("replayed"), s); got.String() != "failed active_authentication_failed" {
						t.Errorf("RSA %d, %s, another challenge: got %s", bits, text, got)
					}
				}
			}
		}
	}
}

func TestActiveRSARefuses(t *testing.T) {
	k := rsaDG15(t, 1024)
	good := block(128, []byte{0x6A}, crypto.SHA256, challenge, []byte{0x34, 0xCC})
	whole := block(128, []byte{0x6A}, crypto.SHA256, nil, []byte{0x34, 0xCC})
	changed := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] = to; return b }
	for name, f := range map[string][]byte{
		"M1 changed":              changed(50, good[50]^1),
		"hash changed":            changed(100, good[100]^1),
		"total recovery":          changed(0, 0x4A),
		"header 6B without BA":    changed(0, 0x6B),
		"header of PKCS #1":       changed(0, 0x01),
		"trailer of another hash": changed(126, 0x38),
		"trailer of RIPEMD-160":   block(128, []byte{0x6A}, crypto.SHA1, challenge, []byte{0x31, 0xCC}),
		"trailer BC for SHA-256":  block(128, []byte{0x6A}, crypto.SHA256, challenge, []byte{0xBC}),
		"trailer of no kind":      changed(127, 0xDC),
		"challenge left out":      whole,
		"padding to the end":      append(append([]byte{0x6B}, bytes.Repeat([]byte{0xBB}, 125)...), 0x34, 0xCC),
	} {
		if got, _ := Active(k.dg15, nil, challenge, k.sign(f)); got.String() != "failed active_authentication_failed" {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if got, _ := Active(k.dg15, nil, challenge, k.sign(good)); got.Status != Passed {
		t.Fatalf("unchanged: got %s", got)
	}
	for name, s := range map[string][]byte{
		"nothing": nil, "zero": make([]byte, 128), "one": {1}, "the modulus": k.n.Bytes(), "cut off": k.sign(good)[:120],
		"too long": bytes.Repeat([]byte{1}, 70000), "the representative itself": good,
	} {
		if got, _ := Active(k.dg15, nil, challenge, s); got.String() != "failed active_authentication_failed" {
			t.Errorf("%s: got %s", name, got)
		}
	}
	for n, c := range map[string][]byte{"none": nil, "of 4 bytes": challenge[:4], "of 9 bytes": append(bytes.Clone(challenge), 1)} {
		if got, _ := Active(k.dg15, nil, c, k.sign(block(128, []byte{0x6A}, crypto.SHA256, c, []byte{0x34, 0xCC}))); got.Status != Inconclusive {
			t.Errorf("challenge %s: got %s", n, got)
		}
	}
	for name, dg15 := range map[string][]byte{"absent": nil, "broken": {0x6F, 2, 0x30, 0}, "DG14": {0x6E, 2, 0x31, 0}} {
		if got, _ := Active(dg15, nil, challenge, k.sign(good)); got.String() != "inconclusive aa_key_malformed:DG15" {
			t.Errorf("DG15 %s: got %s", name, got)
		}
	}
	dsa := ber.Encode(0x6F, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10040.4.1")), ber.EncodeBits([]byte{1})))
	if got, _ := Active(dsa, nil, challenge, k.sign(good)); got.String() != "inconclusive algorithm_unknown:DG15" {
		t.Errorf("a key of another kind: got %s", got)
	}
}

// dg14Naming is DG14 with an ActiveAuthenticationInfo.
func dg14Naming(algorithm string) []byte {
	return ber.Encode(0x6E, ber.Encode(ber.Set, ber.Encode(ber.Sequence,
		ber.EncodeOID("2.23.136.1.1.5"), ber.EncodeInt(big.NewInt(1)), ber.EncodeOID(algorithm))))
}

func TestActiveECDSA(t *testing.T) {
	plain := map[crypto.Hash]string{crypto.SHA1: ".1", crypto.SHA224: ".2", crypto.SHA256: ".3", crypto.SHA384: ".4", crypto.SHA512: ".5"}
	for _, name := range []string{"P-224", "P-256", "P-384", "P-521", "brainpoolP192r1", "brainpoolP224r1", "brainpoolP256r1", "brainpoolP320r1", "brainpoolP384r1", "brainpoolP512r1"} {
		c := ec.ByName(name)
		d, q, err := c.GenerateKey(rand.Reader, ec.Point{})
		if err != nil {
			t.Fatal(err)
		}
		dg15 := ber.Encode(0x6F, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.EncodeOID(c.OID())), ber.EncodeBits(c.Marshal(q))))
		for _, hash := range everyHash {
			h := hash.New()
			h.Write(challenge)
			r, s, err := c.Sign(rand.Reader, d, h.Sum(nil))
			if err != nil {
				t.Fatal(err)
			}
			n := (c.N.BitLen() + 7) / 8
			rs := append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
			der := ber.Encode(ber.Sequence, ber.EncodeInt(r), ber.EncodeInt(s))
			oid := "0.4.0.127.0.7.1.1.4.1" + plain[hash]
			for form, test := range map[string]struct {
				dg14, signature []byte
				stated          bool
			}{
				"plain":                      {dg14Naming(oid), rs, true},
				"SEQUENCE":                   {dg14Naming(oid), der, true},
				"X9.62's identifier":         {dg14Naming(trust.SignatureOID(trust.ECDSA, hash)), rs, true},
				"hash not stated":            {nil, rs, false},
				"another hash stated":        {dg14Naming("0.4.0.127.0.7.1.1.4.1" + plain[everyHash[0]]), rs, hash == everyHash[0]},
				"an algorithm of no kind":    {dg14Naming("1.2.3"), rs, false},
				"DG14 that does not parse":   {[]byte{0x6E, 1}, rs, false},
				"DG14 of other infos, plain": {ber.Encode(0x6E, ber.Encode(ber.Set)), rs, false},
			} {
				got, notes := Active(dg15, test.dg14, challenge, test.signature)
				if got.Status != Passed || has(notes, ActiveAuthHashUnstated) == test.stated || has(notes, HashAlgorithmWeak) != (hash == crypto.SHA1) {
					t.Errorf("%s, %s, %s: got %s, %v", name, hash, form, got, notes)
				}
			}
			if hash != crypto.SHA256 { // what fails is tried with every hash
				continue
			}
			for form, bad := range map[string][]byte{
				"swapped": append(bytes.Clone(rs[n:]), rs[:n]...), "cut off": rs[:2*n-1], "nothing": nil, "zero": make([]byte, 2*n),
			} {
				if got, _ := Active(dg15, dg14Naming(oid), challenge, bad); got.String() != "failed active_authentication_failed" {
					t.Errorf("%s, %s, %s: got %s", name, hash, form, got)
				}
			}
			if got, _ := Active(dg15, dg14Naming(oid), []byte("replayed"), rs); got.Status != Failed {
				t.Errorf("%s, %s, another challenge: got %s", name, hash, got)
			}
		}
	}
}

func FuzzSplitBlock(f *testing.F) {
	f.Add(block(128, []byte{0x6A}, crypto.SHA256, challenge, []byte{0x34, 0xCC}))
	f.Add(block(40, []byte{0x6B, 0xBB, 0xBA}, crypto.SHA1, challenge, []byte{0xBC}))
	f.Add([]byte{0x6B, 0xBB, 0xCC})
	f.Fuzz(func(t *testing.T, b []byte) {
		repotest.Bounded(t, len(b), func() {
			m1, digest, hash, ok := splitBlock(b)
			if ok && (len(digest) != hash.Size() || len(m1)+len(digest)+2 > len(b)) {
				t.Errorf("%d bytes split into %d and %d", len(b), len(m1), len(digest))
			}
		})
	})
}

func FuzzActive(f *testing.F) {
	c := ec.ByName("P-256")
	curve := ber.Encode(0x6F, ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.EncodeOID(c.OID())), ber.EncodeBits(c.Marshal(c.G))))
	k := rsaDG15(f, 1024)
	f.Add(curve, dg14Naming("0.4.0.127.0.7.1.1.4.1.3"), bytes.Repeat([]byte{7}, 64))
	f.Add(k.dg15, []byte(nil), k.sign(block(128, []byte{0x6A}, crypto.SHA256, []byte("elsewhen"), []byte{0x34, 0xCC})))
	f.Fuzz(func(t *testing.T, dg15, dg14, signature []byte) {
		var got Verdict
		repotest.Bounded(t, len(dg15)+len(dg14)+len(signature), func() { got, _ = Active(dg15, dg14, challenge, signature) })
		if got.Status != Passed && got.Code == "" {
			t.Errorf("%s without a reason", got)
		}
		if got.Status == Passed && (bytes.Equal(dg15, curve) || bytes.Equal(dg15, k.dg15)) {
			t.Error(fmt.Sprint("a signature nobody made: ", got))
		}
	})
}
