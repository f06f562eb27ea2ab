package main

import (
	"fmt"
	"image"
	_ "image/jpeg" // portraits that a person hands in, not a chip's
	_ "image/png"
	"os"

	"limen/device"
	"limen/matcher"
	"limen/matcher/catalog"
)

type faceCommand struct {
	Match faceMatch `cmd:"" help:"Compare the faces of two pictures (JPEG, PNG)."`
}

type faceMatch struct {
	A    string  `arg:"" help:"One picture."`
	B    string  `arg:"" help:"The other."`
	FMR  float64 `name:"fmr" help:"False match rate whose threshold judges." default:"0.001"`
	JSON bool    `name:"json" help:"Print the result as JSON."`
}

// Run compares; exit code 1 when the faces do not match.
func (c *faceMatch) Run(con *console) error {
	engine, result, closeEngine, err := device.OpenEngine(device.Defaults().Models, c.FMR)
	if err != nil {
		return err
	}
	defer closeEngine()
	a, err := describe(engine, c.A)
	if err != nil {
		return err
	}
	b, err := describe(engine, c.B)
	if err != nil {
		return err
	}
	result.Score = matcher.Cosine(a, b)
	match := result.Score >= result.Threshold
	if c.JSON {
		err = con.printJSON(map[string]any{"match": match, "score": result.Score, "threshold": result.Threshold, "fmr": result.FMR, "model": result.Model, "grade": result.Grade})
	} else {
		word := "no match"
		if match {
			word = "match"
		}
		con.printf("%s: %.3f against %.2f (%s, FMR %g)\n", word, result.Score, result.Threshold, result.Model, result.FMR)
	}
	if err == nil && !match {
		return no
	}
	return err
}

func describe(engine matcher.Engine, path string) (matcher.Template, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open picture: %w", err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("cannot decode %s: %w", path, err)
	}
	faces, err := engine.Detect(img)
	if err != nil {
		return nil, err
	}
	if len(faces) == 0 {
		return nil, &coded{exitNo, fmt.Errorf("%s shows no face", path)}
	}
	return engine.Template(img, faces[0])
}

type modelsCommand struct {
	List modelsList `cmd:"" help:"The catalog, and where each model was found."`
}

type modelsList struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Run lists the catalog.
func (c *modelsList) Run(con *console) error {
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
		return con.printJSON(rows)
	}
	for _, r := range rows {
		where := r.Path
		if where == "" {
			where = r.Problem
		}
		con.printf("%-18s %-10s %-11s %-12s %s\n", r.Name, r.Kind, r.Grade, r.Licence, where)
	}
	return nil
}
