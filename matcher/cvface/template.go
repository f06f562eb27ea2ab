package cvface

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"limen/matcher"
)

// Template implements matcher.Engine: the face moved onto the recogniser's
// own landmarks, described by a vector of length 1.
func (e *Engine) Template(img image.Image, face matcher.Face) (matcher.Template, error) {
	toCrop, err := matcher.AlignOnto(face.Landmarks, e.recogniser.align)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open {
		return nil, ErrClosed
	}
	bgr, toCrop, done, err := e.near(img, toCrop, e.recogniser.size())
	if err != nil {
		return nil, fmt.Errorf("cannot describe a face: %w", err)
	}
	defer done()
	aligned := warp(bgr, toCrop, e.recogniser.size())
	defer aligned.Close()
	blob := e.recogniser.blob(aligned)
	defer blob.Close()
	e.recogniser.net.SetInput(blob, "")
	out := e.recogniser.net.Forward("")
	defer out.Close()
	data, err := out.DataPtrFloat32()
	if err != nil || len(data) != e.recogniser.entry.Output.Length {
		return nil, errors.New("cannot describe a face: the recogniser's output is not a template")
	}
	template := matcher.Template(data).Normalized() // a copy: data is OpenCV's memory
	clear(data)
	return template, nil
}

func warp(bgr gocv.Mat, s matcher.Similarity, size image.Point) gocv.Mat {
	m := gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F)
	defer m.Close()
	for i, v := range [6]float64{s.A, -s.B, s.TX, s.B, s.A, s.TY} {
		m.SetDoubleAt(i/3, i%3, v)
	}
	out := gocv.NewMat()
	gocv.WarpAffine(bgr, &out, m, size)
	return out
}
