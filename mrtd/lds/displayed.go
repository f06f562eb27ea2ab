package lds

import (
	"fmt"

	"limen/mrtd/ber"
)

// DG5 is the portrait and DG7 the signature or usual mark as they are printed
// (Doc 9303-10, 4.7.5 and 4.7.7): pictures for the eye, not for comparison.
const (
	tagPortrait  ber.Tag = 0x5F40
	tagSignature ber.Tag = 0x5F43

	maxDisplayed = 16
	maxImages    = 16 << 20 // of one file
)

// ParseDG5 reads the whole file, tag 65: the displayed portraits, one in most documents.
func ParseDG5(b []byte) ([]Image, error) { return parseDisplayed(b, 5, tagPortrait) }

// ParseDG7 reads the whole file, tag 67: the displayed signatures or usual marks.
func ParseDG7(b []byte) ([]Image, error) { return parseDisplayed(b, 7, tagSignature) }

// EncodeDG5 writes DG5 with 1 to 9 pictures.
func EncodeDG5(pictures ...[]byte) ([]byte, error) { return encodeDisplayed(5, tagPortrait, pictures) }

// EncodeDG7 writes DG7 with 1 to 9 pictures.
func EncodeDG7(pictures ...[]byte) ([]byte, error) { return encodeDisplayed(7, tagSignature, pictures) }

func parseDisplayed(b []byte, group int, tag ber.Tag) ([]Image, error) {
	if len(b) > maxImages {
		return nil, fmt.Errorf("DG%d: %d bytes are longer than %d", group, len(b), maxImages)
	}
	outer, err := ber.Parse(b, groupTags[group])
	if err != nil {
		return nil, fmt.Errorf("DG%d: %w", group, err)
	}
	elements, err := children(outer, 2*maxDisplayed)
	if err != nil {
		return nil, fmt.Errorf("DG%d: %w", group, err)
	}
	var out []Image
	for _, e := range elements {
		if e.Tag != tag {
			continue // the count, tag 02: what is there is what counts
		}
		if len(out) == maxDisplayed {
			return nil, fmt.Errorf("DG%d: more than %d pictures", group, maxDisplayed)
		}
		out = append(out, Image{Format: SniffImage(e.Value), Data: e.Value})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("DG%d: no picture under tag %X", group, tag)
	}
	return out, nil
}

func encodeDisplayed(group int, tag ber.Tag, pictures [][]byte) ([]byte, error) {
	if len(pictures) == 0 || len(pictures) > 9 {
		return nil, fmt.Errorf("DG%d: %d pictures; 1 to 9 are written", group, len(pictures))
	}
	body := ber.Encode(ber.Integer, []byte{byte(len(pictures))})
	for _, p := range pictures {
		body = append(body, ber.Encode(tag, p)...)
	}
	if len(body) > maxImages-8 {
		return nil, fmt.Errorf("DG%d: pictures of %d bytes are longer than %d", group, len(body), maxImages)
	}
	return ber.Encode(groupTags[group], body), nil
}
