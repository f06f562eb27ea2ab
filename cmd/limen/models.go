package main

import (
	"limen/cmd/internal/cli"
	"limen/matcher/catalog"
)

type modelsCommand struct {
	List modelsList `cmd:"" help:"The catalog, and where each model was found."`
}

type modelsList struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Run lists the catalog.
func (c *modelsList) Run(con *cli.Console) error {
	manifest, err := catalog.Models()
	if err != nil {
		return err
	}
	type row struct {
		catalog.Entry
		Path    string `json:"path,omitempty"`
		Problem string `json:"problem,omitempty"`
	}
	var rows []row
	for _, m := range manifest.Models {
		path, _, err := catalog.Find(m.Name)
		r := row{Entry: m, Path: path}
		if err != nil {
			r.Problem = err.Error()
		}
		rows = append(rows, r)
	}
	if c.JSON {
		return con.PrintJSON(rows)
	}
	for _, r := range rows {
		where := r.Path
		if where == "" {
			where = r.Problem
		}
		con.Printf("%-18s %-10s %-11s %-12s %s\n", r.Name, r.Kind, r.Grade, r.Licence, where)
	}
	return nil
}
