package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"limen"
	"limen/cmd/internal/cli"
	"limen/device"
	"limen/matcher"
	"limen/matcher/morph"
	"limen/matcher/proportion"
)

type faceMorphs struct {
	Dir    string  `arg:"" help:"Folder that matcher/train/morph.py made."`
	FMR    float64 `name:"fmr" help:"False match rate at whose threshold morphs must match." default:"0.001"`
	Model  string  `placeholder:"NAME" help:"Recogniser of the catalog; the configuration's otherwise."`
	Config string  `placeholder:"FILE" help:"Configuration whose models are used; the built-in ones otherwise."`
	Fit    bool    `help:"Train anew on the training people and print the classifiers as YAML instead."`
	Reject float64 `help:"Share of bona fide comparisons that may be called morphs, for --fit." default:"0.05"`
	Plot   string  `help:"Write the chart of both error rates as SVG." placeholder:"FILE.svg"`
	JSON   bool    `name:"json" help:"Print the report as JSON."`
}

// liveKinds are the pictures of a live face: the photograph, and altered ones.
var liveKinds = []string{"", "-glasses", "-gate", "-gate-glasses"}

// morphRow is one portrait with the live faces it is held against.
type morphRow struct {
	kind, split  string
	scan         bool        // printed and scanned
	people       []string    // in the portrait
	differential [][]float64 // features against each live face: a's, then b's, plain pictures first
	scores       []float64   // of the recogniser, against each
	plain        int         // how many of them are of plain live pictures
	single       []float64
}

func (r morphRow) morph() bool { return r.kind != "bona_fide" }

// Run measures morph detection on the held-out people, or trains it.
func (c *faceMorphs) Run(con *cli.Console) error {
	models, err := faceModels(c.Config, c.Model)
	if err != nil {
		return err
	}
	engine, model, closeEngine, err := device.OpenEngine(models, c.FMR)
	if err != nil {
		return err
	}
	defer closeEngine()
	rows, err := c.read(con, engine)
	if err != nil {
		return err
	}
	if c.Fit {
		return c.fit(con, rows, model)
	}
	trained, err := morph.Trained()
	if err != nil {
		return err
	}
	d, ok := trained.For(model.Model)
	if !ok {
		return fmt.Errorf("no classifier was trained for %s: train one with --fit", model.Model)
	}
	report, err := measure(rows, d, trained.Single, model)
	if err != nil {
		return err
	}
	if c.Plot != "" {
		if err := os.WriteFile(c.Plot, []byte(report.plot()), 0o644); err != nil {
			return fmt.Errorf("cannot write the chart: %w", err)
		}
	}
	if c.JSON {
		return con.PrintJSON(report)
	}
	report.print(con)
	return nil
}

// read makes every row's features. Live faces are described once.
func (c *faceMorphs) read(con *cli.Console, engine matcher.Engine) ([]morphRow, error) {
	f, err := os.Open(filepath.Join(c.Dir, "morphs.csv"))
	if err != nil {
		return nil, fmt.Errorf("cannot open the list of morphs: %w", err)
	}
	defer f.Close()
	table := csv.NewReader(io.LimitReader(f, 16<<20))
	if _, err := table.Read(); err != nil {
		return nil, fmt.Errorf("the list of morphs: %w", err)
	}
	live := map[string]matcher.Template{}
	var rows []morphRow
	for {
		l, err := table.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil || len(l) != 5 {
			return nil, fmt.Errorf("the list of morphs: want file, kind, split, a and b: %w", errors.Join(err))
		}
		portrait, img, face, err := describeFile(engine, filepath.Join(c.Dir, filepath.Base(l[0])))
		if err != nil {
			return nil, err
		}
		row := morphRow{kind: l[1], split: l[2], scan: strings.HasSuffix(l[0], "-scan.jpg"), single: morph.Single(img, face)}
		for _, id := range l[3:] {
			if id != "" {
				row.people = append(row.people, id)
			}
		}
		for k, alteration := range liveKinds {
			for _, id := range row.people {
				name := "live-" + filepath.Base(id) + alteration + ".jpg"
				if _, known := live[name]; !known {
					if live[name], _, _, err = describeFile(engine, filepath.Join(c.Dir, name)); err != nil {
						return nil, err
					}
				}
				row.differential = append(row.differential, morph.Features(portrait, live[name]))
				row.scores = append(row.scores, matcher.Cosine(portrait, live[name]))
				if k == 0 {
					row.plain++
				}
			}
		}
		rows = append(rows, row)
		fmt.Fprintf(con.Errors, "\r%d portraits described", len(rows))
	}
}

