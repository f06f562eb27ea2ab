package main

import (
	"log/slog"

	"limen/cmd/internal/cli"
	"limen/device"
)

type runCommand struct {
	Config string `help:"Configuration file." default:"limen.yaml" placeholder:"FILE"`
	Debug  bool   `help:"Log more."`
}

// Run runs the appliance until it is interrupted.
func (c *runCommand) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	a, err := assembleFrom(c.Config, cfg, slog.New(slog.NewTextHandler(con.Errors, &slog.HandlerOptions{Level: level})), nil)
	if err != nil {
		return err
	}
	con.Printf("officer's page: %s\n", a.url())
	return a.run(con)
}
