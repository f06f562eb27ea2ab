package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"limen"
	"limen/cmd/internal/cli"
	"limen/matcher/morph"
	"limen/matcher/proportion"
)

// curve is one method's scores, and the bona fide ones, for the chart.
type curve struct {
	name             string
	morphs, bonaFide []float64
}

// roundTo rounds to so many digits behind the point, exactly as they print.
func roundTo(v float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	return r
}

// tally counts one kind's held-out portraits. Counts come in pairs: of how many,
// and how many of them are accepted.
type tally struct {
	portraits, either  int       // plain portraits, and those that match a contributor's photograph
	both               [5]int    // … that match so many live pictures of every contributor, at least
	pairs, matching    counted   // comparisons with photographs, and those that match
	altered, scanned   counted   // matching ones with altered live pictures, and of scanned portraits with photographs
	single, scanSingle counted   // portraits, by the single-image cues
	scores, all        []float64 // of plain portraits with photographs; of all matching comparisons
}

type counted struct{ n, accepted int }

func (c *counted) add(accepted bool) {
	c.n++
	c.accepted += one(accepted)
}

func (c counted) rate() proportion.Rate     { return proportion.Of(c.accepted, c.n) }
func (c counted) rejected() proportion.Rate { return proportion.Of(c.n-c.accepted, c.n) }

func count(rows []morphRow, kind string, d, single morph.Classifier, threshold float64) (t tally, err error) {
	for _, row := range rows {
		if row.split != "test" || row.kind != kind {
			continue
		}
		s, err := single.Score(row.single)
		if err != nil {
			return t, err
		}
		if accepted := !single.Suspected(s); row.scan {
			t.scanSingle.add(accepted)
		} else {
			t.single.add(accepted)
		}
		if err := t.compare(row, d, threshold); err != nil {
			return t, err
		}
	}
	return t, nil
}

// compare counts one portrait's comparisons.
func (t *tally) compare(row morphRow, d morph.Classifier, threshold float64) error {
	matches, photographs := make([]int, len(row.people)), 0
	for i, f := range row.differential {
		s, err := d.Score(f)
		if err != nil {
			return err
		}
		match, accepted, photograph := row.scores[i] >= threshold, !d.Suspected(s), i < row.plain
		matches[i%len(row.people)] += one(match)
		photographs += one(match && photograph)
		if match {
			t.all = append(t.all, s)
		}
		switch {
		case photograph && !row.scan:
			t.scores = append(t.scores, s)
			t.pairs.add(accepted)
			if match {
				t.matching.add(accepted)
			}
		case match && photograph:
			t.scanned.add(accepted)
		case match && !row.scan:
			t.altered.add(accepted)
		}
	}
	if row.scan {
		return nil
	}
	t.portraits++
	t.either += one(photographs > 0)
	for r := range t.both {
		t.both[r] += one(slices.Min(matches) >= r)
	}
	return nil
}

// errorPoints are MACER at BPCER of 1, 2, 5 and 10 %.
func errorPoints(bonaFide, morphs []float64) []errorPoint {
	var out []errorPoint
	for _, r := range []float64{0.01, 0.02, 0.05, 0.1} {
		caught := int(math.Round(share(morphs, morph.ThresholdAt(bonaFide, r)) * float64(len(morphs))))
		out = append(out, errorPoint{r, proportion.Of(len(morphs)-caught, len(morphs))})
	}
	return out
}

