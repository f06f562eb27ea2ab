package cvface

import (
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"limen/capture"
	"limen/internal/repotest"
	"limen/matcher"
	"limen/matcher/catalog"
)

func readJPEG(t testing.TB, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// model is a model of the catalog, from the folder of real inputs.
func model(t testing.TB, name string) catalog.Model {
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

func openEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	e, err := New(model(t, "yunet-2023mar"), model(t, "frr0095"), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// london lists the set's photographs, one a person, in the persons' order.
func london(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(repotest.Shared(t, "data/faces/london"), folder, "*.jpg"))
	if err != nil || len(paths) != 102 {
		t.Fatalf("%d photographs in %s (%v), want 102", len(paths), folder, err)
	}
	slices.Sort(paths)
	return paths
}

// asFrame is img as a camera would deliver it.
func asFrame(img image.Image) *capture.Frame {
	f := capture.NewPool(img.Bounds().Dx(), img.Bounds().Dy()).Get()
	f.Fill(img)
	return f
}

func TestLondonNeutralAgainstSmiling(t *testing.T) {
	e := openEngine(t, Options{})
	var templates [2][]matcher.Template
	var sharp, luma, eyes, turn []float64
	unfit := 0
	for k, folder := range []string{"neutral_front", "smiling_front"} {
		for _, path := range london(t, folder) {
			img := readJPEG(t, path)
			if k == 1 { // the smiling ones play the camera
				img = asFrame(img)
			}
			faces, err := e.Detect(img)
			if err != nil || len(faces) != 1 {
				t.Fatalf("%s: %d faces, %v; want one", filepath.Base(path), len(faces), err)
			}
			q := matcher.Assess(img, faces, matcher.DefaultThresholds())
			if !q.Fit() {
				unfit++
				t.Errorf("%s/%s turned away: %v, %+v", folder, filepath.Base(path), q.Reasons, q)
			}
			sharp, luma, eyes = append(sharp, q.Sharpness), append(luma, q.Luma), append(eyes, q.EyeDistance)
			turn = append(turn, math.Abs(q.Yaw), math.Abs(q.Pitch), math.Abs(q.Roll))
			template, err := e.Template(img, faces[0])
			if err != nil {
				t.Fatal(err)
			}
			templates[k] = append(templates[k], template)
		}
	}
	t.Logf("204 photographs, %d turned away; least sharpness %.0f, luma %.0f to %.0f, eyes %.0f to %.0f px, largest turn %.0f°",
		unfit, slices.Min(sharp), slices.Min(luma), slices.Max(luma), slices.Min(eyes), slices.Max(eyes), slices.Max(turn))

	var genuine, impostor []float64
	for i := range templates[0] {
		for j := range templates[1] {
			c := matcher.Cosine(templates[0][i], templates[1][j])
			switch {
			case i == j:
				genuine = append(genuine, c)
			default:
				impostor = append(impostor, c)
			}
			if i < j {
				impostor = append(impostor, matcher.Cosine(templates[0][i], templates[0][j]), matcher.Cosine(templates[1][i], templates[1][j]))
			}
		}
	}
	if len(genuine) != 102 || len(impostor) != 20604 {
		t.Fatalf("%d genuine and %d impostor pairs, want 102 and 20604", len(genuine), len(impostor))
	}
	slices.Sort(genuine)
	slices.Sort(impostor)
	for _, want := range model(t, "frr0095").Thresholds {
		fnm, _ := slices.BinarySearch(genuine, want.Cosine)
		below, _ := slices.BinarySearch(impostor, want.Cosine)
		fm := len(impostor) - below
		t.Logf("cosine %.2f: FNMR %d/102, FMR %d/20604 = %.1e (95 %% bound %.1e)", want.Cosine, fnm, fm, float64(fm)/20604, want.FMRBound())
		if fnm != 0 || float64(fm)/20604 > want.FMR {
			t.Errorf("cosine %.2f: %d false non-matches, FMR %.1e; want none and at most %g", want.Cosine, fnm, float64(fm)/20604, want.FMR)
		}
		// What the catalog says was counted is what is counted.
		if want.Set == "london" && (want.FalseMatches != fm || want.FalseNonMatches != fnm || want.Genuine != len(genuine) || want.Impostor != len(impostor)) {
			t.Errorf("cosine %.2f: catalog counts %+v, here %d false matches and %d false non-matches", want.Cosine, want, fm, fnm)
		}
	}
	t.Logf("least genuine %.3f; highest impostor %.3f", genuine[0], impostor[len(impostor)-1])
}
