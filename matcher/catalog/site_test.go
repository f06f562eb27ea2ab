package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// site is a manifest as a site writes one.
const site = `models:
  - name: ours
    kind: recogniser
    file: ours.onnx
    sha256: 0204c511715cd8fd09a7d49f9defa831df2415c9425e8e60e15e7f4e949e05f2
    size: 184
    grade: operational
    licence: ours
    source: our supplier
    input: {width: 112, height: 112, color: BGR, mean: [127.5, 127.5, 127.5], scale: 0.0078125}
    align: [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
    output: {length: 512, similarity: cosine}
    about: an example
    thresholds:
      - {fmr: 0.001, cosine: 0.3, set: ours, genuine: 100, impostor: 5000, false_matches: 1, false_non_matches: 2}
sets:
  - name: ours
    about: people of ours
`

func TestSiteAddsModels(t *testing.T) {
	home, service := t.TempDir(), t.TempDir()
	places := Places{UserData: home, System: service}
	builtIn, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(service, "ours.yaml")
	write(t, path, site)
	m, err := places.Models()
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Entry("ours")
	if err != nil || e.Manifest != path || len(m.Models) != len(builtIn.Models)+1 {
		t.Errorf("ours: %+v, %v among %d models; want it from %s and one more than %d", e, err, len(m.Models), path, len(builtIn.Models))
	}
	if th, err := e.ThresholdFor(0.001); err != nil || th.Cosine != 0.3 || th.Model != "ours@0204c511" {
		t.Errorf("threshold %+v, %v; want 0.3 of ours@0204c511", th, err)
	}
	// LIMEN_MODELS is looked at alone.
	if m, err := (Places{Only: t.TempDir(), System: service}).Models(); err != nil || len(m.Models) != len(builtIn.Models) {
		t.Errorf("%d models, %v; want the built-in %d", len(m.Models), err, len(builtIn.Models))
	}
}

// A manifest's sets are its own or built in, whichever is read first.
func TestSiteManifestsDoNotHangOnEachOther(t *testing.T) {
	builtIn, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	first, err := builtIn.With("ours.yaml", []byte(site))
	if err != nil {
		t.Fatal(err)
	}
	second := strings.NewReplacer("name: ours\n    kind", "name: yours\n    kind").Replace(site)
	second = second[:strings.Index(second, "sets:")]
	if _, err := first.With("yours.yaml", []byte(second)); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), `set "ours" is not described`) {
		t.Errorf("%v, want %v", err, ErrManifest)
	}
	if _, err := first.With("yours.yaml", []byte(strings.Replace(second, "set: ours", "set: london", 1))); err != nil {
		t.Error(err)
	}
}

func TestSiteManifestErrorsNameFileAndFault(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"name: ours\n    kind", "name: frr0095\n    kind", "two models named frr0095"},
		{"file: ours.onnx", "file: frr0095.onnx", "already frr0095's, with another SHA-256"},
		{"file: ours.onnx", "file: ../ours.onnx", "without a folder"},
		{"file: ours.onnx", "file: ours.yaml", "must be the name of an .onnx file"},
		{"sha256: 0204", "sha256: 02G4", "no SHA-256"},
		{"size: 184", "size: 1840000000000", "is not 1 to"},
		{"grade: operational", "grade: best", `grade "best"`},
		{"width: 112", "width: 99999", "pixels a side"},
		{"color: BGR", "color: YUV", "neither BGR nor RGB"},
		{"mean: [127.5, 127.5, 127.5]", "mean: [127.5]", "three numbers"},
		{"mean: [127.5,", "mean: [.nan,", "three numbers"},
		{"scale: 0.0078125", "scale: 0", "input.scale"},
		{"[0.5, 0.6], ", "", "align holds 4 points"},
		{"[0.5, 0.6]", "[0.7, 0.4]", "are one point"},
		{"[0.5, 0.6]", "[0.5, 1.6]", "two fractions"},
		{"length: 512", "length: 0", "output.length 0"},
		{"similarity: cosine", "similarity: euclid", `output.similarity "euclid"`},
		{"cosine: 0.3", "cosine: 0", "out of range"},
		{"false_matches: 1", "false_matches: 9", "9 of 5000 false matches"},
		{"set: ours", "set: theirs", `set "theirs" is not described`},
		{"- name: ours\n    about", "- name: london\n    about", "two sets named london"},
		{"    about: an example\n", "    about: an example\n    wonder: true\n", "wonder"},
		{"models:", "urls: [http://x]\nmodels:", "urls"},
		{"align: [", "align: !!seq [", "tags, anchors and aliases"},
		{"    input:", "    urls: ['http://example.org/ours.onnx']\n    input:", "must begin with https://"},
	} {
		places := Places{System: t.TempDir(), UserData: t.TempDir()}
		path := filepath.Join(places.System, "ours.yaml")
		text := strings.Replace(site, c.old, c.new, 1)
		if text == site {
			t.Fatalf("%q is not in the manifest", c.old)
		}
		write(t, path, text)
		_, err := places.Models()
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v naming %s with %q", c.new, err, ErrManifest, path, c.want)
		}
	}
}

func TestSiteManifestsAreBounded(t *testing.T) {
	places := Places{System: t.TempDir(), UserData: t.TempDir()}
	long := filepath.Join(places.System, "long.yaml")
	write(t, long, strings.Repeat("# nothing\n", maxManifest/10+1))
	if _, err := places.Models(); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v, want %v of its length", err, ErrManifest)
	}
	if err := os.Remove(long); err != nil {
		t.Fatal(err)
	}
	for i := range maxManifests + 1 {
		write(t, filepath.Join(places.System, strings.Repeat("x", i+1)+".yaml"), "")
	}
	if _, err := places.Models(); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "more than 64") {
		t.Errorf("%v, want %v of their number", err, ErrManifest)
	}
}

func TestInstallManifest(t *testing.T) {
	stick := filepath.Join(t.TempDir(), "ours.yaml")
	write(t, stick, site)
	places := Places{UserData: t.TempDir()}
	in := Installer{Folder: places.InstallFolder()}
	for range 2 { // the second replaces the first
		m, err := places.Models()
		if err != nil {
			t.Fatal(err)
		}
		path, all, err := in.InstallManifest(m, stick)
		if err != nil || path != filepath.Join(in.Folder, "ours.yaml") {
			t.Fatalf("%s, %v; want it in %s", path, err, in.Folder)
		}
		if _, err := all.Entry("ours"); err != nil {
			t.Error(err)
		}
	}
	if m, err := places.Models(); err != nil || m.Models[len(m.Models)-1].Name != "ours" {
		t.Errorf("%v, want ours among the models", err)
	}
	write(t, stick, strings.Replace(site, "size: 184", "size: 0", 1))
	m, err := places.Models()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := in.InstallManifest(m, stick); !errors.Is(err, ErrManifest) {
		t.Errorf("%v, want %v", err, ErrManifest)
	}
	if got, err := os.ReadFile(filepath.Join(in.Folder, "ours.yaml")); err != nil || string(got) != site {
		t.Errorf("the manifest that was there has changed (%v)", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(site))
	f.Add(manifest)
	f.Add([]byte("models: [{name: &a x, kind: *a}]"))
	f.Add([]byte("sets: [{name: x, about: [[[[[["))
	known, err := BuiltIn()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := known.With("fuzzed.yaml", text)
		if err != nil {
			return
		}
		for _, e := range m.Models {
			if err := e.check(Manifest{Sets: m.Sets}); err != nil {
				t.Errorf("%s was let in: %v", e.Name, err)
			}
		}
	})
}
