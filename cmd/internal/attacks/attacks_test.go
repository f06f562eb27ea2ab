package attacks

import (
	"testing"
	"time"

	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/camera"
	"limen/internal/repotest"
	"limen/matcher/catalog"
	"limen/matcher/cvface"
	"limen/matcher/spoof"
)

// model is a model of the catalog, from the folder of real inputs.
func model(t *testing.T, name string) catalog.Model {
	t.Helper()
	manifest, err := catalog.Models()
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(name, catalog.Places{Only: repotest.Shared(t, "models")})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Without any network the motion and the spectrum stop a print and a display,
// let no cut-out pass, and accuse nobody who stands there, glasses or not.
func TestSimulatedAttacksWithoutNetworks(t *testing.T) {
	engine, err := cvface.New(model(t, "yunet-2023mar"), model(t, "frr0095"), cvface.Options{})
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
