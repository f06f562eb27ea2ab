package eval

import (
	"fmt"
	"math"

	"limen/matcher/eval/chart"
	"limen/matcher/proportion"
)

// DET is the trade-off of both rates over all thresholds, on normal deviates
// (ISO/IEC 19795-1, 10.6): where scores are normal the curve is a line. Rates
// that were not met lie on the frame; the second line is the upper end of the
// false non-match rate's interval, as if pairs were independent.
func (r *Result) DET(title string) chart.Chart {
	genuine, impostor := float64(r.Genuine.Count()), float64(r.Impostor.Count())
	line := chart.Line{Name: fmt.Sprintf("%d genuine, %d impostor pairs", r.Genuine.Count(), r.Impostor.Count())}
	missed, matched := int64(0), r.Impostor.Count()
	above := chart.Line{Name: "95 % upper end"}
	last := chart.Point{X: math.Inf(1)}
	for edge := range bins + 1 {
		p := chart.Point{X: float64(matched) / impostor, Y: float64(missed) / genuine}
		_, high := proportion.Wilson(missed, r.Genuine.Count())
		if edge < bins {
			missed += r.Genuine.bin[edge]
			matched -= r.Impostor.bin[edge]
		}
		if p == last {
			continue
		}
		if edge > 0 && p.X != last.X && p.Y != last.Y {
			line.Points = append(line.Points, chart.Point{X: p.X, Y: last.Y})
		}
		line.Points = append(line.Points, p)
		above.Points = append(above.Points, chart.Point{X: p.X, Y: high})
		last = p
	}
	axis := func(title string, lowest float64) chart.Axis {
		a := chart.Axis{Title: title, Scale: chart.Probit, Low: min(max(lowest/2, 1e-6), 1e-3), High: 0.5}
		for _, v := range []float64{1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.4} {
			if v >= a.Low {
				a.Ticks = append(a.Ticks, chart.Tick{At: v, Label: percent(v)})
			}
		}
		return a
	}
	return chart.Chart{Title: title, X: axis("false match rate", 1/impostor), Y: axis("false non-match rate", 1/genuine), Lines: []chart.Line{line, above}}
}

// ScoreHistogram shows how genuine and impostor scores lie, and where the
// thresholds.
func (r *Result) ScoreHistogram(title string) chart.Chart {
	const parts = 128
	c := chart.Chart{Title: title, X: chart.Axis{Title: "cosine"}, Y: chart.Axis{Title: "share of the pairs, bins of 1/64"}}
	low, high := min(r.Genuine.Min(), r.Impostor.Min()), max(r.Genuine.Max(), r.Impostor.Max())
	c.X.Low, c.X.High = max(math.Floor(low*5)/5, -1), min(math.Ceil(high*5)/5, 1)
	for v := c.X.Low; v < c.X.High+0.01; v += 0.2 {
		c.X.Ticks = append(c.X.Ticks, chart.Tick{At: v, Label: fmt.Sprintf("%.1f", v+1e-9)})
	}
	top := 0.0
	for _, h := range []struct {
		name string
		*Histogram
	}{{"impostor", r.Impostor}, {"genuine", r.Genuine}} {
		line := chart.Line{Name: fmt.Sprintf("%d %s pairs", h.Count(), h.name)}
		for i, share := range h.Shares(parts) {
			from, to := float64(2*i)/parts-1, float64(2*i+2)/parts-1
			if to <= c.X.Low || from >= c.X.High {
				continue
			}
			line.Points = append(line.Points, chart.Point{X: from, Y: share}, chart.Point{X: to, Y: share})
			top = max(top, share)
		}
		c.Lines = append(c.Lines, line)
	}
	c.Y.High = math.Ceil(top*20) / 20
	for i := 0; i <= 5; i++ {
		v := c.Y.High * float64(i) / 5
		c.Y.Ticks = append(c.Y.Ticks, chart.Tick{At: v, Label: percent(v)})
	}
	for _, p := range r.Points {
		if p.Resolved {
			c.Marks = append(c.Marks, chart.Tick{At: p.Threshold, Label: "FMR " + percent(p.Target)})
		}
	}
	return c
}

func percent(v float64) string { return fmt.Sprintf("%.4g %%", 100*v) }
