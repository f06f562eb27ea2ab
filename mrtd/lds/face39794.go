package lds

import "limen/mrtd/ber"

// Face image data blocks of ISO/IEC 39794-5: ASN.1, module of edition 1.
const tagFaceBlock ber.Tag = 0x65 // [APPLICATION 5]

const (
	year39794Face  = 2019
	mpegFirstGroup = 2
)

// parseFaces39794 reads a FaceImageDataBlock. Only two-dimensional pictures are
// read; what is optional and odd is taken as absent.
func parseFaces39794(b []byte) ([]Face, error) {
	list, err := representations(b, tagFaceBlock, maxFaces)
	if err != nil {
		return nil, err
	}
	var out []Face
	for _, r := range list {
		picture := r.inner(1).inner(0).inner(0) // imageRepresentation, base, imageRepresentation2DBlock
		face := Face{Standard: Face39794, Metadata: faceMetadata39794(r, picture)}
		information := picture.inner(1)
		face.Stated = formatOf(faceFormats39794, information.code(0))
		size := information.inner(7)
		face.Width, face.Height = size.count(0), size.count(1)
		if face, err = face.with(fields{}, picture.octets(0)); err != nil {
			return nil, err
		}
		out = append(out, face)
	}
	return out, nil
}

func faceMetadata39794(r, picture tree) FaceMetadata {
	information, identity := picture.inner(1), r.inner(8)
	m := FaceMetadata{
		Kind: named(faceKinds39794, information.code(1)), ColorSpace: named(colorSpaces39794, information.code(9)),
		Source: named(faceSources, picture.inner(2).code(1)), Captured: r.date(2), Qualities: r.qualities(3),
		Gender: named(genders39794, identity.code(0)), EyeColor: named(eyeColors39794, identity.code(1)),
		HairColor: named(hairColors39794, identity.code(2)), Height: identity.count(3),
	}
	properties, expression := identity.inner(4), identity.inner(5)
	for i, name := range faceProperties39794 {
		if properties.set(i) {
			m.Properties = append(m.Properties, name)
		}
	}
	for i, name := range faceExpressions39794 {
		if expression.set(i) {
			m.Expression = append(m.Expression, name)
		}
	}
	if angles := identity.inner(6); angles != nil {
		var p Pose
		p.Yaw, p.HasYaw = angle39794(angles, 0)
		p.Pitch, p.HasPitch = angle39794(angles, 1)
		p.Roll, p.HasRoll = angle39794(angles, 2)
		m.Pose = &p
	}
	for _, l := range r.list(9) {
		if p, ok := point39794(l); ok && len(m.Points) < maxPoints {
			m.Points = append(m.Points, p)
		}
	}
	return m
}

func angle39794(angles tree, n int) (int, bool) {
	a := angles.inner(n).number(0)
	if a < -180 || a > 180 {
		return 0, false
	}
	return a, true
}

// point39794 reads a LandmarkBlock: its kind, base, of MPEG-4 or
// anthropometric; its coordinates, base, in two dimensions. One without such
// coordinates is no point of the picture.
func point39794(l tree) (FeaturePoint, bool) {
	at := l.inner(1).inner(0).inner(0)
	x, y := at.number(0), at.number(1)
	if x < 0 || y < 0 {
		return FeaturePoint{}, false
	}
	p := FeaturePoint{X: x, Y: y}
	kind := l.inner(0).inner(0)
	if c := kind.code(0); c >= 0 {
		p.Set = "MPEG-4"
		for i, rows := range mpegRows {
			if c < rows {
				p.Code = (mpegFirstGroup+i)<<4 | (c + 1)
				return p, true
			}
			c -= rows
		}
		return FeaturePoint{}, false
	}
	names := kind.inner(1).inner(0)
	for n := range 3 { // by name, by point name, by point identifier
		if c := names.code(n); c >= 0 {
			p.Set, p.Code = "anthropometric", c
		}
	}
	return p, true
}
