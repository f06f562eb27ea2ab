package eval

import (
	"strings"
	"testing"
)

func TestPlotsShowTheFigures(t *testing.T) {
	r, err := Evaluate(t.Context(), crowd(t, 60, 3, 16, 0.9), Options{})
	if err != nil {
		t.Fatal(err)
	}
	det := r.DET("specimen")
	points := det.Lines[0].Points
	first, last := points[0], points[len(points)-1]
	if first.X != 1 || first.Y != 0 || last.X != 0 || last.Y != 1 {
		t.Errorf("the DET curve goes from %v to %v, want from every match to none", first, last)
	}
	for i := 1; i < len(points); i++ {
		if points[i].X > points[i-1].X || points[i].Y < points[i-1].Y {
			t.Fatalf("the DET curve turns at %v", points[i])
		}
	}
	h := r.ScoreHistogram("specimen")
	for i, l := range h.Lines {
		var sum float64
		for _, p := range l.Points {
			sum += p.Y / 2 // each bin has two
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("line %d sums to %.4f, want 1", i, sum)
		}
	}
	var marks []string
	for _, m := range h.Marks {
		marks = append(marks, m.Label)
	}
	if got := strings.Join(marks, ", "); got != "FMR 1 %, FMR 0.1 %, FMR 0.01 %" {
		t.Errorf("marks: %s", got)
	}
}
