// Package eval measures a recogniser: templates in, error rates out.
//
//	templates → every pair's cosine → histograms → thresholds → errors at them → intervals
//
// Terms are those of ISO/IEC 19795-1: the failure-to-enrol rate (FTE), the false
// match rate (FMR) and the false non-match rate (FNMR), the equal error rate
// (EER), the detection error trade-off (DET). Groups of people are compared in
// the manner of ISO/IEC 19795-10: each by itself, and the worst with the best.
//
// Scores are not kept. A first pass counts them in bins, a second the errors of
// each person at the few thresholds that the first one found, so memory grows
// with the templates and not with their pairs. Nothing is lost by that: the
// edges of the bins are thresholds that binary numbers hold exactly, only they
// are used as thresholds, and what is counted at an edge is exact.
//
// # Intervals
//
// All are of 95 % and two-sided. A proportion has Wilson's score interval, which
// holds for any number of trials and does not collapse where nothing went wrong
// (its upper end is then 3.84/n; the one-sided bound is the rule of three, 3/n).
// It takes trials for independent, and pairs are not: one person is in many of
// them, and one odd face may make all the errors. So people are resampled too,
// with all their pairs (bootstrap), which by contrast finds no doubt where there
// is no error. An Estimate's ends are the farther of both. They are of the rate
// at the threshold as it stands: that another set would have put the threshold
// elsewhere is not in the FNMR's interval but in the FMR's. What neither knows is
// whether the people at hand are like those who will come.
//
// The package leaves out where templates come from.
package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Options say what to measure; the zero value measures all pairs at FMRs.
type Options struct {
	// Pairs are the comparisons to make; nil makes every one there is. Pairs
	// of one person's templates are genuine.
	Pairs []Pair
	// FMRs are the false match rates whose thresholds are looked for; empty
	// takes 1e-2, 1e-3, 1e-4 and 1e-5.
	FMRs []float64
	// Threshold, when not zero, is one more to count errors at: the one in use.
	Threshold float64
	// Partitions divide the people into groups.
	Partitions []Partition
	// Replicates are the bootstrap's; 0 takes 2000.
	Replicates int
	// Progress hears of comparisons made and to make, from any goroutine and
	// at most a few thousand times; nil is not told.
	Progress func(done, total int64)
}

// Pair names two templates by the order in which they were added.
type Pair struct{ A, B int }

// FMRs are the rates looked for unless Options name others.
var FMRs = []float64{1e-2, 1e-3, 1e-4, 1e-5}

// Estimate is a rate: errors in trials, and its interval.
type Estimate struct {
	Rate   float64 `json:"rate"`
	Errors int64   `json:"errors"`
	Trials int64   `json:"trials"`
	Low    float64 `json:"low"`  // 95 %
	High   float64 `json:"high"` // 95 %
}

// Point is what a threshold does.
type Point struct {
	// Target is the FMR that the threshold was looked for; 0 for the one in use.
	Target    float64  `json:"target_fmr,omitempty"`
	Threshold float64  `json:"threshold"` // cosine from which two faces are one person's
	FMR       Estimate `json:"fmr"`
	FNMR      Estimate `json:"fnmr"`
	// Resolved tells that there were at least 1/Target impostor pairs. With
	// fewer the threshold is the highest score's and no measure of that rate.
	Resolved bool `json:"resolved"`
}

// EER is where both rates are equal, or nearest to it. Low and High are those
// of half the sum of the rates at that threshold.
type EER struct {
	Rate      float64 `json:"rate"`
	Threshold float64 `json:"threshold"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
}

// Result is what was measured.
type Result struct {
	Templates int
	People    int
	Genuine   *Histogram
	Impostor  *Histogram
	EER       EER
	Points    []Point // in the order of Options.FMRs
	InUse     *Point  // at Options.Threshold; nil without one
	Groups    []Group
	// Differentials compare the groups of each partition at each threshold.
	Differentials []Differential
}

// ErrNothing says that a rate cannot be measured.
var ErrNothing = errors.New("there is nothing to measure")

// Evaluate compares the templates in s. It needs at least one genuine and one
// impostor pair, else the error wraps ErrNothing.
func Evaluate(ctx context.Context, s *Set, o Options) (*Result, error) {
	if len(o.FMRs) == 0 {
		o.FMRs = FMRs
	}
	if o.Replicates <= 0 {
		o.Replicates = 2000
	}
	for _, p := range o.Pairs {
		if p.A < 0 || p.B < 0 || p.A >= s.Len() || p.B >= s.Len() || p.A == p.B {
			return nil, fmt.Errorf("pair of templates %d and %d of %d", p.A, p.B, s.Len())
		}
	}
	progress := newProgress(s, o)
	r := &Result{Templates: s.Len(), People: s.people}
	var err error
	if r.Genuine, r.Impostor, err = histograms(ctx, s, o.Pairs, progress); err != nil {
		return nil, err
	}
	if r.Genuine.Count() == 0 || r.Impostor.Count() == 0 {
		return nil, fmt.Errorf("%w: %d genuine and %d impostor pairs; each person needs two pictures that show a face, and there must be two people", ErrNothing, r.Genuine.Count(), r.Impostor.Count())
	}
	edges := []int{r.equalEdge()}
	for _, fmr := range o.FMRs {
		edges = append(edges, r.edgeFor(fmr))
	}
	if o.Threshold != 0 {
		edges = append(edges, edgeOf(o.Threshold))
	}
	t, err := count(ctx, s, o, edges, progress)
	if err != nil {
		return nil, err
	}
	r.read(t, o)
	return r, nil
}

// edgeFor is the lowest edge at which no more than a share of fmr of the
// impostor pairs match.
func (r *Result) edgeFor(fmr float64) int {
	allowed := int64(math.Floor(fmr*float64(r.Impostor.Count())*(1+1e-12) + 1e-9))
	return r.Impostor.lowestWithAtMost(allowed)
}

// equalEdge is the edge at which the rates differ least; in the middle of all
// such where there are several.
func (r *Result) equalEdge() int {
	best, first, last := math.Inf(1), 0, 0
	genuine, impostor := float64(r.Genuine.Count()), float64(r.Impostor.Count())
	var below int64
	above := r.Impostor.Count()
	for edge := range bins + 1 {
		switch gap := math.Abs(float64(below)/genuine - float64(above)/impostor); {
		case gap < best:
			best, first, last = gap, edge, edge
		case gap == best:
			last = edge
		}
		if edge < bins {
			below += r.Genuine.bin[edge]
			above -= r.Impostor.bin[edge]
		}
	}
	return (first + last) / 2
}

// read turns counts to rates; the levels of t are in the order of the edges
// that Evaluate made.
func (r *Result) read(t *tally, o Options) {
	all := t.point(0, 0, o.Replicates)
	r.EER = EER{Rate: (all.FMR.Rate + all.FNMR.Rate) / 2, Threshold: all.Threshold,
		Low: (all.FMR.Low + all.FNMR.Low) / 2, High: (all.FMR.High + all.FNMR.High) / 2}
	for k, fmr := range o.FMRs {
		p := t.point(0, k+1, o.Replicates)
		p.Target, p.Resolved = fmr, fmr*float64(r.Impostor.Count()) >= 1-1e-9
		r.Points = append(r.Points, p)
	}
	if o.Threshold != 0 {
		p := t.point(0, len(o.FMRs)+1, o.Replicates)
		p.Resolved = true
		r.InUse = &p
	}
	r.readGroups(t, o)
}
