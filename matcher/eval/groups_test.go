package eval

import (
	"testing"

	"limen/matcher"
)

func TestGroupsAreComparedAmongThemselves(t *testing.T) {
	s := NewSet(4)
	of := map[int]string{}
	// Five people of group x look alike, five of y do not; one has no group
	// and is everybody's double.
	add := func(person int, group string, views ...matcher.Template) {
		of[person] = group
		for _, v := range views {
			if _, err := s.Add(v, person); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p := range 5 {
		add(p, "x", matcher.Template{1, 0, 0, 0}, matcher.Template{1, 0.1, 0, 0})
	}
	add(5, "y", matcher.Template{0, 1, 0, 0}, matcher.Template{0, 1, 0.1, 0})
	add(6, "y", matcher.Template{0, 0, 1, 0}, matcher.Template{0, 0, 1, 0.1})
	add(7, "y", matcher.Template{0, 0, 0, 1}, matcher.Template{0, 0, -1, 0})
	add(8, "y", matcher.Template{0, -1, 0, 0}, matcher.Template{0, -1, 0.1, 0})
	add(9, "y", matcher.Template{0, 0, 0, -1}, matcher.Template{0, 0, 0.1, -1})
	add(10, "", matcher.Template{1, 0, 0, 0}, matcher.Template{0, 1, 0, 0})
	for p := 11; p < 15; p++ { // four: too few to be the worst
		add(p, "z", matcher.Template{0, 0, 0, 1}, matcher.Template{0, 1, 0, 0})
	}
	r, err := Evaluate(t.Context(), s, Options{Threshold: 0.9, FMRs: []float64{0.5}, Partitions: []Partition{{"kind", of}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 3 {
		t.Fatalf("%+v, want three groups", r.Groups)
	}
	for i, want := range []struct {
		group                  string
		people                 int
		fm, impostor, fnm, gen int64
	}{{"x", 5, 40, 40, 0, 5}, {"y", 5, 0, 40, 1, 5}, {"z", 4, 12, 24, 4, 4}} {
		g := r.Groups[i]
		p := g.Points[1] // in use
		if g.Group != want.group || g.People != want.people || p.FMR.Errors != want.fm || p.FMR.Trials != want.impostor || p.FNMR.Errors != want.fnm || p.FNMR.Trials != want.gen {
			t.Errorf("got %+v, want %+v", g, want)
		}
	}
	if len(r.Differentials) != 4 {
		t.Fatalf("%+v, want both rates at two thresholds", r.Differentials)
	}
	fmr, fnmr := r.Differentials[2], r.Differentials[3]
	if fmr.Measure != "fmr" || fmr.Worst != "x" || fmr.Best != "y" || fmr.Ratio != nil || fmr.High != nil || !fmr.Shown || fmr.NoErrors || fmr.Low < 9 {
		t.Errorf("FMR: %+v", fmr)
	}
	if fnmr.Measure != "fnmr" || fnmr.Worst != "y" || fnmr.Best != "x" || fnmr.Ratio != nil || fnmr.Shown {
		t.Errorf("FNMR: %+v, want nothing shown by one error in five", fnmr)
	}
}

func TestRatioOfGroups(t *testing.T) {
	var d Differential
	d.ratio(Estimate{Rate: 0.02, Errors: 2, Low: 0.01, High: 0.04}, Estimate{Rate: 0.005, Low: 0.002, High: 0.008})
	if *d.Ratio != 4 || d.Low != 1.25 || *d.High != 20 || !d.Shown {
		t.Errorf("%+v (%g, %g), want 4, from 1.25 to 20", d, *d.Ratio, *d.High)
	}
	d = Differential{}
	d.ratio(Estimate{High: 0.04}, Estimate{High: 0.008})
	if d.Ratio != nil || d.Low != 0 || d.High != nil || d.Shown || !d.NoErrors {
		t.Errorf("no errors: %+v, want no ratio", d)
	}
}

func TestAgeBand(t *testing.T) {
	for years, want := range map[int]string{-1: "", 0: "0-17", 17: "0-17", 18: "18-29", 29: "18-29", 30: "30-44", 44: "30-44", 45: "45-59", 60: "60+", 130: "60+", 131: ""} {
		if got := AgeBand(years); got != want {
			t.Errorf("%d years: %q, want %q", years, got, want)
		}
	}
}
