package lds

import (
	"encoding/binary"
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// record writes the face in its standard.
func (f Face) record() ([]byte, error) {
	formats := map[Standard][]ImageFormat{Face2005: faceFormats2005, Face2011: faceFormats2011, Face39794: faceFormats39794}[f.Standard]
	if formats == nil {
		return nil, fmt.Errorf("standard %q is none of a face", f.Standard)
	}
	format, ok := formatCode(formats, SniffImage(f.Image))
	if !ok {
		return nil, fmt.Errorf("picture's first bytes are of no format that %s has", f.Standard)
	}
	m := f.Metadata
	if len(f.Image) > maxBiometrics/2 || f.Width < 0 || f.Width > 0xFFFF || f.Height < 0 || f.Height > 0xFFFF || len(m.Points) > maxPoints || len(m.Qualities) > maxQualities {
		return nil, fmt.Errorf("picture of %d bytes, %d by %d pixels, does not fit", len(f.Image), f.Width, f.Height)
	}
	if p := m.Pose; p != nil && max(p.Yaw, p.Pitch, p.Roll, -p.Yaw, -p.Pitch, -p.Roll) > 180 {
		return nil, errors.New("pose beyond 180 degrees")
	}
	switch f.Standard {
	case Face2011:
		return f.record2011(byte(format)), nil
	case Face39794:
		return f.record39794(format), nil
	}
	return f.record2005(byte(format)), nil
}

func (f Face) record2005(format byte) []byte {
	m := f.Metadata
	b := make([]byte, 4, facialInfo+len(m.Points)*featurePoint+imageInfo+len(f.Image))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Points)))
	b = append(b, byte(codeOf(genders, m.Gender)), byte(codeOf(eyeColors, m.EyeColor)), byte(codeOf(hairColors, m.HairColor)))
	b = appendProperties(b, m.Properties)
	expression := 0
	if len(m.Expression) > 0 {
		expression = codeOf(expressions2005, m.Expression[0])
	}
	b = binary.BigEndian.AppendUint16(b, uint16(expression))
	b = appendPoints(appendPose(b, m.Pose), m.Points)
	b = append(b, byte(codeOf(faceKinds, m.Kind)), format)
	b = binary.BigEndian.AppendUint16(b, uint16(f.Width))
	b = binary.BigEndian.AppendUint16(b, uint16(f.Height))
	b = append(b, byte(codeOf(colorSpaces2005, m.ColorSpace)), byte(codeOf(faceSources, m.Source)), 0, 0)
	quality := 0
	if len(m.Qualities) > 0 {
		quality = max(0, m.Qualities[0].Score)
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(quality)), f.Image...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	header := append(append([]byte{}, magicFace...), version2005...)
	header = binary.BigEndian.AppendUint32(header, uint32(faceHeader2005+len(b)))
	return append(binary.BigEndian.AppendUint16(header, 1), b...)
}

func (f Face) record2011(format byte) []byte {
	m := f.Metadata
	b := appendCapture2011(make([]byte, 4, 64+len(m.Points)*featurePoint+len(f.Image)), m.Captured, codeOf(faceSources, m.Source), m.Qualities)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Points)))
	b = append(b, byte(codeOf(genders, m.Gender)), byte(codeOf(eyeColors, m.EyeColor)), byte(codeOf(hairColors, m.HairColor)), byte(min(max(m.Height, 0), 0xFE)))
	b = appendProperties(b, m.Properties)
	b = binary.BigEndian.AppendUint16(b, uint16(bitsOf(expressions2011, m.Expression)))
	b = appendPoints(appendPose(b, m.Pose), m.Points)
	b = append(b, byte(codeOf(faceKinds, m.Kind)), format)
	b = binary.BigEndian.AppendUint16(b, uint16(f.Width))
	b = binary.BigEndian.AppendUint16(b, uint16(f.Height))
	b = append(b, 0, 0, 0, 0, byte(codeOf(colorSpaces2011, m.ColorSpace)))
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(f.Image))), f.Image...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	header := append(append([]byte{}, magicFace...), version2011...)
	header = binary.BigEndian.AppendUint32(header, uint32(faceHeader2011+len(b)))
	return append(append(binary.BigEndian.AppendUint16(header, 1), 0, 0, 0), b...)
}

func appendProperties(b []byte, properties []string) []byte {
	mask := bitsOf(faceProperties, properties)
	return append(b, byte(mask>>16), byte(mask>>8), byte(mask))
}

