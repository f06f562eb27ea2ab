package trust

import (
	"bytes"
	"errors"
	"sort"

	"limen/mrtd/ber"
)

// canonical re-encodes BER as DER as far as signed attributes need it:
// minimal definite lengths, octet strings in one piece, sets in order.
func canonical(b []byte) ([]byte, error) {
	t, rest, err := ber.Next(b)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("bytes after the element")
	}
	return reencode(t, 0)
}

func reencode(t ber.TLV, depth int) ([]byte, error) {
	if !t.Tag.Constructed() {
		return ber.Encode(t.Tag, t.Value), nil
	}
	if depth > 16 {
		return nil, errors.New("nested deeper than 16")
	}
	if t.Tag == 0x24 {
		octets, err := t.Octets()
		return ber.Encode(ber.OctetString, octets), err
	}
	children, err := t.Children()
	if err != nil {
		return nil, err
	}
	parts := make([][]byte, len(children))
	for i, c := range children {
		if parts[i], err = reencode(c, depth+1); err != nil {
			return nil, err
		}
	}
	if t.Tag == ber.Set {
		sort.Slice(parts, func(i, j int) bool { return bytes.Compare(parts[i], parts[j]) < 0 })
	}
	return ber.Encode(t.Tag, parts...), nil
}
