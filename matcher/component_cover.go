package matcher

import "math"

// cover measures whether eyes, mouth and face can be seen. What these find is
// coarse: dark or opaque glasses, a covered eye, a mask or scarf unlike skin.
// A hand is skin, and clear glasses cover nothing.
func (v *view) cover(add func(Component, float64, float64)) {
	eyes, mouth := v.eyes(), v.mouth()
	add(EyesVisible, eyes, visible(eyes))
	add(MouthOcclusion, mouth, covering(mouth))
	if foreign, ok := v.foreign(); ok {
		add(FaceOcclusion, foreign, 100*(1-foreign/0.6))
	}
}

// eyes is the contrast of the eye that shows less; visible maps it.
func (v *view) eyes() float64 {
	return min(v.contrast(Reference[RightEye]), v.contrast(Reference[LeftEye]))
}

func visible(eyes float64) float64 { return min(100*eyes/0.14, 100) }

// mouth is the deviation of luma around the mouth over its mean on the cheeks:
// lips and the line between them; covering maps it.
func (v *view) mouth() float64 {
	_, deviation := v.moments(box(0.5, 0.8247, 0.13, 0.075))
	r, _ := v.moments(rightCheek)
	l, _ := v.moments(leftCheek)
	return deviation / max((r+l)/2, 8)
}

func covering(mouth float64) float64 { return min(100*mouth/0.08, 100) }

// contrast is the deviation of luma around an eye over its mean on the cheeks:
// an eye is dark in the pupil and light beside it; a lens or a hand is even.
func (v *view) contrast(eye Point) float64 {
	_, deviation := v.moments(box(eye.X, eye.Y, 0.09, 0.045))
	r, _ := v.moments(rightCheek)
	l, _ := v.moments(leftCheek)
	return deviation / max((r+l)/2, 8)
}

// foreign is the share of the face whose color is not that of the skin between
// eyes and nose; not ok for a gray picture.
func (v *view) foreign() (share float64, ok bool) {
	const step = 4
	color := func(x, y int) (cb, cr float64) {
		return v.color(v.toPicture.Apply(Point{float64(x), float64(y)}))
	}
	var cb, cr, n, colored float64
	nose := box(0.5, 0.58, 0.06, 0.07)
	for y := nose.Min.Y; y < nose.Max.Y; y += 2 {
		for x := nose.Min.X; x < nose.Max.X; x += 2 {
			b, r := color(x, y)
			cb, cr, n = cb+b, cr+r, n+1
			colored = max(colored, math.Abs(b), math.Abs(r))
		}
	}
	if n == 0 || colored < 2 {
		return 0, false
	}
	cb, cr = cb/n, cr/n
	var foreign, all float64
	for y := 0; y < cropSide; y += step {
		for x := 0; x < cropSide; x += step {
			if !inFace(x, y) {
				continue
			}
			b, r := color(x, y)
			// Shadow and beard dim a color and keep its tint's direction.
			if all++; math.Hypot(b-cb, r-cr) > 18 {
				foreign++
			}
		}
	}
	return foreign / all, true
}
