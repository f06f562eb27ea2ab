package capture

import (
	"image"
	"image/color"
	"testing"
)

func TestFrameKeepsColorsThroughVideoRange(t *testing.T) {
	for _, c := range []color.RGBA{
		{0, 0, 0, 255}, {255, 255, 255, 255}, {128, 128, 128, 255},
		{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {220, 170, 140, 255},
	} {
		img := image.NewRGBA(image.Rect(0, 0, 8, 6))
		for i := range img.Pix {
			img.Pix[i] = []uint8{c.R, c.G, c.B, c.A}[i%4]
		}
		f := NewPool(8, 6).Get()
		f.Fill(img)
		if y := f.Y[0]; y < 16 || y > 235 {
			t.Errorf("%v: luma %d, want video range 16 to 235", c, y)
		}
		got := f.RGBA().RGBAAt(5, 3)
		for i, d := range []int{int(got.R) - int(c.R), int(got.G) - int(c.G), int(got.B) - int(c.B)} {
			if d < -3 || d > 3 {
				t.Errorf("%v: channel %d off by %d after a round trip, want at most 3", c, i, d)
			}
		}
		f.Release()
	}
}

func TestFillScales(t *testing.T) {
	img := image.NewGray(image.Rect(10, 10, 30, 30))
	for y := 10; y < 30; y++ {
		for x := 20; x < 30; x++ {
			img.SetGray(x, y, color.Gray{Y: 255})
		}
	}
	f := NewPool(9, 8).Get() // 9 is rounded down to 8
	defer f.Release()
	f.Fill(img)
	if w := f.Rect.Dx(); w != 8 {
		t.Fatalf("width %d, want 8", w)
	}
	if l, r := f.Y[f.YOffset(3, 4)], f.Y[f.YOffset(4, 4)]; l != 16 || r != 235 {
		t.Errorf("luma left and right of the edge: %d, %d, want 16, 235", l, r)
	}
}
