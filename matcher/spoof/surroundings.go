package spoof

import (
	"math"

	"limen/matcher"
)

// thumb is a frame's luma reduced and freed of its slow changes, so that light
// that swells moves nothing. It lives until the judgement and is erased then.
type thumb struct {
	w, h   int
	pix    []float32
	reduce float64 // frame pixels per pixel
	marks  [5]matcher.Point
}

// erase overwrites the picture and the landmarks.
func (t *thumb) erase() {
	clear(t.pix)
	t.marks = [5]matcher.Point{}
}

// thumbWide is about how wide thumbs are, in pixels.
const thumbWide = 320

// newThumb reduces a plane of luma by averaging whole blocks.
func newThumb(y []uint8, stride, width, height int, marks [5]matcher.Point) *thumb {
	n := max((width+thumbWide/2)/thumbWide, 1)
	t := &thumb{w: width / n, h: height / n, reduce: float64(n)}
	flat := make([]float32, t.w*t.h)
	for ty := range t.h {
		for tx := range t.w {
			sum := 0
			for k := range n {
				row := y[(ty*n+k)*stride+tx*n:]
				for _, v := range row[:n] {
					sum += int(v)
				}
			}
			flat[ty*t.w+tx] = float32(sum) / float32(n*n)
		}
	}
	t.pix = highPass(flat, t.w, t.h)
	for i, p := range marks {
		t.marks[i] = matcher.Point{X: p.X / t.reduce, Y: p.Y / t.reduce}
	}
	return t
}

// highPass takes from each pixel the mean of the 9x9 around it.
func highPass(in []float32, w, h int) []float32 {
	const r = 4
	sums := make([]float64, (w+1)*(h+1))
	for y := range h {
		row := 0.0
		for x := range w {
			row += float64(in[y*w+x])
			sums[(y+1)*(w+1)+x+1] = sums[y*(w+1)+x+1] + row
		}
	}
	out := make([]float32, len(in))
	for y := range h {
		for x := range w {
			x0, x1, y0, y1 := max(x-r, 0), min(x+r+1, w), max(y-r, 0), min(y+r+1, h)
			sum := sums[y1*(w+1)+x1] - sums[y0*(w+1)+x1] - sums[y1*(w+1)+x0] + sums[y0*(w+1)+x0]
			out[y*w+x] = in[y*w+x] - float32(sum/float64((x1-x0)*(y1-y0)))
		}
	}
	return out
}

func (t *thumb) at(p matcher.Point) (float32, bool) {
	if !(p.X >= 0 && p.Y >= 0 && p.X < float64(t.w-1) && p.Y < float64(t.h-1)) {
		return 0, false
	}
	x, y := int(p.X), int(p.Y)
	fx, fy := float32(p.X-float64(x)), float32(p.Y-float64(y))
	a, b := t.pix[y*t.w+x:], t.pix[(y+1)*t.w+x:]
	return (a[0]*(1-fx)+a[1]*fx)*(1-fy) + (b[0]*(1-fx)+b[1]*fx)*fy, true
}

// The head, and the shoulders under it, in distances between the eyes from
// their middle: what lies outside is surroundings. Hair reaches about so far.
const (
	headSide  = 1.75
	headTop   = 2.35
	shoulders = 1.6 // below the eyes: from here on everything may be body
)

// carried counts, among the pixels of the later frame that lie around the head
// and show an edge, those whose edge came along with the face and those whose
// edge stayed, both per distance between the eyes. Edges that the face would have carried less
// than least pixels tell nothing.
func carried(from, to *thumb, m affine, least float64) (along, stayed float64) {
	h := to.head()
	const edge = 5 // levels: well above the sensor's noise after averaging
	for y := 1; y < to.h-1; y++ {
		dy := (float64(y) - h.y) / h.eyes
		if dy > shoulders {
			break
		}
		for x := 1; x < to.w-1; x++ {
			dx := math.Abs(float64(x)-h.x) / h.eyes
			if dx < headSide && dy > -headTop || dx > 4 {
				continue
			}
			here := to.pix[y*to.w+x]
			if here < edge && here > -edge {
				continue
			}
			p := matcher.Point{X: float64(x), Y: float64(y)}
			q := m.apply(p.X, p.Y)
			if !(math.Hypot(q.X-p.X, q.Y-p.Y) >= least) {
				continue
			}
			with, ok := near(from, q, here)
			if !ok {
				continue
			}
			still, _ := near(from, p, here)
			switch {
			case with < 0.4 && still > 0.7:
				along++
			case still < 0.4 && with > 0.7:
				stayed++
			}
		}
	}
	return along / h.eyes, stayed / h.eyes
}

// near is how far, relative to want, the frame differs from want around p:
// the plane of a face and of a sheet are not quite one affine motion.
func near(t *thumb, p matcher.Point, want float32) (float64, bool) {
	best, any := math.Inf(1), false
	for _, d := range [9][2]float64{{0, 0}, {-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {1, 1}, {-1, 1}, {1, -1}} {
		if v, ok := t.at(matcher.Point{X: p.X + d[0], Y: p.Y + d[1]}); ok {
			any = true
			best = min(best, math.Abs(float64(v-want))/math.Abs(float64(want)))
		}
	}
	return best, any
}
