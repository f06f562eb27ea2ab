package desk

import (
	"fmt"
	"time"

	"limen"
	"limen/sync/fleet"
)

// chart is stacked bars over time. It is drawn as SVG whose colours are the
// style sheet's, and told as a table beside.
type chart struct {
	Title  string
	Series []series
	Bins   []bin
	Total  int64
	Marks  []mark // on the left
}

type series struct {
	Name  string
	Class string // of the style sheet
	Total int64
}

type bin struct {
	Label  string // its beginning
	Counts []int64
	Rects  []rect
	Tick   string // under it, where there is one
	X      float64
}

type rect struct{ X, Y, Width, Height float64 }

type mark struct {
	Y     float64
	Label string
}

// The picture's measures, in its own units.
const (
	chartWidth  = 720.0
	chartHeight = 214.0
	chartLeft   = 44.0
	chartTop    = 14.0
	chartFoot   = 34.0
)

// Measures are for the template.
func (chart) Width() float64  { return chartWidth }
func (chart) Height() float64 { return chartHeight }
func (chart) Left() float64   { return chartLeft }
func (chart) Foot() float64   { return chartHeight - chartFoot }
func (chart) Tail() float64   { return chartHeight - 6 }

func checksChart(figures []fleet.Figure, from time.Time, bins int, each time.Duration) chart {
	c := chart{Title: "Checks", Series: []series{{Name: "Admitted", Class: "s-admit"}, {Name: "Referred", Class: "s-refer"}}}
	return c.draw(figures, from, bins, each, func(f fleet.Figure) int {
		switch {
		case f.What != fleet.CountOutcome:
			return -1
		case f.Code == string(limen.Admit):
			return 0
		}
		return 1
	})
}

// reasonSeries are drawn; the rest is one more.
const reasonSeries = 5

func reasonsChart(figures []fleet.Figure, top []reasonRow, from time.Time, bins int, each time.Duration) chart {
	c := chart{Title: "Reasons"}
	place := map[string]int{}
	for k, row := range top[:min(len(top), reasonSeries)] {
		place[row.Code] = k
		c.Series = append(c.Series, series{Name: reason(row.Code), Class: fmt.Sprintf("s-%d", k)})
	}
	if len(top) > reasonSeries {
		c.Series = append(c.Series, series{Name: "Others", Class: "s-rest"})
	}
	return c.draw(figures, from, bins, each, func(f fleet.Figure) int {
		if f.What != fleet.CountReason {
			return -1
		}
		if k, ok := place[f.Code]; ok {
			return k
		}
		return reasonSeries
	})
}

// draw sorts figures into bins by which series they belong to, -1 for none.
func (c chart) draw(figures []fleet.Figure, from time.Time, bins int, each time.Duration, which func(fleet.Figure) int) chart {
	c.Bins = make([]bin, bins)
	layout := "15:04"
	if each >= 24*time.Hour {
		layout = "2 Jan"
	} else if bins > 24 {
		layout = "2 Jan 15:04"
	}
	for k := range c.Bins {
		c.Bins[k] = bin{Label: from.Add(time.Duration(k) * each).UTC().Format(layout), Counts: make([]int64, len(c.Series))}
	}
	most := int64(0)
	for _, f := range figures {
		s := which(f)
		k := int(time.UnixMilli(f.Hour).Sub(from) / each)
		if s < 0 || s >= len(c.Series) || k < 0 || k >= bins || time.UnixMilli(f.Hour).Before(from) {
			continue
		}
		c.Bins[k].Counts[s] += f.Count
		c.Series[s].Total += f.Count
		c.Total += f.Count
	}
	for _, b := range c.Bins {
		most = max(most, sum(b.Counts))
	}
	c.place(roundUp(most))
	return c
}

// place computes the rectangles for a scale that ends at top.
func (c *chart) place(top int64) {
	height := chartHeight - chartFoot - chartTop
	step := (chartWidth - chartLeft) / float64(len(c.Bins))
	every := max(1, len(c.Bins)/6)
	for k := range c.Bins {
		b := &c.Bins[k]
		b.X = chartLeft + (float64(k)+.5)*step
		if k%every == 0 {
			b.Tick = b.Label
		}
		y := chartHeight - chartFoot
		for _, n := range b.Counts {
			h := height * float64(n) / float64(top)
			y -= h
			b.Rects = append(b.Rects, rect{X: round(chartLeft + float64(k)*step + step*.1), Y: round(y), Width: round(step * .8), Height: round(h)})
		}
	}
	for _, part := range []int64{0, 1, 2} {
		c.Marks = append(c.Marks, mark{Y: round(chartHeight - chartFoot - height*float64(part)/2), Label: fmt.Sprint(top * part / 2)})
	}
}

func round(f float64) float64 { return float64(int(f*10+.5)) / 10 }

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// roundUp is the next number that makes an even scale: 2, 4, 10, 20, 40, 100 …
func roundUp(n int64) int64 {
	for scale := int64(1); ; scale *= 10 {
		for _, step := range []int64{2, 4, 10} {
			if n <= step*scale {
				return step * scale
			}
		}
	}
}
