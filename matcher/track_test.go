package matcher

import (
	"context"
	"image"
	"slices"
	"testing"
	"time"

	"limen/capture"
)

func TestTrackerKeepsToTheTraveler(t *testing.T) {
	var tr Tracker
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	traveler := func(x float64) Face { return faceAt(Point{x, 240}, 60, 0) }
	passer := func(x float64) Face { return faceAt(Point{x, 200}, 70, 0) }
	follow := func(ms int, faces ...Face) (Face, int) {
		t.Helper()
		ordered, number := tr.Follow(faces, 640, at(ms))
		if len(ordered) != len(faces) {
			t.Fatalf("%d faces came back of %d", len(ordered), len(faces))
		}
		if len(ordered) == 0 {
			return Face{}, number
		}
		return ordered[0], number
	}
	_, first := follow(0, traveler(300))
	if first == 0 {
		t.Fatal("nobody is kept to")
	}
	for i := range 10 { // somebody a little larger walks past at the edge
		f, n := follow(40*(i+1), passer(20+float64(i)*10), traveler(300+float64(i)*4))
		if n != first || f.Landmarks != traveler(300+float64(i)*4).Landmarks {
			t.Fatalf("step %d: kept to %d, want %d", i, n, first)
		}
	}
	if _, n := follow(480, passer(130)); n != 0 {
		t.Errorf("the traveler is hidden: kept to %d, want nobody", n)
	}
	if _, n := follow(520, traveler(340)); n != first {
		t.Errorf("back after a blink: kept to %d, want %d", n, first)
	}
	if _, n := follow(1400, traveler(340)); n == first || n == 0 {
		t.Errorf("back after most of a second: kept to %d, want a new number", n)
	}
	_, again := follow(1440, traveler(340))
	if _, n := follow(1480, traveler(340), faceAt(Point{330, 260}, 200, 0)); n == again || n == 0 {
		t.Errorf("somebody steps in front: kept to %d, want a new number", n)
	}
}

// walk sends frames with times, 40 ms apart.
func walk(n int) <-chan *capture.Frame {
	pool, ch := capture.NewPool(320, 240), make(chan *capture.Frame, n)
	picture := noise(320, 240)
	for i := range n {
		f := pool.Get()
		f.Fill(picture)
		f.Seq, f.Camera, f.Time = uint64(i+1), "gate", time.Unix(1000, 0).Add(time.Duration(i)*40*time.Millisecond)
		ch <- f
	}
	close(ch)
	return ch
}

// When another face is kept to, what was gathered of the first is let go.
func TestCollectStartsAgainWithAnotherFace(t *testing.T) {
	e := &visitors{at: map[uint64]Point{1: {60, 120}, 2: {60, 120}}}
	for i := uint64(20); i < 30; i++ {
		e.at[i] = Point{250, 120}
	}
	s, err := Collect(t.Context(), walk(40), e, Limits{Thresholds: DefaultThresholds()})
	if err != nil || s.Fit != 3 || s.Frame.Seq < 20 {
		t.Fatalf("got %d fit, best %d (%v); want the three of the second face", s.Fit, s.Frame.Seq, err)
	}
	for _, old := range e.made[:2] {
		if old[1] != 0 {
			t.Error("a template of the first face is left")
		}
	}
	s.Release()
}

// visitors stand where at says, frame by frame.
type visitors struct {
	at   map[uint64]Point
	eyes float64
	made []Template
}

func (v *visitors) Detect(img image.Image) ([]Face, error) {
	p, ok := v.at[img.(*capture.Frame).Seq]
	if !ok {
		return nil, nil
	}
	if v.eyes == 0 {
		return []Face{faceAt(p, 40, 0)}, nil
	}
	return []Face{faceAt(p, v.eyes, 0)}, nil
}

func (v *visitors) Template(img image.Image, _ Face) (Template, error) {
	t := Template{1, float32(img.(*capture.Frame).Seq)}
	v.made = append(v.made, t)
	return t, nil
}

