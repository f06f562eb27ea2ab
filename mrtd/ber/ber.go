// Package ber reads and writes BER-TLV, the encoding of every file, command
// and certificate of a travel document (ISO/IEC 7816-4, 5.2; X.690).
//
// It accepts what real documents hold and encoding/asn1 refuses: indefinite
// lengths, non-minimal lengths, constructed strings. It never allocates by a
// length it has not checked against the bytes at hand, and never panics.
package ber

import (
	"errors"
	"fmt"
	"math/big"
)

// Tags used across documents; context tags are written where they are used.
const (
	Boolean         Tag = 0x01
	Integer         Tag = 0x02
	BitString       Tag = 0x03
	OctetString     Tag = 0x04
	Null            Tag = 0x05
	OID             Tag = 0x06
	UTF8String      Tag = 0x0C
	PrintableString Tag = 0x13
	IA5String       Tag = 0x16
	UTCTime         Tag = 0x17
	GeneralizedTime Tag = 0x18
	Sequence        Tag = 0x30
	Set             Tag = 0x31
)

// maxDepth bounds nesting: no structure of Doc 9303 or RFC 5280 comes near it.
const maxDepth = 32

// ErrTruncated says that a length points past the end of the bytes at hand.
var ErrTruncated = errors.New("ber: truncated")

// Tag is a whole identifier as its octets read big-endian: 0x30, 0x5F1F, 0x7F61.
type Tag uint32

// Constructed tells whether the value of a tag is itself TLV.
func (t Tag) Constructed() bool {
	for t > 0xFF {
		t >>= 8
	}
	return t&0x20 != 0
}

// TLV is one element. Value and Raw share memory with the parsed input, but
// for indefinite-length elements: their Value excludes the end-of-contents.
type TLV struct {
	Tag   Tag
	Value []byte
	Raw   []byte
}

// Next parses the first element of b and returns what follows it.
func Next(b []byte) (TLV, []byte, error) { return next(b, 0) }

func next(b []byte, depth int) (TLV, []byte, error) {
	tag, length, header, indefinite, err := ParseHeader(b)
	if err != nil {
		return TLV{}, nil, err
	}
	if !indefinite {
		if length > len(b)-header {
			return TLV{}, nil, fmt.Errorf("%w: tag %X wants %d bytes, %d remain", ErrTruncated, tag, length, len(b)-header)
		}
		end := header + length
		return TLV{tag, b[header:end:end], b[:end:end]}, b[end:], nil
	}
	if depth >= maxDepth {
		return TLV{}, nil, fmt.Errorf("ber: nested deeper than %d", maxDepth)
	}
	rest := b[header:]
	for {
		if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
			end := len(b) - len(rest)
			return TLV{tag, b[header:end:end], b[: end+2 : end+2]}, rest[2:], nil
		}
		if _, rest, err = next(rest, depth+1); err != nil {
			return TLV{}, nil, err
		}
	}
}

