package limen

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// HistoryPolicy says how long records are kept and what earlier checks of a
// document mean.
type HistoryPolicy struct {
	Keep          time.Duration `yaml:"keep" json:"keep,omitzero"`                     // records about documents; zero: until they are erased by hand
	KeepQuestions time.Duration `yaml:"keep_questions" json:"keep_questions,omitzero"` // records of who asked what; zero: until they are erased by hand
	IndexExpires  time.Duration `yaml:"index_expires" json:"index_expires,omitzero"`   // what other devices saw, without word from the center; zero: never
	TravelSpeed   float64       `yaml:"travel_speed" json:"travel_speed,omitzero"`     // the fastest anybody travels, km/h; zero: not judged
	TravelMargin  float64       `yaml:"travel_margin" json:"travel_margin,omitzero"`   // km that take no time: sites next to each other, clocks that differ
	RefusedWithin time.Duration `yaml:"refused_within" json:"refused_within,omitzero"` // how long a refusal counts; zero: not at all
	// Refer names what refers the traveler; the rest of what the history says is a note.
	Refer []ReasonCode `yaml:"refer" json:"refer,omitempty"`
}

// historyReasons are what the history can say of a document.
var historyReasons = []ReasonCode{TravelImpossible, SODChanged, ChipKeyChanged, RefusedBefore, LostBefore}

func (p HistoryPolicy) validate() error {
	for key, d := range map[string]time.Duration{"keep": p.Keep, "keep_questions": p.KeepQuestions, "index_expires": p.IndexExpires, "refused_within": p.RefusedWithin} {
		if d < 0 {
			return fmt.Errorf("history.%s: is less than zero", key)
		}
	}
	for key, v := range map[string]float64{"travel_speed": p.TravelSpeed, "travel_margin": p.TravelMargin} {
		if !(v >= 0 && v < 1e6) {
			return fmt.Errorf("history.%s: %g is no speed in km/h or length in km", key, v)
		}
	}
	for i, code := range p.Refer {
		if !slices.Contains(historyReasons, code) {
			return fmt.Errorf("history.refer[%d]: the history does not say %q; it says %v", i, code, historyReasons)
		}
	}
	return nil
}

// Place is a point on the earth, in degrees (WGS 84).
type Place struct{ Latitude, Longitude float64 }

// earthRadius is the mean radius, in km; the error of a sphere is under 0.6 %.
const earthRadius = 6371.0

// distance is the great circle's, in km (haversine).
func (a Place) distance(b Place) float64 {
	rad := func(deg float64) float64 { return deg * math.Pi / 180 }
	hav := func(x float64) float64 { s := math.Sin(x / 2); return s * s }
	h := hav(rad(b.Latitude-a.Latitude)) + math.Cos(rad(a.Latitude))*math.Cos(rad(b.Latitude))*hav(rad(b.Longitude-a.Longitude))
	return 2 * earthRadius * math.Asin(math.Sqrt(min(1, h)))
}

// reachable tells whether somebody can have come as far as km in a time.
func (p HistoryPolicy) reachable(km float64, in time.Duration) bool {
	return km-p.TravelMargin <= p.TravelSpeed*in.Abs().Hours()
}

// Scope says of which documents a history is kept at all.
type Scope []ScopeRule

// ScopeRule is one kind of documents, in the words of Eligibility.
type ScopeRule struct {
	Documents []string `yaml:"documents" json:"documents"` // document codes as printed; a code also covers those it begins
	Issuers   []string `yaml:"issuers" json:"issuers"`     // three-letter issuing states
}

func (s Scope) covers(d Document) bool {
	return slices.ContainsFunc(s, func(r ScopeRule) bool {
		return slices.ContainsFunc(r.Documents, func(c string) bool { return c == "*" || c != "" && strings.HasPrefix(d.Code, c) }) &&
			slices.ContainsFunc(r.Issuers, func(i string) bool { return i == "*" || i == d.Issuer })
	})
}
