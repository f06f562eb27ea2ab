package lds

import (
	"fmt"

	"limen/mrtd/ber"
)

// What DG11, DG12 and DG16 have in common: a template of optional elements,
// some of them repeated inside a content-specific object (Doc 9303-10, 4.7.11).
const (
	tagContent ber.Tag = 0xA0

	maxDetails  = 16 << 20 // images of documents are among them
	maxElements = 128
)

// details splits a template into its elements, those inside A0 included; the
// count that A0 begins with is left out, since what is there is what counts.
func details(b []byte, want ber.Tag) ([]ber.TLV, error) {
	if len(b) > maxDetails {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxDetails)
	}
	outer, err := ber.Parse(b, want)
	if err != nil {
		return nil, err
	}
	list, err := children(outer, maxElements)
	if err != nil {
		return nil, err
	}
	var out []ber.TLV
	for _, e := range list {
		if e.Tag != tagContent {
			out = append(out, e)
			continue
		}
		inner, err := children(e, maxElements)
		if err != nil {
			return nil, fmt.Errorf("object A0: %w", err)
		}
		for _, e := range inner {
			if e.Tag != ber.Integer {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// detailer builds a template: each element that is not empty, its tag in the
// list before them.
type detailer struct {
	list, body []byte
	err        error
}

func (d *detailer) put(tag ber.Tag, value []byte) {
	if len(value) == 0 {
		return
	}
	d.list = ber.AppendTag(d.list, tag)
	d.body = append(d.body, ber.Encode(tag, value)...)
}

// names writes A0: how many there are, and each of them.
func (d *detailer) names(tag ber.Tag, names []Name) {
	if len(names) == 0 {
		return
	}
	if len(names) > maxParts {
		d.fail(fmt.Errorf("%d names are more than %d", len(names), maxParts))
		return
	}
	content := ber.Encode(ber.Integer, []byte{byte(len(names))})
	for _, n := range names {
		content = append(content, ber.Encode(tag, n.encode())...)
	}
	d.list = ber.AppendTag(d.list, tag)
	d.body = append(d.body, ber.Encode(tagContent, content)...)
}

func (d *detailer) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *detailer) encode(tag ber.Tag) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	return ber.Encode(tag, ber.Encode(tagList, d.list), d.body), nil
}
