// Package catalog is the manifest of the models that limen knows: what each is
// for, how its file is recognized, under which license it comes, and what was
// measured with it. It finds the files and refuses any that differs by a bit:
// which model judged a person is part of the record.
package catalog

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
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

// Set is a set of faces that thresholds were measured on.
type Set struct {
	Name     string `yaml:"name" json:"name"`
	About    string `yaml:"about" json:"about"`
	Manifest string `yaml:"-" json:"manifest,omitempty"` // as an Entry's
}

// Manifest is the whole catalog.
type Manifest struct {
	Models []Entry `yaml:"models" json:"models"`
	Sets   []Set   `yaml:"sets" json:"sets"`
}

// ErrNoThreshold says that a model was not calibrated for the rate asked for.
var ErrNoThreshold = errors.New("no threshold was calibrated")

// parse reads the manifest that from names, to stand beside known ones.
func parse(from string, text []byte, known Manifest) (Manifest, error) {
	// A manifest is plain: what YAML has beyond that is a way to hide things, and
	// the decoder panics on some of it.
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.TagType, token.AnchorType, token.AliasType, token.MergeKeyType:
			return Manifest{}, fmt.Errorf("%s:%d: tags, anchors and aliases have no place in a manifest", from, t.Position.Line)
		}
	}
	var m Manifest
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return Manifest{}, fmt.Errorf("%s: %w", from, err)
	}
	all := Manifest{Models: slices.Clone(known.Models), Sets: slices.Clone(known.Sets)}
	for _, set := range m.Sets {
		if set.Name == "" || set.About == "" {
			return Manifest{}, fmt.Errorf("%s: a set needs a name and what it is about", from)
		}
		if slices.ContainsFunc(all.Sets, func(o Set) bool { return o.Name == set.Name }) {
			return Manifest{}, fmt.Errorf("%s: two sets named %s", from, set.Name)
		}
		all.Sets = append(all.Sets, set)
	}
	// Of sets, a manifest may mean its own and the built-in ones, so that it does
	// not hang on another that may come later or go.
	all.Sets = slices.DeleteFunc(all.Sets, func(s Set) bool { return s.Manifest != "" })
	for _, e := range m.Models {
		if err := e.check(all); err != nil {
			return Manifest{}, fmt.Errorf("%s: %s: %w", from, e.Name, err)
		}
		all.Models = append(all.Models, e)
	}
	return m, nil
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
	if best.Model = e.ID(); best.FMR > 0 {
		return best, nil
	}
	if len(e.Thresholds) == 0 {
		return Threshold{}, fmt.Errorf("%w for %s: it is a %s", ErrNoThreshold, e.Name, e.Kind)
	}
	return Threshold{}, fmt.Errorf("%w for %s at a false match rate of %g; the lowest is %g: set face.fmr to that or calibrate on a larger set", ErrNoThreshold, e.Name, fmr, lowest)
}

// ID names the model in records: its name and the first 8 digits of its hash.
func (e Entry) ID() string { return e.Name + "@" + e.SHA256[:8] }
