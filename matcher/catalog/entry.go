package catalog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
)

// Entry describes one model, with all that an engine must know to run it: a
// model of a known layout is added by an entry alone.
type Entry struct {
	Name       string      `yaml:"name" json:"name"`
	Kind       Kind        `yaml:"kind" json:"kind"`
	File       string      `yaml:"file" json:"file"`
	SHA256     string      `yaml:"sha256" json:"sha256"`
	Size       int64       `yaml:"size" json:"size"` // bytes
	Grade      Grade       `yaml:"grade" json:"grade"`
	Licence    string      `yaml:"licence" json:"licence"`
	Source     string      `yaml:"source" json:"source"`                 // where the model comes from, for people
	URLs       []string    `yaml:"urls,omitempty" json:"urls,omitempty"` // https addresses of the very file; none: it comes from a file alone
	Input      Input       `yaml:"input" json:"input"`
	Align      [][]float64 `yaml:"align,omitempty" json:"align,omitempty"` // recogniser: where its five landmarks lie, as fractions of width and height
	Crop       float64     `yaml:"crop,omitempty" json:"crop,omitempty"`   // spoof: the picture's side in sides of the face's box
	Output     Output      `yaml:"output" json:"output"`
	About      string      `yaml:"about" json:"about"`
	Thresholds []Threshold `yaml:"thresholds,omitempty" json:"thresholds,omitempty"`
	Manifest   string      `yaml:"-" json:"manifest,omitempty"` // the site's manifest that adds it; empty: built in
}

// Input is the picture a model takes. Each value of a channel, 0 to 255, goes
// in as (value - mean) * scale.
type Input struct {
	Width  int       `yaml:"width" json:"width"` // pixels; of a detector the size it is tried with
	Height int       `yaml:"height" json:"height"`
	Color  string    `yaml:"color" json:"color"` // order of channels: "BGR" or "RGB"
	Mean   []float64 `yaml:"mean" json:"mean"`   // of each channel, in the order of Color
	Scale  float64   `yaml:"scale" json:"scale"`
}

// Output is what a model gives.
type Output struct {
	Layout     string  `yaml:"layout,omitempty" json:"layout,omitempty"`         // detector: LayoutYuNet
	MinScore   float64 `yaml:"min_score,omitempty" json:"min_score,omitempty"`   // detector: from which a find is a face, 0 to 1
	Length     int     `yaml:"length,omitempty" json:"length,omitempty"`         // recogniser: numbers in a template; spoof: classes
	Similarity string  `yaml:"similarity,omitempty" json:"similarity,omitempty"` // recogniser: SimilarityCosine
	Live       int     `yaml:"live,omitempty" json:"live,omitempty"`             // spoof: the class of a live face, from 0
}

// LayoutYuNet names a detector with YuNet's outputs: cls, obj, bbox and kps at
// strides 8, 16 and 32, for any input whose sides are multiples of 32.
const LayoutYuNet = "yunet"

// SimilarityCosine names templates that are compared by their cosine.
const SimilarityCosine = "cosine"

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
	// Published says that the model's authors name the threshold and that it
	// was not calibrated with limen: the counts are the most errors that their
	// figures leave room for.
	Published bool `yaml:"published,omitempty" json:"published,omitempty"`
	// Model is the ID of the model that the threshold is of, from ThresholdFor.
	Model string `yaml:"-" json:"-"`
}

// The bounds of an entry: what a mistake or a hostile manifest may ask for.
const (
	maxSize   = 1 << 30 // bytes of a model
	maxSide   = 2048    // pixels
	maxLength = 8192    // numbers
)

var modelName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

func (e Entry) check(m Manifest) error {
	sum, err := hex.DecodeString(e.SHA256)
	switch {
	case e.Name == "" || e.File == "" || e.Licence == "" || e.Source == "":
		return errors.New("name, file, licence and source are needed")
	case !modelName.MatchString(e.Name):
		return errors.New("a name is 1 to 64 small letters, digits, dots and dashes")
	case e.File != filepath.Base(e.File) || e.File[0] == '.' || filepath.Ext(e.File) != ".onnx":
		return fmt.Errorf("file %q must be the name of an .onnx file, without a folder", e.File)
	case err != nil || len(sum) != 32 || e.SHA256 != hex.EncodeToString(sum):
		return fmt.Errorf("sha256 %q is no SHA-256 in small letters", e.SHA256)
	case !slices.Contains([]Kind{Detector, Recogniser, Spoof, Quality}, e.Kind):
		return fmt.Errorf("kind %q is none of detector, recogniser, spoof, quality", e.Kind)
	case e.Grade != Demo && e.Grade != Operational:
		return fmt.Errorf("grade %q is neither demo nor operational", e.Grade)
	case e.Size < 1 || e.Size > maxSize:
		return fmt.Errorf("size %d is not 1 to %d bytes", e.Size, maxSize)
	}
	for _, o := range m.Models {
		if o.Name == e.Name {
			return fmt.Errorf("two models named %s", e.Name)
		}
		if o.File == e.File && o.SHA256 != e.SHA256 {
			return fmt.Errorf("file %s is already %s's, with another SHA-256", e.File, o.Name)
		}
	}
	for _, u := range e.URLs {
		if p, err := url.Parse(u); err != nil || p.Scheme != "https" || p.Host == "" || p.User != nil {
			return fmt.Errorf("url %q must begin with https://", u)
		}
	}
	if err := e.Input.check(); err != nil {
		return err
	}
	if err := e.checkKind(); err != nil {
		return err
	}
	return e.checkThresholds(m)
}

