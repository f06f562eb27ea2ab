package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"limen/cmd/internal/cli"
	"limen/cmd/internal/faceset"
	"limen/device"
	"limen/matcher/catalog"
	"limen/matcher/eval"
	"limen/matcher/eval/chart"
)

type faceEval struct {
	Identities    string   `xor:"input" required:"" placeholder:"FILE" help:"Pictures and whose they are, as CSV: file,identity. Every pair is compared."`
	Pairs         string   `xor:"input" required:"" placeholder:"FILE" help:"Pairs to compare, as CSV: file_a,file_b,same (1 or 0)."`
	Model         string   `placeholder:"NAME" help:"Recogniser of the catalog; the configuration's otherwise."`
	Config        string   `placeholder:"FILE" help:"Configuration whose models are used; the built-in ones otherwise."`
	FMR           float64  `name:"fmr" help:"False match rate whose calibrated threshold is judged too." default:"0.001"`
	JSON          bool     `name:"json" help:"Print the result as JSON."`
	Plot          string   `placeholder:"DIR" help:"Draw the DET curve and the scores there, as SVG and PNG."`
	ThresholdFile string   `placeholder:"FILE" help:"Write the thresholds this set calibrates, as the catalog holds them."`
	Set           string   `default:"site" help:"The set's name in the threshold file."`
	People        string   `placeholder:"FILE" help:"Properties of the identities, as CSV whose first column is the identity."`
	By            []string `default:"gender,ethnicity,age" help:"Properties to compare groups by."`
}

// evalResult is what face eval prints. Rates are shares, 0 to 1.
type evalResult struct {
	Images    int                 `json:"images"`
	FTE       float64             `json:"fte"` // failure-to-enrol rate
	Genuine   int64               `json:"genuine"`
	Impostor  int64               `json:"impostor"`
	EER       float64             `json:"eer"`
	FNMRAtFMR map[string]float64  `json:"fnmr_at_fmr"` // by the FMR: "1e-3"
	People    int                 `json:"people"`
	Model     string              `json:"model"`
	Grade     string              `json:"grade"`
	Failed    map[string]int      `json:"not_enrolled"` // pictures by reason: "face_not_found", "picture_unreadable"
	EqualAt   eval.EER            `json:"eer_interval"`
	Points    []eval.Point        `json:"points"`
	InUse     *eval.Point         `json:"threshold_in_use"`
	InUseFMR  float64             `json:"threshold_in_use_fmr"` // what it was calibrated for
	Least     float64             `json:"least_genuine"`
	Highest   float64             `json:"highest_impostor"`
	Groups    []eval.Group        `json:"groups,omitempty"`
	Apart     []eval.Differential `json:"differentials,omitempty"`
}

// Run measures a recogniser on pictures.
func (c *faceEval) Run(con *cli.Console) error {
	set, partitions, err := c.read()
	if err != nil {
		return cli.Usage(err)
	}
	models, err := faceModels(c.Config, c.Model)
	if err != nil {
		return err
	}
	engine, model, closeEngine, err := device.OpenEngine(models, c.FMR)
	if errors.Is(err, catalog.ErrNoThreshold) { // a model that is not calibrated for it is here to be
		fmt.Fprintf(con.Errors, "%v; the loosest is judged instead\n", err)
		engine, model, closeEngine, err = device.OpenEngine(models, 1)
	}
	if err != nil {
		return err
	}
	defer closeEngine()
	faces, err := describe(con, engine, set.Pictures)
	if err != nil {
		return err
	}
	defer faces.set.Wipe()
	bar := newBar(con.Errors, "comparisons")
	r, err := eval.Evaluate(con, faces.set, eval.Options{
		Pairs: faces.pairs(set.Pairs), Threshold: model.Threshold, Partitions: partitions, Progress: bar.tell,
	})
	if err != nil {
		return err
	}
	if err := c.write(r, model.Model); err != nil {
		return err
	}
	out := newEvalResult(r)
	out.Images, out.Failed, out.Model, out.Grade, out.InUseFMR = len(set.Pictures), faces.failed, model.Model, model.Grade, model.FMR
	out.FTE = float64(out.Images-r.Templates) / float64(out.Images)
	if c.JSON {
		return con.PrintJSON(out)
	}
	con.Printf("%s", out)
	return nil
}

// read reads the tables that the command names.
func (c *faceEval) read() (faceset.Set, []eval.Partition, error) {
	if c.Pairs != "" {
		if c.People != "" {
			return faceset.Set{}, nil, errors.New("--people needs --identities: pairs do not say whose the pictures are")
		}
		set, err := faceset.Pairs(c.Pairs)
		return set, nil, err
	}
	set, names, err := faceset.Identities(c.Identities)
	if err != nil || c.People == "" {
		return set, nil, err
	}
	partitions, err := faceset.People(c.People, c.By, names)
	return set, partitions, err
}

func newEvalResult(r *eval.Result) evalResult {
	out := evalResult{
		Genuine: r.Genuine.Count(), Impostor: r.Impostor.Count(), EER: r.EER.Rate, FNMRAtFMR: map[string]float64{}, People: r.People,
		EqualAt: r.EER, Points: r.Points, InUse: r.InUse, Least: r.Genuine.Min(), Highest: r.Impostor.Max(), Groups: r.Groups, Apart: r.Differentials,
	}
	for _, p := range r.Points {
		out.FNMRAtFMR[fmrName(p.Target)] = p.FNMR.Rate
	}
	return out
}