// describeFile decodes in this process: the pictures are morph.py's own.
func describeFile(engine matcher.Engine, path string) (matcher.Template, image.Image, matcher.Face, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, matcher.Face{}, fmt.Errorf("cannot open the picture: %w", err)
	}
	defer f.Close()
	img, err := jpeg.Decode(io.LimitReader(f, 4<<20))
	if err != nil {
		return nil, nil, matcher.Face{}, fmt.Errorf("%s: %w", path, err)
	}
	faces, err := engine.Detect(img)
	if err != nil {
		return nil, nil, matcher.Face{}, err
	}
	if len(faces) == 0 {
		return nil, nil, matcher.Face{}, fmt.Errorf("%s: no face is found in it", path)
	}
	t, err := engine.Template(img, faces[0])
	return t, img, faces[0], err
}

// The recipe of training: by how much the weights may be held down, of which the people
// left out choose, and for how long. The share of bona fide comparisons that may be called
// morphs sets the threshold.
var morphDecays = []float64{0.02, 0.1, 0.5}

const (
	morphSteps = 300
	morphFolds = 5
)

// fit trains both classifiers on the training people.
func (c *faceMorphs) fit(con *cli.Console, rows []morphRow, model limen.Comparison) error {
	both, single := training{reject: c.Reject}, training{reject: c.Reject}
	for _, r := range rows {
		if r.split != "train" {
			continue
		}
		for i, f := range r.differential {
			both.add(r, f, r.scores[i] >= model.Threshold)
		}
		single.add(r, r.single, true)
	}
	var out morph.Classifiers
	d, err := both.fit(con, "differential")
	if err != nil {
		return err
	}
	d.Recogniser = model.Model
	out.Differential = []morph.Classifier{d}
	if out.Single, err = single.fit(con, "single image"); err != nil {
		return err
	}
	text, err := yaml.Marshal(out)
	if err == nil {
		con.Printf("%s", text)
	}
	return err
}

// training are examples with the people in them.
type training struct {
	examples []morph.Example
	people   [][]string
	matches  []bool // the recogniser takes both for one person
	reject   float64
}

func (t *training) add(r morphRow, features []float64, matches bool) {
	t.examples = append(t.examples, morph.Example{Features: features, Morph: r.morph()})
	t.people, t.matches = append(t.people, r.people), append(t.matches, matches)
}

// folds says of each person in which fifth they are left out.
func (t *training) folds() map[string]int {
	var all []string
	for _, p := range t.people {
		all = append(all, p...)
	}
	slices.Sort(all)
	folds := map[string]int{}
	for i, p := range slices.Compact(all) {
		folds[p] = i % morphFolds
	}
	return folds
}

// leaveOut scores examples by classifiers that saw none of their people: each
// fold's by one that was trained on examples without anybody of the fold. Examples
// whose people are of several folds are scored by none.
func (t *training) leaveOut(decay float64) (bonaFide, morphs []float64, err error) {
	folds := t.folds()
	for fold := range morphFolds {
		var rest []morph.Example
		var left []int
		for i, people := range t.people {
			in := 0
			for _, p := range people {
				in += one(folds[p] == fold)
			}
			switch in {
			case 0:
				rest = append(rest, t.examples[i])
			case len(people):
				left = append(left, i)
			}
		}
		c, err := morph.Fit(rest, decay, morphSteps)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range left {
			s, err := c.Score(t.examples[i].Features)
			switch {
			case err != nil:
				return nil, nil, err
			case !t.examples[i].Morph:
				bonaFide = append(bonaFide, s)
			case t.matches[i]:
				morphs = append(morphs, s)
			}
		}
	}
	return bonaFide, morphs, nil
}

