// Package matcher is what limen knows of faces: where they are in a picture,
// whether a picture of one is fit to be judged, and how alike two are. It is
// plain Go; the networks behind Engine live in cvface, their files in catalog.
//
// It gives scores and reasons and no verdicts: the threshold is policy's.
package matcher

import (
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
)

// Point is a position in a picture, in pixels from its top left corner.
type Point struct{ X, Y float64 }

// Box is a rectangle in pixels; it may reach beyond the picture.
type Box struct{ X, Y, W, H float64 }

// Side is the geometric mean of width and height: the size of a face.
func (b Box) Side() float64 { return math.Sqrt(max(b.W, 0) * max(b.H, 0)) }

// Landmarks of a face as the detector orders them; right and left are the
// person's own, so the right eye lies to the left in the picture.
const (
	RightEye = iota
	LeftEye
	NoseTip
	RightMouthCorner
	LeftMouthCorner
)

// Face is one detected face.
type Face struct {
	Box       Box
	Score     float64 // the detector's, 0 to 1
	Landmarks [5]Point
}

// EyeDistance is the distance between the centers of the eyes in pixels.
func (f Face) EyeDistance() float64 {
	r, l := f.Landmarks[RightEye], f.Landmarks[LeftEye]
	return math.Hypot(l.X-r.X, l.Y-r.Y)
}

// LogValue redacts: landmarks are biometric.
func (Face) LogValue() slog.Value { return slog.StringValue("[face]") }

// Engine finds and describes faces. Pictures are *capture.Frame or any
// image.Image; an engine may keep the last frame until the next picture, and no
// other.
type Engine interface {
	// Detect returns the faces in img, largest first; none is not an error.
	Detect(img image.Image) ([]Face, error)
	// Template describes one face that Detect found in the same img.
	Template(img image.Image, face Face) (Template, error)
}

// Template describes a face for comparison. It is biometric data that lives in
// memory only: it prints as redacted and refuses every encoding.
type Template []float32

// ErrSerialized is what an attempt to encode a template gets.
var ErrSerialized = errors.New("matcher: a face template is never stored or sent")

// Format redacts under every verb.
func (Template) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[template]")) }

// LogValue redacts.
func (Template) LogValue() slog.Value { return slog.StringValue("[template]") }

// MarshalJSON refuses.
func (Template) MarshalJSON() ([]byte, error) { return nil, ErrSerialized }

// MarshalText refuses.
func (Template) MarshalText() ([]byte, error) { return nil, ErrSerialized }

// MarshalBinary refuses, and with it encoding/gob and CBOR.
func (Template) MarshalBinary() ([]byte, error) { return nil, ErrSerialized }

// Cosine is the similarity of two templates of one model, -1 to 1. It is 0 for
// templates of different lengths or without content, which match nothing.
func Cosine(a, b Template) float64 {
	if len(a) != len(b) {
		return 0
	}
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	c := dot / math.Sqrt(aa*bb)
	if math.IsNaN(c) || math.IsInf(c, 0) {
		return 0
	}
	return min(max(c, -1), 1)
}

// Fuse is the mean direction of several templates of one person by one model.
func Fuse(templates []Template) Template {
	if len(templates) == 0 {
		return nil
	}
	sum := make(Template, len(templates[0]))
	for _, t := range templates {
		if len(t) != len(sum) {
			return nil
		}
		for i, v := range t {
			sum[i] += v
		}
	}
	defer clear(sum)
	return sum.Normalized()
}

// Normalized is t at length 1; a template without content stays as it is.
func (t Template) Normalized() Template {
	var sq float64
	for _, v := range t {
		sq += float64(v) * float64(v)
	}
	out := make(Template, len(t))
	copy(out, t)
	if n := math.Sqrt(sq); n > 0 && !math.IsInf(n, 0) {
		for i := range out {
			out[i] = float32(float64(out[i]) / n)
		}
	}
	return out
}
