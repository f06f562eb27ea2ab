//go:build matprofile

package cvface

import (
	"bytes"
	"context"
	"flag"
	"image"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
	"limen/matcher"
)

// inspections is how many faces are inspected; 1000 takes some minutes.
var inspections = flag.Int("inspections", 12, "how many inspections TestNoMatOutlivesInspections makes")

// Whatever comes before the camera or out of a chip, in whatever size, OpenCV's
// memory is given back: while the engine runs only its last picture is held.
func TestNoMatOutlivesInspections(t *testing.T) {
	people := london(t, "neutral_front")
	a, b := readJPEG(t, people[0]), readJPEG(t, people[1])
	type put = struct {
		img image.Image
		at  image.Rectangle
	}
	w, h := a.Bounds().Dx(), a.Bounds().Dy()
	turned, gray := image.NewRGBA(image.Rect(0, 0, w, h)), image.NewGray(a.Bounds())
	for y := range h {
		for x := range w {
			turned.Set(w-1-x, h-1-y, a.At(x, y))
			gray.Set(x, y, a.At(x, y))
		}
	}
	good := scene(1280, 720, put{a, image.Rect(300, 20, 980, 700)})
	shown := [][]image.Image{
		{good, good, good},
		{scene(640, 480), good, scene(640, 480, put{a, image.Rect(100, 10, 560, 470)}), scene(320, 240, put{a, image.Rect(40, 0, 280, 240)})}, // the size changes
		{scene(1280, 720, put{a, image.Rect(0, 50, 600, 650)}, put{b, image.Rect(640, 50, 1240, 650)})},
		{turned, scene(100, 100, put{a, image.Rect(0, 0, 100, 100)}), scene(16, 16)},
		{},
	}
	portraits := []image.Image{a, gray, scene(100, 100, put{a, image.Rect(0, 0, 100, 100)}), turned, scene(400, 500), image.NewGray(image.Rect(0, 0, 3, 3)), nil}

	before := gocv.MatProfile.Count()
	e := openEngine(t, Options{})
	idle := gocv.MatProfile.Count()
	for n := range *inspections {
		inspect(t, e, shown[n%len(shown)], portraits[n%len(portraits)])
		if alive := gocv.MatProfile.Count(); alive > idle+1 {
			t.Fatalf("after %d inspections %d Mats are alive, want at most %d", n+1, alive, idle+1)
		}
	}
	e.Close()
	if n := gocv.MatProfile.Count(); n != before {
		var b bytes.Buffer
		gocv.MatProfile.WriteTo(&b, 1)
		t.Errorf("%d Mats alive, want %d:\n%s", n, before, b.String())
	}
}

// inspect shows pictures to the camera and compares with a portrait, if it can.
func inspect(t *testing.T, e *Engine, shown []image.Image, portrait image.Image) {
	frames := make(chan *capture.Frame, len(shown))
	for i, img := range shown {
		f := asFrame(img)
		f.Seq, f.Camera, f.Time = uint64(i+1), "gate", time.Now()
		frames <- f
	}
	close(frames)
	sample, err := matcher.Collect(context.Background(), frames, e, matcher.Limits{Thresholds: matcher.DefaultThresholds()})
	defer sample.Release()
	if sample.Good() != (err == nil) {
		t.Errorf("%d frames: good %v, error %v", len(shown), sample.Good(), err)
	}
	faces, err := e.Detect(portrait)
	if err != nil || len(faces) == 0 {
		return
	}
	template, err := e.Template(portrait, faces[0])
	if err != nil {
		t.Error(err)
		return
	}
	if sample.Good() {
		sample.Score(template)
	}
}
