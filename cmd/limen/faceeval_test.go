package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"limen/cmd/internal/cli"
	"limen/internal/repotest"
	"limen/matcher/catalog"
	"limen/matcher/eval"
)

// table is a file with a table.
func table(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// londonTable lists the London set: one neutral and one smiling photograph of
// each of 102 people.
func londonTable(t *testing.T) (path, people string) {
	t.Helper()
	dir := repotest.Shared(t, "data/faces/london")
	repotest.Shared(t, "models")
	photos, err := filepath.Glob(filepath.Join(dir, "*_front", "*.jpg"))
	if err != nil || len(photos) != 204 {
		t.Fatalf("%d photographs (%v), want 204", len(photos), err)
	}
	var b strings.Builder
	b.WriteString("file,identity\n")
	for _, p := range photos {
		abs, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s,%s\n", abs, filepath.Base(p)[:3])
	}
	return table(t, b.String()), filepath.Join(dir, "people.csv")
}

// The teacher through limen makes no error in the 102 genuine and 20 604
// impostor pairs of the London set, as those found who measured it elsewhere.
func TestTeacherOnLondonByCommand(t *testing.T) {
	list, people := londonTable(t)
	t.Setenv("PATH", filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	out := t.TempDir()
	plots, thresholds := filepath.Join(out, "plots"), filepath.Join(out, "thresholds.yaml")
	var got evalResult
	answers(t, 0, &got, "face", "eval", "--identities", list, "--people", people, "--plot", plots, "--threshold-file", thresholds, "--set", "london")
	if got.Images != 204 || got.FTE != 0 || got.Genuine != 102 || got.Impostor != 20604 || got.EER != 0 || got.People != 102 || len(got.Failed) != 0 || got.Model != "frr0095@b5cac1a7" {
		t.Errorf("got %+v, want no error in 102 genuine and 20604 impostor pairs", got)
	}
	if got.Least <= got.Highest {
		t.Errorf("least genuine score %.3f, highest impostor score %.3f: a threshold cannot part them", got.Least, got.Highest)
	}
	for _, fmr := range []string{"1e-2", "1e-3", "1e-4", "1e-5"} {
		if rate, ok := got.FNMRAtFMR[fmr]; !ok || rate != 0 {
			t.Errorf("FNMR at FMR %s: %g, %v; want 0", fmr, rate, ok)
		}
	}
	// No error in 102 does not mean a rate of 0: Wilson's end, a little above 3/n.
	if p := got.InUse; p == nil || p.FNMR.Errors != 0 || p.FNMR.High < 3.0/102 || p.FNMR.High > 0.04 || p.FMR.Errors != 11 {
		t.Errorf("at the threshold in use: %+v", p)
	}
	groupsOfLondon(t, got)
	plotsAre(t, plots)

	b, err := os.ReadFile(thresholds)
	var e catalog.Entry
	if err = errors.Join(err, yaml.UnmarshalWithOptions(b, &e, yaml.Strict())); err != nil {
		t.Fatal(err)
	}
	if len(e.Thresholds) != 2 || e.Thresholds[1].FMR != 0.001 || e.Thresholds[1].Set != "london" || e.Thresholds[1].FMRBound() > 0.001 || e.Thresholds[1].Impostor != 20604 {
		t.Errorf("thresholds %+v, want those for 1e-2 and 1e-3", e.Thresholds)
	}
}

// groupsOfLondon holds what docs/figures.md says of groups against what is measured.
func groupsOfLondon(t *testing.T, got evalResult) {
	t.Helper()
	people := map[string]int{}
	for _, g := range got.Groups {
		people[g.By] += g.People
		for _, p := range g.Points {
			if p.FNMR.Errors != 0 {
				t.Errorf("%s %s: %+v, want no false non-match", g.By, g.Group, p.FNMR)
			}
		}
	}
	if people["gender"] != 102 || people["ethnicity"] != 102 || people["age"] != 100 { // two gave no age
		t.Errorf("people in groups: %v", people)
	}
	i := slices.IndexFunc(got.Apart, func(d eval.Differential) bool { return d.By == "ethnicity" && d.Measure == "fmr" && d.Target == 0.01 })
	if i < 0 || !got.Apart[i].Shown || got.Apart[i].Worst != "black" || got.Apart[i].Best != "white" {
		t.Errorf("differentials %+v, want the one by ethnicity at FMR 1e-2 shown", got.Apart)
	}
}

func plotsAre(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"det", "scores"} {
		f, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(f); err != nil {
			t.Errorf("%s.png: %v", name, err)
		}
		f.Close()
		b, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(string(b)))
		for err == nil {
			_, err = d.Token()
		}
		if err != io.EOF || !strings.Contains(string(b), "frr0095@b5cac1a7") {
			t.Errorf("%s.svg: %v, or the model is not named", name, err)
		}
	}
}

// A rate the model is not calibrated for is said, and measured all the same.
func TestEvalOfAModelWithoutThatThreshold(t *testing.T) {
	list, _ := londonTable(t)
	t.Setenv("PATH", filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var few strings.Builder // the photographs of two people
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, ",001") || strings.Contains(line, ",002") {
			few.WriteString(line)
		}
	}
	code, out, errOut := command(t, "face", "eval", "--identities", table(t, few.String()), "--fmr", "1e-9", "--json")
	if code != 0 || !strings.Contains(out, `"images":4,"fte":0,"genuine":2,"impostor":4`) || !strings.Contains(out, `"threshold_in_use_fmr":0.001`) {
		t.Errorf("got %d %s, want the loosest threshold's 0.001", code, out)
	}
	if !strings.Contains(errOut, "the loosest is judged instead") {
		t.Errorf("got %q, want what was judged instead", errOut)
	}
}

// The JSON has the fields that others' tools look for, by these names.
func TestEvalResultsFields(t *testing.T) {
	s := eval.NewSet(2)
	for i, v := range [][]float32{{1, 0}, {1, 0.1}, {0, 1}, {0.1, 1}} {
		if _, err := s.Add(v, i/2); err != nil {
			t.Fatal(err)
		}
	}
	r, err := eval.Evaluate(t.Context(), s, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := newEvalResult(r)
	out.Images = 4
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"images":4,"fte":0,"genuine":2,"impostor":4,"eer":0,"fnmr_at_fmr":{"1e-2":0,"1e-3":0,"1e-4":0,"1e-5":0},`; !strings.HasPrefix(string(b), want) {
		t.Errorf("got %s, want it to begin with %s", b, want)
	}
	if text := out.String(); !strings.Contains(text, "2 genuine and 4 impostor pairs") || !strings.Contains(text, "too few pairs for this rate") {
		t.Errorf("for people: %s", text)
	}
}

func TestEvalRefusesWhatItCannotMeasure(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":          {nil, cli.ExitUsage, "--identities"},
		"both":             {[]string{"--identities", "a", "--pairs", "b"}, cli.ExitUsage, "can't be used together"},
		"no table":         {[]string{"--identities", "nowhere.csv"}, cli.ExitUsage, "cannot open the table"},
		"pairs and people": {[]string{"--pairs", "a", "--people", "b"}, cli.ExitUsage, "needs --identities"},
		"unknown model":    {[]string{"--identities", table(t, "a.jpg,1\nb.jpg,1\n"), "--model", "ghost"}, cli.ExitUse, `no such model as "ghost"`},
	} {
		code, out, errOut := command(t, append([]string{"face", "eval"}, c.args...)...)
		if code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: got %d %q %q, want %d and %q", name, code, out, errOut, c.code, c.want)
		}
	}
}