func (in Input) check() error {
	switch {
	case in.Width < 1 || in.Height < 1 || in.Width > maxSide || in.Height > maxSide:
		return fmt.Errorf("input %dx%d is not 1 to %d pixels a side", in.Width, in.Height, maxSide)
	case in.Color != "BGR" && in.Color != "RGB":
		return fmt.Errorf("input.color %q is neither BGR nor RGB", in.Color)
	case len(in.Mean) != 3 || slices.ContainsFunc(in.Mean, func(v float64) bool { return !(v >= 0 && v <= 255) }):
		return fmt.Errorf("input.mean %v must be three numbers, 0 to 255", in.Mean)
	case !(in.Scale > 0 && in.Scale <= 1):
		return fmt.Errorf("input.scale %g is not above 0 and at most 1", in.Scale)
	}
	return nil
}

// checkKind checks what one kind needs, and that nothing is said which another
// kind would mean.
func (e Entry) checkKind() error {
	o := e.Output
	switch e.Kind {
	case Detector:
		switch {
		case o.Layout != LayoutYuNet:
			return fmt.Errorf("output.layout %q is not %s", o.Layout, LayoutYuNet)
		case !(o.MinScore > 0 && o.MinScore < 1):
			return fmt.Errorf("output.min_score %g is not between 0 and 1", o.MinScore)
		case e.Input.Width%32 != 0 || e.Input.Height%32 != 0:
			return fmt.Errorf("input %dx%d: %s takes multiples of 32", e.Input.Width, e.Input.Height, LayoutYuNet)
		}
	case Recogniser:
		switch {
		case o.Length < 2 || o.Length > maxLength:
			return fmt.Errorf("output.length %d is not 2 to %d", o.Length, maxLength)
		case o.Similarity != SimilarityCosine:
			return fmt.Errorf("output.similarity %q is not %s", o.Similarity, SimilarityCosine)
		case len(e.Thresholds) == 0:
			return errors.New("a recogniser needs a calibrated threshold")
		}
		return e.checkAlign()
	case Spoof:
		switch {
		case o.Length < 2 || o.Length > maxLength || o.Live < 0 || o.Live >= o.Length:
			return fmt.Errorf("output.length %d and live %d: want 2 or more classes and one of them", o.Length, o.Live)
		case !(e.Crop >= 0.5 && e.Crop <= 8):
			return fmt.Errorf("crop %g is not 0.5 to 8", e.Crop)
		}
	}
	return nil
}

// checkAlign wants five landmarks apart from each other and inside the picture.
func (e Entry) checkAlign() error {
	if len(e.Align) != 5 {
		return fmt.Errorf("align holds %d points, want five landmarks", len(e.Align))
	}
	for i, p := range e.Align {
		if len(p) != 2 || !(p[0] >= 0 && p[0] <= 1 && p[1] >= 0 && p[1] <= 1) {
			return fmt.Errorf("align: %v must be two fractions, 0 to 1", p)
		}
		for _, q := range e.Align[:i] {
			if math.Hypot(p[0]-q[0], p[1]-q[1]) < 0.01 {
				return fmt.Errorf("align: %v and %v are one point", q, p)
			}
		}
	}
	return nil
}

func (e Entry) checkThresholds(m Manifest) error {
	if len(e.Thresholds) > 0 && e.Kind != Recogniser {
		return fmt.Errorf("a %s has no thresholds", e.Kind)
	}
	for _, t := range e.Thresholds {
		if !(t.FMR > 0 && t.FMR < 1 && t.Cosine > 0 && t.Cosine < 1 && t.Impostor > 0 && t.Genuine > 0 &&
			t.FalseMatches >= 0 && t.FalseNonMatches >= 0 && t.FalseMatches <= t.Impostor && t.FalseNonMatches <= t.Genuine) {
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
