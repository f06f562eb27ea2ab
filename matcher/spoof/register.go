package spoof

import (
	"math"

	"limen/matcher"
)

// affine maps a later frame's points to an earlier one's:
// x' = A·x + B·y + C, y' = D·x + E·y + F.
type affine struct{ a, b, c, d, e, f float64 }

func (m affine) apply(x, y float64) matcher.Point {
	return matcher.Point{X: m.a*x + m.b*y + m.c, Y: m.d*x + m.e*y + m.f}
}

// head is where a face lies in a thumb: between the eyes, and their distance.
type head struct{ x, y, eyes float64 }

func (t *thumb) head() head {
	l := t.marks
	return head{(l[0].X + l[1].X) / 2, (l[0].Y + l[1].Y) / 2, math.Hypot(l[1].X-l[0].X, l[1].Y-l[0].Y)}
}

// The nose, in distances between the eyes from their middle.
const (
	noseSide = 0.28
	noseTop  = 0.25
	noseLow  = 0.85
)

// face calls each pixel of the face's plane: brows to chin without the nose.
func (h head) face(t *thumb, each func(x, y int)) {
	h.region(t, 1.0, -0.45, 1.35, func(x, y int, across, down float64) {
		if !(math.Abs(across) < 0.34 && down > 0.1 && down < 0.95) {
			each(x, y)
		}
	})
}

func (h head) region(t *thumb, side, top, low float64, each func(x, y int, across, down float64)) {
	for y := max(int(h.y+top*h.eyes), 1); y <= min(int(h.y+low*h.eyes), t.h-2); y++ {
		for x := max(int(h.x-side*h.eyes), 1); x <= min(int(h.x+side*h.eyes), t.w-2); x++ {
			each(x, y, (float64(x)-h.x)/h.eyes, (float64(y)-h.y)/h.eyes)
		}
	}
}

// register finds the affine motion of the face's plane from one thumb to
// another (Lucas and Kanade's way, begun at the landmarks), which is good to a
// tenth of a pixel where landmarks are good to one or two. ok says that it came
// to rest near where it began and explains most of what the face shows.
func register(from, to *thumb) (m affine, ok bool) {
	h := to.head()
	m, ok = roughly(from, to)
	if !ok || !(h.eyes > 12) {
		return affine{}, false
	}
	start := m.apply(h.x, h.y)
	var rest, energy float64
	for range 12 {
		var n [6][6]float64
		var g [6]float64
		rest, energy = 0, 0
		h.face(to, func(x, y int) {
			p := m.apply(float64(x), float64(y))
			v, in := from.at(p)
			l, in1 := from.at(matcher.Point{X: p.X - 1, Y: p.Y})
			r, in2 := from.at(matcher.Point{X: p.X + 1, Y: p.Y})
			u, in3 := from.at(matcher.Point{X: p.X, Y: p.Y - 1})
			d, in4 := from.at(matcher.Point{X: p.X, Y: p.Y + 1})
			if !(in && in1 && in2 && in3 && in4) {
				return
			}
			gx, gy := float64(r-l)/2, float64(d-u)/2
			sx, sy := (float64(x)-h.x)/h.eyes, (float64(y)-h.y)/h.eyes
			j := [6]float64{gx * sx, gx * sy, gx, gy * sx, gy * sy, gy}
			want := float64(to.pix[y*to.w+x])
			diff := want - float64(v)
			rest, energy = rest+diff*diff, energy+want*want
			for i := range j {
				g[i] += j[i] * diff
				for k := range j {
					n[i][k] += j[i] * j[k]
				}
			}
		})
		step, solved := solve(n, g)
		if !solved {
			return affine{}, false
		}
		// The step is about the face's middle and in distances between the eyes.
		m.a, m.b, m.d, m.e = m.a+step[0]/h.eyes, m.b+step[1]/h.eyes, m.d+step[3]/h.eyes, m.e+step[4]/h.eyes
		m.c += step[2] - (step[0]*h.x+step[1]*h.y)/h.eyes
		m.f += step[5] - (step[3]*h.x+step[4]*h.y)/h.eyes
		if most := max(math.Abs(step[0]), math.Abs(step[1]), math.Abs(step[2]), math.Abs(step[3]), math.Abs(step[4]), math.Abs(step[5])); most < 0.01 {
			break
		}
	}
	end := m.apply(h.x, h.y)
	near := math.Hypot(end.X-start.X, end.Y-start.Y) < 0.25*h.eyes
	return m, near && rest < 0.5*energy
}

// solve is Gauss' elimination with pivots for six unknowns.
func solve(n [6][6]float64, g [6]float64) ([6]float64, bool) {
	for i := range 6 {
		pivot := i
		for k := i + 1; k < 6; k++ {
			if math.Abs(n[k][i]) > math.Abs(n[pivot][i]) {
				pivot = k
			}
		}
		if !(math.Abs(n[pivot][i]) > 1e-6) {
			return g, false
		}
		n[i], n[pivot], g[i], g[pivot] = n[pivot], n[i], g[pivot], g[i]
		for k := i + 1; k < 6; k++ {
			f := n[k][i] / n[i][i]
			for c := i; c < 6; c++ {
				n[k][c] -= f * n[i][c]
			}
			g[k] -= f * g[i]
		}
	}
	for i := 5; i >= 0; i-- {
		for c := i + 1; c < 6; c++ {
			g[i] -= n[i][c] * g[c]
		}
		g[i] /= n[i][i]
	}
	return g, true
}

// noseShift is how far the nose moved against the plane of the face, along it
// and in distances between the eyes: nothing on a plane however it is tilted, 0.4 of
// the sine of the angle by which a head turned.
func noseShift(from, to *thumb, m affine) float64 {
	h := to.head()
	cost := func(shift float64) float64 {
		var sum, n float64
		h.region(to, noseSide, noseTop, noseLow, func(x, y int, _, _ float64) {
			p := m.apply(float64(x)+shift, float64(y))
			if v, in := from.at(p); in {
				d := float64(v - to.pix[y*to.w+x])
				sum, n = sum+d*d, n+1
			}
		})
		if n == 0 {
			return math.Inf(1)
		}
		return sum / n
	}
	reach, step := 0.16*h.eyes, 0.25
	best, at := math.Inf(1), 0.0
	for s := -reach; s <= reach; s += step {
		if c := cost(s); c < best {
			best, at = c, s
		}
	}
	l, r := cost(at-step), cost(at+step)
	if bend := l + r - 2*best; bend > 0 {
		at += step * (l - r) / (2 * bend)
	}
	if math.IsInf(best, 0) || math.Abs(at) >= reach-step {
		return 0 // at the end of the search: nothing was found
	}
	return at / h.eyes
}
