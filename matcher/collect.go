package matcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"slices"
	"time"

	"limen/capture"
)

// Limits say when a sample is good enough.
type Limits struct {
	// Good is the number of fit frames after which Collect stops early; 3 when 0.
	Good       int
	Thresholds Thresholds
	// Guide, when set, is told what the traveler can do, in few words that last,
	// and NoGuidance at the end. It must not block.
	Guide func(Guidance)
	// Since is when the looking began: frames from before it are let go, for
	// they may show somebody who has left. The zero time takes all.
	Since time.Time
}

// Sample is what was gathered of one traveller. Its frame is held and its
// templates are biometric data: call Release when the comparison is done.
type Sample struct {
	Frame     *capture.Frame // the best frame; nil when none was seen
	Faces     []Face         // in Frame, the traveler's first
	Quality   Quality        // of Frame
	Templates []Template     // of the best fit frames, best first; few
	// Reasons say why there is no template, the most frequent first; empty when
	// there is one.
	Reasons []Reason
	Seen    int // frames judged
	Fit     int // of them fit

	scores []float64 // of Templates, for Continue
}

// Good tells whether the sample can be compared.
func (s Sample) Good() bool { return len(s.Templates) > 0 }

// Score compares the sample with a template: the cosine of the fused
// templates, which errs less than any one of them.
func (s Sample) Score(t Template) float64 {
	fused := Fuse(s.Templates)
	defer clear(fused)
	return Cosine(fused, t)
}

// OnePerson tells whether the fit frames show one and the same person: any two
// of them are as alike as threshold asks, the model's own for taking two faces
// for one person's. Fused, one of two people who take turns before the camera
// would vouch for both.
func (s Sample) OnePerson(threshold float64) bool {
	for i, t := range s.Templates {
		for _, u := range s.Templates[:i] {
			if Cosine(t, u) < threshold {
				return false
			}
		}
	}
	return true
}

// Image is the best frame's picture in colors of its own; nil without one.
func (s Sample) Image() image.Image {
	if s.Frame == nil {
		return nil
	}
	return s.Frame.RGBA()
}

// Components measures the best frame; none without a face in it.
func (s Sample) Components() []Measured {
	if s.Frame == nil {
		return nil
	}
	return Components(s.Frame, s.Faces)
}

// Release gives the frame up and erases the templates.
func (s *Sample) Release() {
	if s.Frame != nil {
		s.Frame.Release()
		s.Frame = nil
	}
	for _, t := range s.Templates {
		clear(t)
	}
	s.Templates, s.scores = nil, nil
}

// LogValue gives counts and reasons only.
func (s Sample) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("seen", s.Seen), slog.Int("fit", s.Fit), slog.Any("reasons", s.Reasons))
}

// ErrFramesEnded says that the camera's stream ended before a face was fit.
var ErrFramesEnded = errors.New("the camera's frames ended before a face could be judged; see the camera's state")

// maxTemplates is how many frames' templates are kept, the best ones.
const maxTemplates = 8

// Collect judges frames until enough are fit or ctx ends, and returns the best
// with the templates of all fit ones. That no frame was fit until ctx's
// deadline is a Sample with reasons and no error. An error says that nobody
// could look: the engine failed, the frames ended, or ctx was canceled; the
// sample then holds what there was. It takes over every frame it receives.
func Collect(ctx context.Context, frames <-chan *capture.Frame, engine Engine, limits Limits) (Sample, error) {
	if limits.Good <= 0 {
		limits.Good = 3
	}
	g := gathering{engine: engine, limits: limits, counts: make(map[Reason]int)}
	return g.run(ctx, frames, func(s Sample) bool { return s.Fit >= limits.Good })
}

// Continue adds frames to a good sample until enough says so or ctx ends, as
// Collect does. It keeps to no track: whether the frames show one person is for
// OnePerson to say.
func (s Sample) Continue(ctx context.Context, frames <-chan *capture.Frame, engine Engine, limits Limits, enough func(Sample) bool) (Sample, error) {
	g := gathering{engine: engine, limits: limits, counts: make(map[Reason]int), sample: s, scores: s.scores, keep: true}
	return g.run(ctx, frames, enough)
}

// ctxError is nil at a deadline: the time for looking is then simply over.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return ctx.Err()
}

