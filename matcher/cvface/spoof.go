package cvface

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"sync"

	"gocv.io/x/gocv"

	"limen/matcher"
	"limen/matcher/catalog"
)

// Spoof judges faces by the mean of its networks, each fed and read as its
// catalog entry says. It implements spoof.Network and may be used concurrently,
// one picture at a time.
type Spoof struct {
	mu   sync.Mutex
	nets []network
	open bool
}

// NewSpoof loads networks of exactly the bytes that the catalog verified.
func NewSpoof(models ...catalog.Model) (*Spoof, error) {
	if len(models) == 0 {
		return nil, fmt.Errorf("%w: no presentation attack network is given", ErrModel)
	}
	s := &Spoof{open: true}
	for _, m := range models {
		n, err := openNetwork(m, catalog.Spoof)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.nets = append(s.nets, n)
	}
	return s, nil
}

// Live is how sure the networks are that the face is live, 0 to 1.
func (s *Spoof) Live(img image.Image, box matcher.Box) (float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return 0, ErrClosed
	}
	bgr, err := toBGR(img)
	if err != nil {
		return 0, fmt.Errorf("cannot judge a presentation: %w", err)
	}
	defer bgr.Close()
	sum := 0.0
	for _, n := range s.nets {
		live, err := n.judgeLive(bgr, spoofCrop(box, n.entry.Crop, bgr.Cols(), bgr.Rows()))
		if err != nil {
			return 0, err
		}
		sum += live
	}
	return sum / float64(len(s.nets)), nil
}

func toBGR(img image.Image) (gocv.Mat, error) {
	var e Engine
	return e.load(img)
}

// spoofCrop is the box grown about its middle, no further than the picture is
// large, and moved into the picture where it reaches beyond.
func spoofCrop(box matcher.Box, scale float64, width, height int) image.Rectangle {
	if !(box.W > 1 && box.H > 1) || math.IsInf(box.W, 0) || math.IsInf(box.H, 0) {
		return image.Rect(0, 0, width, height)
	}
	scale = min(scale, float64(height-1)/box.H, float64(width-1)/box.W)
	w, h := box.W*scale, box.H*scale
	x := min(max(box.X+box.W/2-w/2, 0), float64(width)-1-w)
	y := min(max(box.Y+box.H/2-h/2, 0), float64(height)-1-h)
	r := image.Rect(int(x), int(y), int(x+w)+1, int(y+h)+1).Intersect(image.Rect(0, 0, width, height))
	if r.Empty() { // a box far outside, or no number
		return image.Rect(0, 0, width, height)
	}
	return r
}

func (n network) judgeLive(bgr gocv.Mat, crop image.Rectangle) (float64, error) {
	part := bgr.Region(crop)
	defer part.Close()
	blob := n.blobOf(part, n.size())
	defer blob.Close()
	n.net.SetInput(blob, "")
	out := n.net.Forward("")
	defer out.Close()
	data, err := out.DataPtrFloat32()
	if err != nil || len(data) != n.entry.Output.Length {
		return 0, fmt.Errorf("cannot judge a presentation: the network's output is not %d classes", n.entry.Output.Length)
	}
	return liveOf(data, n.entry.Output.Live), nil
}

// liveOf is the share of the live class, whether the network ends in
// probabilities or before.
func liveOf(classes []float32, live int) float64 {
	sum, negative := 0.0, false
	for _, v := range classes {
		sum += float64(v)
		negative = negative || v < 0
	}
	if !negative && math.Abs(sum-1) < 1e-3 {
		return float64(classes[live])
	}
	top := slices.Max(classes)
	sum = 0
	for _, v := range classes {
		sum += math.Exp(float64(v - top))
	}
	return math.Exp(float64(classes[live]-top)) / sum
}

// Close frees the networks.
func (s *Spoof) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return nil
	}
	s.open = false
	var err error
	for _, n := range s.nets {
		err = errors.Join(err, n.net.Close())
	}
	return err
}
