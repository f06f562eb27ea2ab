package cvface

import (
	"bytes"
	"flag"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"limen/matcher"
	"limen/matcher/proportion"
)

var sequence = flag.Int("sequence", 0, "captures a person, to measure the rule of several frames with; 0 leaves it out")

// captured is a photograph as a gate's camera sees it at one moment of a walk:
// smaller, moved and tilted, lit from one side, blurred, noisy and compressed.
func captured(t testing.TB, img image.Image, face matcher.Face, r *rand.Rand) image.Image {
	t.Helper()
	const w, h = 480, 400
	k := face.EyeDistance() / (45 + 40*r.Float64()) // of the photograph's pixels for one of the capture's
	turn := 0.12 * (r.Float64() - 0.5)
	sin, cos := math.Sin(turn)*k, math.Cos(turn)*k
	squeeze := 1 + 0.06*(r.Float64()-0.5)
	middle := matcher.Point{X: (face.Landmarks[0].X + face.Landmarks[1].X) / 2, Y: (face.Landmarks[0].Y + face.Landmarks[1].Y) / 2}
	ox, oy := w/2+20*(r.Float64()-0.5), 0.42*h+20*(r.Float64()-0.5)
	light, slope, soft := 0.45+0.6*r.Float64(), 0.6*(r.Float64()-0.5), r.IntN(2)
	b := img.Bounds()
	out := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio444)
	for y := range h {
		for x := range w {
			var sum [3]float64
			n := 0.0
			for j := -soft; j <= 2; j++ { // more samples of the photograph a pixel: no aliasing, and blur
				for i := -soft; i <= 2; i++ {
					dx, dy := (float64(x)+float64(i)/2.5-ox)*squeeze, float64(y)+float64(j)/2.5-oy
					px, py := int(middle.X+dx*cos-dy*sin)+b.Min.X, int(middle.Y+dx*sin+dy*cos)+b.Min.Y
					if !image.Pt(px, py).In(b) {
						px, py = min(max(px, b.Min.X), b.Max.X-1), min(max(py, b.Min.Y), b.Max.Y-1)
					}
					c := img.(*image.YCbCr)
					at, ct := c.YOffset(px, py), c.COffset(px, py)
					sum[0], sum[1], sum[2], n = sum[0]+float64(c.Y[at]), sum[1]+float64(c.Cb[ct]), sum[2]+float64(c.Cr[ct]), n+1
				}
			}
			l := sum[0]/n*light*(1+slope*(2*float64(x)/w-1)) + 3*r.NormFloat64()
			out.Y[out.YOffset(x, y)] = uint8(min(max(l, 0), 255))
			out.Cb[out.COffset(x, y)], out.Cr[out.COffset(x, y)] = uint8(128+(sum[1]/n-128)*light), uint8(128+(sum[2]/n-128)*light)
		}
	}
	var encoded bytes.Buffer
	if err := jpeg.Encode(&encoded, out, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	picture, err := jpeg.Decode(&encoded)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// What looking again and again at a growing mean adds to the false match rate:
// everybody's captures against everybody else's portrait, by one frame, by the mean of
// three, of all, and by the rule that stops when it is clear.
func TestSequentialRuleOnLondon(t *testing.T) {
	if *sequence < 3 {
		t.Skip("no -sequence 12 given")
	}
	e := openEngine(t, Options{})
	neutral, smiling := london(t, "neutral_front"), london(t, "smiling_front")
	var portraits []matcher.Template
	var walks [][]matcher.Template
	for i := range neutral {
		portrait := readJPEG(t, neutral[i])
		p, err := e.Template(portrait, find(t, e, portrait))
		if err != nil {
			t.Fatal(err)
		}
		portraits = append(portraits, p)
		live := readJPEG(t, smiling[i])
		face := find(t, e, live)
		r := rand.New(rand.NewPCG(uint64(i), 7))
		var walk []matcher.Template
		for len(walk) < *sequence {
			frame := asFrame(captured(t, live, face, r))
			faces, err := e.Detect(frame)
			if err != nil || len(faces) == 0 {
				t.Fatalf("%s: no face in a capture (%v)", smiling[i], err)
			}
			v, err := e.Template(frame, faces[0])
			if err != nil {
				t.Fatal(err)
			}
			walk = append(walk, v)
			frame.Release()
		}
		walks = append(walks, walk)
	}
	for _, threshold := range []float64{0.2833, 0.33, 0.3963, 0.45} {
		var wrong, missed [4]int
		var impostors, genuine, looks int
		rule := matcher.Sequence{Threshold: threshold}
		for i, walk := range walks {
			means := make([]matcher.Template, len(walk)+1)
			for n := 1; n <= len(walk); n++ {
				means[n] = matcher.Fuse(walk[:n])
			}
			for j, p := range portraits {
				last := 3
				for last < len(walk) && !rule.Enough(matcher.Cosine(means[last], p), last) {
					last++
				}
				looks += last
				scores := [4]float64{matcher.Cosine(walk[0], p), matcher.Cosine(means[3], p), matcher.Cosine(means[len(walk)], p), matcher.Cosine(means[last], p)}
				if i == j {
					genuine++
				} else {
					impostors++
				}
				for k, s := range scores {
					switch {
					case i == j && s < threshold:
						missed[k]++
					case i != j && s >= threshold:
						wrong[k]++
					}
				}
			}
		}
		for k, name := range []string{"one frame", "mean of three", "mean of all", "the rule"} {
			t.Logf("cosine %.4f, %-13s: FMR %s; FNMR %s", threshold, name, proportion.Of(wrong[k], impostors), proportion.Of(missed[k], genuine))
		}
		t.Logf("cosine %.4f: %.2f frames in the mean", threshold, float64(looks)/float64(impostors+genuine))
		if high := proportion.Of(wrong[0], impostors).High; float64(wrong[3])/float64(impostors) > high {
			t.Errorf("cosine %.4f: the rule takes %d of %d for the holder, one frame %d: more than chance explains", threshold, wrong[3], impostors, wrong[0])
		}
	}
}