// fmrName writes a rate without the zero that Go puts into exponents.
func fmrName(v float64) string {
	return strings.Replace(fmt.Sprintf("%.0e", v), "e-0", "e-", 1)
}

// write writes the plots and the threshold file, where asked for.
func (c *faceEval) write(r *eval.Result, model string) error {
	if c.Plot != "" {
		if err := os.MkdirAll(c.Plot, 0o755); err != nil {
			return fmt.Errorf("cannot write the plots: %w", err)
		}
		for name, drawn := range map[string]chart.Chart{"det": r.DET("Detection error trade-off, " + model), "scores": r.ScoreHistogram("Scores, " + model)} {
			if err := errors.Join(writeTo(filepath.Join(c.Plot, name+".svg"), drawn.WriteSVG), writeTo(filepath.Join(c.Plot, name+".png"), drawn.WritePNG)); err != nil {
				return fmt.Errorf("cannot write the plots: %w", err)
			}
		}
	}
	if c.ThresholdFile != "" {
		thresholds := r.Thresholds(c.Set, eval.FMRs)
		if len(thresholds) == 0 {
			return fmt.Errorf("no threshold can be calibrated: %d impostor pairs are fewer than 3 for each %g", r.Impostor.Count(), eval.FMRs[0])
		}
		if err := writeTo(c.ThresholdFile, func(w io.Writer) error { return eval.WriteThresholds(w, model, thresholds) }); err != nil {
			return fmt.Errorf("cannot write the thresholds: %w", err)
		}
	}
	return nil
}

// writeTo makes a file and has it written.
func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// String is the result for people.
func (r evalResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s grade: %d pictures of %d people, %d genuine and %d impostor pairs\n", r.Model, r.Grade, r.Images, r.People, r.Genuine, r.Impostor)
	fmt.Fprintf(&b, "failure to enrol %s", percent(r.FTE))
	for _, reason := range slices.Sorted(maps.Keys(r.Failed)) {
		fmt.Fprintf(&b, ", %s %d", reason, r.Failed[reason])
	}
	fmt.Fprintf(&b, "; EER %s (%s to %s) at cosine %.3f\n", percent(r.EER), percent(r.EqualAt.Low), percent(r.EqualAt.High), r.EqualAt.Threshold)
	fmt.Fprintf(&b, "least genuine score %.3f, highest impostor score %.3f\n", r.Least, r.Highest)
	fmt.Fprintf(&b, "%-8s %7s  %-42s %s\n", "FMR", "cosine", "counted FMR (95 %)", "FNMR (95 %)")
	points := slices.Clone(r.Points)
	if r.InUse != nil {
		points = append(points, *r.InUse)
	}
	for _, p := range points {
		name := fmrName(p.Target)
		if p.Target == 0 {
			name = "in use"
		}
		fmt.Fprintf(&b, "%-8s %7.4f  %-42s %s", name, p.Threshold, estimateText(p.FMR), estimateText(p.FNMR))
		if !p.Resolved {
			fmt.Fprintf(&b, "  too few pairs for this rate")
		}
		b.WriteByte('\n')
	}
	r.writeGroups(&b)
	return b.String()
}

// writeGroups writes the groups at the threshold in use and at the loosest,
// where errors are first seen.
func (r evalResult) writeGroups(b *strings.Builder) {
	if len(r.Groups) == 0 {
		return
	}
	for _, level := range []int{len(r.Points), 0} {
		fmt.Fprintf(b, "\ngroups at cosine %.4f; impostor pairs are of two people of the group\n", r.Groups[0].Points[level].Threshold)
		for _, g := range r.Groups {
			p := g.Points[level]
			fmt.Fprintf(b, "%-10s %-18s %3d people  FMR %-42s FNMR %s\n", g.By, g.Group, g.People, estimateText(p.FMR), estimateText(p.FNMR))
		}
		for _, d := range r.Apart {
			if d.Threshold == r.Groups[0].Points[level].Threshold {
				fmt.Fprintf(b, "%s\n", differentialText(d))
			}
		}
	}
}

func differentialText(d eval.Differential) string {
	if d.NoErrors {
		return fmt.Sprintf("%s: %s: no group of %d or more made an error, so no difference can be seen", d.By, strings.ToUpper(d.Measure), eval.MinPeople)
	}
	number := func(v *float64, none string) string {
		if v == nil {
			return none
		}
		return fmt.Sprintf("%.2g", *v)
	}
	shown := "not shown: it may be chance"
	if d.Shown {
		shown = "shown"
	}
	return fmt.Sprintf("%s: %s of %s to that of %s: %s (%.2g to %s), a difference is %s", d.By, strings.ToUpper(d.Measure), d.Worst, d.Best,
		number(d.Ratio, "no ratio, for the best made no error"), d.Low, number(d.High, "no bound"), shown)
}

func estimateText(e eval.Estimate) string {
	if e.Trials == 0 {
		return "no pairs"
	}
	return fmt.Sprintf("%s = %d/%d (%s to %s)", percent(e.Rate), e.Errors, e.Trials, percent(e.Low), percent(e.High))
}

// percent writes a share with two digits that count.
func percent(v float64) string {
	if math.Abs(v) < 0.1 {
		return fmt.Sprintf("%.2g %%", 100*v)
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}
