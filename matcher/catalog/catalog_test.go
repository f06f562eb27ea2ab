package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func testEntry(content string) Entry {
	sum := sha256.Sum256([]byte(content))
	return Entry{Name: "net", Kind: Recogniser, File: "net.onnx", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)),
		Grade: Demo, Licence: "MIT", Source: "https://example.org/net"}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestManifestIsSound(t *testing.T) {
	m, err := Models()
	if err != nil {
		t.Fatal(err)
	}
	for name, grade := range map[string]Grade{"yunet-2023mar": Operational, "frr0095": Operational, "sface-2021dec": Operational, "minifasnet-v2-2.7": Operational, "minifasnet-v1se-4.0": Operational} {
		found := false
		for _, e := range m.Models {
			found = found || e.Name == name && e.Grade == grade
		}
		if !found {
			t.Errorf("no %s model %s", grade, name)
		}
	}
}

func TestManifestErrorsNameTheModel(t *testing.T) {
	good := string(manifest)
	for _, c := range []struct{ old, new, want string }{
		{"sha256: b5ca", "sha256: zzca", "frr0095: sha256"},
		{"kind: recogniser", "kind: oracle", `frr0095: kind "oracle"`},
		{"false_matches: 11", "false_matches: 19", "FMR 0.001: 19 of 20604"},
		{"set: london", "set: paris", `set "paris"`},
		{"licence: Apache-2.0", "license: Apache-2.0", "license"},
		{"name: frr0095", "name: yunet-2023mar", "two models named yunet-2023mar"},
	} {
		_, err := parse("the model manifest", []byte(strings.Replace(good, c.old, c.new, 1)), Manifest{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.new, err, c.want)
		}
	}
}

func TestFindSearchesInOrder(t *testing.T) {
	const content = "a network"
	m := Manifest{Models: []Entry{testEntry(content)}}
	dir := t.TempDir()
	places := Places{
		UserData:   filepath.Join(dir, "home"),
		WorkingDir: filepath.Join(dir, "work", "repo"),
		Executable: filepath.Join(dir, "opt", "repo", "bin", "limen"),
	}
	var paths []string
	for _, folder := range []string{"home/limen/models", "work/shared/models", "opt/repo/shared/models", "opt/shared/models"} {
		paths = append(paths, filepath.Join(dir, folder, "net.onnx"))
	}
	for i := len(paths) - 1; i >= 0; i-- { // each comes before those already there
		write(t, paths[i], content)
		path, e, err := m.Find("net", places)
		if err != nil || path != paths[i] || e.Grade != Demo {
			t.Errorf("found %s, %v; want %s", path, err, paths[i])
		}
	}
	// LIMEN_MODELS is searched alone.
	places.Only = filepath.Join(dir, "only")
	_, _, err := m.Find("net", places)
	if !errors.Is(err, ErrNotFound) || strings.Contains(err.Error(), "home") || !strings.Contains(err.Error(), places.Only) {
		t.Errorf("%v, want %v naming only %s", err, ErrNotFound, places.Only)
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	m := Manifest{Models: []Entry{testEntry("a network")}}
	dir := t.TempDir()
	places := Places{UserData: dir, WorkingDir: filepath.Join(dir, "repo")}

	_, _, err := m.Find("ghost", places)
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "it knows net") {
		t.Errorf("unknown: %v", err)
	}
	_, _, err = m.Find("net", places)
	for _, want := range append(places.Folders(), "https://example.org/net", "limen models install net --from FILE", EnvModels) {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %v, want it to name %s", err, want)
		}
	}
	path := filepath.Join(places.InstallFolder(), "net.onnx")
	for _, content := range []string{"", "a networj", "a network and more", "a net"} {
		write(t, path, content)
		model, err := m.Load("net", places)
		if !errors.Is(err, ErrChanged) || model.Data != nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), m.Models[0].SHA256[:8]) {
			t.Errorf("changed to %q: %v, want a refusal naming file and hash", content, err)
		}
	}
}

func TestThresholdFor(t *testing.T) {
	m, err := Models()
	if err != nil {
		t.Fatal(err)
	}
	var e Entry
	for _, x := range m.Models {
		if x.Name == "frr0095" {
			e = x
		}
	}
	for _, c := range []struct{ fmr, cosine float64 }{{0.01, 0.45}, {0.001, 0.45}, {0.0009, 0.50}, {0.0005, 0.50}, {0.0001, 0}} {
		got, err := e.ThresholdFor(c.fmr)
		if got.Cosine != c.cosine || (c.cosine == 0) != errors.Is(err, ErrNoThreshold) {
			t.Errorf("FMR %g: %v, %v; want cosine %g", c.fmr, got.Cosine, err, c.cosine)
		}
	}
	if got := e.ID(); got != "frr0095@b5cac1a7" {
		t.Errorf("ID %s", got)
	}
}

func TestFMRBound(t *testing.T) {
	for _, c := range []struct {
		errors int
		want   float64 // times n: upper limits of a Poisson mean at 95 %
	}{{0, 2.996}, {1, 4.744}, {5, 10.513}, {11, 18.208}, {99, 116.997}, {100, 118.079}, {5000, 5117.886}} {
		got := Threshold{FalseMatches: c.errors, Impostor: 1000}.FMRBound() * 1000
		if math.Abs(got-c.want) > 0.01 {
			t.Errorf("%d errors: bound %.3f, want %.3f", c.errors, got, c.want)
		}
	}
}

func TestRealModelsVerify(t *testing.T) {
	folder := repotest.Shared(t, "models")
	m, err := Models()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Models {
		if e.Name == "sface-2021dec" || e.Grade == Demo {
			continue // not among the real inputs
		}
		if _, _, err := m.Find(e.Name, Places{Only: folder}); err != nil {
			t.Error(err)
		}
	}
}

// The demo models lie in the binary, and nothing beside it is needed.
func TestShippedModelsVerify(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	m, err := Models()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, e := range m.Models {
		if e.Grade != Demo {
			continue
		}
		count++
		if _, err := m.Load(e.Name, Places{}); err != nil {
			t.Error(err)
		}
	}
	if count != 2 {
		t.Errorf("got %d demo models, want a detector and a recogniser", count)
	}
}
