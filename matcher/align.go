package matcher

import "errors"

// Reference is where the five landmarks of an upright frontal face lie in a
// square crop, as fractions of its side: the crop that quality is judged on.
// Recognisers have references of their own, in their catalog entries.
var Reference = [5]Point{
	{0.3156, 0.4616}, {0.6827, 0.4616}, {0.5003, 0.6405}, {0.3495, 0.8247}, {0.6534, 0.8247},
}

// Similarity maps a point by rotation, uniform scale and shift:
// x' = A·x - B·y + TX, y' = B·x + A·y + TY.
type Similarity struct{ A, B, TX, TY float64 }

// ErrDegenerate says that landmarks lie on one spot.
var ErrDegenerate = errors.New("matcher: the landmarks describe no face")

// Align is the similarity that moves landmarks onto Reference in a crop of the
// given side, with the least squared error.
func Align(landmarks [5]Point, side float64) (Similarity, error) {
	onto := Reference
	for i, p := range onto {
		onto[i] = Point{p.X * side, p.Y * side}
	}
	return AlignOnto(landmarks, onto)
}

// AlignOnto is the similarity that moves landmarks onto five points of a crop,
// in its pixels, with the least squared error.
func AlignOnto(landmarks, onto [5]Point) (Similarity, error) {
	var pm, qm Point
	for i, p := range landmarks {
		pm.X, pm.Y = pm.X+p.X/5, pm.Y+p.Y/5
		qm.X, qm.Y = qm.X+onto[i].X/5, qm.Y+onto[i].Y/5
	}
	var a, b, sq float64
	for i, p := range landmarks {
		px, py := p.X-pm.X, p.Y-pm.Y
		qx, qy := onto[i].X-qm.X, onto[i].Y-qm.Y
		a += px*qx + py*qy
		b += px*qy - py*qx
		sq += px*px + py*py
	}
	if !(sq > 1) || a*a+b*b == 0 { // not NaN, and more than a pixel apart
		return Similarity{}, ErrDegenerate
	}
	s := Similarity{A: a / sq, B: b / sq}
	s.TX = qm.X - s.A*pm.X + s.B*pm.Y
	s.TY = qm.Y - s.B*pm.X - s.A*pm.Y
	return s, nil
}

// Apply maps p.
func (s Similarity) Apply(p Point) Point {
	return Point{s.A*p.X - s.B*p.Y + s.TX, s.B*p.X + s.A*p.Y + s.TY}
}

// Inverse maps back.
func (s Similarity) Inverse() Similarity {
	n := s.A*s.A + s.B*s.B
	inv := Similarity{A: s.A / n, B: -s.B / n}
	inv.TX = -inv.A*s.TX + inv.B*s.TY
	inv.TY = -inv.B*s.TX - inv.A*s.TY
	return inv
}