// However long it takes, few frames are described, the best, and what is no
// longer needed is erased.
func TestContinueKeepsTheBestFew(t *testing.T) {
	e := &visitors{at: map[uint64]Point{}}
	for i := uint64(1); i <= 60; i++ {
		e.at[i] = Point{160, 120}
	}
	frames := walk(60)
	s, err := Collect(t.Context(), frames, e, Limits{Thresholds: DefaultThresholds()})
	if err != nil || len(s.Templates) != 3 {
		t.Fatal(len(s.Templates), err)
	}
	looks := 0
	e.eyes = 44 // nearer: better frames
	s, err = s.Continue(t.Context(), frames, e, Limits{Thresholds: DefaultThresholds()}, func(s Sample) bool { looks++; return s.Fit == 40 })
	if err != nil || s.Fit != 40 || len(s.Templates) != maxTemplates {
		t.Fatalf("got %d fit and %d templates (%v), want 40 and %d", s.Fit, len(s.Templates), err, maxTemplates)
	}
	if len(e.made) > 3+maxTemplates {
		t.Errorf("%d frames were described, want no more than %d", len(e.made), 3+maxTemplates)
	}
	erased := 0
	for _, m := range e.made {
		if m[0] == 0 {
			erased++
		}
	}
	if want := len(e.made) - maxTemplates; erased != want {
		t.Errorf("%d templates are erased, want %d", erased, want)
	}
	s.Release()
	for _, m := range e.made {
		if m[0] != 0 {
			t.Error("Release left a template")
		}
	}
	for f := range frames {
		f.Release()
	}
}

func TestGuidanceLastsAndEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		eyes func(i uint64) float64
		want []Guidance
	}{
		{"walks up", func(i uint64) float64 { return 12 + float64(i) }, []Guidance{ComeCloser, NoGuidance}},
		{"a blink is nothing", func(i uint64) float64 {
			if i%9 == 0 {
				return 0
			}
			return 20
		}, []Guidance{ComeCloser, NoGuidance}},
		{"nobody", func(uint64) float64 { return 0 }, []Guidance{LookHere, NoGuidance}},
		{"there at once", func(uint64) float64 { return 60 }, nil},
	} {
		script := scripted{eyes: map[uint64]float64{}}
		for i := uint64(1); i <= 40; i++ {
			script.eyes[i] = c.eyes(i)
		}
		var told []Guidance
		s, _ := Collect(context.Background(), walk(40), script, Limits{Thresholds: DefaultThresholds(), Guide: func(g Guidance) { told = append(told, g) }})
		s.Release()
		if !slices.Equal(told, c.want) {
			t.Errorf("%s: told %q, want %q", c.name, told, c.want)
		}
	}
}

func TestGuideForWhatIsSeen(t *testing.T) {
	size := image.Pt(640, 480)
	fine := Quality{Eyes: 100, Mouth: 100}
	middle := faceAt(Point{320, 240}, 90, 0)
	for _, c := range []struct {
		q    Quality
		face Face
		want Guidance
	}{
		{fine, middle, NoGuidance},
		{fine, faceAt(Point{320, 240}, 200, 0), StepBack},
		{fine, faceAt(Point{30, 240}, 90, 0), StepBack},
		{Quality{Eyes: 20, Mouth: 100}, middle, RemoveGlasses},
		{Quality{Eyes: 100, Mouth: 20}, middle, UncoverFace},
		{Quality{Reasons: []Reason{SeveralFaces, FaceTooSmall}}, middle, OnlyOnePerson},
		{Quality{Reasons: []Reason{FaceTooDark}}, middle, MoreLight},
		{Quality{Reasons: []Reason{TooBright}}, middle, LessLight},
		{Quality{Reasons: []Reason{FaceBlurred}}, middle, HoldStill},
		{Quality{Reasons: []Reason{FaceTurned}}, middle, LookHere},
	} {
		if got := Guide(c.q, c.face, size); got != c.want {
			t.Errorf("%v at %v: got %q, want %q", c.q.Reasons, c.face.Box, got, c.want)
		}
	}
	for _, r := range reasonOrder {
		if r != NoFrame && guidanceFor[r] == NoGuidance {
			t.Errorf("%s has no guidance", r)
		}
	}
}

func TestSequenceWaitsWhileItIsClose(t *testing.T) {
	s := Sequence{Threshold: 0.45}
	for _, c := range []struct {
		score  float64
		frames int
		want   bool
	}{
		{0.9, 2, false}, {0.9, 3, true}, {0.51, 3, true}, {0.50, 8, false}, {0.45, 8, false}, {0.30, 8, false}, {0.2, 4, false}, {0.2, 5, true},
	} {
		if got := s.Enough(c.score, c.frames); got != c.want {
			t.Errorf("%.2f over %d frames: got %v, want %v", c.score, c.frames, got, c.want)
		}
	}
}
