package ber

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"

	"limen/internal/repotest"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name, in  string
		tag       Tag
		value     string
		rest, err string
	}{
		{"short", "040201020500", 0x04, "0102", "0500", ""},
		{"long tag", "5F1F03414243", 0x5F1F, "414243", "", ""},
		{"non-minimal length", "0482000101", 0x04, "01", "", ""},
		{"indefinite", "248004010A04010B00000500", 0x24, "04010A04010B", "0500", ""},
		{"nested indefinite", "30803080050000000000", 0x30, "3080" + "05000000", "", ""},
		{"truncated value", "040301", 0, "", "", "truncated"},
		{"truncated length", "0482", 0, "", "", "truncated"},
		{"unended indefinite", "3080", 0, "", "", "truncated"},
		{"indefinite primitive", "04800000", 0, "", "", "primitive"},
		{"absurd length", "0484FFFFFFFF", 0, "", "", "beyond"},
	} {
		got, rest, err := Next(unhex(t, c.in))
		if c.err != "" {
			if err == nil {
				t.Errorf("%s: accepted", c.name)
			}
			continue
		}
		if err != nil || got.Tag != c.tag || !bytes.Equal(got.Value, unhex(t, c.value)) || !bytes.Equal(rest, unhex(t, c.rest)) {
			t.Errorf("%s: got %X %X rest %X, %v", c.name, got.Tag, got.Value, rest, err)
		}
	}
}

func TestOctetsJoinsSegments(t *testing.T) {
	tlv, _, err := Next(unhex(t, "248004010A04020B0C0000"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tlv.Octets()
	if err != nil || !bytes.Equal(got, []byte{10, 11, 12}) {
		t.Errorf("got %X, %v; want 0A0B0C", got, err)
	}
}

func TestIntegersAgreeWithASN1(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 127, 128, 255, 256, -128, -129, -255, -256, -32768, -32769, 1 << 40} {
		want, err := asn1.Marshal(big.NewInt(n))
		if err != nil {
			t.Fatal(err)
		}
		got := EncodeInt(big.NewInt(n))
		if !bytes.Equal(got, want) {
			t.Errorf("%d: got %X, want %X", n, got, want)
		}
		tlv, err := Parse(got, Integer)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := tlv.Int(); err != nil || back.Int64() != n {
			t.Errorf("%d: read back as %v, %v", n, back, err)
		}
	}
}

func TestOIDsAgreeWithASN1(t *testing.T) {
	for _, oid := range []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 7, 2}, {2, 23, 136, 1, 1, 1}, {0, 4, 0, 127, 0, 7, 2, 2, 4, 2, 4}, {2, 999, 3}, {1, 3, 27, 1, 1, 1}} {
		want, err := asn1.Marshal(oid)
		if err != nil {
			t.Fatal(err)
		}
		got := EncodeOID(oid.String())
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %X, want %X", oid, got, want)
		}
		tlv, _ := Parse(got, OID)
		if back, err := tlv.OID(); err != nil || back != oid.String() {
			t.Errorf("%s: read back as %s, %v", oid, back, err)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 1, 2, 0, 0, 0, 0})
	f.Add([]byte{0x7F, 0x61, 0x82, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		tlv, rest, err := Next(b)
		if err != nil {
			return
		}
		if len(tlv.Raw)+len(rest) != len(b) {
			t.Errorf("%d bytes became %d and %d", len(b), len(tlv.Raw), len(rest))
		}
		tag, length, header, indefinite, err := ParseHeader(b)
		if err != nil || tag != tlv.Tag || !indefinite && header+length != len(tlv.Raw) {
			t.Errorf("header of tag %X with %d bytes in %d: %v", tag, length, len(tlv.Raw), err)
		}
		repotest.Bounded(t, len(b), func() {
			tlv.Octets()
			tlv.Bits()
			tlv.Int()
			tlv.OID()
			tlv.Find(0x04)
		})
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte{0x30, 0, 0x04, 1, 2, 0x24, 0x80, 0x04, 1, 2, 0, 0})
	f.Add(bytes.Repeat([]byte{0x04, 0}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := repotest.Parsed(t, b, List)
		if err != nil {
			return
		}
		var joined []byte
		for _, e := range list {
			joined = append(joined, e.Raw...)
			if e.Tag.Constructed() {
				continue
			}
			if back, err := Parse(Encode(e.Tag, e.Value), e.Tag); err != nil || !bytes.Equal(back.Value, e.Value) {
				t.Errorf("tag %X does not survive its own encoding: %v", e.Tag, err)
			}
		}
		if !bytes.Equal(joined, b) {
			t.Errorf("%X came apart as %X", b, joined)
		}
		some, err := TLV{Value: b}.AtMost(3)
		if (err == nil) != (len(list) <= 3) || err == nil && len(some) != len(list) {
			t.Errorf("at most 3 of %d: got %d, %v", len(list), len(some), err)
		}
	})
}
