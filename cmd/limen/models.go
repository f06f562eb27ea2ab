package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"limen/cmd/internal/cli"
	"limen/device"
	"limen/matcher/catalog"
)

type modelsCommand struct {
	List    modelsList    `cmd:"" help:"The catalog: each model's grade, where it was found or how to get it, and which are in use."`
	Install modelsInstall `cmd:"" help:"Install models from their official source, a file or a USB stick."`
	Use     modelsUse     `cmd:"" help:"Choose the detector, recogniser and spoof models, in limen.yaml."`
}

type modelsList struct {
	Config string `help:"Configuration file that says which models are in use; without one, the defaults." default:"limen.yaml" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print the list as JSON."`
}

// The states of a listed model.
const (
	modelInstalled = "installed"
	modelShipped   = "shipped"
	modelMissing   = "missing"
	modelChanged   = "changed" // the file is another's
)

// listedModel is a model as models list prints it.
type listedModel struct {
	catalog.Entry
	State   string `json:"state"`
	Active  bool   `json:"active"`
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem,omitempty"`
	Next    string `json:"next,omitempty"` // the next action where it is missing
}

// Run lists the catalog.
func (c *modelsList) Run(con *cli.Console) error {
	manifest, err := catalog.Models()
	if err != nil {
		return err
	}
	used, err := modelsInUse(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	var rows []listedModel
	for _, m := range manifest.Models {
		rows = append(rows, lookAtModel(manifest, m, slices.Contains(used.All(), m.Name)))
	}
	if c.JSON {
		return con.PrintJSON(rows)
	}
	for _, r := range rows {
		r.print(con)
	}
	return nil
}

// modelsInUse are the configuration's models; where the usual file is absent,
// the defaults.
func modelsInUse(path string) (device.ModelsConfig, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && path == "limen.yaml" {
		return device.Defaults().Models, nil
	}
	cfg, err := device.LoadConfig(path)
	return cfg.Models, err
}

func lookAtModel(manifest catalog.Manifest, m catalog.Entry, active bool) listedModel {
	r := listedModel{Entry: m, Active: active, State: modelInstalled}
	path, _, err := manifest.Find(m.Name, catalog.System())
	switch {
	case err == nil && catalog.IsShipped(path):
		r.State, r.Path = modelShipped, path
	case err == nil:
		r.Path = path
	case errors.Is(err, catalog.ErrNotFound):
		r.State, r.Problem, r.Next = modelMissing, err.Error(), m.HowToGet()
	default:
		r.State, r.Path, r.Problem, r.Next = modelChanged, path, err.Error(), m.HowToGet()
	}
	return r
}

// print shows a model in one line, and a recogniser's thresholds below.
func (r listedModel) print(con *cli.Console) {
	mark, where := " ", r.Path
	if r.Active {
		mark = "*"
	}
	switch r.State {
	case modelMissing:
		where = "not installed: " + r.Next
	case modelChanged:
		where = r.Problem
	}
	con.Printf("%s %-18s %-10s %-11s %-12s %s\n", mark, r.Name, r.Kind, r.Grade, r.Licence, where)
	for _, t := range r.Thresholds {
		by := "calibrated on " + t.Set
		if t.Published {
			by = "published (" + t.Set + "), not calibrated with limen"
		}
		con.Printf("  %18s %s\n", "", fmt.Sprintf("cosine %g for a false match rate of %g, %s", t.Cosine, t.FMR, by))
	}
}

type modelsUse struct {
	Names  []string `arg:"" help:"Models to use; several spoof models judge together."`
	Config string   `help:"Configuration file to change." default:"limen.yaml" placeholder:"FILE"`
	JSON   bool     `name:"json" help:"Print the result as JSON."`
}

// Run writes the choice into the configuration, after each model was seen to be
// there and fit for the site's policy.
func (c *modelsUse) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	policy, err := device.LoadPolicy(cfg.Policy)
	if err != nil {
		return cli.Usage(err)
	}
	var chosen device.ModelsConfig
	var demo []string
	for _, name := range c.Names {
		m, err := catalog.Load(name)
		if err != nil {
			return err
		}
		taken := func(of *string) error {
			if *of != "" {
				return cli.Usage(fmt.Errorf("%s and %s are both a %s: choose one", *of, name, m.Kind))
			}
			*of = name
			return nil
		}
		switch m.Kind {
		case catalog.Detector:
			err = taken(&chosen.Detector)
		case catalog.Recogniser:
			if _, err = m.ThresholdFor(policy.Face.FMR); err == nil {
				err = taken(&chosen.Recogniser)
			}
		case catalog.Spoof:
			chosen.Spoof = append(chosen.Spoof, name)
		default:
			err = cli.Usage(fmt.Errorf("%s is a %s model, which no appliance uses yet", name, m.Kind))
		}
		if err != nil {
			return err
		}
		if m.Grade == catalog.Demo {
			demo = append(demo, name)
		}
	}
	used, err := device.UseModels(c.Config, chosen)
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(used)
	}
	con.Printf("%s: detector %s, recogniser %s, spoof %s; a running appliance takes them at its next start\n",
		c.Config, used.Detector, used.Recogniser, strings.Join(used.Spoof, " and "))
	if len(demo) > 0 && !cfg.AcceptDemoModels {
		con.Printf("%s: demo grade; every traveller is referred while accept_demo_models is false\n", strings.Join(demo, ", "))
	}
	return nil
}
