package matcher

import (
	"image"
	"slices"
	"time"
)

// Guidance is what a traveler before the camera can do so that a better
// picture comes about. Screens translate it.
type Guidance string

// The guidance. NoGuidance says that all is well, or that nobody looks.
const (
	NoGuidance    Guidance = ""
	LookHere      Guidance = "look_here"
	ComeCloser    Guidance = "come_closer"
	StepBack      Guidance = "step_back"
	OnlyOnePerson Guidance = "only_one_person"
	HoldStill     Guidance = "hold_still"
	MoreLight     Guidance = "more_light"
	LessLight     Guidance = "less_light"
	RemoveGlasses Guidance = "remove_glasses"
	UncoverFace   Guidance = "uncover_face"
)

var guidanceFor = map[Reason]Guidance{
	FaceNotFound: LookHere, SeveralFaces: OnlyOnePerson, FaceTooSmall: ComeCloser, FaceTurned: LookHere,
	FaceTooDark: MoreLight, TooBright: LessLight, FaceBlurred: HoldStill,
}

// hidden is the value of EyesVisible and MouthOcclusion below which something
// covers them. They are coarse: a traveler is asked, and not turned away.
const hidden = 45

// Guide is the advice for a picture of which q was judged, and whose largest or
// kept-to face is face; face may be zero when there is none.
func Guide(q Quality, face Face, size image.Point) Guidance {
	for _, r := range q.Reasons {
		if g := guidanceFor[r]; g != NoGuidance {
			return g
		}
	}
	b := face.Box
	outside := max(-b.X, -b.Y, b.X+b.W-float64(size.X), b.Y+b.H-float64(size.Y))
	switch {
	case b.H > 0 && (outside > 0.1*b.Side() || b.H > 0.9*float64(size.Y)):
		return StepBack
	case q.Eyes < hidden:
		return RemoveGlasses
	case q.Mouth < hidden:
		return UncoverFace
	}
	return NoGuidance
}

const (
	guideAfter = 400 * time.Millisecond // advice is given when it was right for most of so long
	guideHold  = time.Second            // and stays for so long, to be read
)

// guide gives advice that does not flicker.
type guide struct {
	tell    func(Guidance)
	shown   Guidance
	shownAt time.Time
	recent  []wish // of the last guideAfter
	from    time.Time
}

type wish struct {
	what Guidance
	at   time.Time
}

// hear takes in the advice for the frame of one moment.
func (g *guide) hear(what Guidance, at time.Time) {
	if g.from.IsZero() {
		g.from = at
	}
	g.recent = slices.DeleteFunc(g.recent, func(w wish) bool { return at.Sub(w.at) >= guideAfter })
	g.recent = append(g.recent, wish{what, at})
	same := 0
	for _, w := range g.recent {
		if w.what == what {
			same++
		}
	}
	if 2*same <= len(g.recent) || at.Sub(g.from) < guideAfter || g.shown != NoGuidance && at.Sub(g.shownAt) < guideHold {
		return
	}
	g.say(what, at)
}

func (g *guide) say(what Guidance, at time.Time) {
	if g.shown != what {
		g.shown, g.shownAt = what, at
		g.tell(what)
	}
}
