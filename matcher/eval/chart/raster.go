package chart

import (
	"image"
	stdcolor "image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// dots is how many pixels a point has.
const dots = 2

// raster is a canvas of pixels.
type raster struct {
	img *image.RGBA
	pen *vector.Rasterizer
}

func newRaster() *raster {
	r := &raster{image.NewRGBA(image.Rect(0, 0, width*dots, height*dots)), vector.NewRasterizer(width*dots, height*dots)}
	draw.Draw(r.img, r.img.Bounds(), image.White, image.Point{}, draw.Src)
	return r
}

// line draws each part as a rectangle that reaches half its thickness beyond
// both ends, which closes the corners.
func (r *raster) line(points []Point, c color, thickness float64) {
	half := thickness * dots / 2
	r.pen.Reset(width*dots, height*dots)
	for i := 1; i < len(points); i++ {
		a, b := scaled(points[i-1]), scaled(points[i])
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		if length == 0 {
			continue
		}
		ux, uy := (b.X-a.X)/length*half, (b.Y-a.Y)/length*half
		corner := func(p Point, along, across float64) (x, y float32) {
			return float32(p.X + along*ux - across*uy), float32(p.Y + along*uy + across*ux)
		}
		r.pen.MoveTo(corner(a, -1, -1))
		r.pen.LineTo(corner(b, 1, -1))
		r.pen.LineTo(corner(b, 1, 1))
		r.pen.LineTo(corner(a, -1, 1))
		r.pen.ClosePath()
	}
	r.pen.Draw(r.img, r.img.Bounds(), image.NewUniform(stdcolor.RGBA{c.r, c.g, c.b, 255}), image.Point{})
}

func scaled(p Point) Point { return Point{p.X * dots, p.Y * dots} }

// text draws with the one font there is, each of whose pixels becomes a point.
func (r *raster) text(at Point, s string, a anchor, upright bool) {
	face := basicfont.Face7x13
	w := font.MeasureString(face, s).Ceil()
	small := image.NewAlpha(image.Rect(0, 0, w, face.Height))
	(&font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}).DrawString(s)
	shift := w * int(a) / 2
	for y := range face.Height {
		for x := range w {
			if small.AlphaAt(x, y).A < 128 {
				continue
			}
			along, down := x-shift, y-face.Ascent
			px, py := at.X+float64(along), at.Y+float64(down)
			if upright { // turned to the left: along becomes up
				px, py = at.X+float64(down), at.Y-float64(along)
			}
			dot := image.Rect(0, 0, dots, dots).Add(image.Pt(int(px*dots), int(py*dots)))
			draw.Draw(r.img, dot, image.NewUniform(stdcolor.RGBA{ink.r, ink.g, ink.b, 255}), image.Point{}, draw.Src)
		}
	}
}

func (r *raster) writeTo(w io.Writer) error { return png.Encode(w, r.img) }
