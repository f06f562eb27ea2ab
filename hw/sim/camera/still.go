package camera

import (
	"image"
	"image/color"
)

// still is a picture prepared for cheap drawing at any size: halved again and
// again, with color already multiplied by alpha.
type still struct {
	width, height int // of levels[0]
	levels        []level
}

// level is one size. Every pixel is four bytes: Y, Cb, Cr (each times alpha), alpha.
type level struct {
	width, height int
	pix           []byte
}

const smallest = 16 // pixels: halving stops here

func newStill(m image.Image) *still {
	b := m.Bounds()
	first := level{b.Dx(), b.Dy(), make([]byte, 4*b.Dx()*b.Dy())}
	for y := range first.height {
		for x := range first.width {
			c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			luma, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			p := first.pix[4*(y*first.width+x):]
			for i, v := range [3]uint8{luma, cb, cr} {
				p[i] = uint8((int(v)*int(c.A) + 127) / 255)
			}
			p[3] = c.A
		}
	}
	s := &still{width: first.width, height: first.height, levels: []level{first}}
	for l := first; l.width >= 2*smallest && l.height >= 2*smallest; {
		l = l.half()
		s.levels = append(s.levels, l)
	}
	return s
}

func (l level) half() level {
	h := level{l.width / 2, l.height / 2, nil}
	h.pix = make([]byte, 4*h.width*h.height)
	for y := range h.height {
		for x := range h.width {
			a := l.pix[4*(2*y*l.width+2*x):]
			b := l.pix[4*((2*y+1)*l.width+2*x):]
			for i := range 4 {
				sum := int(a[i]) + int(a[4+i]) + int(b[i]) + int(b[4+i])
				h.pix[4*(y*h.width+x)+i] = uint8((sum + 2) / 4)
			}
		}
	}
	return h
}

// choose picks the level to draw when one pixel of the frame covers step
// pixels of the original.
func (s *still) choose(step float64) (l level, scale float64) {
	scale = 1
	i := 0
	for step*scale > 1.5 && i < len(s.levels)-1 {
		scale /= 2
		i++
	}
	return s.levels[i], scale
}
