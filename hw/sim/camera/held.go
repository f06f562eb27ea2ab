package camera

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// Medium is what the camera sees of a person: themselves, or an artefact that
// shows them (ISO/IEC 30107-1: a presentation attack instrument). The artefacts
// are digital simulations: they have what a real one has of edges, surface and
// motion, and nothing of its ink, glass or light.
type Medium string

// The mediums.
const (
	Flesh  Medium = ""        // the person: the nose stands out and moves when the head turns
	Print  Medium = "print"   // a photograph on paper with a white margin, held by hand
	Screen Medium = "screen"  // a tablet that shows the photograph, held by hand
	CutOut Medium = "cut_out" // a photograph cut out along the head, held by hand
)

// Sheet sizes in distances between the eyes: from the middle of the eyes to
// the sides, up and down, when Person.Sheet is zero.
const (
	sheetSide = 2.15
	sheetUp   = 2.5
	sheetDown = 3.1
)

// artefact is the still that the person's medium shows, with its eyes and, for
// a screen, the lit part of it.
func (p Person) artefact(seed uint64) (m image.Image, eyes [2]image.Point, lit image.Rectangle) {
	if p.Medium == Flesh {
		return p.Still, p.Eyes, image.Rectangle{}
	}
	size := p.Sheet
	if size == 0 {
		size = 1
	}
	b := p.Still.Bounds()
	apart := float64(p.Eyes[1].X - p.Eyes[0].X)
	middle := image.Pt((p.Eyes[0].X+p.Eyes[1].X)/2, (p.Eyes[0].Y+p.Eyes[1].Y)/2)
	side, up, down := int(sheetSide*size*apart), int(sheetUp*size*apart), int(sheetDown*size*apart)
	margin := int(0.14 * apart)
	const air = 4 // transparent pixels around: nothing of the sheet goes on below it
	sheet := image.NewNRGBA(image.Rect(0, 0, 2*(side+margin+air), up+down+2*(margin+air)))
	at := image.Pt(side+margin+air, up+margin+air) // the middle of the eyes in it
	inside := image.Rect(at.X-side, at.Y-up, at.X+side, at.Y+down)
	surface := newSurface(p.Medium, sheet.Rect, seed)
	surface.close = p.Close
	for y := air; y < sheet.Rect.Dy()-air; y++ {
		for x := air; x < sheet.Rect.Dx()-air; x++ {
			from := image.Pt(x-at.X+middle.X, y-at.Y+middle.Y)
			var c color.NRGBA
			if from.In(b) {
				c = color.NRGBAModel.Convert(p.Still.At(from.X, from.Y)).(color.NRGBA)
			}
			shown := surface.show(c, x, y, image.Pt(x, y).In(inside))
			if p.Holes {
				shown = cut(shown, from, p.Eyes)
			}
			sheet.SetNRGBA(x, y, shown)
		}
	}
	shift := at.Sub(middle)
	if p.Medium == Screen {
		lit = inside
	}
	return sheet, [2]image.Point{p.Eyes[0].Add(shift), p.Eyes[1].Add(shift)}, lit
}

// surface is how a medium shows a color.
type surface struct {
	medium Medium
	wide   int
	close  bool
	fibers []int8 // of paper, one a pixel
}

func newSurface(medium Medium, r image.Rectangle, seed uint64) surface {
	s := surface{medium: medium, wide: r.Dx()}
	if medium == Screen {
		return s
	}
	random := rand.New(rand.NewPCG(seed, 0x7061706572))
	s.fibers = make([]int8, r.Dx()*r.Dy())
	run := 0.0
	for i := range s.fibers { // fibers lie along the rows
		run = 0.7*run + random.NormFloat64()*3
		s.fibers[i] = int8(min(max(run, -20), 20))
	}
	return s
}

