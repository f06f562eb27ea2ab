package lds

import (
	"errors"
	"fmt"
)

// DG2 is the encoded face (Doc 9303-10, 4.7.2): biometric templates in CBEFF,
// each a record of ISO/IEC 19794-5 or 39794-5.
type DG2 struct {
	Faces []Face // one in nearly every document
}

// ParseDG2 reads the whole file, tag 75. The pictures are not decoded.
func ParseDG2(b []byte) (DG2, error) {
	dg2, err := parseDG2(b)
	if err != nil {
		return DG2{}, fmt.Errorf("DG2: %w", err)
	}
	return dg2, nil
}

func parseDG2(b []byte) (DG2, error) {
	templates, err := parseTemplates(b, 2)
	if err != nil {
		return DG2{}, err
	}
	var dg2 DG2
	for i, t := range templates {
		parse := parseFaces19794
		if len(t.block) > 0 && t.block[0] == byte(tagFaceBlock) {
			parse = parseFaces39794
		}
		faces, err := parse(t.block)
		if err != nil {
			return DG2{}, fmt.Errorf("template %d: %w", i+1, err)
		}
		for _, f := range faces {
			f.Header = t.header
			dg2.Faces = append(dg2.Faces, f)
		}
	}
	if len(dg2.Faces) == 0 {
		return DG2{}, errors.New("no face in any biometric template")
	}
	return dg2, nil
}

// EncodeDG2 writes DG2 with one face: a full frontal picture in a record of
// ISO/IEC 19794-5:2005, format by its first bytes, width and height in pixels.
func EncodeDG2(image []byte, width, height int) ([]byte, error) {
	return EncodeFaces(Face{
		Image: image, Width: width, Height: height,
		Metadata: FaceMetadata{Kind: "full frontal", ColorSpace: "24-bit RGB"},
	})
}

// EncodeFaces writes DG2 with a template for each face. Each is written in its
// Standard, in ISO/IEC 19794-5:2005 where that is ""; its format is taken from
// the picture's first bytes. Metadata that a standard has no word for is left out.
func EncodeFaces(faces ...Face) ([]byte, error) {
	b, err := encodeFaces(faces)
	if err != nil {
		return nil, fmt.Errorf("DG2: %w", err)
	}
	return b, nil
}

func encodeFaces(faces []Face) ([]byte, error) {
	if len(faces) == 0 {
		return nil, errors.New("no face to encode")
	}
	var records []written
	for _, f := range faces {
		if f.Standard == "" {
			f.Standard = Face2005
		}
		block, err := f.record()
		if err != nil {
			return nil, err
		}
		records = append(records, written{f.Standard, typeFace, 0, block})
	}
	return encodeTemplates(2, nil, records...)
}
