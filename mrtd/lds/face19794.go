package lds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Facial records of ISO/IEC 19794-5, 2005 and 2011: a header, then for each
// face its information, its feature points, what its picture is, the picture.
const (
	faceHeader2005 = 14
	faceHeader2011 = 17
	facialInfo     = 20 // of 2005, the length of the block before it
	featurePoint   = 8
	imageInfo      = 12

	maxFaces = 16
)

var (
	magicFace   = []byte("FAC\x00")
	version2005 = []byte("010\x00")
	version2011 = []byte("030\x00")
)

func parseFaces19794(b []byte) ([]Face, error) {
	if len(b) < faceHeader2005 || !bytes.HasPrefix(b, magicFace) {
		return nil, errors.New("no facial record: it does not begin with FAC")
	}
	header, parse := faceHeader2005, parseFace2005
	switch version := b[4:8]; {
	case bytes.Equal(version, version2011):
		header, parse = faceHeader2011, parseFace2011
		if len(b) < header {
			return nil, errShort
		}
	case !bytes.Equal(version, version2005):
		return nil, fmt.Errorf("facial record of version %q; 010 (ISO/IEC 19794-5:2005) and 030 (2011) are read", bytes.TrimRight(version, "\x00"))
	}
	count := int(binary.BigEndian.Uint16(b[12:]))
	if count == 0 || count > maxFaces {
		return nil, fmt.Errorf("facial record of %d faces; 1 to %d are read", count, maxFaces)
	}
	rest := b[header:]
	out := make([]Face, 0, count)
	for i := range count {
		// The stated length of the last block is not relied on: some writers count
		// it without its header, and what follows the header is the picture anyway.
		length := len(rest)
		if i < count-1 {
			if length < 4 {
				return nil, fmt.Errorf("face %d: %w", i+1, errShort)
			}
			if length = int(binary.BigEndian.Uint32(rest)); length < 0 || length > len(rest) { // negative where int has 32 bits
				return nil, fmt.Errorf("face %d: block of %d bytes, %d at hand", i+1, length, len(rest))
			}
		}
		f, err := parse(rest[:length])
		if err != nil {
			return nil, fmt.Errorf("face %d: %w", i+1, err)
		}
		out, rest = append(out, f), rest[length:]
	}
	return out, nil
}

// parseFace2005 reads one block: facial information (5.5), feature points
// (5.6), image information (5.7), the picture.
func parseFace2005(b []byte) (Face, error) {
	f := fields{b: b}
	f.skip(4)
	points := f.u16()
	face := Face{Standard: Face2005}
	m := &face.Metadata
	m.Gender, m.EyeColor, m.HairColor = named(genders, f.u8()), named(eyeColors, f.u8()), named(hairColors, f.u8())
	m.Properties = f.properties()
	if e := named(expressions2005, f.u16()); e != "" {
		m.Expression = []string{e}
	}
	m.Pose = f.pose()
	m.Points = f.points(points)
	m.Kind = named(faceKinds, f.u8())
	face.Stated = formatOf(faceFormats2005, f.u8())
	face.Width, face.Height = f.u16(), f.u16()
	m.ColorSpace, m.Source = named(colorSpaces2005, f.u8()), named(faceSources, f.u8())
	f.skip(2) // device type
	if q := f.u16(); q > 0 && q <= 100 {
		m.Qualities = []Quality{{Score: q}}
	}
	return face.with(f, f.b)
}

// parseFace2011 reads one representation: capture, facial information, feature
// points, image information, and the picture behind its length.
func parseFace2011(b []byte) (Face, error) {
	f := fields{b: b}
	f.skip(4)
	c := f.capture2011()
	points := f.u16()
	face := Face{Standard: Face2011}
	m := &face.Metadata
	m.Captured, m.Qualities, m.Source = c.date, c.qualities, named(faceSources, c.device)
	m.Gender, m.EyeColor, m.HairColor = named(genders, f.u8()), named(eyeColors, f.u8()), named(hairColors, f.u8())
	if m.Height = f.u8(); m.Height == 0xFF {
		m.Height = 0
	}
	m.Properties = f.properties()
	m.Expression = namedBits(expressions2011, f.u16())
	m.Pose = f.pose()
	m.Points = f.points(points)
	m.Kind = named(faceKinds, f.u8())
	face.Stated = formatOf(faceFormats2011, f.u8())
	face.Width, face.Height = f.u16(), f.u16()
	f.skip(4) // sampling rate, processing, cross reference
	m.ColorSpace = named(colorSpaces2011, f.u8())
	length := f.u32()
	if length > len(f.b) { // the last picture's, from a writer that counted otherwise
		length = len(f.b)
	}
	image := f.take(length)
	return face.with(f, image)
}

// with is the face with its picture, or why there is none.
func (face Face) with(f fields, image []byte) (Face, error) {
	if f.short || len(image) == 0 {
		return Face{}, errShort
	}
	face.Image = image
	switch face.Format = SniffImage(image); face.Format {
	case JPEG, JPEG2000, PNG:
		return face, nil
	}
	return Face{}, errors.New("picture is none of JPEG, JPEG 2000 and PNG by its first bytes")
}

func (f *fields) properties() []string {
	b := f.take(3)
	if b == nil {
		return nil
	}
	return namedBits(faceProperties, int(b[0])<<16|int(b[1])<<8|int(b[2]))
}

// pose reads three angles and their uncertainties. 1 to 91 are 0 to 180
// degrees in steps of two, 92 to 180 are -178 to -2, and 0 is unspecified (5.5.7).
func (f *fields) pose() *Pose {
	b := f.take(6)
	if b == nil || b[0] == 0 && b[1] == 0 && b[2] == 0 {
		return nil
	}
	angle := func(c byte) (int, bool) {
		switch {
		case c == 0 || c > 181:
			return 0, false
		case c <= 91:
			return 2 * (int(c) - 1), true
		}
		return 2 * (int(c) - 181), true
	}
	var p Pose
	p.Yaw, p.HasYaw = angle(b[0])
	p.Pitch, p.HasPitch = angle(b[1])
	p.Roll, p.HasRoll = angle(b[2])
	return &p
}

func (f *fields) points(n int) []FeaturePoint {
	b := fields{b: f.take(n * featurePoint)}
	var out []FeaturePoint
	for len(b.b) > 0 && len(out) < maxPoints {
		p := FeaturePoint{Set: named(facePointSets, b.u8()), Code: b.u8(), X: b.u16(), Y: b.u16()}
		b.skip(2)
		out = append(out, p)
	}
	return out
}
