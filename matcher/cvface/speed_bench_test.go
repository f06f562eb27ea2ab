package cvface

import (
	"image"
	"image/color"
	"syscall"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
	"limen/matcher"
)

// gateFrame is a 720p frame with one person whose eyes are as far apart as a
// traveler's before a gate.
func gateFrame(t testing.TB) *capture.Frame {
	t.Helper()
	img := readJPEG(t, london(t, "neutral_front")[0])
	f := capture.NewPool(1280, 720).Get()
	f.Fill(scene(1280, 720, struct {
		img image.Image
		at  image.Rectangle
	}{img, image.Rect(300, 20, 980, 700)}))
	f.Camera = "gate"
	return f
}

// BenchmarkFrame is what one frame of 1280x720 costs on one core: the networks'
// bare forward passes, and all of finding, judging and describing a face.
func BenchmarkFrame(b *testing.B) {
	e := openEngine(b, Options{Threads: 1})
	f := gateFrame(b)
	faces, err := e.Detect(f)
	if err != nil || len(faces) != 1 {
		b.Fatal(len(faces), err)
	}
	const pw, ph = 320, 192 // what 1280x720 is reduced and filled up to
	small, _, err := e.reduced(f, 320)
	if err != nil {
		b.Fatal(err)
	}
	gocv.CopyMakeBorder(small, &small, 0, ph-small.Rows(), 0, pw-small.Cols(), gocv.BorderConstant, color.RGBA{})
	detectorInput := e.detector.blob(small)
	defer detectorInput.Close()
	toCrop, err := matcher.AlignOnto(faces[0].Landmarks, e.recogniser.align)
	if err != nil {
		b.Fatal(err)
	}
	near, toCrop, done, err := e.near(f, toCrop, e.recogniser.size())
	if err != nil {
		b.Fatal(err)
	}
	defer done()
	defer small.Close()
	aligned := warp(near, toCrop, e.recogniser.size())
	defer aligned.Close()
	recogniserInput := e.recogniser.blob(aligned)
	defer recogniserInput.Close()
	var names []string
	for _, o := range detectorOutputs(pw, ph) {
		names = append(names, o.name)
	}
	detect := func() {
		e.detector.net.SetInput(detectorInput, "")
		for _, m := range e.detector.net.ForwardLayers(names) {
			m.Close()
		}
	}
	describe := func() {
		e.recogniser.net.SetInput(recogniserInput, "")
		m := e.recogniser.net.Forward("")
		m.Close()
	}
	n := 0
	whole := func() {
		n++
		f.Seq, f.Time = uint64(n), time.Unix(int64(n), 0)
		found, err := e.Detect(f)
		if err != nil || len(found) != 1 {
			b.Fatal(len(found), err)
		}
		if q := matcher.Assess(f, found, matcher.DefaultThresholds()); !q.Fit() {
			b.Fatal(q.Reasons)
		}
		if _, err := e.Template(f, found[0]); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("detector", func(b *testing.B) {
		for b.Loop() {
			detect()
		}
	})
	b.Run("recogniser", func(b *testing.B) {
		for b.Loop() {
			describe()
		}
	})
	// Counted in processor time and taken in turn: neighbors cost both alike.
	b.Run("overhead", func(b *testing.B) {
		var bare, all time.Duration
		for b.Loop() {
			start := busy(b)
			detect()
			describe()
			between := busy(b)
			whole()
			bare, all = bare+between-start, all+busy(b)-between
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(bare.Seconds()*1000/float64(b.N), "networks-ms")
		b.ReportMetric(all.Seconds()*1000/float64(b.N), "frame-ms")
		b.ReportMetric(100*(all.Seconds()/bare.Seconds()-1), "overhead-%")
		b.ReportMetric(float64(b.N)/all.Seconds(), "frames/s")
	})
	b.Run("components", func(b *testing.B) {
		for b.Loop() {
			matcher.Components(f, faces)
		}
	})
}

// busy is the processor time this process has used.
func busy(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
