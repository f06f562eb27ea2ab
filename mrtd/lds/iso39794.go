package lds

import (
	"fmt"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// Blocks of ISO/IEC 39794 are ASN.1 with implicit context tags (part 1). A
// code is a CHOICE of an enumerated number, tag 0, and an extension, tag 1.
// This file has what its parts share.

const (
	maxBlockElements = 64
	maxPieces        = 1024
)

// tree is a constructed element by the numbers of its context tags.
type tree map[int]ber.TLV

// treeOf splits an element. A number that occurs twice keeps its first.
func treeOf(t ber.TLV) (tree, error) {
	elements, err := children(t, maxBlockElements)
	if err != nil {
		return nil, err
	}
	out := tree{}
	for _, e := range elements {
		if e.Tag&0xC0 != 0x80 || e.Tag > 0xFF {
			continue
		}
		if n := int(e.Tag & 0x1F); out[n].Tag == 0 {
			out[n] = e
		}
	}
	return out, nil
}

// inner splits an element of the block, empty where there is none or it does
// not split: what is optional and odd is taken as absent.
func (b tree) inner(n int) tree {
	if t, ok := b[n]; ok && t.Tag.Constructed() {
		if inner, err := treeOf(t); err == nil {
			return inner
		}
	}
	return nil
}

// number is an INTEGER or ENUMERATED, or -1 << 31 where there is none.
func (b tree) number(n int) int {
	t, ok := b[n]
	if !ok || t.Tag.Constructed() || len(t.Value) == 0 || len(t.Value) > 4 {
		return absent
	}
	v := int(int8(t.Value[0]))
	for _, c := range t.Value[1:] {
		v = v<<8 | int(c)
	}
	return v
}

const absent = -1 << 31

// count is a number that is not negative, 0 where there is none.
func (b tree) count(n int) int { return max(0, b.number(n)) }

// code is the number of a CHOICE, absent where there is none or an extension.
func (b tree) code(n int) int { return b.inner(n).number(0) }

// set tells whether a BOOLEAN is there and true.
func (b tree) set(n int) bool {
	t, ok := b[n]
	return ok && len(t.Value) == 1 && t.Value[0] != 0
}

// octets is an OCTET STRING, in one piece or in up to 1024 primitive ones; nil
// where there is none.
func (b tree) octets(n int) []byte {
	t := b[n]
	if !t.Tag.Constructed() {
		return t.Value
	}
	pieces, err := children(t, maxPieces)
	if err != nil {
		return nil
	}
	var out []byte
	for _, p := range pieces {
		out = append(out, p.Value...)
	}
	return out
}

// date reads a DateTimeBlock (part 1): year, month, day; the time of day is left.
func (b tree) date(n int) mrz.Date {
	d := b.inner(n)
	out := mrz.Date{Year: d.count(0), Month: d.count(1), Day: d.count(2)}
	if out.Year > 9999 || out.Month > 12 || out.Day > 31 {
		return mrz.Date{}
	}
	return out
}

// qualities reads QualityBlocks: algorithm, and a score or an error.
func (b tree) qualities(n int) []Quality {
	var out []Quality
	for _, q := range b.list(n) {
		score := q.inner(1).number(0)
		if score == absent || score > 100 {
			score = -1
		}
		algorithm := q.inner(0)
		if len(out) < maxQualities {
			out = append(out, Quality{score, algorithm.count(0), algorithm.count(1)})
		}
	}
	return out
}

// list splits a SEQUENCE OF SEQUENCE.
func (b tree) list(n int) []tree {
	t, ok := b[n]
	if !ok {
		return nil
	}
	elements, err := children(t, maxPoints)
	if err != nil {
		return nil
	}
	var out []tree
	for _, e := range elements {
		if e.Tag == ber.Sequence {
			if inner, err := treeOf(e); err == nil {
				out = append(out, inner)
			}
		}
	}
	return out
}

// representations reads the outermost block: a version, and the
// representations of one record.
func representations(b []byte, want ber.Tag, most int) ([]tree, error) {
	outer, _, err := ber.Next(b) // what follows is padding of the file's writer
	if err != nil {
		return nil, err
	}
	if outer.Tag != want {
		return nil, fmt.Errorf("tag %X where %X of ISO/IEC 39794 belongs", outer.Tag, want)
	}
	whole, err := treeOf(outer)
	if err != nil {
		return nil, err
	}
	list := whole.list(1)
	if len(list) == 0 || len(list) > most {
		return nil, fmt.Errorf("%d representations; 1 to %d are read", len(list), most)
	}
	return list, nil
}

// What follows writes blocks.

func contextTag(n int, constructed bool) ber.Tag {
	if constructed {
		return ber.Tag(0xA0 | n)
	}
	return ber.Tag(0x80 | n)
}

// ctx writes a constructed element; ctxNumber a primitive one; ctxCode a CHOICE of a code; ctxTrue a BOOLEAN.
func ctx(n int, parts ...[]byte) []byte { return ber.Encode(contextTag(n, true), parts...) }

func ctxNumber(n, value int) []byte {
	return ber.Encode(contextTag(n, false), encodeSmall(value)[2:]) // the content octets of an INTEGER
}

func ctxCode(n, value int) []byte { return ctx(n, ctxNumber(0, value)) }

func ctxTrue(n int) []byte { return ber.Encode(contextTag(n, false), []byte{0xFF}) }

func dateBlock(n int, d mrz.Date) []byte {
	parts := ctxNumber(0, d.Year)
	if d.Month > 0 {
		parts = append(parts, ctxNumber(1, d.Month)...)
	}
	if d.Day > 0 {
		parts = append(parts, ctxNumber(2, d.Day)...)
	}
	return ctx(n, parts)
}

func qualityBlocks(n int, qualities []Quality) []byte {
	var list []byte
	for _, q := range qualities {
		score := ctx(1, ctxNumber(0, q.Score))
		if q.Score < 0 {
			score = ctx(1, ctx(1, ctxCode(0, 0))) // an error instead: the assessment failed
		}
		list = append(list, ber.Encode(ber.Sequence,
			ctx(0, ctxNumber(0, max(q.Vendor, 1)), ctxNumber(1, max(q.Algorithm, 1))), score)...)
	}
	return ctx(n, list)
}

// recordBlock writes the outermost block of one representation. The version is
// the third generation of SC 37's formats, of the year of the schema.
func recordBlock(tag ber.Tag, year int, representation []byte) []byte {
	return ber.Encode(tag,
		ctx(0, ctxNumber(0, 3), ctxNumber(1, year)),
		ctx(1, ber.Encode(ber.Sequence, representation)))
}
