package main

import (
	"fmt"
	"os"

	"limen/cmd/internal/cli"
	"limen/device"
	"limen/device/lookup"
)

type stoplistCommand struct {
	Compile stoplistCompile `cmd:"" help:"Make the list that devices match of a CSV: keyed hashes under the fleet key instead of numbers and names."`
}

type stoplistCompile struct {
	Config string `help:"Configuration file of an appliance of the fleet: its fleet key is used." default:"limen.yaml" placeholder:"FILE"`
	List   string `arg:"" help:"The CSV: as_of, then issuer,number,kind a line, then end."`
	Out    string `arg:"" help:"File for the compiled list; publish it with limen-fleet sets publish stop."`
}

// Run compiles.
func (c *stoplistCompile) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	keys, err := openKeys(cfg)
	if err != nil {
		return err
	}
	f, err := os.Open(c.List)
	if err != nil {
		return fmt.Errorf("cannot read the list: %w", err)
	}
	defer f.Close()
	b, err := lookup.Compile(con, f, stopHash(keys))
	if err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", c.List, err))
	}
	if err := os.WriteFile(c.Out, b, 0o600); err != nil {
		return fmt.Errorf("cannot write the compiled list: %w", err)
	}
	con.Printf("%s: %d bytes, readable by devices that have the fleet key\n", c.Out, len(b))
	return nil
}
