package device

import (
	"context"
	"errors"
	"image"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"limen"
	"limen/capture"
	"limen/matcher"
)

// crowd finds so many faces, of one size, in everything.
type crowd struct {
	queue
	faces int
	side  float64
}

func (c *crowd) Detect(image.Image) ([]matcher.Face, error) {
	var out []matcher.Face
	for i := range c.faces {
		f := matcher.Face{Score: 0.9, Box: matcher.Box{X: float64(i) * 300, Y: 10, W: c.side, H: c.side}}
		for k, p := range matcher.Reference {
			f.Landmarks[k] = matcher.Point{X: f.Box.X + p.X*c.side, Y: f.Box.Y + p.Y*c.side}
		}
		out = append(out, f)
	}
	return out, nil
}

func TestPortraitsThatCannotBeCompared(t *testing.T) {
	for name, c := range map[string]struct {
		engine *crowd
		want   limen.ReasonCode
	}{
		"none":       {&crowd{faces: 0}, limen.PortraitNoFace},
		"two":        {&crowd{faces: 2, side: 200}, limen.PortraitSeveral},
		"100 pixels": {&crowd{faces: 1, side: 70}, limen.PortraitSmall},
		"good":       {&crowd{queue: queue{people: []int{0}}, faces: 1, side: 200}, ""},
	} {
		f := &faceCamera{engine: c.engine, model: comparisonModel{threshold: 0.45}}
		live := &liveFace{camera: f, sample: matcher.Sample{Templates: []matcher.Template{{1, 0, 0, 0}}}}
		_, err := live.Compare(t.Context(), image.NewGray(image.Rect(0, 0, 400, 400)))
		var got limen.ReasonCode
		if u, ok := errors.AsType[*limen.Unable](err); ok {
			got = u.Reason.Code
		}
		if got != c.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, c.want)
		}
	}
}

// drifting describes the traveler ever better: the first frames are poor.
type drifting struct {
	queue
	angles []float64 // to the portrait, frame by frame; the last one stays
}

func (d *drifting) Template(image.Image, matcher.Face) (matcher.Template, error) {
	a := d.angles[min(d.seen, len(d.angles)-1)]
	d.seen++
	return matcher.Template{float32(math.Cos(a)), float32(math.Sin(a)), 0, 0}, nil
}

// A score near the threshold is not the last word while there is time; a clear
// one is at once.
func TestComparisonWaitsWhileItIsClose(t *testing.T) {
	const near, clearlySo, clearlyNot = 1.12, 0.5, 1.5 // cosines 0.44, 0.88, 0.07
	for name, c := range map[string]struct {
		angles  []float64
		limit   time.Duration
		matches bool
		several bool
		most    int // frames described at most
	}{
		"clear match":                 {[]float64{clearlySo}, 10 * time.Second, true, false, 3},
		"clear mismatch":              {[]float64{clearlyNot}, 10 * time.Second, false, false, 5},
		"close, then better":          {[]float64{near, near, near, clearlySo}, 10 * time.Second, true, false, 8},
		"close to the end":            {[]float64{near}, 300 * time.Millisecond, false, false, 8},
		"somebody else steps forward": {[]float64{near, near, near, near - 1.3}, 10 * time.Second, false, true, 8},
	} {
		t.Run(name, func(t *testing.T) {
			d := &drifting{angles: c.angles}
			hub := capture.NewHub(d, capture.HubOptions{})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- hub.Run(ctx) }()
			defer func() { stop(); <-done }()
			f := &faceCamera{hub: hub, engine: d, limits: matcher.Limits{Thresholds: matcher.DefaultThresholds()}, model: comparisonModel{threshold: 0.45}}
			limit, end := context.WithTimeout(ctx, c.limit)
			live, err := f.CaptureGuided(limit, func(limen.Guidance) {})
			end()
			if err != nil {
				t.Fatal(err)
			}
			defer live.Close()
			portrait := &described{Image: image.NewGray(image.Rect(0, 0, 8, 8)), template: matcher.Template{1, 0, 0, 0}}
			got, err := live.Compare(ctx, portrait)
			if u, ok := errors.AsType[*limen.Unable](err); ok != c.several || ok && u.Reason.Code != limen.FaceSeveral {
				t.Fatalf("got %v, want several faces: %v", err, c.several)
			}
			if err == nil && (got.Score >= got.Threshold) != c.matches {
				t.Errorf("score %.2f, want a match: %v", got.Score, c.matches)
			}
			if d.seen > c.most {
				t.Errorf("%d frames were described, want at most %d", d.seen, c.most)
			}
		})
	}
}

// pretending looks live at first, and like a picture from when picture is set.
type pretending struct {
	drifting
	picture atomic.Bool
}

func (p *pretending) Live(image.Image, matcher.Box) (float64, error) {
	if p.picture.Load() {
		return 0.05, nil
	}
	return 0.98, nil
}

// The frames that a comparison adds are watched for attacks like the first.
func TestFramesAddedToTheComparisonAreWatched(t *testing.T) {
	const near, clearlySo = 1.12, 0.5
	p := &pretending{drifting: drifting{angles: []float64{near, near, near, clearlySo}}}
	hub := capture.NewHub(p, capture.HubOptions{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	defer func() { stop(); <-done }()
	f := &faceCamera{hub: hub, engine: p, network: p, limits: matcher.Limits{Thresholds: matcher.DefaultThresholds()}, model: comparisonModel{threshold: 0.45}}
	limit, end := context.WithTimeout(ctx, 20*time.Second)
	defer end()
	live, err := f.CaptureGuided(limit, func(limen.Guidance) {})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if status, why := live.(limen.PresentationJudge).Presentation(); status != limen.Passed {
		t.Fatalf("before the comparison: got %s %v, want passed", status, why)
	}
	p.picture.Store(true)
	portrait := &described{Image: image.NewGray(image.Rect(0, 0, 8, 8)), template: matcher.Template{1, 0, 0, 0}}
	if c, err := live.Compare(ctx, portrait); err != nil || c.Score < c.Threshold {
		t.Fatalf("got %+v, %v; want a match", c, err)
	}
	if status, why := live.(limen.PresentationJudge).Presentation(); status != limen.Failed {
		t.Errorf("after it: got %s %v, want failed", status, why)
	}
}

// What the camera says is what the line and its screens know.
func TestGuidanceHasOneVocabulary(t *testing.T) {
	for ours, theirs := range map[limen.Guidance]matcher.Guidance{
		limen.NoGuidance: matcher.NoGuidance, limen.LookHere: matcher.LookHere, limen.ComeCloser: matcher.ComeCloser, limen.StepBack: matcher.StepBack,
		limen.OnlyOnePerson: matcher.OnlyOnePerson, limen.HoldStill: matcher.HoldStill, limen.MoreLight: matcher.MoreLight, limen.LessLight: matcher.LessLight,
		limen.RemoveGlasses: matcher.RemoveGlasses, limen.UncoverFace: matcher.UncoverFace,
	} {
		if string(ours) != string(theirs) {
			t.Errorf("the line says %q, the matcher %q", ours, theirs)
		}
	}
}
