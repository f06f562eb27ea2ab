package capture

import (
	"image"
	"image/color"
	"image/draw"
)

// Fill overwrites f with img, scaled to f's size by nearest neighbor when the
// sizes differ. It is meant for pictures made in software (test charts,
// simulated cameras); real cameras fill frames themselves. f must not have
// been handed out yet.
func (f *Frame) Fill(img image.Image) {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	b := img.Bounds()
	rgba, ok := img.(*image.RGBA)
	if !ok {
		rgba = image.NewRGBA(b)
		draw.Draw(rgba, b, img, b.Min, draw.Src)
	}
	at := func(x, y int) (r, g, bl int32) {
		i := rgba.PixOffset(b.Min.X+x*b.Dx()/w, b.Min.Y+y*b.Dy()/h)
		return int32(rgba.Pix[i]), int32(rgba.Pix[i+1]), int32(rgba.Pix[i+2])
	}
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			var r4, g4, b4 int32
			for k := range 4 {
				r, g, bl := at(x+k%2, y+k/2)
				// BT.601, 8-bit fixed point: 66/256 is 0.257 and so on.
				f.Y[f.YOffset(x+k%2, y+k/2)] = uint8((66*r+129*g+25*bl+128)>>8 + 16)
				r4, g4, b4 = r4+r, g4+g, b4+bl
			}
			c := f.COffset(x, y)
			f.Cb[c] = uint8((-38*r4-74*g4+112*b4+512)>>10 + 128)
			f.Cr[c] = uint8((112*r4-94*g4-18*b4+512)>>10 + 128)
		}
	}
}

// RGBA is f as a picture of its own, full range, for still images.
func (f *Frame) RGBA() *image.RGBA {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			luma := 298 * (int32(f.Y[f.YOffset(x, y)]) - 16)
			c := f.COffset(x, y)
			u, v := int32(f.Cb[c])-128, int32(f.Cr[c])-128
			out.SetRGBA(x, y, color.RGBA{
				R: clamp8((luma + 409*v + 128) >> 8),
				G: clamp8((luma - 100*u - 208*v + 128) >> 8),
				B: clamp8((luma + 516*u + 128) >> 8),
				A: 255,
			})
		}
	}
	return out
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
