package eval

import (
	"fmt"
	"io"

	"github.com/goccy/go-yaml"

	"limen/matcher/catalog"
)

// Thresholds are a catalog entry's for the rates: each the lowest cosine at
// which the one-sided 95 % upper bound of the FMR that was counted lies under
// the rate, as the catalog demands, so it is a little stricter than the same
// rate's Point. A rate that no such number of errors can show is left out: with
// none at all it takes 3/rate pairs.
func (r *Result) Thresholds(set string, fmrs []float64) []catalog.Threshold {
	var out []catalog.Threshold
	for _, fmr := range fmrs {
		t := catalog.Threshold{FMR: fmr, Set: set, Genuine: int(r.Genuine.Count()), Impostor: int(r.Impostor.Count())}
		if t.FMRBound() > fmr {
			continue
		}
		low, high := int64(0), r.Impostor.Count() // of errors: low may be, high is too many
		for low+1 < high {
			t.FalseMatches = int((low + high) / 2)
			if t.FMRBound() <= fmr {
				low = int64(t.FalseMatches)
			} else {
				high = int64(t.FalseMatches)
			}
		}
		edge := r.Impostor.lowestWithAtMost(low)
		t.Cosine = cosineOf(edge)
		t.FalseMatches, t.FalseNonMatches = int(r.Impostor.reaching(edge)), int(r.Genuine.Count()-r.Genuine.reaching(edge))
		out = append(out, t)
	}
	return out
}

// WriteThresholds writes thresholds of a model in the form of the catalog's
// manifest.
func WriteThresholds(w io.Writer, model string, thresholds []catalog.Threshold) error {
	b, err := yaml.Marshal(map[string]any{"thresholds": thresholds})
	if err != nil {
		return fmt.Errorf("cannot write the thresholds: %w", err)
	}
	_, err = fmt.Fprintf(w, "# Calibrated for %s and no other model.\n%s", model, b)
	return err
}
