package limen

import "context"

// Guidance is a stable word for what the traveler before the camera can do so
// that a better picture comes about. Screens translate it.
type Guidance string

// The guidance. NoGuidance takes back what was said before.
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

// GuidingCamera is a FaceCamera that says what the traveler can do while it
// looks.
type GuidingCamera interface {
	// CaptureGuided is Capture. As long as the LiveFace is not closed it may tell
	// guidance, NoGuidance last; tell does not block.
	CaptureGuided(ctx context.Context, tell func(Guidance)) (LiveFace, error)
}

// look has the camera look for the face, and hands its guidance to the screen.
func (in *Inspection) look(ctx context.Context) (LiveFace, error) {
	g, ok := in.Camera.(GuidingCamera)
	if !ok {
		return in.Camera.Capture(ctx)
	}
	return g.CaptureGuided(ctx, func(what Guidance) { in.observe(Event{Step: StepFace, Guidance: &what}) })
}