// fit chooses the decay by the people left out: with which fewest matching morphs
// are accepted at the share of bona fide rejected. Their scores set the threshold.
func (t *training) fit(con *cli.Console, what string) (morph.Classifier, error) {
	best, decay, threshold := 2.0, 0.0, 0.0
	for _, d := range morphDecays {
		bonaFide, morphs, err := t.leaveOut(d)
		if err != nil {
			return morph.Classifier{}, err
		}
		at := morph.ThresholdAt(bonaFide, t.reject)
		accepted := 1 - share(morphs, at)
		fmt.Fprintf(con.Errors, "%s, decay %g, people left out, %d bona fide and %d matching morphs: %s\n", what, d, len(bonaFide), len(morphs), pointsText(errorPoints(bonaFide, morphs)))
		if accepted < best {
			best, decay, threshold = accepted, d, at
		}
	}
	c, err := morph.Fit(t.examples, decay, morphSteps)
	for i, w := range c.Weights { // four digits say all that so few examples can
		c.Weights[i] = roundTo(w, 4)
	}
	c.Bias, c.Threshold = roundTo(c.Bias, 4), min(max(roundTo(threshold, 4), 1e-4), 1-1e-4)
	c.Recipe = fmt.Sprintf("morph.py on the London training people; %d examples, decay %g, %d steps; threshold at %g of bona fide rejected, people left out by fifths", len(t.examples), decay, morphSteps, t.reject)
	return c, err
}

// morphKinds are the methods, in the order of the report.
func morphKinds(rows []morphRow) []string {
	var kinds []string
	for _, r := range rows {
		if r.morph() && !slices.Contains(kinds, r.kind) {
			kinds = append(kinds, r.kind)
		}
	}
	return kinds
}

// morphMethod is what was found of one way of morphing (ISO/IEC 20059).
type morphMethod struct {
	Kind string `json:"kind"`
	// MAP is, by the number of attempts r from 1 to 4, the share of morphs that
	// match at least r live pictures of each contributor: the photograph and the
	// altered ones. Either is that of morphs that match the photograph of one at least.
	MAP    []proportion.Rate `json:"map"`
	Either proportion.Rate   `json:"map_either"`
	// Accepted is the share of comparisons, morph against a contributor, that
	// the detector takes for bona fide (MACER), of all and of those that match.
	Accepted         proportion.Rate `json:"accepted"`
	AcceptedMatching proportion.Rate `json:"accepted_matching"`
	AcceptedAltered  proportion.Rate `json:"accepted_altered"` // of those that match an altered live picture
	AcceptedScanned  proportion.Rate `json:"accepted_scanned"` // of scanned morphs that match a photograph
	AcceptedSingle   proportion.Rate `json:"accepted_single"`
	ScannedSingle    proportion.Rate `json:"accepted_scanned_single"`
	// Points are MACER, of all matching comparisons, where the held-out
	// people's bona fide comparisons set the threshold.
	Points []errorPoint `json:"points"`
}

// errorPoint is how many morphs are accepted where at most BPCER of the bona
// fide comparisons are rejected.
type errorPoint struct {
	BPCER float64         `json:"bpcer"`
	MACER proportion.Rate `json:"macer"`
}

// morphReport is the measurement on the held-out people.
type morphReport struct {
	Model          string          `json:"model"`
	Threshold      float64         `json:"threshold"`
	BonaFide       int             `json:"bona_fide"`
	Rejected       proportion.Rate `json:"bona_fide_rejected"` // differential, of photographs
	Altered        proportion.Rate `json:"bona_fide_rejected_altered"`
	Scanned        proportion.Rate `json:"bona_fide_rejected_scanned"`
	RejectedSingle proportion.Rate `json:"bona_fide_rejected_single"`
	ScannedSingle  proportion.Rate `json:"bona_fide_rejected_scanned_single"`
	Methods        []morphMethod   `json:"methods"`
	curves         []curve
}
