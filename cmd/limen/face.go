package main

import (
	"fmt"
	"image"
	"math"
	"strings"

	"limen"
	"limen/cmd/internal/cli"
	"limen/device"
	"limen/matcher"
)

type faceCommand struct {
	Match   faceMatch   `cmd:"" help:"Compare the faces of two pictures (JPEG, JPEG 2000)."`
	Eval    faceEval    `cmd:"" help:"Measure a recogniser's error rates on pictures."`
	Attacks faceAttacks `cmd:"" help:"Measure presentation attack detection on simulated prints, screens and cut-outs."`
	Morphs  faceMorphs  `cmd:"" help:"Measure morph detection on pictures that matcher/train/morph.py made."`
}

type faceMatch struct {
	A      string  `arg:"" help:"One picture."`
	B      string  `arg:"" help:"The other."`
	Model  string  `placeholder:"NAME" help:"Recogniser of the catalog; the configuration's otherwise."`
	Config string  `placeholder:"FILE" help:"Configuration whose models are used; the built-in ones otherwise."`
	FMR    float64 `name:"fmr" help:"False match rate whose threshold judges." default:"0.001"`
	JSON   bool    `name:"json" help:"Print the result as JSON."`
}

// matchResult is what face match prints.
type matchResult struct {
	Verdict   string                 `json:"verdict"` // "match", "no_match"; "not_compared" where a picture shows no face
	Match     bool                   `json:"match"`
	Score     *float64               `json:"score,omitempty"` // absent where a picture shows no face
	Threshold float64                `json:"threshold"`
	FMR       float64                `json:"fmr"`
	Model     string                 `json:"model"`
	Grade     string                 `json:"grade"`
	Reasons   []string               `json:"reasons"` // "face_mismatch", "face_not_found:A"
	Quality   map[string]faceQuality `json:"quality"` // by picture: "A", "B"
}

// faceQuality is what was measured on a picture. It is told and decides
// nothing: the thresholds are those for a gate's live frames.
type faceQuality struct {
	EyeDistance float64          `json:"eye_distance"` // pixels
	Sharpness   float64          `json:"sharpness"`
	Yaw         float64          `json:"yaw"` // degrees
	Pitch       float64          `json:"pitch"`
	Roll        float64          `json:"roll"`
	Luma        float64          `json:"luma"`  // 0 to 255
	Score       float64          `json:"score"` // 0 to 1
	Fit         bool             `json:"fit"`
	Reasons     []matcher.Reason `json:"reasons"`
	// Components are those of ISO/IEC 29794-5, as docs/quality.md has them.
	Components []matcher.Measured `json:"components"`
}

func newFaceQuality(img image.Image, faces []matcher.Face) faceQuality {
	q := matcher.Assess(img, faces, matcher.DefaultThresholds())
	round := func(v float64) float64 { return math.Round(v*100) / 100 }
	components := append([]matcher.Measured{}, matcher.Components(img, faces)...)
	for i := range components {
		components[i].Native = round(components[i].Native)
	}
	return faceQuality{round(q.EyeDistance), round(q.Sharpness), round(q.Yaw), round(q.Pitch), round(q.Roll), round(q.Luma), round(q.Score), q.Fit(), append([]matcher.Reason{}, q.Reasons...), components}
}

// Run compares the largest face of each picture; exit code 1 when they do not
// match, or a picture shows none. Pictures are a stranger's bytes, whoever
// hands them in: limen-portrait decodes them, as it does a chip's.
func (c *faceMatch) Run(con *cli.Console) error {
	a, err := openPicture(con, c.A)
	if err != nil {
		return err
	}
	b, err := openPicture(con, c.B)
	if err != nil {
		return err
	}
	models, err := faceModels(c.Config, c.Model)
	if err != nil {
		return err
	}
	engine, model, closeEngine, err := device.OpenEngine(models, c.FMR)
	if err != nil {
		return err
	}
	defer closeEngine()
	result := matchResult{Verdict: "not_compared", Threshold: model.Threshold, FMR: model.FMR, Model: model.Model, Grade: model.Grade, Reasons: []string{}, Quality: map[string]faceQuality{}}
	if err := result.compare(engine, a, b); err != nil {
		return err
	}
	if c.JSON {
		err = con.PrintJSON(result)
	} else {
		con.Printf("%s\n", result)
	}
	if err == nil && !result.Match {
		return cli.No
	}
	return err
}

func (r *matchResult) compare(engine matcher.Engine, a, b image.Image) error {
	var templates [2]matcher.Template
	defer func() { clear(templates[0]); clear(templates[1]) }()
	for i, img := range []image.Image{a, b} {
		faces, err := engine.Detect(img)
		if err != nil {
			return fmt.Errorf("cannot look for faces: %w", err)
		}
		name := "AB"[i : i+1]
		r.Quality[name] = newFaceQuality(img, faces)
		if len(faces) == 0 {
			r.Reasons = append(r.Reasons, limen.Reason{Code: limen.FaceNotFound, Subject: name}.String())
			continue
		}
		if templates[i], err = engine.Template(img, faces[0]); err != nil {
			return fmt.Errorf("cannot describe the face: %w", err)
		}
	}
	if len(r.Reasons) > 0 {
		return nil
	}
	score := matcher.Cosine(templates[0], templates[1])
	r.Score, r.Match = &score, score >= r.Threshold
	r.Verdict = "match"
	if !r.Match {
		r.Verdict = "no_match"
		r.Reasons = append(r.Reasons, string(limen.FaceMismatch))
	}
	return nil
}

// String is the result for people.
func (r matchResult) String() string {
	by := fmt.Sprintf("(%s, %s grade, FMR %g)", r.Model, r.Grade, r.FMR)
	for _, name := range []string{"A", "B"} {
		for _, reason := range r.Quality[name].Reasons {
			by += fmt.Sprintf("; %s: %s", name, reason)
		}
	}
	switch {
	case r.Score == nil:
		return "no comparison: " + strings.Join(r.Reasons, ", ")
	case r.Match:
		return fmt.Sprintf("match: %.3f, at least %.3f %s", *r.Score, r.Threshold, by)
	}
	return fmt.Sprintf("no match: %.3f, below %.3f %s", *r.Score, r.Threshold, by)
}