func appendPose(b []byte, p *Pose) []byte {
	angle := func(degrees int, has bool) byte {
		switch {
		case !has:
			return 0
		case degrees < 0:
			return byte(181 + degrees/2)
		}
		return byte(degrees/2 + 1)
	}
	if p == nil {
		p = &Pose{}
	}
	return append(b, angle(p.Yaw, p.HasYaw), angle(p.Pitch, p.HasPitch), angle(p.Roll, p.HasRoll), 0, 0, 0)
}

func appendPoints(b []byte, points []FeaturePoint) []byte {
	for _, p := range points {
		b = append(b, byte(codeOf(facePointSets, p.Set)), byte(p.Code))
		b = binary.BigEndian.AppendUint16(b, uint16(p.X))
		b = binary.BigEndian.AppendUint16(b, uint16(p.Y))
		b = append(b, 0, 0)
	}
	return b
}

func (f Face) record39794(format int) []byte {
	m := f.Metadata
	information := ctxCode(0, format)
	if m.Kind == "MRTD" || m.Kind == "general purpose" {
		information = append(information, ctxCode(1, codeOf(faceKinds39794, m.Kind))...)
	}
	if f.Width > 0 && f.Height > 0 {
		information = append(information, ctx(7, ctxNumber(0, f.Width), ctxNumber(1, f.Height))...)
	}
	if c := codeOf(colorSpaces39794, m.ColorSpace); c > 0 {
		information = append(information, ctxCode(9, c)...)
	}
	picture := append(ber.Encode(0x80, f.Image), ctx(1, information)...)
	if c := codeOf(faceSources, m.Source); c > 0 {
		picture = append(picture, ctx(2, ctxCode(1, c))...)
	}
	r := append(ctxNumber(0, 0), ctx(1, ctx(0, ctx(0, picture)))...)
	if m.Captured.Year > 0 {
		r = append(r, dateBlock(2, m.Captured)...)
	}
	if len(m.Qualities) > 0 {
		r = append(r, qualityBlocks(3, m.Qualities)...)
	}
	if identity := m.identity39794(); len(identity) > 0 {
		r = append(r, ctx(8, identity)...)
	}
	if len(m.Points) > 0 {
		r = append(r, landmarks39794(m.Points)...)
	}
	return recordBlock(tagFaceBlock, year39794Face, r)
}

func (m FaceMetadata) identity39794() []byte {
	var b []byte
	for n, c := range []int{codeOf(genders39794, m.Gender), codeOf(eyeColors39794, m.EyeColor), codeOf(hairColors39794, m.HairColor)} {
		if c > 0 {
			b = append(b, ctxCode(n, c)...)
		}
	}
	if m.Height > 0 {
		b = append(b, ctxNumber(3, m.Height)...)
	}
	flags := func(n int, names, set []string) {
		var inner []byte
		for i, name := range names {
			for _, s := range set {
				if s == name {
					inner = append(inner, ctxTrue(i)...)
				}
			}
		}
		if len(inner) > 0 {
			b = append(b, ctx(n, inner)...)
		}
	}
	flags(4, faceProperties39794, m.Properties)
	flags(5, faceExpressions39794, m.Expression)
	if p := m.Pose; p != nil {
		var angles []byte
		for n, a := range []struct {
			degrees int
			has     bool
		}{{p.Yaw, p.HasYaw}, {p.Pitch, p.HasPitch}, {p.Roll, p.HasRoll}} {
			if a.has {
				angles = append(angles, ctx(n, ctxNumber(0, a.degrees))...)
			}
		}
		b = append(b, ctx(6, angles)...)
	}
	return b
}

// landmarks39794 writes landmark blocks: MPEG-4 points by their count, others by name.
func landmarks39794(points []FeaturePoint) []byte {
	var list []byte
	for _, p := range points {
		kind := ctx(1, ctx(0, ctxCode(0, p.Code)))
		if p.Set == "MPEG-4" {
			c := p.Code&0x0F - 1
			for i := mpegFirstGroup; i < p.Code>>4 && i-mpegFirstGroup < len(mpegRows); i++ {
				c += mpegRows[i-mpegFirstGroup]
			}
			kind = ctxCode(0, max(0, c))
		}
		list = append(list, ber.Encode(ber.Sequence, ctx(0, ctx(0, kind)),
			ctx(1, ctx(0, ctx(0, ctxNumber(0, p.X), ctxNumber(1, p.Y)))))...)
	}
	return ctx(9, list)
}
