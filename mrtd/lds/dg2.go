package lds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"limen/mrtd/ber"
)

// DG2 is the encoded face (Doc 9303-10, 4.7.2): biometric templates in CBEFF,
// each a facial record of ISO/IEC 19794-5:2005. Records of ISO/IEC 39794-5 are
// recognized and refused by name; this version does not read them.
type DG2 struct {
	Faces []Face // one in nearly every document
}

// Face is one picture of the bearer. It prints as redacted.
type Face struct {
	Format ImageFormat
	// Stated is the format the record's header claims. Format is what the
	// image's first bytes are, and is what a decoder has to be chosen by.
	Stated ImageFormat
	Width  int // pixels as the record's header states them; 0 is unspecified
	Height int
	Image  []byte // the compressed picture, sharing memory with the parsed file
}

// LogValue tells format and size, nothing of the picture.
func (f Face) LogValue() slog.Value { return slog.StringValue(f.String()) }

// String tells format and size, nothing of the picture.
func (f Face) String() string {
	return pictureText(f.Format, "portrait", f.Image)
}

// GoString is String, for %#v.
func (f Face) GoString() string { return f.String() }

// MarshalText writes String, so that no encoder prints the picture.
func (f Face) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// ErrISO39794 says that DG2 holds a record of ISO/IEC 39794-5, which this
// version does not read.
var ErrISO39794 = errors.New("face record of ISO/IEC 39794-5, which this version does not read: only ISO/IEC 19794-5 is")

// Tags of CBEFF (ISO/IEC 7816-11).
const (
	tagGroupTemplate ber.Tag = 0x7F61
	tagTemplate      ber.Tag = 0x7F60
	tagHeader        ber.Tag = 0xA1
	tagBlock         ber.Tag = 0x5F2E
	tagBlockCons     ber.Tag = 0x7F2E // ISO/IEC 39794-5; also seen around 19794-5
)

// What bounds DG2: a file has at most 64 KiB on most chips, and 16 MiB leaves
// room for any; the standard counts templates and faces in one octet and two.
const (
	maxDG2       = 16 << 20
	maxTemplates = 16
	maxFaces     = 16
)

// ParseDG2 reads the whole file, tag 75. The pictures are not decoded.
func ParseDG2(b []byte) (DG2, error) {
	dg2, err := parseDG2(b)
	if err != nil {
		return DG2{}, fmt.Errorf("DG2: %w", err)
	}
	return dg2, nil
}

func parseDG2(b []byte) (DG2, error) {
	var dg2 DG2
	if len(b) > maxDG2 {
		return dg2, fmt.Errorf("%d bytes are longer than %d", len(b), maxDG2)
	}
	outer, err := ber.Parse(b, groupTags[2])
	if err != nil {
		return dg2, err
	}
	group, ok := outer.Find(tagGroupTemplate)
	if !ok {
		return dg2, fmt.Errorf("no biometric group template %X", tagGroupTemplate)
	}
	parts, err := group.Children()
	if err != nil {
		return dg2, err
	}
	templates := 0
	for _, p := range parts {
		if p.Tag != tagTemplate {
			continue // the count, tag 02: what is there is what counts
		}
		if templates++; templates > maxTemplates {
			return dg2, fmt.Errorf("more than %d biometric templates", maxTemplates)
		}
		block, err := blockOf(p)
		if err != nil {
			return dg2, fmt.Errorf("template %d: %w", templates, err)
		}
		faces, err := parseRecord(block)
		if err != nil {
			return dg2, fmt.Errorf("template %d: %w", templates, err)
		}
		dg2.Faces = append(dg2.Faces, faces...)
	}
	if len(dg2.Faces) == 0 {
		return dg2, errors.New("no face in any biometric template")
	}
	return dg2, nil
}

// blockOf finds the biometric data block of a template.
func blockOf(template ber.TLV) ([]byte, error) {
	parts, err := template.Children()
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		switch p.Tag {
		case tagBlock:
			return p.Value, nil
		case tagBlockCons:
			if bytes.HasPrefix(p.Value, magicFace) {
				return p.Value, nil
			}
			if inner, ok := p.Find(tagBlock); ok {
				return inner.Value, nil
			}
			return nil, ErrISO39794
		}
	}
	return nil, fmt.Errorf("no biometric data block %X or %X", tagBlock, tagBlockCons)
}

// The facial record (ISO/IEC 19794-5:2005, 5.4 to 5.8), lengths in octets.
const (
	recordHeader  = 14
	facialInfo    = 20
	featurePoint  = 8
	imageInfo     = 12
	imageTypeJPEG = 0
	imageTypeJP2  = 1
)

