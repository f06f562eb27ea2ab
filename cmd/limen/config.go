package main

import (
	"limen/cmd/internal/cli"
	"limen/device"
)

type configCommand struct {
	Check  configCheck  `cmd:"" help:"Judge a configuration file."`
	Schema configSchema `cmd:"" help:"Print the JSON Schema of limen.yaml."`
}

type configCheck struct {
	File string `arg:"" optional:"" default:"limen.yaml" help:"The file."`
	JSON bool   `name:"json" help:"Print the result as JSON."`
}

// Run judges the file and the policy it names.
func (c *configCheck) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.File)
	if err == nil {
		_, err = device.LoadPolicy(cfg.Policy)
	}
	if c.JSON {
		message := ""
		if err != nil {
			message = err.Error()
		}
		if jerr := con.PrintJSON(map[string]any{"file": c.File, "valid": err == nil, "error": message}); jerr != nil {
			return jerr
		}
		if err != nil {
			return cli.Exit(cli.ExitUsage, cli.No.Err)
		}
		return nil
	}
	if err != nil {
		return cli.Usage(err)
	}
	con.Printf("%s: in order (%s at %s, policy %s)\n", c.File, cfg.Device, cfg.Site, cfg.Policy)
	return nil
}

type configSchema struct{}

// Run prints the schema.
func (c *configSchema) Run(con *cli.Console) error {
	schema, err := device.ConfigSchema()
	if err != nil {
		return err
	}
	con.Printf("%s\n", schema)
	return nil
}
