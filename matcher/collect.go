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
	// Since is when the looking began: frames from before it are let go, for
	// they may show somebody who has left. The zero time takes all.
	Since time.Time
}

// Sample is what was gathered of one traveller. Its frame is held and its
// templates are biometric data: call Release when the comparison is done.
type Sample struct {
	Frame     *capture.Frame // the best frame; nil when none was seen
	Face      Face           // in Frame
	Quality   Quality        // of Frame
	Templates []Template     // of the fit frames, best first
	// Reasons say why there is no template, the most frequent first; empty when
	// there is one.
	Reasons []Reason
	Seen    int // frames judged
	Fit     int // of them fit
}

// Good tells whether the sample can be compared.
func (s Sample) Good() bool { return len(s.Templates) > 0 }

// Score compares the sample with a template: the cosine of the fused
// templates, which errs less than any one of them.
func (s Sample) Score(t Template) float64 { return Cosine(Fuse(s.Templates), t) }

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

// Release gives the frame up and erases the templates.
func (s *Sample) Release() {
	if s.Frame != nil {
		s.Frame.Release()
		s.Frame = nil
	}
	for _, t := range s.Templates {
		clear(t)
	}
	s.Templates = nil
}

// LogValue gives counts and reasons only.
func (s Sample) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("seen", s.Seen), slog.Int("fit", s.Fit), slog.Any("reasons", s.Reasons))
}

// ErrFramesEnded says that the camera's stream ended before a face was fit.
var ErrFramesEnded = errors.New("the camera's frames ended before a face could be judged; see the camera's state")

// Collect judges frames until enough are fit or ctx ends, and returns the best
// with the templates of all fit ones. That no frame was fit until ctx's
// deadline is a Sample with reasons and no error. An error says that nobody
// could look: the engine failed, the frames ended, or ctx was canceled; the
// sample then holds what there was. It takes over every frame it receives.
func Collect(ctx context.Context, frames <-chan *capture.Frame, engine Engine, limits Limits) (Sample, error) {
	if limits.Good <= 0 {
		limits.Good = 3
	}
	g := gathering{counts: make(map[Reason]int)}
	for g.sample.Fit < limits.Good {
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
			if f.Time.Before(limits.Since) {
				f.Release()
				continue
			}
			frame = f
		}
		camera, err := frame.Camera, g.judge(frame, engine, limits.Thresholds)
		frame.Release()
		if err != nil {
			return g.finish(fmt.Errorf("cannot judge a frame of camera %s: %w", camera, err))
		}
	}
	return g.finish(nil)
}

// ctxError is nil at a deadline: the time for looking is then simply over.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return ctx.Err()
}

type gathering struct {
	sample Sample
	scores []float64 // of sample.Templates
	counts map[Reason]int
}

func (g *gathering) judge(frame *capture.Frame, engine Engine, t Thresholds) error {
	faces, err := engine.Detect(frame)
	if err != nil {
		return err
	}
	q := Assess(frame, faces, t)
	g.sample.Seen++
	for _, r := range q.Reasons {
		g.counts[r]++
	}
	if q.Fit() {
		template, err := engine.Template(frame, faces[0])
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(g.scores, q.Score, func(a, b float64) int { return cmp.Compare(b, a) })
		g.scores = slices.Insert(g.scores, at, q.Score)
		g.sample.Templates = slices.Insert(g.sample.Templates, at, template)
		g.sample.Fit++
	}
	if g.better(q) {
		if g.sample.Frame != nil {
			g.sample.Frame.Release()
		}
		g.sample.Frame, g.sample.Quality, g.sample.Face = frame.Retain(), q, Face{}
		if len(faces) > 0 {
			g.sample.Face = faces[0]
		}
	}
	return nil
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