// show is what stands at (x, y) of the sheet, inside the picture or on its margin.
func (s surface) show(c color.NRGBA, x, y int, inside bool) color.NRGBA {
	over := func(v, behind uint8) float64 {
		return (float64(v)*float64(c.A) + float64(behind)*float64(255-c.A)) / 255
	}
	r, g, b := over(c.R, 196), over(c.G, 202), over(c.B, 208) // the wall it was photographed before
	switch {
	case s.medium == Screen && !inside:
		return color.NRGBA{22, 22, 26, 255}
	case s.medium == Screen:
		return color.NRGBA{to8(1.08*r + 6), to8(1.10*g + 10), to8(1.14*b + 18), 255}
	}
	alpha := uint8(255)
	if s.medium == CutOut {
		if c.A < 24 || !inside || s.close && c.A < 215 {
			return color.NRGBA{}
		}
		if c.A < 215 { // the cut edge is paper
			r, g, b = 236, 234, 230
		}
	} else if !inside {
		r, g, b = 240, 239, 235
	}
	fiber := float64(s.fibers[y*s.wide+x])
	gray := 0.299*r + 0.587*g + 0.114*b
	ink := func(v float64) uint8 { return to8(34 + 0.82*(gray+0.85*(v-gray)) + fiber) } // ink is never black, nor as colorful
	return color.NRGBA{ink(r), ink(g), ink(b), alpha}
}

// The holes for the eyes, from their middles, and the paper that shows at the
// cut, in distances between the eyes.
const holeWide, holeHigh, holeCut = 0.19, 0.10, 0.02

// cut takes the eyes out of a sheet.
func cut(c color.NRGBA, at image.Point, eyes [2]image.Point) color.NRGBA {
	apart := float64(eyes[1].X - eyes[0].X)
	for _, e := range eyes {
		far := math.Hypot(float64(at.X-e.X)/holeWide, float64(at.Y-e.Y)/holeHigh) / apart
		switch {
		case far < 1:
			return color.NRGBA{}
		case far < 1+holeCut/holeHigh && c.A > 0:
			return color.NRGBA{228, 226, 222, c.A}
		}
	}
	return c
}

func to8(v float64) uint8 { return uint8(min(max(v, 0), 255)) }

// hold moves what a hand holds: steadier than a walk, with a tremor, and as
// a plane, whose parts keep their places on it.
func (now pose) hold(since float64, phase *rand.Rand) pose {
	wave := func(hertz float64) float64 { return math.Sin(2 * math.Pi * (hertz*since + phase.Float64())) }
	now.x += now.eyes * (0.05*wave(0.6) + 0.012*wave(4.1))
	now.y += now.eyes * (0.04*wave(0.8) + 0.012*wave(4.7))
	now.yaw = 0.14*wave(0.45) + 0.01*wave(3.9)
	now.roll = 0.03*wave(0.5) + 0.004*wave(4.3)
	return now
}

// gridStep is a display's pixel in distances between the eyes: 120 of them in
// the 63 mm of a face shown life-size.
const gridStep = 1.0 / 120

// glow lays the display's own pixel grid over what was drawn of it. The camera
// samples the grid at its pixels, so that grid and sensor beat: moiré.
func (r *Renderer) glow(p Person, lit image.Rectangle, eyes [2]image.Point, at pose) {
	const depth = 0.075 // what lens and sensor leave of the grid
	apart := float64(eyes[1].X - eyes[0].X)
	middleX, middleY := float64(eyes[0].X+eyes[1].X)/2, float64(eyes[0].Y+eyes[1].Y)/2
	step := apart / at.eyes
	b := r.frame.Bounds()
	grid := func(v float64) float64 { return math.Cos(2 * math.Pi * v / (gridStep * apart)) }
	for y := range b.Dy() {
		line := r.frame.Y[y*r.frame.YStride:]
		for x := range b.Dx() {
			across := (float64(x)-at.x)/math.Cos(at.yaw) + (float64(y)-at.y)*at.roll
			u, v := middleX+across*step, middleY+(float64(y)-at.y-(float64(x)-at.x)*at.roll)*step
			if u < float64(lit.Min.X) || u >= float64(lit.Max.X) || v < float64(lit.Min.Y) || v >= float64(lit.Max.Y) {
				continue
			}
			line[x] = to8(float64(line[x]) * (1 + depth*(grid(u)+grid(v))))
		}
	}
}
