package attacks

import (
	"testing"
	"time"

	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/camera"
	"limen/internal/repotest"
	"limen/matcher/cvface"
	"limen/matcher/spoof"
)

// Without any network the motion and the spectrum stop a print and a display,
// let no cut-out pass, and accuse nobody who stands there, glasses or not.
func TestSimulatedAttacksWithoutNetworks(t *testing.T) {
	engine, err := cvface.Open(repotest.Shared(t, "models/face_detection_yunet_2023mar.onnx"), repotest.Shared(t, "models/frr0095.onnx"), cvface.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	for medium, wrong := range map[camera.Medium]func(spoof.Status) bool{
		camera.Flesh:  func(s spoof.Status) bool { return s == spoof.Failed },
		camera.Print:  func(s spoof.Status) bool { return s != spoof.Failed },
		camera.Screen: func(s spoof.Status) bool { return s != spoof.Failed },
		camera.CutOut: func(s spoof.Status) bool { return s == spoof.Passed },
	} {
		for i, from := range []time.Duration{200 * time.Millisecond, 2500 * time.Millisecond} {
			p := presentation{face: faces.Names()[3+i], medium: medium, sheet: 1, light: 1, from: from, seed: 77 + uint64(i)}
			j, err := present(engine, nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if wrong(j.Status) {
				t.Errorf("%q from %v: got %s (%+v)", medium, from, j.Status, j.Cues)
			}
		}
	}
}

// The measurement covers every face, walking and standing, and repeats itself.
func TestPresentationsCoverEveryFace(t *testing.T) {
	all := presentations(camera.Print, 2)
	if want := 2 * 2 * len(faces.Names()); len(all) != want {
		t.Fatalf("got %d presentations, want %d", len(all), want)
	}
	seen := map[uint64]bool{}
	for i, p := range all {
		if seen[p.seed] {
			t.Errorf("presentation %d moves as an earlier one", i)
		}
		seen[p.seed] = true
		if again := presentations(camera.Print, 2)[i]; again != p {
			t.Errorf("presentation %d: got %+v, then %+v", i, p, again)
		}
	}
}
