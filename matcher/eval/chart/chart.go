// Package chart draws line charts with labeled axes as SVG and PNG: what a
// measurement needs and no more. Both are drawn by the same strokes on a canvas
// of 640 by 480 points.
package chart

import (
	"io"
	"math"
)

// Point is one point of a line, in the axes' units.
type Point struct{ X, Y float64 }

// Tick is a labeled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// Scale is how an axis runs.
type Scale int

// The scales. Values a scale cannot show, such as zero on a probit axis, lie
// at the nearer end of the axis.
const (
	Linear Scale = iota
	Probit       // by the normal deviate of a rate
)

// Axis is one axis; High is above Low, and Probit's lie between 0 and 1.
type Axis struct {
	Title     string
	Scale     Scale
	Low, High float64
	Ticks     []Tick
}

// Line is one line through its points.
type Line struct {
	Name   string
	Points []Point
}

// Chart is a whole chart. Marks are labeled upright lines at places on the X axis.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line
	Marks []Tick
}

// The canvas in points, and the frame on it.
const (
	width, height            = 640, 480
	left, right, top, bottom = 84, 616, 40, 416
)

// color is one of the few that charts have, with its style in SVG.
type color struct{ r, g, b uint8 }

var (
	ink    = color{0x20, 0x20, 0x20}
	faint  = color{0xdc, 0xdc, 0xdc}
	marked = color{0x80, 0x80, 0x80}
	// Told apart by those who see no red or no green (Okabe and Ito, 2008).
	series = []color{{0x00, 0x72, 0xb2}, {0xd5, 0x5e, 0x00}, {0x00, 0x9e, 0x73}, {0xcc, 0x79, 0xa7}, {0xe6, 0x9f, 0x00}, {0x56, 0xb4, 0xe9}}
)

// anchor is the end of a text that its place names.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// canvas takes strokes in points from the top left.
type canvas interface {
	line(points []Point, c color, thickness float64)
	text(at Point, s string, a anchor, upright bool)
}

// draw draws the chart.
func (c Chart) draw(on canvas) {
	for _, t := range c.X.Ticks {
		x := c.x(t.At)
		on.line([]Point{{x, top}, {x, bottom}}, faint, 1)
		on.text(Point{x, bottom + 18}, t.Label, middle, false)
	}
	for _, t := range c.Y.Ticks {
		y := c.y(t.At)
		on.line([]Point{{left, y}, {right, y}}, faint, 1)
		on.text(Point{left - 8, y + 4}, t.Label, end, false)
	}
	for i, m := range c.Marks {
		x := c.x(m.At)
		on.line([]Point{{x, top}, {x, bottom}}, marked, 1)
		on.text(Point{x - 4, top + 8 + float64(i%2)*120}, m.Label, end, true)
	}
	on.line([]Point{{left, top}, {right, top}, {right, bottom}, {left, bottom}, {left, top}}, ink, 1)
	for i, l := range c.Lines {
		on.line(c.place(l.Points), series[i%len(series)], 2)
	}
	on.text(Point{width / 2, 24}, c.Title, middle, false)
	on.text(Point{(left + right) / 2, bottom + 36}, c.X.Title, middle, false)
	on.text(Point{16, (top + bottom) / 2}, c.Y.Title, middle, true)
	x := float64(left)
	for i, l := range c.Lines {
		on.line([]Point{{x, height - 12}, {x + 20, height - 12}}, series[i%len(series)], 2)
		on.text(Point{x + 26, height - 8}, l.Name, start, false)
		x += 26 + 7*float64(len(l.Name)) + 20
	}
}

func (c Chart) x(v float64) float64 { return left + c.X.share(v)*(right-left) }
func (c Chart) y(v float64) float64 { return bottom - c.Y.share(v)*(bottom-top) }

// place puts points on the canvas and leaves out those that a neighbor stands
// for: a line of a hundred thousand points has no more than the canvas shows.
func (c Chart) place(points []Point) []Point {
	var out []Point
	for i, p := range points {
		at := Point{math.Round(c.x(p.X)*4) / 4, math.Round(c.y(p.Y)*4) / 4}
		if n := len(out); n > 0 && i < len(points)-1 && math.Abs(out[n-1].X-at.X)+math.Abs(out[n-1].Y-at.Y) < 0.5 {
			continue
		}
		out = append(out, at)
	}
	return out
}

// share is where on the axis a value lies, 0 to 1.
func (a Axis) share(v float64) float64 {
	v = min(max(v, a.Low), a.High)
	if a.Scale == Probit {
		return (deviate(v) - deviate(a.Low)) / (deviate(a.High) - deviate(a.Low))
	}
	return (v - a.Low) / (a.High - a.Low)
}

// deviate is the normal deviate of a rate.
func deviate(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// WriteSVG writes the chart as SVG.
func (c Chart) WriteSVG(w io.Writer) error {
	s := newSVG()
	c.draw(s)
	return s.writeTo(w)
}

// WritePNG writes the chart as PNG, two pixels to a point.
func (c Chart) WritePNG(w io.Writer) error {
	r := newRaster()
	c.draw(r)
	return r.writeTo(w)
}
