package limen

import (
	"context"
	"slices"
	"testing"
	"time"
)

type guidingFake struct{ fakes }

func (g *guidingFake) CaptureGuided(ctx context.Context, tell func(Guidance)) (LiveFace, error) {
	tell(ComeCloser)
	tell(NoGuidance)
	return g.Capture(ctx)
}

type listener struct{ events []Event }

func (l *listener) Observe(e Event) { l.events = append(l.events, e) }

func TestGuidanceReachesTheScreen(t *testing.T) {
	var screen listener
	in := &Inspection{ID: "one", Camera: &guidingFake{fakes{face: fakeFace{}}}, Observer: &screen, Now: time.Now}
	in.Policy.Times.Face = time.Second
	in.captureFace(t.Context())
	var got []Guidance
	for _, e := range screen.events {
		if e.Guidance != nil {
			got = append(got, *e.Guidance)
		}
	}
	if want := []Guidance{ComeCloser, NoGuidance}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