// gathering is one look at a traveler who walks up.
type gathering struct {
	engine  Engine
	limits  Limits
	tracker Tracker
	guide   guide
	subject int  // the track that the sample is of
	keep    bool // the sample is kept whatever track the frames are of
	sample  Sample
	scores  []float64 // of sample.Templates
	counts  map[Reason]int
}

func (g *gathering) run(ctx context.Context, frames <-chan *capture.Frame, enough func(Sample) bool) (Sample, error) {
	if g.guide.tell = g.limits.Guide; g.guide.tell == nil {
		g.guide.tell = func(Guidance) {}
	}
	defer g.guide.say(NoGuidance, time.Time{})
	for !enough(g.sample) {
		var frame *capture.Frame
		select {
		case <-ctx.Done():
			return g.finish(ctxError(ctx))
		case f, open := <-frames:
			if !open {
				if ctx.Err() != nil {
					return g.finish(ctxError(ctx))
				}
				if g.sample.Fit == 0 {
					return g.finish(ErrFramesEnded)
				}
				return g.finish(nil)
			}
			if f.Time.Before(g.limits.Since) {
				f.Release()
				continue
			}
			frame = f
		}
		camera, err := frame.Camera, g.judge(frame)
		frame.Release()
		if err != nil {
			return g.finish(fmt.Errorf("cannot judge a frame of camera %s: %w", camera, err))
		}
	}
	return g.finish(nil)
}

func (g *gathering) judge(frame *capture.Frame) error {
	faces, err := g.engine.Detect(frame)
	if err != nil {
		return err
	}
	faces, number := g.tracker.Follow(faces, frame.Rect.Dx(), frame.Time)
	if number == 0 {
		faces = nil // somebody else's, for the moment
	} else if number != g.subject {
		g.restart()
		g.subject = number
	}
	q := Assess(frame, faces, g.limits.Thresholds)
	g.sample.Seen++
	for _, r := range q.Reasons {
		g.counts[r]++
	}
	var face Face
	if len(faces) > 0 {
		face = faces[0]
	}
	g.guide.hear(Guide(q, face, frame.Rect.Size()), frame.Time)
	if q.Fit() {
		if err := g.describe(frame, face, q.Score); err != nil {
			return err
		}
	}
	if g.better(q) {
		if g.sample.Frame != nil {
			g.sample.Frame.Release()
		}
		g.sample.Frame, g.sample.Quality, g.sample.Faces = frame.Retain(), q, faces
	}
	return nil
}

// describe adds a fit frame's template. Once there are maxTemplates, only a
// better frame is described, in place of the worst.
func (g *gathering) describe(frame *capture.Frame, face Face, score float64) error {
	g.sample.Fit++
	if n := len(g.scores); n >= maxTemplates {
		if score <= g.scores[n-1] {
			return nil
		}
		clear(g.sample.Templates[n-1])
		g.scores, g.sample.Templates = g.scores[:n-1], g.sample.Templates[:n-1]
	}
	template, err := g.engine.Template(frame, face)
	if err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(g.scores, score, func(a, b float64) int { return cmp.Compare(b, a) })
	g.scores = slices.Insert(g.scores, at, score)
	g.sample.Templates = slices.Insert(g.sample.Templates, at, template)
	return nil
}

// restart forgets whose face was kept to before: frames of two places are not
// fused. What was wrong with them stays counted.
func (g *gathering) restart() {
	if g.keep || g.subject == 0 {
		return
	}
	seen := g.sample.Seen
	g.sample.Release()
	g.sample, g.scores = Sample{Seen: seen}, nil
}

// better ranks fit before unfit, then by score, the earlier of equals.
func (g *gathering) better(q Quality) bool {
	have := g.sample.Quality
	switch {
	case g.sample.Frame == nil:
		return true
	case q.Fit() != have.Fit():
		return q.Fit()
	}
	return q.Score > have.Score
}

func (g *gathering) finish(err error) (Sample, error) {
	s := g.sample
	s.scores = g.scores
	if s.Fit > 0 {
		return s, err
	}
	if s.Seen == 0 {
		s.Reasons = []Reason{NoFrame}
		return s, err
	}
	for _, r := range reasonOrder {
		if g.counts[r] > 0 {
			s.Reasons = append(s.Reasons, r)
		}
	}
	slices.SortStableFunc(s.Reasons, func(a, b Reason) int { return g.counts[b] - g.counts[a] })
	return s, err
}
