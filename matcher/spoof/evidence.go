package spoof

import (
	"math"
	"time"

	"limen/capture"
	"limen/matcher"
)

// evidence is what the frames of one face have shown so far.
type evidence struct {
	seen        int
	begin, last time.Time
	measured    time.Time // the frame measured last
	first       *thumb    // what later frames are compared with
	peaks       []float64
	rims        []float64
	moved       int     // frames compared with the first
	along       float64 // the most that any of them showed
	stayed      float64
	relief      float64
	live        []float64 // the networks' word of measured frames
	liveAt      time.Time // of the last of them
	described   int       // frames whose template was taken
	compared    []float64 // the networks' word of those
}

func (e *evidence) see(at time.Time) {
	if e.seen == 0 {
		e.begin = at
	}
	e.seen++
	e.last = at
}

func (e *evidence) due(at time.Time) bool { return at.Sub(e.measured) >= every }

func (e *evidence) full() bool { return e.seen >= Frames && e.last.Sub(e.begin) >= Window }

// measure takes in a frame: its grid, and how it moved against the first.
func (e *evidence) measure(f *capture.Frame, face matcher.Face) {
	width, height := f.Rect.Dx(), f.Rect.Dy()
	e.measured = f.Time
	e.peaks = append(e.peaks, gridPeak(f.Y, f.YStride, width, height, face.Box))
	e.rims = append(e.rims, rim(f.Y, f.YStride, width, height, face.Landmarks))
	t := newThumb(f.Y, f.YStride, width, height, face.Landmarks)
	if e.first == nil {
		e.first = t
		return
	}
	defer t.erase()
	least := 2.0 // pixels that an edge must have to go
	m, ok := register(e.first, t)
	if !ok { // moiré runs over a display's face; its landmarks hold, less well
		if m, ok = roughly(e.first, t); !ok {
			return
		}
		least = 5
	} else {
		e.relief = max(e.relief, math.Abs(noseShift(e.first, t, m)))
	}
	a, s := carried(e.first, t, m, least)
	e.along, e.stayed = max(e.along, a), max(e.stayed, s)
	e.moved++
}

// erase overwrites what was kept of the picture.
func (e *evidence) erase() {
	if e.first != nil {
		e.first.erase()
		e.first = nil
	}
}
