package device

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/matcher/catalog"
)

func TestUseModels(t *testing.T) {
	const head = "site: s\ndevice: d\n"
	for _, c := range []struct{ name, before, after string }{
		{"no models", head, head + "models:\n  detector: new-d\n  recogniser: new-r\n  spoof: [a, b]\n"},
		{"without a last line's end", head + "policy: utopia-egate", head + "policy: utopia-egate\nmodels:\n  detector: new-d\n  recogniser: new-r\n  spoof: [a, b]\n"},
		{"comments stay", head + "models:   # which\n  detector: old   # finds\n  recogniser: 'x' # no\n  spoof: [c]  # last\nmetrics: \"\"\n",
			head + "models:   # which\n  detector: new-d   # finds\n  recogniser: new-r # no\n  spoof: [a, b]  # last\nmetrics: \"\"\n"},
		{"a key is missing", head + "models:\n    recogniser: old\n# recogniser: of old\nportrait_program: \"\"\n",
			head + "models:\n    detector: new-d\n    spoof: [a, b]\n    recogniser: new-r\n# recogniser: of old\nportrait_program: \"\"\n"},
		{"in one line", head + "models: {recogniser: old}\n", ""},
		{"in several lines", head + "models:\n  spoof:\n    - c\n    - d\n", ""},
	} {
		path := filepath.Join(t.TempDir(), "limen.yaml")
		if err := os.WriteFile(path, []byte(c.before), 0o640); err != nil {
			t.Fatal(err)
		}
		used, err := UseModels(path, ModelsConfig{Detector: "new-d", Recogniser: "new-r", Spoof: []string{"a", "b"}})
		got, rerr := os.ReadFile(path)
		if rerr != nil {
			t.Fatal(rerr)
		}
		if c.after == "" {
			if err == nil || !strings.Contains(err.Error(), "cannot be changed safely") || string(got) != c.before {
				t.Errorf("%s: %v, and the file is\n%s\nwant a refusal and no change", c.name, err, got)
			}
			continue
		}
		if err != nil || string(got) != c.after || used.Detector != "new-d" || !slices.Equal(used.Spoof, []string{"a", "b"}) {
			t.Errorf("%s: %v, %+v\n%s\nwant\n%s", c.name, err, used, got, c.after)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v, want 0640", c.name, info.Mode())
		}
	}
}

func TestUseModelsLeavesTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(path, []byte("site: s\ndevice: d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := Defaults().Models
	want.Recogniser = "other"
	used, err := UseModels(path, ModelsConfig{Recogniser: "other"})
	if err != nil || used.Detector != want.Detector || used.Recogniser != "other" || !slices.Equal(used.Spoof, want.Spoof) {
		t.Errorf("%+v, %v; want %+v", used, err, want)
	}
	if cfg, err := LoadConfig(path); err != nil || cfg.Models.Recogniser != "other" || cfg.Models.Detector != want.Detector {
		t.Errorf("the file says %+v, %v; want %+v", cfg.Models, err, want)
	}
}

type engineOf string

func (e engineOf) Model() string { return string(e) }

// A score is never judged by another model's threshold.
func TestThresholdOfAnotherModelIsRefused(t *testing.T) {
	manifest, err := catalog.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	frr, err := manifest.Entry("frr0095")
	if err != nil {
		t.Fatal(err)
	}
	sface, err := manifest.Entry("sface-2021dec")
	if err != nil {
		t.Fatal(err)
	}
	own, err := frr.ThresholdFor(0.001)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := judgedBy(engineOf(frr.ID()), own, catalog.Operational, frr.Grade); err != nil || m.name != frr.ID() || m.threshold != 0.45 || m.grade != "operational" || m.published {
		t.Errorf("%+v, %v; want frr0095 at 0.45", m, err)
	}
	if m, err := judgedBy(engineOf(frr.ID()), own, catalog.Demo, catalog.Operational); err != nil || m.grade != "demo" {
		t.Errorf("grade %q, %v with a demo detector; want demo", m.grade, err)
	}
	for _, th := range []catalog.Threshold{{Cosine: 0.4, FMR: 0.001}, own} {
		if m, err := judgedBy(engineOf(sface.ID()), th, sface.Grade); err == nil {
			t.Errorf("%+v judges sface by a threshold of %q", m, th.Model)
		}
	}
	published, err := sface.ThresholdFor(0.05)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := judgedBy(engineOf(sface.ID()), published, sface.Grade); err != nil || !m.published {
		t.Errorf("%+v, %v; want a published threshold", m, err)
	}
}
