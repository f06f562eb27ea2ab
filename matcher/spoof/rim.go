package spoof

import (
	"math"

	"limen/matcher"
)

// The rays along which a rim is sought: from a little below the middle of the
// eyes, up to so far from straight up on each side, from the temples outward.
const (
	rimRays  = 120
	rimAside = 2.1 // radians
	rimBelow = 0.3 // distances between the eyes
	rimNear  = 0.95
	rimFar   = rimNear + 107*rimStep
	rimStep  = 0.02 // along a ray

	rimBend = 6 // steps that it may move from ray to ray
)

// rim is how much of the head's outline is a thin line brighter than what lies
// on either side of it, from 0 to 1: the paper that shows where a picture was cut out. Of
// all lines around the head that bend little from ray to ray it takes the strongest.
//
// A head before a wall has an edge there, darker or brighter than the wall, and no line.
func rim(y []uint8, stride, width, height int, marks [5]matcher.Point) float64 {
	ax, ay := marks[matcher.LeftEye].X-marks[matcher.RightEye].X, marks[matcher.LeftEye].Y-marks[matcher.RightEye].Y
	eyes := math.Hypot(ax, ay)
	if !(eyes >= 24 && eyes < float64(width)) {
		return 0
	}
	ux, uy := ax/eyes, ay/eyes // along the eyes; (-uy, ux) is down
	cx := (marks[matcher.LeftEye].X+marks[matcher.RightEye].X)/2 - rimBelow*eyes*uy
	cy := (marks[matcher.LeftEye].Y+marks[matcher.RightEye].Y)/2 + rimBelow*eyes*ux
	luma := func(px, py float64) (float64, bool) { // the mean of 3x3
		i, j := int(math.Round(px)), int(math.Round(py))
		if i < 1 || j < 1 || i >= width-1 || j >= height-1 {
			return 0, false
		}
		sum := 0
		for k := -1; k <= 1; k++ {
			row := y[(j+k)*stride+i-1:]
			sum += int(row[0]) + int(row[1]) + int(row[2])
		}
		return float64(sum) / 9, true
	}
	const steps = 108 // from rimNear to rimFar
	const side = 3    // of them, half of what a rim may be wide
	var best, next [steps]float64
	line, before := make([]float64, steps+2*side), make([]float64, steps+2*side)
	for ray := range rimRays {
		a := rimAside * (2*float64(ray)/(rimRays-1) - 1)
		dx, dy := math.Sin(a)*ux+math.Cos(a)*uy, math.Sin(a)*uy-math.Cos(a)*ux
		for i := range line {
			r := eyes * (rimNear + rimStep*float64(i-side))
			v, in := luma(cx+dx*r, cy+dy*r)
			if !in {
				v = math.NaN()
			}
			line[i] = v
		}
		for i := range steps {
			from := 0.0
			if ray > 0 {
				for k := max(i-rimBend, 0); k <= min(i+rimBend, steps-1); k++ {
					if step := math.Abs(line[i+side]-before[k+side]) / (line[i+side] + 16); step < rimEven { // paper is as bright a little further on
						from = max(from, best[k])
					}
				}
			}
			here, in, out := line[i+side], line[i], line[i+2*side]
			next[i] = from
			if stands := min(here-in, here-out) / (out + 16); stands > 0 { // not NaN: beyond the picture there is nothing
				next[i] += min(stands/rimStands, 1)
			}
		}
		best = next
		line, before = before, line
	}
	top := 0.0
	for _, v := range best {
		top = max(top, v)
	}
	return top / rimRays
}

// rimStands is how much brighter than the wall beside it paper is at least, as
// a share, to count fully.
const rimStands = 0.15

// rimEven is how much its brightness changes at most from ray to ray, as a share.
const rimEven = 0.12
