package cvface

import (
	"errors"
	"image"
	"math"
	"testing"

	"limen/matcher"
	"limen/matcher/catalog"
)

func TestSpoofTakesPhotographsOfPeopleForLive(t *testing.T) {
	s, err := NewSpoof(model(t, "minifasnet-v2-2.7"), model(t, "minifasnet-v1se-4.0"))
	if err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, Options{})
	live := 0
	paths := london(t, "smiling_front")[:12]
	for _, p := range paths {
		img := readJPEG(t, p)
		faces, err := e.Detect(img)
		if err != nil || len(faces) == 0 {
			t.Fatalf("%s: %d faces (%v)", p, len(faces), err)
		}
		v, err := s.Live(img, faces[0].Box)
		if err != nil || !(v >= 0 && v <= 1) {
			t.Fatalf("%s: got %v (%v), want a share", p, v, err)
		}
		if v >= 0.5 {
			live++
		}
	}
	if live < 9 { // a studio is not what they were trained on
		t.Errorf("%d of %d photographs of people are live, want most", live, len(paths))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Live(image.NewRGBA(image.Rect(0, 0, 100, 100)), matcher.Box{W: 50, H: 50}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v, want %v", err, ErrClosed)
	}
}

func TestSpoofRefusesWhatIsNoNetwork(t *testing.T) {
	with := func(data []byte) []catalog.Model {
		m := model(t, "minifasnet-v2-2.7")
		m.Data = data
		return []catalog.Model{m}
	}
	for name, models := range map[string][]catalog.Model{
		"none": nil, "empty": with(nil), "no network": with([]byte("no network")), "recogniser": {model(t, "frr0095")},
	} {
		if _, err := NewSpoof(models...); !errors.Is(err, ErrModel) {
			t.Errorf("%s: got %v, want %v", name, err, ErrModel)
		}
	}
}

// Whatever box a detector gives, the crop lies in the picture.
func FuzzSpoofCrop(f *testing.F) {
	f.Add(10.0, 10.0, 50.0, 60.0, 2.7)
	f.Add(-500.0, 900.0, 1e9, 0.5, 4.0)
	f.Add(math.NaN(), math.Inf(-1), 30.0, 40.0, 4.0)
	f.Fuzz(func(t *testing.T, x, y, w, h, scale float64) {
		const width, height = 320, 240
		r := spoofCrop(matcher.Box{X: x, Y: y, W: w, H: h}, scale, width, height)
		if r.Empty() || !r.In(image.Rect(0, 0, width, height)) {
			t.Errorf("got %v, want part of %dx%d", r, width, height)
		}
	})
}