var (
	magicFace    = []byte("FAC\x00")
	version2005  = []byte("010\x00")
	tag39794Face = byte(0x65) // [APPLICATION 5], the FaceImageDataBlock of ISO/IEC 39794-5
)

func parseRecord(b []byte) ([]Face, error) {
	switch {
	case len(b) > 0 && b[0] == tag39794Face:
		return nil, ErrISO39794
	case len(b) < recordHeader || !bytes.HasPrefix(b, magicFace):
		return nil, errors.New("no facial record: it does not begin with FAC")
	case !bytes.Equal(b[4:8], version2005):
		return nil, fmt.Errorf("facial record of version %q; only 010 (ISO/IEC 19794-5:2005) is read", bytes.TrimRight(b[4:8], "\x00"))
	}
	count := int(binary.BigEndian.Uint16(b[12:]))
	if count == 0 || count > maxFaces {
		return nil, fmt.Errorf("facial record of %d faces; 1 to %d are read", count, maxFaces)
	}
	rest := b[recordHeader:]
	faces := make([]Face, 0, count)
	for i := range count {
		// The stated length of the last block is not relied on: some writers count
		// it without its header, and what follows the header is the picture anyway.
		f, length, err := parseFace(rest, i == count-1)
		if err != nil {
			return nil, fmt.Errorf("face %d: %w", i+1, err)
		}
		faces, rest = append(faces, f), rest[length:]
	}
	return faces, nil
}

func parseFace(b []byte, last bool) (Face, int, error) {
	if len(b) < facialInfo+imageInfo {
		return Face{}, 0, fmt.Errorf("%d bytes are too few for its headers", len(b))
	}
	length := int(binary.BigEndian.Uint32(b))
	if last {
		length = len(b)
	}
	start := facialInfo + featurePoint*int(binary.BigEndian.Uint16(b[4:])) + imageInfo
	if length > len(b) || start >= length {
		return Face{}, 0, fmt.Errorf("block of %d bytes, headers of %d, %d at hand", length, start, len(b))
	}
	info, image := b[start-imageInfo:start], b[start:length]
	f := Face{Width: int(binary.BigEndian.Uint16(info[2:])), Height: int(binary.BigEndian.Uint16(info[4:])), Image: image}
	switch info[1] {
	case imageTypeJPEG:
		f.Stated = JPEG
	case imageTypeJP2:
		f.Stated = JPEG2000
	}
	if f.Format = SniffImage(image); f.Format == "" {
		return Face{}, 0, errors.New("picture is neither JPEG nor JPEG 2000 by its first bytes")
	}
	return f, length, nil
}

// EncodeDG2 writes DG2 with one face: a full frontal picture, format by its
// first bytes, width and height in pixels.
func EncodeDG2(image []byte, width, height int) ([]byte, error) {
	kind := byte(imageTypeJPEG)
	switch SniffImage(image) {
	case JPEG:
	case JPEG2000:
		kind = imageTypeJP2
	default:
		return nil, errors.New("DG2: picture is neither JPEG nor JPEG 2000 by its first bytes")
	}
	if len(image) > maxDG2/2 || width < 0 || width > 0xFFFF || height < 0 || height > 0xFFFF {
		return nil, fmt.Errorf("DG2: picture of %d bytes, %d by %d pixels, does not fit", len(image), width, height)
	}
	face := make([]byte, facialInfo+imageInfo)
	binary.BigEndian.PutUint32(face, uint32(len(face)+len(image)))
	info := face[facialInfo:]
	info[0], info[1] = 1, kind // full frontal
	binary.BigEndian.PutUint16(info[2:], uint16(width))
	binary.BigEndian.PutUint16(info[4:], uint16(height))
	info[6] = 1 // sRGB
	record := append(append([]byte{}, magicFace...), version2005...)
	record = binary.BigEndian.AppendUint32(record, uint32(recordHeader+len(face)+len(image)))
	record = binary.BigEndian.AppendUint16(record, 1)
	record = append(append(record, face...), image...)
	header := ber.Encode(tagHeader,
		ber.Encode(0x81, []byte{2}),          // biometric type: facial features
		ber.Encode(0x82, []byte{0}),          // subtype: none
		ber.Encode(0x87, []byte{0x01, 0x01}), // format owner: ISO/IEC JTC 1/SC 37
		ber.Encode(0x88, []byte{0x00, 0x08})) // format type: ISO/IEC 19794-5
	return ber.Encode(groupTags[2], ber.Encode(tagGroupTemplate,
		ber.Encode(ber.Integer, []byte{1}),
		ber.Encode(tagTemplate, header, ber.Encode(tagBlock, record)))), nil
}
