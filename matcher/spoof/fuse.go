package spoof

import (
	"math"
	"slices"

	"limen/matcher"
)

// From where a cue speaks. They were set between what 12 faces of the
// demonstration gave in the flesh and what its simulated artefacts gave;
// docs/figures.md has the errors that are left.
const (
	carriedAlong = 3.0   // edges around the head that came along, pixels per distance between the eyes
	stayedBehind = 3.0   // … and that stayed
	gridStands   = 2.2   // how far a peak stands out; faces with and without glasses gave 1.3 at most
	reliefMoves  = 0.026 // of the nose against the face, in distances between the eyes; a plane gave 0.017, a display 0.023 at most
	textureLive  = 0.5   // of the networks' word
)

// Judge fuses what the sequence showed so far. One cue that accuses is enough
// for an attack: artefacts betray themselves in different ways. To pass, a
// network must take the face for live or its relief must have been seen; that the
// surroundings stayed behind is not enough, for a cut-out has none of its own.
func (w *Watch) Judge() Judgement {
	w.mu.Lock()
	defer w.mu.Unlock()
	around, relief := w.motion()
	j := Judgement{Frames: w.seen, Cues: []Cue{around, w.grid(), relief, w.texture()}}
	for _, c := range j.Cues {
		j.Score += c.Weight
		if c.Weight < 0 && j.Cue == "" {
			j.Cue = c.Name
		}
	}
	switch {
	case w.seen < Frames/2:
		j.Cue, j.Status, j.Reason = "", NotPerformed, TooFewFrames
	case j.Cue != "":
		j.Status, j.Reason = Failed, Suspected
	case j.Score >= 1:
		j.Status = Passed
	case w.network == nil:
		j.Status, j.Reason = NotPerformed, NoModel
	default:
		j.Status, j.Reason = NotPerformed, NoEvidence
	}
	return j
}

// motion compares the first thumb with each later one.
func (w *Watch) motion() (around, relief Cue) {
	around, relief = Cue{Name: Surroundings}, Cue{Name: Relief}
	if len(w.thumbs) < 2 {
		return around, relief
	}
	var along, stayed, aside float64
	first := w.thumbs[0]
	for _, t := range w.thumbs[1:] {
		least := 2.0 // pixels that an edge must have to go
		m, ok := register(first, t)
		if !ok { // moiré runs over a display's face; its landmarks hold, less well
			if m, ok = roughly(first, t); !ok {
				continue
			}
			least = 5
		} else if v := noseShift(first, t, m); math.Abs(v) > math.Abs(aside) {
			aside = v
		}
		a, s := carried(first, t, m, least)
		along, stayed = max(along, a), max(stayed, s)
		around.Frames++
	}
	around.Measured, relief.Measured, relief.Frames = along, math.Abs(aside), around.Frames
	switch {
	case along >= carriedAlong:
		around.Weight = -1
	case stayed >= stayedBehind && along < carriedAlong/3:
		around.Weight = 0.5
	}
	if relief.Measured >= reliefMoves {
		relief.Weight = 0.75
		if around.Weight > 0 { // relief before surroundings that stand still: a head
			relief.Weight = 1
		}
	}
	return around, relief
}

// roughly is the motion that landmarks alone tell.
func roughly(from, to *thumb) (affine, bool) {
	back, err := matcher.Align(to.marks, 1)
	forth, err2 := matcher.Align(from.marks, 1)
	if err != nil || err2 != nil || from.w != to.w || from.h != to.h {
		return affine{}, false
	}
	inv := forth.Inverse()
	o := inv.Apply(back.Apply(matcher.Point{}))
	x, y := inv.Apply(back.Apply(matcher.Point{X: 1})), inv.Apply(back.Apply(matcher.Point{Y: 1}))
	return affine{x.X - o.X, y.X - o.X, o.X, x.Y - o.Y, y.Y - o.Y, o.Y}, true
}

func (w *Watch) grid() Cue {
	c := Cue{Name: Grid, Frames: len(w.peaks)}
	if len(w.peaks) > 0 { // beats come and go with the distance: a quarter of the frames must show them
		sorted := slices.Sorted(slices.Values(w.peaks))
		c.Measured = sorted[len(sorted)*3/4]
	}
	if c.Measured >= gridStands {
		c.Weight = -1
	}
	return c
}

// texture takes the lower mean of the sequence's two halves: what was held up
// for the comparison must look as live as what followed.
func (w *Watch) texture() Cue {
	c := Cue{Name: Texture, Frames: len(w.live)}
	if len(w.live) == 0 {
		return c
	}
	half := (len(w.live) + 1) / 2
	c.Measured = min(mean(w.live[:half]), mean(w.live[len(w.live)-half:]))
	c.Weight = 1
	if !(c.Measured >= textureLive) {
		c.Weight = -1
	}
	return c
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