// ParseHeader reads identifier and length octets from the start of b, which
// may end before the value does: readers learn a file's size this way.
func ParseHeader(b []byte) (tag Tag, length, header int, indefinite bool, err error) {
	if len(b) < 2 {
		return 0, 0, 0, false, ErrTruncated
	}
	tag, i := Tag(b[0]), 1
	if b[0]&0x1F == 0x1F {
		for {
			if i >= len(b) {
				return 0, 0, 0, false, ErrTruncated
			}
			if i > 3 {
				return 0, 0, 0, false, errors.New("ber: tag longer than 4 bytes")
			}
			tag = tag<<8 | Tag(b[i])
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
	}
	if i >= len(b) {
		return 0, 0, 0, false, ErrTruncated
	}
	first := b[i]
	i++
	switch {
	case first < 0x80:
		return tag, int(first), i, false, nil
	case first == 0x80:
		if !tag.Constructed() {
			return 0, 0, 0, false, fmt.Errorf("ber: primitive tag %X with indefinite length", tag)
		}
		return tag, 0, i, true, nil
	}
	n := int(first & 0x7F)
	if n > 4 {
		return 0, 0, 0, false, fmt.Errorf("ber: length of %d octets", n)
	}
	if len(b)-i < n {
		return 0, 0, 0, false, ErrTruncated
	}
	for ; n > 0; n-- {
		length = length<<8 | int(b[i])
		i++
	}
	if length > 1<<30 {
		return 0, 0, 0, false, fmt.Errorf("ber: length %d is beyond any document", length)
	}
	return tag, length, i, false, nil
}

// Parse parses exactly one element of the given tag, with nothing after it.
func Parse(b []byte, want Tag) (TLV, error) {
	t, rest, err := Next(b)
	if err != nil {
		return TLV{}, err
	}
	if t.Tag != want {
		return TLV{}, fmt.Errorf("ber: tag %X where %X belongs", t.Tag, want)
	}
	if len(rest) > 0 {
		return TLV{}, fmt.Errorf("ber: %d bytes after tag %X", len(rest), want)
	}
	return t, nil
}

// Children splits the value of a constructed element.
func (t TLV) Children() ([]TLV, error) { return List(t.Value) }

// List splits b into consecutive elements. It counts them before it allocates:
// a list that grew by appending would cost five times what it holds.
func List(b []byte) ([]TLV, error) {
	n := 0
	for rest := b; len(rest) > 0; n++ {
		var err error
		if _, rest, err = Next(rest); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	out := make([]TLV, n)
	for i := range out {
		out[i], b, _ = Next(b)
	}
	return out, nil
}

// AtMost is Children for an element that has no more than n of them. A list of
// elements of two octets would otherwise take thirty times its own memory.
func (t TLV) AtMost(n int) ([]TLV, error) {
	var out []TLV
	for b := t.Value; len(b) > 0; {
		if len(out) == n {
			return nil, fmt.Errorf("ber: more than %d elements in tag %X", n, t.Tag)
		}
		child, rest, err := Next(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, child), rest
	}
	return out, nil
}

// Find returns the first child with the tag, and whether there is one; there
// is none in a value that does not parse.
func (t TLV) Find(tag Tag) (TLV, bool) {
	var found TLV
	ok := false
	for b := t.Value; len(b) > 0; {
		child, rest, err := Next(b)
		if err != nil {
			return TLV{}, false
		}
		if !ok && child.Tag == tag {
			found, ok = child, true
		}
		b = rest
	}
	return found, ok
}

// Octets returns the content of an octet string, joining the segments of a
// constructed one (tag 24, as indefinite-length CMS has it).
func (t TLV) Octets() ([]byte, error) {
	if !t.Tag.Constructed() {
		return t.Value, nil
	}
	return t.appendOctets(make([]byte, 0, len(t.Value)), 0)
}

func (t TLV) appendOctets(out []byte, depth int) ([]byte, error) {
	if !t.Tag.Constructed() {
		return append(out, t.Value...), nil
	}
	if depth >= maxDepth {
		return nil, fmt.Errorf("ber: nested deeper than %d", maxDepth)
	}
	for rest := t.Value; len(rest) > 0; {
		part, after, err := Next(rest)
		if err == nil {
			out, err = part.appendOctets(out, depth+1)
		}
		if err != nil {
			return nil, err
		}
		rest = after
	}
	return out, nil
}

// Bits returns the content of a bit string whose bits are whole octets.
func (t TLV) Bits() ([]byte, error) {
	if len(t.Value) == 0 {
		return nil, errors.New("ber: empty bit string")
	}
	if t.Value[0] > 7 || (len(t.Value) == 1 && t.Value[0] != 0) {
		return nil, errors.New("ber: malformed bit string")
	}
	return t.Value[1:], nil
}

// Int returns an integer of any size, negative ones too.
func (t TLV) Int() (*big.Int, error) {
	if t.Tag != Integer || len(t.Value) == 0 {
		return nil, fmt.Errorf("ber: no integer at tag %X", t.Tag)
	}
	n := new(big.Int).SetBytes(t.Value)
	if t.Value[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(t.Value))))
	}
	return n, nil
}

// OID returns an object identifier in dotted form.
func (t TLV) OID() (string, error) {
	if t.Tag != OID || len(t.Value) == 0 || len(t.Value) > 64 {
		return "", fmt.Errorf("ber: no object identifier at tag %X", t.Tag)
	}
	var out []byte
	var arc uint64
	first := true
	for i, c := range t.Value {
		if arc > 1<<56 {
			return "", errors.New("ber: object identifier arc too large")
		}
		arc = arc<<7 | uint64(c&0x7F)
		if c&0x80 != 0 {
			if i == len(t.Value)-1 {
				return "", ErrTruncated
			}
			continue
		}
		if first {
			top := min(arc/40, 2)
			out = fmt.Appendf(out, "%d.%d", top, arc-40*top)
			first = false
		} else {
			out = fmt.Appendf(out, ".%d", arc)
		}
		arc = 0
	}
	return string(out), nil
}
