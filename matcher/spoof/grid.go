package spoof

import (
	"math"
	"math/cmplx"
	"slices"

	"limen/matcher"
)

// gridSide is the side of the patches whose spectrum is looked at, in pixels
// of the frame itself: reducing it would take away what is looked for.
const gridSide = 64

// gridPeak is how far the highest peak in the spectrum of the face stands out
// over what is usual at its frequency. Skin, hair and cloth fall off smoothly;
// a display's pixels against the sensor's make a peak.
//
// The blocks of JPEG, 8 pixels a side, make peaks of their own on the two
// axes at multiples of 1/8, which are left out.
func gridPeak(y []uint8, stride, width, height int, box matcher.Box) float64 {
	if !(box.Side() >= gridSide && math.Abs(box.X) < 1e5 && math.Abs(box.Y) < 1e5) { // not NaN, and within reason
		return 0
	}
	side := int(min(box.Side(), 4*gridSide)) / (gridSide / 2) * (gridSide / 2)
	x0, y0 := int(box.X+box.W/2)-side/2, int(box.Y+box.H/2)-side/2
	power := make([]float64, gridSide*gridSide)
	patches := 0
	for dy := 0; dy+gridSide <= side; dy += gridSide / 2 {
		for dx := 0; dx+gridSide <= side; dx += gridSide / 2 {
			px, py := x0+dx, y0+dy
			if px < 0 || py < 0 || px+gridSide > width || py+gridSide > height {
				continue
			}
			addPower(power, y[py*stride+px:], stride)
			patches++
		}
	}
	if patches < 1 {
		return 0
	}
	return peak(power)
}

// addPower adds one patch's power spectrum, its mean taken away and its edges faded.
func addPower(power []float64, y []uint8, stride int) {
	const n = gridSide
	grid := make([]complex128, n*n)
	mean := 0.0
	for j := range n {
		for i := range n {
			mean += float64(y[j*stride+i])
		}
	}
	mean /= n * n
	for j := range n {
		for i := range n {
			grid[j*n+i] = complex((float64(y[j*stride+i])-mean)*fade[i]*fade[j], 0)
		}
	}
	line := make([]complex128, n)
	for j := range n {
		fft(grid[j*n : j*n+n])
	}
	for i := range n {
		for j := range n {
			line[j] = grid[j*n+i]
		}
		fft(line)
		for j := range n {
			a := cmplx.Abs(line[j])
			power[j*n+i] += a * a
		}
	}
}

// fade is a Hann window.
var fade = func() (w [gridSide]float64) {
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/gridSide)
	}
	return w
}()

// peak compares each frequency with the median of those as high, in rings, and
// with the highest of those in its own direction: a straight edge, such as the
// rim of glasses, lies along one direction at all frequencies, and a grid at
// one. The lowest frequencies, where a face has its own power, are left out.
func peak(power []float64) float64 {
	const n, lowest = gridSide, 7
	rings := make([][]float64, n)
	each := func(use func(fx, fy, ring int, v float64)) {
		for j := range n {
			for i := range n / 2 { // the other half mirrors it
				fx, fy := i, j
				if fy > n/2 {
					fy -= n
				}
				r := int(math.Hypot(float64(fx), float64(fy)))
				if r < lowest || r > n/2 || ofJPEG(fx, fy) || ofJPEG(fy, fx) {
					continue
				}
				use(fx, fy, r, power[j*n+i])
			}
		}
	}
	each(func(_, _, r int, v float64) { rings[r] = append(rings[r], v) })
	medians := make([]float64, n)
	for r, vs := range rings {
		if len(vs) > 0 {
			slices.Sort(vs)
			medians[r] = vs[len(vs)/2]
		}
	}
	best := 0.0
	each(func(fx, fy, r int, v float64) {
		if m := medians[r]; m > 0 && v > best*m {
			best = max(best, v/max(m, alongside(power, fx, fy)))
		}
	})
	return best
}

// alongside is the highest power in the direction of a frequency, from 3 to 9
// steps above and below it.
func alongside(power []float64, fx, fy int) float64 {
	const n = gridSide
	length := math.Hypot(float64(fx), float64(fy))
	highest := 0.0
	for k := 3.0; k <= 9; k++ {
		for _, r := range [2]float64{length - k, length + k} {
			x, y := int(math.Round(float64(fx)*r/length)), int(math.Round(float64(fy)*r/length))
			if r < 4 || x > n/2 || y > n/2 || y < -n/2 || ofJPEG(x, y) || ofJPEG(y, x) {
				continue
			}
			highest = max(highest, power[(y+n)%n*n+(x+n)%n])
		}
	}
	return highest
}

// ofJPEG tells whether a frequency lies on one axis at a multiple of 1/8.
func ofJPEG(along, across int) bool {
	const block = gridSide / 8
	off := ((along % block) + block) % block
	return across >= -1 && across <= 1 && (off <= 1 || off == block-1)
}

// fft transforms in place; the length is a power of two.
func fft(v []complex128) {
	n := len(v)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			v[i], v[j] = v[j], v[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		step := cmplx.Exp(complex(0, -2*math.Pi/float64(size)))
		for start := 0; start < n; start += size {
			w := complex(1, 0)
			for k := range size / 2 {
				a, b := v[start+k], v[start+k+size/2]*w
				v[start+k], v[start+k+size/2] = a+b, a-b
				w *= step
			}
		}
	}
}
