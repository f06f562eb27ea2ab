package attacks

import (
	"slices"
	"testing"

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
	for name, wrong := range map[string]func(spoof.Status) bool{
		bonaFide:              func(s spoof.Status) bool { return s == spoof.Failed },
		string(camera.Print):  func(s spoof.Status) bool { return s != spoof.Failed },
		string(camera.Screen): func(s spoof.Status) bool { return s != spoof.Failed },
		string(camera.CutOut): func(s spoof.Status) bool { return s == spoof.Passed },
	} {
		all, err := presentations(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range all[6:8] { // one face, walking and standing
			p.scene.Seed = 77 + uint64(i)
			j, err := present(t.Context(), engine, nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if wrong(j.Status) {
				t.Errorf("%s from %v: got %s (%+v)", name, p.from, j.Status, j.Cues)
			}
		}
	}
}

// The measurement covers every face, walking and standing, and never one motion twice.
func TestPresentationsCoverEveryFace(t *testing.T) {
	for _, name := range append(slices.Clone(people), species...) {
		all, err := presentations(name, 2)
		if err != nil {
			t.Fatal(err)
		}
		if want := 2 * 2 * len(faces.Names()); len(all) != want {
			t.Fatalf("%s: got %d presentations, want %d", name, len(all), want)
		}
		seen := map[uint64]bool{}
		for i, p := range all {
			if seen[p.scene.Seed] {
				t.Errorf("%s: presentation %d moves as an earlier one", name, i)
			}
			seen[p.scene.Seed] = true
		}
	}
}
