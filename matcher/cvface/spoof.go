package cvface

import (
	"errors"
	"fmt"
	"image"
	"math"
	"sync"

	"gocv.io/x/gocv"

	"limen/matcher"
)

// The geometry of MiniFASNet: a BGR crop around the face, unscaled in value, to
// three classes of which the second is live.
const (
	spoofSide    = 80
	spoofClasses = 3
	spoofLive    = 1
)

// SpoofModel is one presentation attack network with the crop it was trained on.
type SpoofModel struct {
	ONNX  []byte
	Scale float64 // of the face box: 2.7 or 4.0
}

// Spoof judges faces by the mean of its networks. It implements spoof.Network
// and may be used concurrently, one picture at a time.
type Spoof struct {
	mu     sync.Mutex
	nets   []gocv.Net
	scales []float64
	open   bool
}

// NewSpoof loads networks from ONNX data that the caller has verified.
func NewSpoof(models ...SpoofModel) (*Spoof, error) {
	if len(models) == 0 {
		return nil, fmt.Errorf("%w: no presentation attack network is given", ErrModel)
	}
	s := &Spoof{open: true}
	for _, m := range models {
		err := checkONNX(m.ONNX, spoofSide, spoofSide, []output{{"", spoofClasses}})
		var net gocv.Net
		if err == nil {
			net, err = gocv.ReadNetFromONNXBytes(m.ONNX)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: presentation attack network: %v; it must be MiniFASNet, verify the file's SHA-256", ErrModel, err), s.Close())
		}
		s.nets, s.scales = append(s.nets, net), append(s.scales, m.Scale)
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
	for i, net := range s.nets {
		live, err := judgeLive(net, bgr, spoofCrop(box, s.scales[i], bgr.Cols(), bgr.Rows()))
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

func judgeLive(net gocv.Net, bgr gocv.Mat, crop image.Rectangle) (float64, error) {
	part := bgr.Region(crop)
	defer part.Close()
	blob := gocv.BlobFromImage(part, 1, image.Pt(spoofSide, spoofSide), gocv.Scalar{}, false, false)
	defer blob.Close()
	net.SetInput(blob, "")
	out := net.Forward("")
	defer out.Close()
	data, err := out.DataPtrFloat32()
	if err != nil || len(data) != spoofClasses {
		return 0, errors.New("cannot judge a presentation: the network's output is not three classes")
	}
	return liveOf(data), nil
}

// liveOf is the share of the live class, whether the network ends in
// probabilities or before.
func liveOf(classes []float32) float64 {
	sum, negative := 0.0, false
	for _, v := range classes {
		sum += float64(v)
		negative = negative || v < 0
	}
	if !negative && math.Abs(sum-1) < 1e-3 {
		return float64(classes[spoofLive])
	}
	top := max(classes[0], classes[1], classes[2])
	sum = 0
	for _, v := range classes {
		sum += math.Exp(float64(v - top))
	}
	return math.Exp(float64(classes[spoofLive]-top)) / sum
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
		err = errors.Join(err, n.Close())
	}
	return err
}
