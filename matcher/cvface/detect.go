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
	bgr, err := e.load(img)
	if err != nil {
		return nil, fmt.Errorf("cannot look for faces: %w", err)
	}
	defer e.forgetStill()

	// Reduce, then fill up to whole cells at the right and bottom.
	scale := min(float64(e.opts.DetectSide)/float64(max(bgr.Cols(), bgr.Rows())), 1)
	w, h := max(int(float64(bgr.Cols())*scale), 1), max(int(float64(bgr.Rows())*scale), 1)
	pw, ph := (w+31)/32*32, (h+31)/32*32
	input := gocv.NewMat()
	defer input.Close()
	gocv.Resize(bgr, &input, image.Pt(w, h), 0, 0, gocv.InterpolationArea)
	gocv.CopyMakeBorder(input, &input, 0, ph-h, 0, pw-w, gocv.BorderConstant, color.RGBA{})
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
		if data[i], err = mats[i].DataPtrFloat32(); err != nil || len(data[i]) != o.count {
			return nil, errors.New("cannot look for faces: the detector's output is not YuNet's")
		}
	}
	faces := decode(data, pw, ph, e.opts.MinScore)
	sx, sy := float64(w)/float64(bgr.Cols()), float64(h)/float64(bgr.Rows())
	for i := range faces {
		rescale(&faces[i], sx, sy)
	}
	return faces, nil
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
