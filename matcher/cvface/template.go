package cvface

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"limen/matcher"
)

// Geometry of face-reidentification-retail-0095: an aligned BGR face, unscaled
// in value, to 256 numbers compared by cosine.
const (
	faceSide     = 128
	templateSize = 256
)

// Template implements matcher.Engine: the face moved onto the recogniser's
// reference landmarks, described by a vector of length 1.
func (e *Engine) Template(img image.Image, face matcher.Face) (matcher.Template, error) {
	toCrop, err := matcher.Align(face.Landmarks, faceSide)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open {
		return nil, ErrClosed
	}
	bgr, toCrop, done, err := e.near(img, toCrop, image.Pt(faceSide, faceSide))
	if err != nil {
		return nil, fmt.Errorf("cannot describe a face: %w", err)
	}
	defer done()
	aligned := warp(bgr, toCrop)
	defer aligned.Close()
	blob := gocv.BlobFromImage(aligned, 1, image.Pt(faceSide, faceSide), gocv.Scalar{}, false, false)
	defer blob.Close()
	e.recogniser.SetInput(blob, "")
	out := e.recogniser.Forward("")
	defer out.Close()
	data, err := out.DataPtrFloat32()
	if err != nil || len(data) != templateSize {
		return nil, errors.New("cannot describe a face: the recogniser's output is not a template")
	}
	template := matcher.Template(data).Normalized() // a copy: data is OpenCV's memory
	clear(data)
	return template, nil
}

func warp(bgr gocv.Mat, s matcher.Similarity) gocv.Mat {
	m := gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F)
	defer m.Close()
	for i, v := range [6]float64{s.A, -s.B, s.TX, s.B, s.A, s.TY} {
		m.SetDoubleAt(i/3, i%3, v)
	}
	out := gocv.NewMat()
	gocv.WarpAffine(bgr, &out, m, image.Pt(faceSide, faceSide))
	return out
}
