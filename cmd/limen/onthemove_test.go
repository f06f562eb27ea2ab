package main

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"runtime"
	"testing"
	"time"

	"limen/capture"
	"limen/capture/cvcam"
	"limen/cmd/internal/demo/faces"
	simcamera "limen/hw/sim/camera"
	"limen/matcher"
	"limen/matcher/catalog"
	"limen/matcher/cvface"
)

// moveRig is a simulated camera at the far end of a wire, and what looks through
// it: the driver, the hub and the face engine, without the rest of the gate.
type moveRig struct {
	camera    *simcamera.Camera
	hub       *capture.Hub
	engine    *cvface.Engine
	threshold float64
}

// newMoveRig starts a rig; the test is skipped where the models are not at hand.
func newMoveRig(t testing.TB, width, height int, opts cvface.Options) *moveRig {
	t.Helper()
	detector, err := catalog.Load("yunet-2023mar")
	if err != nil {
		t.Skip(err)
	}
	recogniser, err := catalog.Load("frr0095")
	if err != nil {
		t.Skip(err)
	}
	threshold, err := recogniser.ThresholdFor(0.001)
	if err != nil {
		t.Fatal(err)
	}
	r := &moveRig{threshold: threshold.Cosine}
	if r.engine, err = cvface.New(detector, recogniser, opts); err != nil {
		t.Fatal(err)
	}
	if r.camera, err = simcamera.New(simcamera.Options{Width: width, Height: height}); err != nil {
		t.Fatal(err)
	}
	driver, err := cvcam.New(cvcam.Options{Source: r.camera.URL()})
	if err != nil {
		t.Fatal(err)
	}
	r.hub = capture.NewHub(driver, capture.HubOptions{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- r.camera.Run(ctx) }()
	go func() { done <- r.hub.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := r.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// person is a traveller of the demonstration who walks up.
func person(t testing.TB, name string) simcamera.Person {
	t.Helper()
	still, err := faces.Live(name)
	if err != nil {
		t.Fatal(err)
	}
	return simcamera.Person{Still: still, Eyes: faces.Eyes()}
}

// portraitOf is the template of a traveller's portrait.
func (r *moveRig) portraitOf(t testing.TB, name string) matcher.Template {
	t.Helper()
	data, err := faces.Portrait(name)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return r.describe(t, img)
}

func (r *moveRig) describe(t testing.TB, img image.Image) matcher.Template {
	t.Helper()
	found, err := r.engine.Detect(img)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d faces (%v), want one", len(found), err)
	}
	template, err := r.engine.Template(img, found[0])
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// look is one inspection's look at a face and its comparison: what the face
// camera of an appliance does.
func (r *moveRig) look(t testing.TB, portrait matcher.Template, limit time.Duration, guide func(matcher.Guidance)) (matcher.Sample, float64) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	limits := matcher.Limits{Thresholds: matcher.DefaultThresholds(), Since: time.Now(), Guide: guide}
	frames, cancel := r.hub.Subscribe()
	defer cancel()
	sample, err := matcher.Collect(ctx, frames, r.engine, limits)
	if err != nil {
		t.Fatal(err)
	}
	sequence := matcher.Sequence{Threshold: r.threshold}
	sample, err = sample.Continue(ctx, frames, r.engine, limits, func(s matcher.Sample) bool {
		return sequence.Enough(s.Score(portrait), len(s.Templates))
	})
	if err != nil {
		t.Fatal(err)
	}
	return sample, sample.Score(portrait)
}

// A traveller who begins far away is told to come closer, and decided about as
// soon as the eyes are far enough apart; the same picture of somebody else's
// document is as clear.
func TestTravellerWalksUp(t *testing.T) {
	r := newMoveRig(t, 1280, 720, cvface.Options{})
	own, other := r.portraitOf(t, "traveller-06"), r.portraitOf(t, "traveller-10")
	walker := person(t, "traveller-06")
	walker.Far, walker.Near, walker.Approach = 18.0/720, 150.0/720, 4*time.Second
	if err := r.camera.Show(simcamera.Scene{People: []simcamera.Person{walker}, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	var told []matcher.Guidance
	sample, score := r.look(t, own, 20*time.Second, func(g matcher.Guidance) { told = append(told, g) })
	defer sample.Release()
	if score < r.threshold || !sample.OnePerson(r.threshold) {
		t.Errorf("score %.3f over %d of %d frames, reasons %v, one person %v; want a match", score, len(sample.Templates), sample.Seen, sample.Reasons, sample.OnePerson(r.threshold))
	}
	if against := sample.Score(other); against > r.threshold-0.1 {
		t.Errorf("score %.3f against somebody else's portrait", against)
	}
	if len(told) > 0 && told[len(told)-1] != matcher.NoGuidance {
		t.Errorf("told %q, want it taken back in the end", told)
	}
	t.Logf("told %q, decided with eyes %.0f px apart over %d of %d frames, score %.3f", told, sample.Quality.EyeDistance, len(sample.Templates), sample.Seen, score)
}

// BenchmarkFaceInView is from a scene's beginning to a clear comparison, with a
// camera of 1280x720 at 25 frames a second: for somebody who stands there, and
// for somebody who walks up from 40 pixels between the eyes.
func BenchmarkFaceInView(b *testing.B) {
	for name, approach := range map[string]time.Duration{"standing": -1, "walking": 1500 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			r := newMoveRig(b, 1280, 720, cvface.Options{})
			own := r.portraitOf(b, "traveller-06")
			walker := person(b, "traveller-06")
			walker.Approach, walker.Far = approach, 40.0/720
			var took []time.Duration
			seen := 0
			for b.Loop() {
				if err := r.camera.Show(simcamera.Scene{}); err != nil {
					b.Fatal(err)
				}
				<-time.After(300 * time.Millisecond) // the last one's pictures are past
				start := time.Now()
				if err := r.camera.Show(simcamera.Scene{People: []simcamera.Person{walker}, Seed: uint64(len(took))}); err != nil {
					b.Fatal(err)
				}
				sample, score := r.look(b, own, 20*time.Second, nil)
				if score < r.threshold {
					b.Fatalf("score %.3f, reasons %v", score, sample.Reasons)
				}
				took = append(took, time.Since(start))
				seen += sample.Seen
				sample.Release()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(quantile(took, 0.5), "p50-ms")
			b.ReportMetric(quantile(took, 1), "max-ms")
			b.ReportMetric(float64(seen)/float64(len(took)), "frames")
			b.ReportMetric(float64(runtime.NumCPU()), "cores")
		})
	}
}
