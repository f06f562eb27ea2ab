package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"testing"

	"limen/cmd/internal/demo/faces"
	"limen/device"
	"limen/matcher"
	"limen/matcher/catalog"
	"limen/matcher/cvface"
)

// shippedModels are the two models as the binary holds them.
func shippedModels(t *testing.T) (detector, recogniser catalog.Model) {
	t.Helper()
	m, err := catalog.Models()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Entry(shippedRecogniser); err != nil {
		t.Fatal("no demo model is shipped: train them with `make train`, ship them with matcher/train/ship.py")
	}
	load := func(name string, kind catalog.Kind) catalog.Model {
		model, err := m.Load(name, catalog.Places{UserData: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if !catalog.IsShipped(model.Path) || model.Grade != catalog.Demo || model.Kind != kind {
			t.Errorf("%s: got %s, %s, %s; want a shipped %s of grade demo", name, model.Path, model.Grade, model.Kind, kind)
		}
		return model
	}
	return load(shippedDetector, catalog.Detector), load(shippedRecogniser, catalog.Recogniser)
}

func TestShippedModels(t *testing.T) {
	detector, recogniser := shippedModels(t)
	if size := len(detector.Data) + len(recogniser.Data); size > 8<<20 {
		t.Errorf("the shipped models hold %d bytes, want at most 8 MB", size)
	}
	engine, err := cvface.New(detector, recogniser, cvface.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	threshold, err := recogniser.ThresholdFor(0.001)
	if err != nil {
		t.Fatal(err)
	}

	var portraits, lives []matcher.Template
	for _, name := range faces.Names() {
		encoded, err := faces.Portrait(name)
		if err != nil {
			t.Fatal(err)
		}
		portrait, err := jpeg.Decode(bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		person, err := faces.Live(name)
		if err != nil {
			t.Fatal(err)
		}
		live := image.NewRGBA(person.Rect)
		draw.Draw(live, live.Rect, image.NewUniform(color.Gray{Y: 150}), image.Point{}, draw.Src)
		draw.Draw(live, live.Rect, person, image.Point{}, draw.Over)

		portraits = append(portraits, describe(t, engine, portrait, name+".portrait", nil))
		eyes := faces.Eyes()
		lives = append(lives, describe(t, engine, live, name+".live", &eyes))
	}
	for i := range lives {
		for j := range portraits {
			switch c := matcher.Cosine(lives[i], portraits[j]); {
			case i == j && c < threshold.Cosine:
				t.Errorf("%s: cosine %.2f to the own portrait, want at least %.2f", faces.Names()[i], c, threshold.Cosine)
			case i != j && c >= threshold.Cosine:
				t.Errorf("%s: cosine %.2f to the portrait of %s, want less than %.2f", faces.Names()[i], c, faces.Names()[j], threshold.Cosine)
			}
		}
	}
}

// describe finds the one face of a picture, checks where its eyes are, when
// that is known, and describes it.
func describe(t *testing.T, engine *cvface.Engine, img image.Image, name string, eyes *[2]image.Point) matcher.Template {
	t.Helper()
	found, err := engine.Detect(img)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: got %d faces, %v; want 1", name, len(found), err)
	}
	if eyes != nil {
		for k, at := range []int{matcher.RightEye, matcher.LeftEye} {
			p := found[0].Landmarks[at]
			// The head's turn moves the eyes by some pixels; they are 114 apart.
			if off := math.Hypot(p.X-float64(eyes[k].X), p.Y-float64(eyes[k].Y)); off > 20 {
				t.Errorf("%s: eye %d lies %.1f pixels from where it is, want at most 20", name, k, off)
			}
		}
	}
	template, err := engine.Template(img, found[0])
	if err != nil {
		t.Fatal(err)
	}
	var square float64
	for _, v := range template {
		square += float64(v) * float64(v)
	}
	if len(template) != 256 || math.Abs(square-1) > 1e-5 {
		t.Errorf("%s: got a template of %d numbers, squared length %.6f; want 256 and 1", name, len(template), square)
	}
	return template
}

// Where no model is installed the demonstration takes the shipped pair, whole.
func TestModelsAtHand(t *testing.T) {
	shippedModels(t)
	configured := device.Defaults().Models
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	if _, _, err := catalog.Find(configured.Recogniser); err == nil {
		t.Skip("the configured models are installed beside this test")
	}
	if got := modelsAtHand(configured); got.Detector != shippedDetector || got.Recogniser != shippedRecogniser {
		t.Errorf("nothing installed: got %+v, want the shipped pair", got)
	}
	t.Setenv(catalog.EnvModels, t.TempDir())
	if got := modelsAtHand(configured); got.Detector != configured.Detector || got.Recogniser != configured.Recogniser {
		t.Errorf("%s names an empty folder: got %+v, want %+v", catalog.EnvModels, got, configured)
	}
}
