package matcher

import (
	"image"
	"math"
)

// Zones of the crop beside the nose, below the eyes, where there is skin in
// nearly every face; 0.3 eye distances a side.
var (
	rightCheek = box(0.3156, 0.643, 0.08, 0.08)
	leftCheek  = box(0.6827, 0.643, 0.08, 0.08)
)

// light measures what ISO/IEC 29794-5 measures of illumination and exposure
// on the luma of the face, with its mappings.
func (v *view) light(add func(Component, float64, float64)) {
	uniform := overlapOf(v.zone(rightCheek), v.zone(leftCheek))
	add(IlluminationUniformity, uniform, 100*math.Pow(uniform, 0.3))

	var mean, variance, dark, bright, entropy float64
	for i, share := range v.histogram {
		mean += share * float64(i) / 255
		if i <= 25 {
			dark += share
		}
		if i >= 247 {
			bright += share
		}
		if share > 0 {
			entropy -= share * math.Log2(share)
		}
	}
	for i, share := range v.histogram {
		d := float64(i)/255 - mean
		variance += share * d * d
	}
	add(LuminanceMean, mean, 100*sigmoid(mean, 0.2, 0.05)*(1-sigmoid(mean, 0.8, 0.05)))
	add(LuminanceVariance, variance, 100*math.Sin(60*variance/(60*variance+1)*math.Pi))
	add(UnderExposurePrevention, dark, 120*(0.832-sigmoid(dark, 0.92, 0.05)))
	add(OverExposurePrevention, bright, 1/(bright+0.01))
	add(DynamicRange, entropy, 12.5*entropy)
}

// zoneBins are coarser than the standard's 256: a zone here has 441 pixels.
const zoneBins = 16

func (v *view) zone(r image.Rectangle) (h [zoneBins]float64) {
	n := float64(r.Dx() * r.Dy())
	v.each(r, func(_, _ int, l float64) { h[int(min(max(l, 0), 255))*zoneBins/256] += 1 / n })
	return h
}

// overlapOf is the common part of two histograms, 0 to 1.
func overlapOf(a, b [zoneBins]float64) (sum float64) {
	for i := range a {
		sum += min(a[i], b[i])
	}
	return sum
}

// skin is the cheeks' mean color as a* and b* of CIELAB; not ok for a gray
// picture.
func (v *view) skin() (a, b float64, ok bool) {
	var luma, cb, cr, n, colored float64
	for _, r := range []image.Rectangle{rightCheek, leftCheek} {
		v.each(r, func(x, y int, l float64) {
			pb, pr := v.color(v.toPicture.Apply(Point{float64(x), float64(y)}))
			luma, cb, cr, n = luma+l, cb+pb, cr+pr, n+1
			colored = max(colored, math.Abs(pb), math.Abs(pr))
		})
	}
	if colored < 2 { // rounding makes a gray picture no more colored than that
		return 0, 0, false
	}
	luma, cb, cr = luma/n, cb/n, cr/n
	a, b = lab(luma+1.402*cr, luma-0.344*cb-0.714*cr, luma+1.772*cb)
	return a, b, true
}

// lab is a* and b* of an sRGB color, 0 to 255, under D65.
func lab(r, g, b float64) (aStar, bStar float64) {
	linear := func(c float64) float64 {
		if c = min(max(c/255, 0), 1); c > 0.04045 {
			return math.Pow((c+0.055)/1.055, 2.4)
		}
		return c / 12.92
	}
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	lr, lg, lb := linear(r), linear(g), linear(b)
	x := f((0.4124564*lr + 0.3575761*lg + 0.1804375*lb) / 0.95047)
	y := f(0.2126729*lr + 0.7151522*lg + 0.0721750*lb)
	z := f((0.0193339*lr + 0.1191920*lg + 0.9503041*lb) / 1.08883)
	return 500 * (x - y), 200 * (y - z)
}

// unnatural is how far a skin's color lies outside a* 5 to 25, b* 5 to 35; 100
// where it is greenish or bluish.
func unnatural(a, b float64) float64 {
	if a < 0 || b < 0 {
		return 100
	}
	return math.Hypot(max(0, 5-a, a-25), max(0, 5-b, b-35))
}
