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

	"github.com/goccy/go-yaml"

	"limen"
	"limen/cmd/internal/cli"
	"limen/device"
	"limen/matcher"
	"limen/matcher/morph"
	"limen/matcher/proportion"
)

type faceMorphs struct {
	Dir  string  `arg:"" help:"Folder that matcher/train/morph.py made."`
	FMR  float64 `name:"fmr" help:"False match rate at whose threshold morphs must match." default:"0.001"`
	Fit  bool    `help:"Train anew on the training people and print the classifiers as YAML instead."`
	Plot string  `help:"Write the chart of both error rates as SVG." placeholder:"FILE.svg"`
	JSON bool    `name:"json" help:"Print the report as JSON."`
}

// liveKinds are the pictures of a live face: the photograph, and altered ones.
var liveKinds = []string{"", "-glasses", "-gate", "-gate-glasses"}

// morphRow is one portrait with the live faces it is held against.
type morphRow struct {
	kind, split  string
	differential [][]float64 // features against each live face: a's, then b's, plain pictures first
	scores       []float64   // of the recogniser, against each
	plain        int         // how many of them are of plain live pictures
	single       []float64
}

func (r morphRow) morph() bool { return r.kind != "bona_fide" }

// Run measures morph detection on the held-out people, or trains it.
func (c *faceMorphs) Run(con *cli.Console) error {
	engine, model, closeEngine, err := device.OpenEngine(device.Defaults().Models, c.FMR)
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
		row := morphRow{kind: l[1], split: l[2], single: morph.Single(img, face)}
		for k, alteration := range liveKinds {
			for _, id := range l[3:] {
				if id == "" {
					continue
				}
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

// The recipe of training: how much the weights are held down, and for how long.
// The share of training's bona fide portraits that may be called morphs sets the
// threshold.
const (
	morphDecay  = 0.02
	morphSteps  = 500
	morphReject = 0.02
)

// fit trains both classifiers on the training people. The threshold comes from scores
// that each fifth of the rows got from a classifier trained on the others.
func (c *faceMorphs) fit(con *cli.Console, rows []morphRow, model limen.Comparison) error {
	var both, single []morph.Example
	var portraits []int // of each comparison
	for i, r := range rows {
		if r.split != "train" {
			continue
		}
		for _, f := range r.differential {
			both = append(both, morph.Example{Features: f, Morph: r.morph()})
			portraits = append(portraits, i)
		}
		single = append(single, morph.Example{Features: r.single, Morph: r.morph()})
	}
	recipe := fmt.Sprintf("morph.py on the London training people; %%d examples, decay %g, %d steps; threshold at %g of bona fide rejected, five-fold", morphDecay, morphSteps, morphReject)
	var out morph.Classifiers
	d, err := fitOne(both, portraits)
	if err != nil {
		return err
	}
	d.Recogniser, d.Recipe = model.Model, fmt.Sprintf(recipe, len(both))
	out.Differential = []morph.Classifier{d}
	if out.Single, err = fitOne(single, nil); err != nil {
		return err
	}
	out.Single.Recipe = fmt.Sprintf(recipe, len(single))
	text, err := yaml.Marshal(out)
	if err == nil {
		con.Printf("%s", text)
	}
	return err
}

// fitOne trains one classifier. portraits says whose example each is, so that
// nobody's bona fide portrait is scored by a classifier that saw it; nil where
// every example is a portrait of its own.
func fitOne(examples []morph.Example, portraits []int) (morph.Classifier, error) {
	var bonaFide []float64
	for fold := range 5 {
		var rest, left []morph.Example
		for i, e := range examples {
			at := i
			if portraits != nil {
				at = portraits[i]
			}
			if at%5 == fold {
				left = append(left, e)
			} else {
				rest = append(rest, e)
			}
		}
		c, err := morph.Fit(rest, morphDecay, morphSteps)
		if err != nil {
			return c, err
		}
		for _, e := range left {
			if s, err := c.Score(e.Features); err == nil && !e.Morph {
				bonaFide = append(bonaFide, s)
			}
		}
	}
	c, err := morph.Fit(examples, morphDecay, morphSteps)
	c.Threshold = morph.ThresholdAt(bonaFide, morphReject)
	for i, w := range c.Weights { // four digits say all that so few examples can
		c.Weights[i] = roundTo(w, 4)
	}
	c.Bias, c.Threshold = roundTo(c.Bias, 4), max(roundTo(c.Threshold, 4), 1e-4)
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
	// MAP is how many morphs match one live picture of either contributor, and
	// of both, at the recogniser's threshold.
	MAP [2]proportion.Rate `json:"map"`
	// Accepted is the share of comparisons, morph against a contributor, that
	// the detector takes for bona fide (MACER), of all and of those that match.
	Accepted         proportion.Rate `json:"accepted"`
	AcceptedMatching proportion.Rate `json:"accepted_matching"`
	AcceptedSingle   proportion.Rate `json:"accepted_single"`
	AcceptedAltered  proportion.Rate `json:"accepted_altered"` // of those that match an altered live picture
}

// morphReport is the measurement on the held-out people.
type morphReport struct {
	Model      string          `json:"model"`
	Threshold  float64         `json:"threshold"`
	BonaFide   int             `json:"bona_fide"`
	Rejected   proportion.Rate `json:"bona_fide_rejected"` // BSCER, differential
	Altered    proportion.Rate `json:"bona_fide_rejected_altered"`
	RejectedBy proportion.Rate `json:"bona_fide_rejected_single"`
	Methods    []morphMethod   `json:"methods"`
	curves     []curve
}