func pointsText(points []errorPoint) string {
	var parts []string
	for _, p := range points {
		parts = append(parts, fmt.Sprintf("%.1f %% at %g %%", 100*p.MACER.Rate, 100*p.BPCER))
	}
	return "MACER " + strings.Join(parts, ", ")
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// measure holds the held-out people's portraits against both classifiers.
func measure(rows []morphRow, d, single morph.Classifier, model limen.Comparison) (morphReport, error) {
	r := morphReport{Model: model.Model, Threshold: model.Threshold}
	bona, err := count(rows, "bona_fide", d, single, model.Threshold)
	if err != nil {
		return r, err
	}
	r.BonaFide, r.Rejected, r.Altered, r.Scanned = bona.portraits, bona.pairs.rejected(), bona.altered.rejected(), bona.scanned.rejected()
	r.RejectedSingle, r.ScannedSingle = bona.single.rejected(), bona.scanSingle.rejected()
	for _, kind := range morphKinds(rows) {
		t, err := count(rows, kind, d, single, model.Threshold)
		if err != nil {
			return r, err
		}
		m := morphMethod{
			Kind: kind, Either: proportion.Of(t.either, t.portraits), Accepted: t.pairs.rate(), AcceptedMatching: t.matching.rate(),
			AcceptedAltered: t.altered.rate(), AcceptedScanned: t.scanned.rate(), AcceptedSingle: t.single.rate(), ScannedSingle: t.scanSingle.rate(),
			Points: errorPoints(bona.all, t.all),
		}
		for _, n := range t.both[1:] {
			m.MAP = append(m.MAP, proportion.Of(n, t.portraits))
		}
		r.Methods = append(r.Methods, m)
		r.curves = append(r.curves, curve{kind, t.all, bona.all})
	}
	return r, nil
}

func (r morphReport) print(con *cli.Console) {
	con.Printf("%s at %.2f; of %d people held out\nbona fide rejected: %s; with altered live pictures %s; scanned %s; by the single image %s, scanned %s\n",
		r.Model, r.Threshold, r.BonaFide, r.Rejected, r.Altered, r.Scanned, r.RejectedSingle, r.ScannedSingle)
	for _, m := range r.Methods {
		con.Printf("%s: matches one contributor's photograph %s\n", m.Kind, m.Either)
		for i, rate := range m.MAP {
			con.Printf("  MAP, both contributors, %d of 4 attempts: %s\n", i+1, rate)
		}
		con.Printf("  accepted: %s; of those that match %s, with altered live pictures %s, scanned %s; by the single image %s, scanned %s\n  %s\n",
			m.Accepted, m.AcceptedMatching, m.AcceptedAltered, m.AcceptedScanned, m.AcceptedSingle, m.ScannedSingle, pointsText(m.Points))
	}
}

// plot draws, for every threshold, the share of morphs accepted over the share
// of bona fide portraits rejected, as an SVG.
func (r morphReport) plot() string {
	const w, h, left, top = 460, 340, 60, 30
	x := func(v float64) float64 { return left + v*(w-left-20) }
	y := func(v float64) float64 { return top + (1-v)*(h-top-50) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", w, h)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", w, h)
	fmt.Fprintf(&b, `<text x="%d" y="18">Morphs accepted over bona fide rejected, %s</text>`+"\n", left, r.Model)
	for i := range 5 {
		v := float64(i) / 4
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1fM%.1f %.1fV%.1f" stroke="#ccc"/>`+"\n", x(0), y(v), x(1), x(v), y(0), y(1))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end">%g</text><text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`+"\n", x(0)-6, y(v)+4, v, x(v), y(0)+16, v)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">share of bona fide portraits rejected</text>`+"\n", x(0.5), h-10)
	colors := []string{"#0b5fa5", "#c2410c", "#15803d", "#7e22ce"}
	for i, c := range r.curves {
		var path strings.Builder
		at := append(slices.Clone(c.bonaFide), c.morphs...)
		slices.Sort(at)
		for _, t := range append([]float64{0}, append(at, 1.01)...) {
			command := "L"
			if path.Len() == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x(share(c.bonaFide, t)), y(1-share(c.morphs, t)))
		}
		color := colors[i%len(colors)]
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), color)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", x(0.6), y(0.9)+16*float64(i), color, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// share of scores that reach t.
func share(scores []float64, t float64) float64 {
	n := 0
	for _, s := range scores {
		if s >= t {
			n++
		}
	}
	return float64(n) / float64(max(len(scores), 1))
}
