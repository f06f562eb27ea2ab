// Package catalog is the manifest of the models that limen knows: what each is
// for, how its file is recognized, under which license it comes, and what was
// measured with it. It finds the files and refuses any that differs by a bit:
// which model judged a person is part of the record.
package catalog

import (
	"bytes"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/goccy/go-yaml"
)

//go:embed manifest.yaml
var manifest []byte

//go:embed shipped
var shipped embed.FS

// Kind is what a model is for.
type Kind string

// The kinds.
const (
	Detector   Kind = "detector"   // finds faces and landmarks
	Recogniser Kind = "recogniser" // describes a face for comparison
	Spoof      Kind = "spoof"      // tells a live face from a print or screen
	Quality    Kind = "quality"    // rates a face picture
)

// Grade says what a model may be used for.
type Grade string

// The grades.
const (
	Demo        Grade = "demo"        // shows how the appliance works
	Operational Grade = "operational" // may judge travelers
)

// Entry describes one model.
type Entry struct {
	Name       string      `yaml:"name" json:"name"`
	Kind       Kind        `yaml:"kind" json:"kind"`
	File       string      `yaml:"file" json:"file"`
	SHA256     string      `yaml:"sha256" json:"sha256"`
	Size       int64       `yaml:"size" json:"size"` // bytes
	Grade      Grade       `yaml:"grade" json:"grade"`
	Licence    string      `yaml:"licence" json:"licence"`
	Source     string      `yaml:"source" json:"source"`
	Input      Input       `yaml:"input" json:"input"`
	About      string      `yaml:"about" json:"about"`
	Thresholds []Threshold `yaml:"thresholds,omitempty" json:"thresholds,omitempty"`
}

// Input is the picture a model takes, in pixels.
type Input struct {
	Width  int    `yaml:"width" json:"width"`
	Height int    `yaml:"height" json:"height"`
	Color  string `yaml:"color" json:"color"` // order of channels: "BGR" or "RGB"
}

// Threshold is the cosine from which two faces are taken for one person's at a
// false match rate, and what was counted at it on the set.
type Threshold struct {
	FMR             float64 `yaml:"fmr" json:"fmr"`
	Cosine          float64 `yaml:"cosine" json:"cosine"`
	Set             string  `yaml:"set" json:"set"`
	Genuine         int     `yaml:"genuine" json:"genuine"`
	Impostor        int     `yaml:"impostor" json:"impostor"`
	FalseMatches    int     `yaml:"false_matches" json:"false_matches"`
	FalseNonMatches int     `yaml:"false_non_matches" json:"false_non_matches"`
}

// Set is a set of faces that thresholds were measured on.
type Set struct {
	Name  string `yaml:"name" json:"name"`
	About string `yaml:"about" json:"about"`
}

// Manifest is the whole catalog.
type Manifest struct {
	Models []Entry `yaml:"models" json:"models"`
	Sets   []Set   `yaml:"sets" json:"sets"`
}

// ErrNoThreshold says that a model was not calibrated for the rate asked for.
var ErrNoThreshold = errors.New("no threshold was calibrated")

// Models is the built-in manifest.
func Models() (Manifest, error) { return parse(manifest) }

func parse(text []byte) (Manifest, error) {
	var m Manifest
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("the model manifest: %w", err)
	}
	for i, e := range m.Models {
		if err := e.check(m); err != nil {
			return Manifest{}, fmt.Errorf("the model manifest: %s: %w", e.Name, err)
		}
		if slices.ContainsFunc(m.Models[:i], func(o Entry) bool { return o.Name == e.Name }) {
			return Manifest{}, fmt.Errorf("the model manifest: two models named %s", e.Name)
		}
	}
	return m, nil
}

func (e Entry) check(m Manifest) error {
	sum, err := hex.DecodeString(e.SHA256)
	switch {
	case e.Name == "" || e.File == "" || e.Licence == "" || e.Source == "":
		return errors.New("name, file, licence and source are needed")
	case err != nil || len(sum) != 32:
		return fmt.Errorf("sha256 %q is no SHA-256", e.SHA256)
	case !slices.Contains([]Kind{Detector, Recogniser, Spoof, Quality}, e.Kind):
		return fmt.Errorf("kind %q is none of detector, recogniser, spoof, quality", e.Kind)
	case e.Grade != Demo && e.Grade != Operational:
		return fmt.Errorf("grade %q is neither demo nor operational", e.Grade)
	case e.Size < 1 || e.Input.Width < 1 || e.Input.Height < 1:
		return errors.New("size and input must be positive")
	case e.Kind == Recogniser && len(e.Thresholds) == 0:
		return errors.New("a recogniser needs a calibrated threshold")
	}
	for _, t := range e.Thresholds {
		if !(t.FMR > 0 && t.FMR < 1 && t.Cosine > 0 && t.Cosine < 1 && t.Impostor > 0 && t.Genuine > 0) {
			return fmt.Errorf("threshold %+v is out of range", t)
		}
		if bound := t.FMRBound(); bound > t.FMR {
			return fmt.Errorf("threshold for FMR %g: %d of %d false matches may mean %.1e", t.FMR, t.FalseMatches, t.Impostor, bound)
		}
		if !slices.ContainsFunc(m.Sets, func(s Set) bool { return s.Name == t.Set }) {
			return fmt.Errorf("set %q is not described", t.Set)
		}
	}
	return nil
}

// FMRBound is the one-sided 95 % upper bound of the false match rate that was
// counted, as if pairs were independent (Poisson; with no error in n, 3/n).
func (t Threshold) FMRBound() float64 {
	if k := float64(t.FalseMatches + 1); k > 100 {
		// The sum below would underflow; by then half the chi-square's 95 % point
		// with 2k degrees of freedom is right to five digits (Wilson and Hilferty, 1931).
		return k * math.Pow(1-1/(9*k)+1.6448536269514722/(3*math.Sqrt(k)), 3) / float64(t.Impostor)
	}
	low, high := 0.0, 10*float64(t.FalseMatches)+10
	for range 60 {
		mean := (low + high) / 2
		term := math.Exp(-mean)
		atMost := term
		for k := 1; k <= t.FalseMatches; k++ {
			term *= mean / float64(k)
			atMost += term
		}
		if atMost > 0.05 {
			low = mean
		} else {
			high = mean
		}
	}
	return high / float64(t.Impostor)
}

// ThresholdFor is the threshold to judge by when policy allows a false match
// rate of at most fmr: the loosest one calibrated for that rate or a lower.
func (e Entry) ThresholdFor(fmr float64) (Threshold, error) {
	var best Threshold
	lowest := math.Inf(1)
	for _, t := range e.Thresholds {
		lowest = min(lowest, t.FMR)
		if t.FMR <= fmr*(1+1e-9) && t.FMR > best.FMR {
			best = t
		}
	}
	if best.FMR > 0 {
		return best, nil
	}
	if len(e.Thresholds) == 0 {
		return Threshold{}, fmt.Errorf("%w for %s: it is a %s", ErrNoThreshold, e.Name, e.Kind)
	}
	return Threshold{}, fmt.Errorf("%w for %s at a false match rate of %g; the lowest is %g: set face.fmr to that or calibrate on a larger set", ErrNoThreshold, e.Name, fmr, lowest)
}

// ID names the model in records: its name and the first 8 digits of its hash.
func (e Entry) ID() string { return e.Name + "@" + e.SHA256[:8] }
