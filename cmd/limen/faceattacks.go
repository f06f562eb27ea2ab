package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"limen/cmd/internal/attacks"
	"limen/cmd/internal/cli"
	"limen/device"
)

type faceAttacks struct {
	Config  string `placeholder:"FILE" help:"Configuration whose models are used; the built-in ones otherwise."`
	Rounds  int    `help:"Rounds of 24 presentations a species." default:"2"`
	Without bool   `help:"Leave installed networks out: motion and spectrum alone."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

// Run measures presentation attack detection on simulated presentations.
func (c *faceAttacks) Run(con *cli.Console) error {
	models, err := faceModels(c.Config, "")
	if err != nil {
		return err
	}
	engine, _, closeEngine, err := device.OpenEngine(models, 1) // no threshold is used
	if err != nil {
		return err
	}
	defer closeEngine()
	network, name, closeNetwork := device.OpenSpoof(models)
	defer closeNetwork()
	if c.Without {
		network, name = nil, "none"
	}
	report, err := attacks.Run(con, engine, network, name, max(c.Rounds, 1), nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(report)
	}
	con.Printf("presentation attacks, digitally simulated; networks: %s\n", report.Networks)
	tell := func(word string, all []attacks.Species) {
		for _, s := range all {
			con.Printf("%-20s %s %-36s not classified %s  %s\n", s.Name, word, s.Error, s.NonResponse, by(s.By))
		}
	}
	tell("APCER", report.Attacks)
	tell("BPCER", report.BonaFide)
	return nil
}

func by(cues map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(cues)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, cues[name]))
	}
	return strings.Join(parts, ", ")
}
