package cvface

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"

	"gocv.io/x/gocv"

	"limen/matcher"
)

// YuNet looks at cells of three sizes; the input's sides are multiples of the
// largest.
var strides = [3]int{8, 16, 32}

const (
	maxFaces   = 50
	overlapNMS = 0.3 // of two boxes that overlap more than this, the better stays
)

// detectorOutputs names YuNet's outputs for an input size, in groups of three
// strides: class score, object score, box, landmarks.
func detectorOutputs(width, height int) []output {
	var outs []output
	for _, kind := range []struct {
		name    string
		numbers int
	}{{"cls", 1}, {"obj", 1}, {"bbox", 4}, {"kps", 10}} {
		for _, s := range strides {
			outs = append(outs, output{fmt.Sprintf("%s_%d", kind.name, s), (width / s) * (height / s) * kind.numbers})
		}
	}
	return outs
}

// Detect implements matcher.Engine.
func (e *Engine) Detect(img image.Image) ([]matcher.Face, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open {
		return nil, ErrClosed
	}
	input, full, err := e.reduced(img, e.opts.DetectSide)
	if err != nil {
		return nil, fmt.Errorf("cannot look for faces: %w", err)
	}
	defer input.Close()
	defer e.forgetStill()

	w, h := input.Cols(), input.Rows()
	faces, err := e.find(input)
	if err == nil && len(faces) > 0 && faces[0].Score < doubtful {
		faces, err = e.upright(input, faces)
	}
	if err != nil {
		return nil, err
	}
	sx, sy := float64(w)/float64(full.X), float64(h)/float64(full.Y)
	for i := range faces {
		rescale(&faces[i], sx, sy)
	}
	return faces, nil
}

// doubtful is the score below which a find may be a face upside down: YuNet
// finds those too, as if they were upright, with scores up to 0.9; an upright
// one in good light has 0.94.
const doubtful = 0.92

// upright looks at the turned picture as well. Where a face is found better
// there, its landmarks are the turned ones, so that whoever judges it sees that
// it stands on its head.
func (e *Engine) upright(input gocv.Mat, faces []matcher.Face) ([]matcher.Face, error) {
	turned := gocv.NewMat()
	defer turned.Close()
	gocv.Flip(input, &turned, -1)
	found, err := e.find(turned)
	if err != nil {
		return nil, err
	}
	w, h := float64(input.Cols()), float64(input.Rows())
	for _, f := range found {
		f.Box.X, f.Box.Y = w-f.Box.X-f.Box.W, h-f.Box.Y-f.Box.H
		for i, p := range f.Landmarks {
			f.Landmarks[i] = matcher.Point{X: w - p.X, Y: h - p.Y}
		}
		for i := range faces {
			if f.Score > faces[i].Score && overlap(f.Box, faces[i].Box) > overlapNMS {
				faces[i] = f
			}
		}
	}
	return faces, nil
}

// find runs the detector on a picture of its size; the faces are in its pixels.
func (e *Engine) find(picture gocv.Mat) ([]matcher.Face, error) {
	// Fill up to whole cells at the right and bottom.
	w, h := picture.Cols(), picture.Rows()
	pw, ph := (w+31)/32*32, (h+31)/32*32
	input := gocv.NewMat()
	defer input.Close()
	gocv.CopyMakeBorder(picture, &input, 0, ph-h, 0, pw-w, gocv.BorderConstant, color.RGBA{})
	blob := e.detector.blob(input)
	defer blob.Close()
	e.detector.net.SetInput(blob, "")

	want := detectorOutputs(pw, ph)
	names := make([]string, len(want))
	for i, o := range want {
		names[i] = o.name
	}
	mats := e.detector.net.ForwardLayers(names)
	defer func() {
		for i := range mats {
			mats[i].Close()
		}
	}()
	data := make([][]float32, len(want))
	for i, o := range want {
		var err error
		if data[i], err = mats[i].DataPtrFloat32(); err != nil || len(data[i]) != o.count {
			return nil, errors.New("the detector's output is not YuNet's")
		}
	}
	return decode(data, pw, ph, e.opts.MinScore), nil
}

// decode turns YuNet's outputs to faces in input pixels, largest first.
func decode(data [][]float32, width, height int, minScore float64) []matcher.Face {
	var faces []matcher.Face
	for si, s := range strides {
		cls, obj, box, kps := data[si], data[3+si], data[6+si], data[9+si]
		cols, stride := width/s, float64(s)
		for i := range cls {
			score := math.Sqrt(unit(cls[i]) * unit(obj[i]))
			if !(score >= minScore) {
				continue
			}
			cx, cy := float64(i%cols), float64(i/cols)
			at := func(v []float32, k int) float64 { return float64(v[k]) }
			f := matcher.Face{Score: score}
			f.Box.W = math.Exp(at(box, 4*i+2)) * stride
			f.Box.H = math.Exp(at(box, 4*i+3)) * stride
			f.Box.X = (cx+at(box, 4*i))*stride - f.Box.W/2
			f.Box.Y = (cy+at(box, 4*i+1))*stride - f.Box.H/2
			for k := range f.Landmarks {
				f.Landmarks[k] = matcher.Point{X: (cx + at(kps, 10*i+2*k)) * stride, Y: (cy + at(kps, 10*i+2*k+1)) * stride}
			}
			faces = append(faces, f)
		}
	}
	faces = suppress(faces)
	slices.SortStableFunc(faces, func(a, b matcher.Face) int {
		switch {
		case a.Box.Side() > b.Box.Side():
			return -1
		case a.Box.Side() < b.Box.Side():
			return 1
		}
		return 0
	})
	return faces
}

func unit(v float32) float64 { return min(max(float64(v), 0), 1) }

// suppress keeps the best of boxes that show the same face.
func suppress(faces []matcher.Face) []matcher.Face {
	slices.SortStableFunc(faces, func(a, b matcher.Face) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	var kept []matcher.Face
	for _, f := range faces {
		if len(kept) == maxFaces {
			break
		}
		if !slices.ContainsFunc(kept, func(k matcher.Face) bool { return overlap(f.Box, k.Box) > overlapNMS }) {
			kept = append(kept, f)
		}
	}
	return kept
}

// overlap is the boxes' intersection over their union.
func overlap(a, b matcher.Box) float64 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.W*a.H + b.W*b.H - w*h)
}

func rescale(f *matcher.Face, sx, sy float64) {
	f.Box.X, f.Box.W = f.Box.X/sx, f.Box.W/sx
	f.Box.Y, f.Box.H = f.Box.Y/sy, f.Box.H/sy
	for i, p := range f.Landmarks {
		f.Landmarks[i] = matcher.Point{X: p.X / sx, Y: p.Y / sy}
	}
}
