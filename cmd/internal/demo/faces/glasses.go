package faces

import (
	"image"
	"image/color"
	"math"
)

// WithGlasses is a live picture with glasses drawn on: dark frames around
// lenses that take a little light, a bridge, and temples to the ears.
func WithGlasses(live *image.NRGBA) *image.NRGBA {
	out := image.NewNRGBA(live.Rect)
	copy(out.Pix, live.Pix)
	eyes := Eyes()
	apart := float64(eyes[1].X - eyes[0].X)
	rx, ry, rim := 0.36*apart, 0.25*apart, 0.035*apart
	ink := color.NRGBA{38, 30, 26, 255}
	shade := func(x, y int, c color.NRGBA, part float64) {
		p := out.Pix[out.PixOffset(x, y):]
		for i, v := range [3]uint8{c.R, c.G, c.B} {
			p[i] = uint8(float64(p[i])*(1-part) + float64(v)*part)
		}
	}
	for y := range live.Rect.Dy() {
		for x := range live.Rect.Dx() {
			if live.Pix[live.PixOffset(x, y)+3] == 0 {
				continue
			}
			for i, e := range eyes {
				dx, dy := (float64(x)-float64(e.X))/rx, (float64(y)-float64(e.Y)-0.04*apart)/ry
				r := math.Pow(math.Pow(math.Abs(dx), 3)+math.Pow(math.Abs(dy), 3), 1.0/3) // a rounded rectangle
				edge := (r - 1) * min(rx, ry)
				switch {
				case math.Abs(edge) < rim:
					shade(x, y, ink, min((rim-math.Abs(edge))/2+0.4, 0.95))
				case edge < 0:
					shade(x, y, color.NRGBA{200, 205, 215, 255}, 0.07)
				}
				outer := (float64(x) - float64(e.X)) * float64(2*i-1) // to the temple
				if outer > rx && outer < 0.85*apart && math.Abs(float64(y)-float64(e.Y)+0.06*apart) < 0.6*rim {
					shade(x, y, ink, 0.85)
				}
			}
			middle := float64(eyes[0].X+eyes[1].X) / 2
			if math.Abs(float64(x)-middle) < apart/2-rx && math.Abs(float64(y)-float64(eyes[0].Y)+0.03*apart) < 0.7*rim {
				shade(x, y, ink, 0.85)
			}
		}
	}
	return out
}
