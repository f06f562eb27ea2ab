package lds

import (
	"fmt"

	"limen/mrtd/ber"
)

// children splits a constructed element into at most that many: a file of two-octet
// elements would otherwise take thirty times its own length in memory.
func children(t ber.TLV, most int) ([]ber.TLV, error) {
	var out []ber.TLV
	for b := t.Value; len(b) > 0; {
		if len(out) == most {
			return nil, fmt.Errorf("more than %d elements in tag %X", most, t.Tag)
		}
		e, rest, err := ber.Next(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, e), rest
	}
	return out, nil
}

// find returns the first of the elements with the tag.
func find(elements []ber.TLV, tag ber.Tag) (ber.TLV, bool) {
	for _, e := range elements {
		if e.Tag == tag {
			return e, true
		}
	}
	return ber.TLV{}, false
}
