package matcher

import (
	"image"
	"image/color"
	"math"

	"limen/capture"
)

// plane is a picture's luma where it lies: no copy of a camera's frame is made.
type plane struct {
	pix         []uint8
	stride      int
	w, h        int
	black, gain float64 // luma is (pix - black)·gain, 0 to 255
}

// lumaPlane reads a picture's luma whatever its range or kind. Of what is no
// camera's frame, no YCbCr and not gray it makes a copy.
func lumaPlane(img image.Image) plane {
	b := img.Bounds()
	p := plane{stride: b.Dx(), w: b.Dx(), h: b.Dy(), gain: 1}
	switch img := img.(type) {
	case *capture.Frame: // video range
		p.pix, p.stride, p.black, p.gain = img.Y[img.YOffset(b.Min.X, b.Min.Y):], img.YStride, 16, 255.0/219
	case *image.YCbCr:
		p.pix, p.stride = img.Y[img.YOffset(b.Min.X, b.Min.Y):], img.YStride
	case *image.Gray:
		p.pix, p.stride = img.Pix[img.PixOffset(b.Min.X, b.Min.Y):], img.Stride
	case *image.RGBA:
		p.pix = make([]uint8, p.w*p.h)
		for y := range p.h {
			row := img.Pix[img.PixOffset(b.Min.X, b.Min.Y+y):]
			for x := range p.w {
				p.pix[y*p.w+x] = uint8((299*int(row[4*x]) + 587*int(row[4*x+1]) + 114*int(row[4*x+2]) + 500) / 1000)
			}
		}
	default:
		p.pix = make([]uint8, p.w*p.h)
		for i := range p.pix {
			p.pix[i] = color.GrayModel.Convert(img.At(b.Min.X+i%p.w, b.Min.Y+i/p.w)).(color.Gray).Y
		}
	}
	return p
}

// at is the luma of one pixel; beyond the edge the edge repeats.
func (p plane) at(x, y int) float64 {
	x, y = min(max(x, 0), p.w-1), min(max(y, 0), p.h-1)
	return (float64(p.pix[y*p.stride+x]) - p.black) * p.gain
}

// maxTaps bounds the samples, squared, that one pixel of a crop averages.
const maxTaps = 3

// aligned is the face in gray, side squared. Where the picture is larger than
// the crop, several samples are averaged, so that sharpness does not grow with
// nearness to the camera by aliasing.
func (p plane) aligned(toCrop Similarity, side int) []float64 {
	inv := toCrop.Inverse()
	out := make([]float64, side*side)
	n := min(max(int(math.Ceil(math.Hypot(inv.A, inv.B))), 1), maxTaps)
	if n == 1 {
		for i := range out {
			out[i] = p.bilinear(inv.Apply(Point{float64(i % side), float64(i / side)}))
		}
		return out
	}
	// 16.16 fixed point: this is the part of a judgment that every frame pays.
	const one = 1 << 16
	step := 1 / float64(n)
	ax, bx := int(inv.A*step*one), int(inv.B*step*one)
	part := p.gain / float64(n*n)
	inside := p.holds(inv, side)
	for y := range side {
		for ty := range n {
			start := inv.Apply(Point{0.5*step - 0.5, float64(y) + (float64(ty)+0.5)*step - 0.5})
			fx, fy := int((start.X+0.5)*one), int((start.Y+0.5)*one)
			for x := range side {
				sum := 0
				if inside {
					for range n {
						sum += int(p.pix[fy>>16*p.stride+fx>>16])
						fx, fy = fx+ax, fy+bx
					}
					out[y*side+x] += float64(sum)
					continue
				}
				for range n {
					px, py := min(max(fx>>16, 0), p.w-1), min(max(fy>>16, 0), p.h-1)
					sum += int(p.pix[py*p.stride+px])
					fx, fy = fx+ax, fy+bx
				}
				out[y*side+x] += float64(sum)
			}
		}
		for x := range side {
			out[y*side+x] = out[y*side+x]*part - p.black*p.gain
		}
	}
	return out
}

// holds tells whether all of a crop of the given side lies well in the picture.
func (p plane) holds(inv Similarity, side int) bool {
	for _, corner := range []Point{{-1, -1}, {float64(side), -1}, {-1, float64(side)}, {float64(side), float64(side)}} {
		if at := inv.Apply(corner); !(at.X >= 1 && at.Y >= 1 && at.X < float64(p.w-1) && at.Y < float64(p.h-1)) {
			return false
		}
	}
	return true
}

// bilinear samples between pixels.
func (p plane) bilinear(at Point) float64 {
	px, py := min(max(at.X, 0), float64(p.w-1)), min(max(at.Y, 0), float64(p.h-1))
	x, y := int(px), int(py)
	fx, fy := px-float64(x), py-float64(y)
	return (p.at(x, y)*(1-fx)+p.at(x+1, y)*fx)*(1-fy) + (p.at(x, y+1)*(1-fx)+p.at(x+1, y+1)*fx)*fy
}

// chroma is Cb and Cr of one pixel, full range, without 128; zero for gray.
func chroma(img image.Image) func(p Point) (cb, cr float64) {
	b := img.Bounds()
	place := func(p Point) (x, y int) {
		return b.Min.X + min(max(int(p.X+0.5), 0), b.Dx()-1), b.Min.Y + min(max(int(p.Y+0.5), 0), b.Dy()-1)
	}
	switch img := img.(type) {
	case *capture.Frame: // video range
		return func(p Point) (cb, cr float64) {
			i := img.COffset(place(p))
			return (float64(img.Cb[i]) - 128) * 255 / 224, (float64(img.Cr[i]) - 128) * 255 / 224
		}
	case *image.YCbCr:
		return func(p Point) (cb, cr float64) {
			i := img.COffset(place(p))
			return float64(img.Cb[i]) - 128, float64(img.Cr[i]) - 128
		}
	}
	return func(p Point) (cb, cr float64) {
		r, g, bl, _ := img.At(place(p)).RGBA()
		y := 0.299*float64(r) + 0.587*float64(g) + 0.114*float64(bl)
		return (float64(bl) - y) / 1.772 / 257, (float64(r) - y) / 1.402 / 257
	}
}
