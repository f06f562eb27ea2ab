package main

import (
	"fmt"
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

// tally counts one kind's held-out portraits.
type tally struct {
	portraits, either, both    int // morphs, and those that match a contributor's plain picture, or both
	pairs, accepted            int // comparisons with plain live pictures, and those taken for bona fide
	matching, matchingAccepted int // … of those that match
	altered, alteredAccepted   int // comparisons with altered live pictures that match
	singleAccepted             int // portraits that the single-image cues take for bona fide
	scores                     []float64
}

func count(rows []morphRow, kind string, d, single morph.Classifier, threshold float64) (t tally, err error) {
	for _, row := range rows {
		if row.split != "test" || row.kind != kind {
			continue
		}
		t.portraits++
		matches := 0
		for i, f := range row.differential {
			s, err := d.Score(f)
			if err != nil {
				return t, err
			}
			match, accepted := row.scores[i] >= threshold, !d.Suspected(s)
			if i >= row.plain {
				if match {
					t.altered++
					t.alteredAccepted += one(accepted)
				}
				continue
			}
			t.scores = append(t.scores, s)
			t.pairs++
			t.accepted += one(accepted)
			if match {
				matches++
				t.matching++
				t.matchingAccepted += one(accepted)
			}
		}
		t.either += one(matches > 0)
		t.both += one(matches == row.plain)
		s, err := single.Score(row.single)
		if err != nil {
			return t, err
		}
		t.singleAccepted += one(!single.Suspected(s))
	}
	return t, nil
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
	r.BonaFide = bona.portraits
	r.Rejected = proportion.Of(bona.pairs-bona.accepted, bona.pairs)
	r.Altered = proportion.Of(bona.altered-bona.alteredAccepted, bona.altered)
	r.RejectedBy = proportion.Of(bona.portraits-bona.singleAccepted, bona.portraits)
	for _, kind := range morphKinds(rows) {
		t, err := count(rows, kind, d, single, model.Threshold)
		if err != nil {
			return r, err
		}
		r.Methods = append(r.Methods, morphMethod{
			Kind:             kind,
			MAP:              [2]proportion.Rate{proportion.Of(t.either, t.portraits), proportion.Of(t.both, t.portraits)},
			Accepted:         proportion.Of(t.accepted, t.pairs),
			AcceptedMatching: proportion.Of(t.matchingAccepted, t.matching),
			AcceptedSingle:   proportion.Of(t.singleAccepted, t.portraits),
			AcceptedAltered:  proportion.Of(t.alteredAccepted, t.altered),
		})
		r.curves = append(r.curves, curve{kind, t.scores, bona.scores})
	}
	return r, nil
}

func (r morphReport) print(con *cli.Console) {
	con.Printf("%s at %.2f\nbona fide rejected: differential %s, with altered live pictures %s; single image %s\n", r.Model, r.Threshold, r.Rejected, r.Altered, r.RejectedBy)
	for _, m := range r.Methods {
		con.Printf("%s: MAP either %s, both %s\n  accepted: differential %s, of those that match %s, with altered live pictures %s; single image %s\n",
			m.Kind, m.MAP[0], m.MAP[1], m.Accepted, m.AcceptedMatching, m.AcceptedAltered, m.AcceptedSingle)
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
