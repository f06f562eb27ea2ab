package ber

import (
	"math/big"
	"strconv"
	"strings"
)

// Encode writes one element in DER: minimal definite length over the joined values.
func Encode(tag Tag, values ...[]byte) []byte {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	out := append(AppendTag(make([]byte, 0, n+8), tag), EncodeLength(n)...)
	for _, v := range values {
		out = append(out, v...)
	}
	return out
}

// AppendTag appends the identifier octets of tag.
func AppendTag(b []byte, tag Tag) []byte {
	for shift := 24; shift > 0; shift -= 8 {
		if tag>>shift != 0 {
			b = append(b, byte(tag>>shift))
		}
	}
	return append(b, byte(tag))
}

// EncodeLength returns the minimal definite length octets.
func EncodeLength(n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(n)}
	case n < 0x100:
		return []byte{0x81, byte(n)}
	case n < 0x10000:
		return []byte{0x82, byte(n >> 8), byte(n)}
	case n < 0x1000000:
		return []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return []byte{0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// EncodeInt writes an INTEGER.
func EncodeInt(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return Encode(Integer, b)
	}
	size := len(new(big.Int).Not(n).Bytes())*8 + 8 // room for the sign bit
	b := new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size))).Bytes()
	for len(b) > 1 && b[0] == 0xFF && b[1]&0x80 != 0 {
		b = b[1:]
	}
	return Encode(Integer, b)
}

// EncodeBits writes a BIT STRING of whole octets.
func EncodeBits(b []byte) []byte { return Encode(BitString, []byte{0}, b) }

// EncodeOID writes a dotted object identifier; it panics on one that is not
// dotted decimal, since identifiers are constants of the code.
func EncodeOID(dotted string) []byte {
	var arcs []uint64
	for _, s := range strings.Split(dotted, ".") {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("ber: object identifier " + strconv.Quote(dotted) + " is not dotted decimal")
		}
		arcs = append(arcs, n)
	}
	arcs[1] += 40 * arcs[0]
	var out []byte
	for _, a := range arcs[1:] {
		out = append(out, base128(a)...)
	}
	return Encode(OID, out)
}

func base128(n uint64) []byte {
	b := []byte{byte(n & 0x7F)}
	for n >>= 7; n > 0; n >>= 7 {
		b = append([]byte{byte(n&0x7F) | 0x80}, b...)
	}
	return b
}
