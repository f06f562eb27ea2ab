package lds

import (
	"bytes"
	"math/big"
	"os"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

const oidRSAKey = "1.2.840.113549.1.1.1"

// dg15 wraps an algorithm and key bits as the file does.
func dg15(algorithm, bits []byte) []byte {
	return ber.Encode(0x6F, ber.Encode(ber.Sequence, algorithm, ber.EncodeBits(bits)))
}

func rsaAlgorithm(parameters ...[]byte) []byte {
	return ber.Encode(ber.Sequence, append([][]byte{ber.EncodeOID(oidRSAKey)}, parameters...)...)
}

func TestParseDG14(t *testing.T) {
	active := ber.Encode(ber.Sequence, ber.EncodeOID(oidActiveAuth), ber.EncodeInt(big.NewInt(1)), ber.EncodeOID("0.4.0.127.0.7.1.1.4.1.3"))
	set := ber.Encode(ber.Set, octets(t, paceInfoG1), active)
	for name, file := range map[string][]byte{"DER": ber.Encode(0x6E, set), "padded inside": ber.Encode(0x6E, set, []byte{0, 0})} {
		infos, err := ParseDG14(file)
		if err != nil || len(infos.PACE) != 1 || len(infos.ActiveAuth) != 1 {
			t.Fatalf("%s: got %d PACE infos and %d of active authentication, %v", name, len(infos.PACE), len(infos.ActiveAuth), err)
		}
		if want := (ActiveAuthenticationInfo{1, "0.4.0.127.0.7.1.1.4.1.3"}); infos.ActiveAuth[0] != want {
			t.Errorf("%s: got %+v, want %+v", name, infos.ActiveAuth[0], want)
		}
	}
	odd := ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oidActiveAuth), ber.EncodeInt(big.NewInt(1))),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidActiveAuth), ber.EncodeInt(big.NewInt(1)), ber.Encode(ber.Null)))
	if infos, err := ParseDG14(ber.Encode(0x6E, odd)); err != nil || len(infos.ActiveAuth) != 0 || len(infos.Unknown) != 2 {
		t.Errorf("infos of an odd form: got %d, %d unknown, %v; want 2 unknown", len(infos.ActiveAuth), len(infos.Unknown), err)
	}
	for _, bad := range [][]byte{nil, {0x6E, 0}, {0x6F, 2, 0x31, 0}, {0x6E, 2, 0x30, 0}, append(ber.Encode(0x6E, set), 0)} {
		if infos, err := ParseDG14(bad); err == nil {
			t.Errorf("%X: got %+v", bad, infos)
		}
	}
}

