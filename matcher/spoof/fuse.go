package spoof

import (
	"slices"

	"limen/matcher"
)

// From where a cue speaks. They were set between what 12 faces of the
// demonstration gave in the flesh and what its simulated artefacts gave;
// docs/figures.md has the errors that are left.
const (
	carriedAlong = 3.0   // edges around the head that came along, pixels per distance between the eyes
	stayedBehind = 3.0   // … and that stayed
	gridStands   = 3.2   // how far a peak stands out; faces gave 2.9 at most (1.6 in a booth, the rest before fences and signs), displays 4.7 at least
	reliefMoves  = 0.026 // of the nose against the face, in distances between the eyes; a plane gave 0.017, a display 0.023 at most
	paperRim     = 0.75  // of the outline; heads gave 0.59 at most, also sharpened and before clutter, cut-outs 0.90 at least
	textureLive  = 0.5   // of the networks' word, in the mean
	compareLive  = 0.35  // … and of each frame that is compared; single frames of faces gave 0.53 at least
)

// Judge fuses what the sequence showed so far, of each face that was described
// for comparison; the worst counts. A face that was described and not watched long
// enough, while another was watched, is a reason of its own.
func (w *Watch) Judge() Judgement {
	w.mu.Lock()
	defer w.mu.Unlock()
	worst := Judgement{Status: NotPerformed, Reason: TooFewFrames}
	for i, e := range w.compared() {
		j := e.judge(w.network != nil)
		if i == 0 || grave(j.Status) > grave(worst.Status) || j.Status == worst.Status && j.Score < worst.Score {
			worst = j
		}
	}
	changed := w.unfollow || worst.Reason == TooFewFrames && len(w.tracks) > 1
	if changed && worst.Status != Failed {
		worst.Status, worst.Reason, worst.Cue = NotPerformed, FaceChanged, ""
	}
	return worst
}

// grave orders the statuses.
func grave(s Status) int {
	switch s {
	case Failed:
		return 2
	case Passed:
		return 0
	}
	return 1
}

// judge fuses one face's cues. One that accuses is enough for an attack:
// artefacts betray themselves in different ways. To pass, a network must take the face
// for live or its relief must have been seen; that the surroundings stayed behind is
// not enough, for a cut-out has none of its own. Where networks are installed, they
// must have judged every frame that is compared.
func (e *evidence) judge(networks bool) Judgement {
	around, relief := e.motion()
	j := Judgement{Frames: e.seen, Cues: []Cue{around, e.grid(), e.outline(), relief, e.texture()}}
	for _, c := range j.Cues {
		j.Score += c.Weight
		if c.Weight < 0 && j.Cue == "" {
			j.Cue = c.Name
		}
	}
	switch {
	case e.seen < Frames/2:
		j.Cue, j.Status, j.Reason = "", NotPerformed, TooFewFrames
	case j.Cue != "":
		j.Status, j.Reason = Failed, Suspected
	case networks && e.described > len(e.compared):
		j.Status, j.Reason = NotPerformed, NoEvidence
	case j.Score >= 1:
		j.Status = Passed
	case !networks:
		j.Status, j.Reason = NotPerformed, NoModel
	default:
		j.Status, j.Reason = NotPerformed, NoEvidence
	}
	return j
}

// motion is what the frames showed against the first.
func (e *evidence) motion() (around, relief Cue) {
	around = Cue{Name: Surroundings, Measured: e.along, Frames: e.moved}
	relief = Cue{Name: Relief, Measured: e.relief, Frames: e.moved}
	switch {
	case e.along >= carriedAlong:
		around.Weight = -1
	case e.stayed >= stayedBehind && e.along < carriedAlong/3:
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

func (e *evidence) grid() Cue {
	c := Cue{Name: Grid, Frames: len(e.peaks)}
	if len(e.peaks) > 0 { // beats come and go with the distance: a quarter of the frames must show them
		sorted := slices.Sorted(slices.Values(e.peaks))
		c.Measured = sorted[len(sorted)*3/4]
	}
	if c.Measured >= gridStands {
		c.Weight = -1
	}
	return c
}

// outline takes the middle of what the frames showed.
func (e *evidence) outline() Cue {
	c := Cue{Name: Outline, Frames: len(e.rims)}
	if len(e.rims) > 0 {
		c.Measured = slices.Sorted(slices.Values(e.rims))[len(e.rims)/2]
	}
	if c.Measured >= paperRim {
		c.Weight = -1
	}
	return c
}

// texture takes the lower mean of the sequence's two halves. A frame that is
// compared must not look like an artefact by itself: one picture held up for a moment
// is enough to be compared.
func (e *evidence) texture() Cue {
	c := Cue{Name: Texture, Frames: len(e.live)}
	if len(e.live) == 0 {
		return c
	}
	half := (len(e.live) + 1) / 2
	c.Measured = min(mean(e.live[:half]), mean(e.live[len(e.live)-half:]))
	c.Weight = 1
	if !(c.Measured >= textureLive) {
		c.Weight = -1
	}
	if len(e.compared) > 0 {
		if least := slices.Min(e.compared); !(least >= compareLive) {
			c.Measured, c.Weight = least, -1
		}
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
