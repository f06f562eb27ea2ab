package matcher

import (
	"math"
	"slices"
	"time"
)

// Tracker follows the faces of a stream from frame to frame and keeps to one
// of them: the traveler, who is the nearest and most central. It knows places,
// not persons. The zero Tracker is ready.
type Tracker struct {
	tracks  []track
	last    int // the number given last
	subject int // number of the track kept to; 0 before there is one
}

type track struct {
	number int
	face   Face
	seen   time.Time
}

const (
	// lostAfter is how long a face may be unseen and still be the same one's:
	// a blink of the detector, and less than it takes to change places.
	lostAfter = 500 * time.Millisecond
	// sameOverlap, or landmarks less than one eye distance away, make a face of
	// this frame the one of the last.
	sameOverlap = 0.2
	// weightier is how many times more a face must weigh to take over from one
	// in view.
	weightier = 1.5
	maxTracks = 32
)

// Follow takes in the faces of a frame of the given width. It returns them with
// the traveler's first, and the number of the traveler's track, which changes
// when another face is kept to. The number is 0 and the faces as they came
// while the traveler's is out of sight.
func (t *Tracker) Follow(faces []Face, width int, at time.Time) ([]Face, int) {
	t.tracks = slices.DeleteFunc(t.tracks, func(k track) bool { return at.Sub(k.seen) > lostAfter })
	numbers := t.associate(faces, at)
	best, kept := -1, -1
	for i, f := range faces {
		if numbers[i] == t.subject {
			kept = i
		}
		if best < 0 || weight(f, width) > weight(faces[best], width) {
			best = i
		}
	}
	alive := slices.ContainsFunc(t.tracks, func(k track) bool { return k.number == t.subject })
	switch {
	case best < 0, kept < 0 && alive:
		return faces, 0
	case kept < 0, weight(faces[best], width) > weightier*weight(faces[kept], width):
		kept = best
	}
	t.subject = numbers[kept]
	ordered := append([]Face{faces[kept]}, slices.Delete(slices.Clone(faces), kept, kept+1)...)
	return ordered, t.subject
}

// associate gives each face the number of its track, the most alike first, and
// a new number where there is none.
func (t *Tracker) associate(faces []Face, at time.Time) []int {
	numbers := make([]int, len(faces))
	taken := make([]bool, len(t.tracks))
	for range faces {
		bestFace, bestTrack, most := -1, -1, 0.0
		for i, f := range faces {
			for j, k := range t.tracks {
				if numbers[i] == 0 && !taken[j] {
					if a := alike(f, k.face); a > most {
						bestFace, bestTrack, most = i, j, a
					}
				}
			}
		}
		if bestFace < 0 {
			break
		}
		numbers[bestFace], taken[bestTrack] = t.tracks[bestTrack].number, true
		t.tracks[bestTrack].face, t.tracks[bestTrack].seen = faces[bestFace], at
	}
	for i, f := range faces {
		if numbers[i] == 0 {
			t.last++
			numbers[i] = t.last
			if len(t.tracks) < maxTracks {
				t.tracks = append(t.tracks, track{t.last, f, at})
			}
		}
	}
	return numbers
}

// alike is how much two finds look like one face that moved a little; 0 not at all.
func alike(a, b Face) float64 {
	var apart float64
	for i := range a.Landmarks {
		apart += math.Hypot(a.Landmarks[i].X-b.Landmarks[i].X, a.Landmarks[i].Y-b.Landmarks[i].Y) / 5
	}
	near := 1 - apart/max((a.EyeDistance()+b.EyeDistance())/2, 1)
	over := overlap(a.Box, b.Box)
	if over < sameOverlap && !(near > 0) {
		return 0
	}
	return over + max(near, 0)
}

// overlap is the boxes' intersection over their union.
func overlap(a, b Box) float64 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.W*a.H + b.W*b.H - w*h)
}

// weight is a face's size, halved at the frame's left and right edge.
func weight(f Face, width int) float64 {
	half := max(float64(width)/2, 1)
	aside := min(math.Abs(f.Box.X+f.Box.W/2-half)/half, 1)
	return f.Box.Side() * (1 - aside/2)
}