func TestParseDG15(t *testing.T) {
	n := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 1535), 0, 1)
	e := big.NewInt(65537)
	numbers := ber.Encode(ber.Sequence, ber.EncodeInt(n), ber.EncodeInt(e))
	negative := ber.Encode(ber.Sequence, ber.Encode(ber.Integer, n.Bytes()), ber.EncodeInt(e)) // the zero octet is missing
	c := ec.ByName("brainpoolP320r1")
	named := ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), ber.EncodeOID(c.OID()))
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"RSA", dg15(rsaAlgorithm(ber.Encode(ber.Null)), numbers), "RSA 1536"},
		{"RSA without parameters", dg15(rsaAlgorithm(), numbers), "RSA 1536"},
		{"RSA, modulus that looks negative", dg15(rsaAlgorithm(ber.Encode(ber.Null)), negative), "RSA 1536"},
		{"RSA, bytes after the numbers", dg15(rsaAlgorithm(ber.Encode(ber.Null)), append(bytes.Clone(numbers), 0, 0)), "RSA 1536"},
		{"bytes after the key", ber.Encode(0x6F, ber.Encode(ber.Sequence, named, ber.EncodeBits(c.Marshal(c.G))), []byte{0}), "EC brainpoolP320r1"},
		{"named curve", dg15(named, c.Marshal(c.G)), "EC brainpoolP320r1"},
		{"explicit curve", dg15(explicitParameters(c), c.Marshal(c.G)), "EC brainpoolP320r1"},
		{"unknown kind", dg15(ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10040.4.1")), []byte{1}), "unknown key 1.2.840.10040.4.1"},
	} {
		k, err := ParseDG15(test.file)
		if err != nil || k.String() != test.want {
			t.Errorf("%s: got %v, %v; want %s", test.name, k, err, test.want)
		}
	}
	off := c.Marshal(c.G)
	off[9] ^= 1
	for name, bad := range map[string][]byte{
		"nothing": nil, "no key": {0x6F, 0}, "tag": {0x6E, 2, 0x30, 0}, "a set": {0x6F, 2, 0x31, 0}, "empty": {0x6F, 2, 0x30, 0},
		"point off the curve": dg15(named, off),
		"short modulus":       dg15(rsaAlgorithm(), ber.Encode(ber.Sequence, ber.EncodeInt(e), ber.EncodeInt(e))),
		"exponent 1":          dg15(rsaAlgorithm(), ber.Encode(ber.Sequence, ber.EncodeInt(n), ber.EncodeInt(big.NewInt(1)))),
		"too long":            ber.Encode(0x6F, ber.Encode(ber.Sequence, make([]byte, 20000))),
		"bytes after":         append(dg15(named, c.Marshal(c.G)), 0),
	} {
		if k, err := ParseDG15(bad); err == nil || !strings.HasPrefix(err.Error(), "DG15: ") {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
	}
}

func TestParseRealDG14AndDG15(t *testing.T) {
	folder := repotest.Shared(t, "data/emrtd/specimen/bsi2008")
	b, err := os.ReadFile(folder + "/Datagroup14.bin")
	if err != nil {
		t.Fatal(err)
	}
	infos, err := ParseDG14(b)
	if err != nil || len(infos.ChipAuth) != 1 || infos.ChipAuth[0].OID != oidCA+".2.1" || len(infos.PublicKeys) != 1 || infos.PublicKeys[0].Curve != ec.ByName("brainpoolP224r1") {
		t.Errorf("DG14: got %+v, %v; want a key on brainpoolP224r1 for 3DES", infos.ChipAuth, err)
	}
	if b, err = os.ReadFile(folder + "/Datagroup15.bin"); err != nil {
		t.Fatal(err)
	}
	if k, err := ParseDG15(b); err != nil || k.String() != "RSA 1024" {
		t.Errorf("DG15: got %v, %v; want RSA 1024", k, err)
	}
}

func FuzzParseDG14(f *testing.F) {
	f.Add(ber.Encode(0x6E, ber.Encode(ber.Set, octets(f, paceInfoG1))))
	f.Add(ber.Encode(0x6E, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oidActiveAuth), ber.EncodeInt(big.NewInt(1)), ber.EncodeOID("0.4.0.127.0.7.1.1.4.1.3")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		infos, err := repotest.Parsed(t, b, ParseDG14)
		if n := len(infos.PACE) + len(infos.PublicKeys) + len(infos.ChipAuth) + len(infos.ActiveAuth) + len(infos.Domains) + len(infos.Unknown); err != nil && n > 0 || n > maxInfos {
			t.Errorf("%d infos, %v", n, err)
		}
	})
}

func FuzzParseDG15(f *testing.F) {
	c := ec.ByName("P-256")
	f.Add(dg15(ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), ber.EncodeOID(c.OID())), c.Marshal(c.G)))
	f.Add(dg15(explicitParameters(c), c.Marshal(c.G)))
	f.Add(dg15(rsaAlgorithm(ber.Encode(ber.Null)), ber.Encode(ber.Sequence, ber.Encode(ber.Integer, bytes.Repeat([]byte{0xA5}, 128)), ber.EncodeInt(big.NewInt(65537)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := repotest.Parsed(t, b, ParseDG15)
		if err == nil && k == nil {
			t.Error("neither key nor error")
		}
		if err == nil && k.Curve != nil && !k.Curve.Contains(k.Point) {
			t.Error("a point off its curve")
		}
	})
}
