package lds

import (
	"fmt"
	"log/slog"

	"limen/mrtd/mrz"
)

// DG3 is the fingers (Doc 9303-10, 4.7.3): templates in CBEFF, each a record
// of ISO/IEC 19794-4 or 39794-4.
type DG3 struct {
	Fingers []Finger // none where the issuer had none of the bearer
}

// Finger is one picture of a finger. It prints as redacted.
type Finger struct {
	Standard   Standard
	Header     BiometricHeader
	Position   FingerPosition
	Impression int         // as the standard numbers it: 0 is plain, 1 rolled
	Format     ImageFormat // by the first bytes, or Raw where the record says so and they agree with nothing else
	Stated     ImageFormat // as the record's header claims; "" where it names none that is known here
	Width      int         // pixels as the record's header states them; 0 in ISO/IEC 39794-4, which does not
	Height     int
	PPI        int // pixels per inch, horizontally; 0 is not stated
	Depth      int // bits of a pixel; 0 is not stated
	Captured   mrz.Date
	Qualities  []Quality
	Image      []byte // sharing memory with the parsed file
}

// FingerPosition is which finger a picture shows, as ISO/IEC 19794-4 and
// 39794-4 number them.
type FingerPosition int

// The positions of single fingers.
const (
	UnknownFinger FingerPosition = iota
	RightThumb
	RightIndex
	RightMiddle
	RightRing
	RightLittle
	LeftThumb
	LeftIndex
	LeftMiddle
	LeftRing
	LeftLittle
)

// subtypes is the biometric subtype of a position (Doc 9303-10, table 49).
var subtypes = [...]byte{0, 0x05, 0x09, 0x0D, 0x11, 0x15, 0x06, 0x0A, 0x0E, 0x12, 0x16}

const maxFingers = 32 // pictures of one record

var magicFinger = []byte("FIR\x00")

// ParseDG3 reads the whole file, tag 63. The pictures are not decoded.
func ParseDG3(b []byte) (DG3, error) {
	templates, err := parseTemplates(b, 3)
	if err != nil {
		return DG3{}, fmt.Errorf("DG3: %w", err)
	}
	var dg3 DG3
	for i, t := range templates {
		parse := parseFingers19794
		if len(t.block) > 0 && t.block[0] == byte(tagFingerBlock) {
			parse = parseFingers39794
		}
		fingers, err := parse(t.block)
		if err != nil {
			return DG3{}, fmt.Errorf("DG3: template %d: %w", i+1, err)
		}
		for _, f := range fingers {
			f.Header = t.header
			dg3.Fingers = append(dg3.Fingers, f)
		}
	}
	return dg3, nil
}

// EncodeDG3 writes DG3 with a template for each finger, as Doc 9303-10,
// 4.7.3.2.4 wants it. Each is written in its Standard, in ISO/IEC 19794-4:2005
// where that is "". With no finger it is the empty group template, beside it
// the discretionary octets that make such a group unlike others (4.7.3.2.2).
func EncodeDG3(discretionary []byte, fingers ...Finger) ([]byte, error) {
	var records []written
	for i, f := range fingers {
		if f.Standard == "" {
			f.Standard = Finger2005
		}
		block, err := f.record()
		if err != nil {
			return nil, fmt.Errorf("DG3: finger %d: %w", i+1, err)
		}
		subtype := byte(0)
		if f.Position >= 0 && int(f.Position) < len(subtypes) {
			subtype = subtypes[f.Position]
		}
		records = append(records, written{f.Standard, typeFinger, subtype, block})
	}
	b, err := encodeTemplates(3, discretionary, records...)
	if err != nil {
		return nil, fmt.Errorf("DG3: %w", err)
	}
	return b, nil
}

// String tells format and size, nothing of the picture.
func (f Finger) String() string { return pictureText(f.Format, "finger", f.Image) }

// GoString is String, for %#v.
func (f Finger) GoString() string { return f.String() }

// LogValue is String, for logs.
func (f Finger) LogValue() slog.Value { return slog.StringValue(f.String()) }

// MarshalText writes String, so that no encoder prints the picture.
func (f Finger) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// sniffed is the format of a picture whose header claims one: a raw picture
// has no first bytes to be known by.
func sniffed(image []byte, stated ImageFormat) ImageFormat {
	format := SniffImage(image)
	if format == "" && stated == Raw {
		return Raw
	}
	return format
}
