// Package morph tells morphed portraits: one picture mixed from two people,
// which a face recogniser finds like either (ISO/IEC 20059). A chip with such a
// portrait lets two people cross on one document.
//
// Two detectors speak. The differential one sees portrait and live face: the
// template of a morph lies between two people, so that it differs from the live
// one in other directions than a face does from itself. It was trained on one
// recogniser's templates and is good for that recogniser alone. The other sees
// the portrait by itself: mixing takes fine structure away in some places and
// leaves it in others. It was trained on one studio's photographs; it is
// measured, and takes no part in the verdict of an inspection.
package morph

import (
	_ "embed"
	"fmt"
	"math"

	"github.com/goccy/go-yaml"

	"limen/matcher"
)

//go:embed classifiers.yaml
var classifiersYAML []byte

// Classifier is a logistic regression over what Features or Single measured.
type Classifier struct {
	Recogniser string    `yaml:"recogniser"` // catalog name and short hash of the model it belongs to; empty for the single-image one
	Recipe     string    `yaml:"recipe"`
	Threshold  float64   `yaml:"threshold"` // score from which a portrait is called a morph
	Bias       float64   `yaml:"bias"`
	Weights    []float64 `yaml:"weights,flow"`
}

// Score is how much speaks for a morph, from 0 to 1; NaN features give NaN.
func (c Classifier) Score(features []float64) (float64, error) {
	if len(features) != len(c.Weights) {
		return 0, fmt.Errorf("morph: %d features for a classifier of %d", len(features), len(c.Weights))
	}
	z := c.Bias
	for i, w := range c.Weights {
		z += w * features[i]
	}
	return 1 / (1 + math.Exp(-z)), nil
}

// Suspected tells whether a score calls the portrait a morph; one that is no
// number does.
func (c Classifier) Suspected(score float64) bool { return !(score < c.Threshold) }

// Classifiers are those that were trained.
type Classifiers struct {
	Differential []Classifier `yaml:"differential"`
	Single       Classifier   `yaml:"single"`
}

// Trained is the package's own table.
func Trained() (Classifiers, error) { return parse(classifiersYAML) }

func parse(text []byte) (Classifiers, error) {
	var c Classifiers
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return Classifiers{}, fmt.Errorf("the morph classifiers: %w", err)
	}
	for _, d := range append([]Classifier{c.Single}, c.Differential...) {
		if !(d.Threshold > 0 && d.Threshold < 1) || len(d.Weights) == 0 || d.Recipe == "" {
			return Classifiers{}, fmt.Errorf("the morph classifiers: %q needs recipe, weights and a threshold between 0 and 1", d.Recogniser)
		}
	}
	return c, nil
}

// For is the differential classifier of a recogniser, by its ID of the catalog.
func (c Classifiers) For(recogniser string) (Classifier, bool) {
	for _, d := range c.Differential {
		if d.Recogniser == recogniser {
			return d, true
		}
	}
	return Classifier{}, false
}

// Features describe how a live face's template differs from a portrait's: in
// each number, which way, by how much and how they agree, and their cosine. They are as
// biometric as the templates. Nil for templates that do not go together.
//
// Which way: from a portrait to a live face, smiles, light and lenses move a
// template in directions that all people share, and a second person in others.
func Features(portrait, live matcher.Template) []float64 {
	if len(portrait) != len(live) || len(live) == 0 {
		return nil
	}
	p, l := portrait.Normalized(), live.Normalized()
	scale := math.Sqrt(float64(len(p)))
	out := make([]float64, 0, 3*len(p)+1)
	for i := range p {
		out = append(out, scale*float64(p[i]-l[i]))
	}
	for i := range p {
		out = append(out, scale*math.Abs(float64(p[i]-l[i])))
	}
	for i := range p {
		out = append(out, scale*scale*float64(p[i]*l[i]))
	}
	out = append(out, matcher.Cosine(p, l))
	clear(p)
	clear(l)
	return out
}
