package lds

import (
	"fmt"
	"log/slog"

	"limen/mrtd/mrz"
)

// DG4 is the irises (Doc 9303-10, 4.7.4): templates in CBEFF, each a record of
// ISO/IEC 19794-6 or 39794-6.
type DG4 struct {
	Irises []Iris // none where the issuer had none of the bearer
}

// Iris is one picture of an eye. It prints as redacted.
type Iris struct {
	Standard  Standard
	Header    BiometricHeader
	Eye       Eye
	Format    ImageFormat // by the first bytes, or Raw where the record says so and they agree with nothing else
	Stated    ImageFormat // as the record's header claims; "" where it names none that is known here
	Width     int         // pixels as the record's header states them; 0 in ISO/IEC 39794-6, which does not
	Height    int
	Depth     int // bits of a pixel; 0 is not stated
	Captured  mrz.Date
	Qualities []Quality
	Image     []byte // sharing memory with the parsed file
}

// Eye is which eye a picture shows.
type Eye int

// The eyes, as all editions number them.
const (
	UnknownEye Eye = iota
	RightEye
	LeftEye
)

const maxIrises = 32 // pictures of one record

var magicIris = []byte("IIR\x00")

// ParseDG4 reads the whole file, tag 76. The pictures are not decoded.
func ParseDG4(b []byte) (DG4, error) {
	templates, err := parseTemplates(b, 4)
	if err != nil {
		return DG4{}, fmt.Errorf("DG4: %w", err)
	}
	var dg4 DG4
	for i, t := range templates {
		parse := parseIrises19794
		if len(t.block) > 0 && t.block[0] == byte(tagIrisBlock) {
			parse = parseIrises39794
		}
		irises, err := parse(t.block)
		if err != nil {
			return DG4{}, fmt.Errorf("DG4: template %d: %w", i+1, err)
		}
		for _, iris := range irises {
			iris.Header = t.header
			dg4.Irises = append(dg4.Irises, iris)
		}
	}
	return dg4, nil
}

// EncodeDG4 writes DG4 with a template for each iris. Each is written in its
// Standard, in ISO/IEC 19794-6:2005 where that is "". With no iris it is the
// empty group template, beside it the discretionary octets (Doc 9303-10, 4.7.4.2.2).
func EncodeDG4(discretionary []byte, irises ...Iris) ([]byte, error) {
	var records []written
	for i, iris := range irises {
		if iris.Standard == "" {
			iris.Standard = Iris2005
		}
		block, err := iris.record()
		if err != nil {
			return nil, fmt.Errorf("DG4: iris %d: %w", i+1, err)
		}
		records = append(records, written{iris.Standard, typeIris, byte(iris.Eye), block})
	}
	b, err := encodeTemplates(4, discretionary, records...)
	if err != nil {
		return nil, fmt.Errorf("DG4: %w", err)
	}
	return b, nil
}

// String tells format and size, nothing of the picture.
func (i Iris) String() string { return pictureText(i.Format, "iris", i.Image) }

// GoString is String, for %#v.
func (i Iris) GoString() string { return i.String() }

// LogValue is String, for logs.
func (i Iris) LogValue() slog.Value { return slog.StringValue(i.String()) }

// MarshalText writes String, so that no encoder prints the picture.
func (i Iris) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
