package cvface

import (
	"image"
	"image/color"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"limen/capture"
	"limen/matcher"
)

// stepBack is a 720p frame of a photograph in which the eyes are so many pixels
// apart, as a lens would show a person farther away.
func stepBack(t testing.TB, img image.Image, face matcher.Face, eyes float64) *capture.Frame {
	t.Helper()
	bgr, err := imageToBGR(img)
	if err != nil {
		t.Fatal(err)
	}
	defer bgr.Close()
	k := eyes / face.EyeDistance()
	w, h := int(float64(bgr.Cols())*k), int(float64(bgr.Rows())*k)
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(128, 128, 128, 0), 720, 1280, gocv.MatTypeCV8UC3)
	defer frame.Close()
	at := frame.Region(image.Rect(640-w/2, 360-h/2, 640-w/2+w, 360-h/2+h))
	defer at.Close()
	gocv.Resize(bgr, &at, image.Pt(w, h), 0, 0, gocv.InterpolationArea)
	picture, err := frame.ToImage()
	if err != nil {
		t.Fatal(err)
	}
	return asFrame(picture)
}

// From 40 pixels between the eyes faces are found, judged fit, and match; well
// below it is said that the traveler must come closer.
func TestStandOff(t *testing.T) {
	e := openEngine(t, Options{})
	threshold := model(t, "frr0095").Thresholds[0].Cosine
	neutral, smiling := london(t, "neutral_front"), london(t, "smiling_front")
	distances := []float64{70, 40, 20}
	var least [3]float64
	var below, small [3]int
	people := 0
	for i := 0; i < len(neutral); i += 3 {
		people++
		portrait, live := readJPEG(t, neutral[i]), readJPEG(t, smiling[i])
		reference, err := e.Template(portrait, find(t, e, portrait))
		if err != nil {
			t.Fatal(err)
		}
		face := find(t, e, live)
		for k, eyes := range distances {
			frame := stepBack(t, live, face, eyes)
			faces, err := e.Detect(frame)
			if err != nil {
				t.Fatal(err)
			}
			q := matcher.Assess(frame, faces, matcher.DefaultThresholds())
			if slices.ContainsFunc(q.Reasons, func(r matcher.Reason) bool { return r == matcher.FaceTooSmall || r == matcher.FaceNotFound }) {
				small[k]++
				continue
			}
			template, err := e.Template(frame, faces[0])
			if err != nil {
				t.Fatal(err)
			}
			score := matcher.Cosine(reference, template)
			if score < threshold {
				below[k]++
			}
			if least[k] == 0 || score < least[k] {
				least[k] = score
			}
		}
	}
	for k, eyes := range distances {
		t.Logf("%.0f px: %d of %d too small or not found, %d below %.2f, least score %.3f", eyes, small[k], people, below[k], threshold, least[k])
		if want := map[bool]int{true: 0, false: people}[eyes >= 40]; small[k] != want || below[k] != 0 {
			t.Errorf("%.0f px: got %d too small and %d below the threshold, want %d and none", eyes, small[k], below[k], want)
		}
	}
}

func find(t testing.TB, e *Engine, img image.Image) matcher.Face {
	t.Helper()
	faces, err := e.Detect(img)
	if err != nil || len(faces) != 1 {
		t.Fatalf("%d faces (%v), want one", len(faces), err)
	}
	return faces[0]
}

// A document's portrait may be gray or small; a picture may be upside down.
func TestOddPictures(t *testing.T) {
	e := openEngine(t, Options{})
	path := london(t, "neutral_front")[0]
	img := readJPEG(t, path)
	face := find(t, e, img)
	reference, err := e.Template(img, face)
	if err != nil {
		t.Fatal(err)
	}
	gray := image.NewGray(img.Bounds())
	small := image.NewRGBA(image.Rect(0, 0, 100, 100))
	turned := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	w, h := turned.Rect.Dx(), turned.Rect.Dy()
	for y := range h {
		for x := range w {
			c := img.At(img.Bounds().Min.X+x, img.Bounds().Min.Y+y)
			gray.Set(img.Bounds().Min.X+x, img.Bounds().Min.Y+y, color.GrayModel.Convert(c))
			turned.Set(w-1-x, h-1-y, c)
		}
	}
	for y := range 100 {
		for x := range 100 {
			small.Set(x, y, img.At(img.Bounds().Min.X+x*w/100, img.Bounds().Min.Y+y*h/100))
		}
	}
	template, err := e.Template(gray, find(t, e, gray))
	if err != nil {
		t.Fatal(err)
	}
	if score := matcher.Cosine(reference, template); score < 0.8 {
		t.Errorf("gray: score %.3f against its colored self, want at least 0.8", score)
	}
	if q := matcher.Assess(small, []matcher.Face{find(t, e, small)}, matcher.DefaultThresholds()); !slices.Contains(q.Reasons, matcher.FaceTooSmall) {
		t.Errorf("100 pixels: %v at %.0f px, want %s", q.Reasons, q.EyeDistance, matcher.FaceTooSmall)
	}
	faces, err := e.Detect(turned)
	if err != nil {
		t.Fatal(err)
	}
	if q := matcher.Assess(turned, faces, matcher.DefaultThresholds()); !slices.Equal(q.Reasons, []matcher.Reason{matcher.FaceTurned}) {
		t.Errorf("upside down: %d faces, got %v, want %s", len(faces), q.Reasons, matcher.FaceTurned)
	}
}
