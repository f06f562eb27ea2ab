package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"limen/matcher"
	"limen/matcher/catalog"
	"limen/matcher/proportion"
)

// crowd makes templates of people around directions of their own: the more
// noise, the less alike are those of one person.
func crowd(t testing.TB, people, each, size int, noise float64) *Set {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(people)))
	s := NewSet(size)
	for p := range people {
		center := make([]float64, size)
		for i := range center {
			center[i] = r.NormFloat64()
		}
		for range each {
			v := make(matcher.Template, size)
			for i := range v {
				v[i] = float32(center[i] + noise*r.NormFloat64())
			}
			if _, err := s.Add(v, 1000+p); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// sorted compares all pairs one by one, in double precision.
func sorted(s *Set) (genuine, impostor []float64) {
	for a := range s.Len() {
		for b := range a {
			c := matcher.Cosine(s.row(a), s.row(b))
			if s.person[a] == s.person[b] {
				genuine = append(genuine, c)
			} else {
				impostor = append(impostor, c)
			}
		}
	}
	slices.Sort(genuine)
	slices.Sort(impostor)
	return genuine, impostor
}

func from(sorted []float64, threshold float64) int {
	i, _ := slices.BinarySearch(sorted, threshold)
	return len(sorted) - i
}

func TestRatesAreThoseOfSortedScores(t *testing.T) {
	for _, size := range []int{13, 16} { // not only multiples of the kernel's steps
		s := crowd(t, 71, 3, size, 0.9)
		genuine, impostor := sorted(s)
		r, err := Evaluate(t.Context(), s, Options{Threshold: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		if r.Templates != 213 || r.People != 71 || r.Genuine.Count() != int64(len(genuine)) || r.Impostor.Count() != int64(len(impostor)) {
			t.Fatalf("%d templates of %d people, %d and %d pairs; want 213, 71, %d, %d", r.Templates, r.People, r.Genuine.Count(), r.Impostor.Count(), len(genuine), len(impostor))
		}
		for _, p := range append(slices.Clone(r.Points), *r.InUse) {
			fm, fnm := from(impostor, p.Threshold), len(genuine)-from(genuine, p.Threshold)
			if p.FMR.Errors != int64(fm) || p.FNMR.Errors != int64(fnm) || p.FMR.Trials != int64(len(impostor)) || p.FNMR.Trials != int64(len(genuine)) {
				t.Errorf("at %.5f: %+v, %+v; want %d and %d errors", p.Threshold, p.FMR, p.FNMR, fm, fnm)
			}
			if p.FMR.Low > p.FMR.Rate || p.FMR.High < p.FMR.Rate || p.FNMR.Low > p.FNMR.Rate || p.FNMR.High < p.FNMR.Rate {
				t.Errorf("at %.5f: an interval without its rate: %+v, %+v", p.Threshold, p.FMR, p.FNMR)
			}
		}
		for k, p := range r.Points {
			// No lower threshold keeps the rate, but for the width of a bin.
			if p.FMR.Rate > FMRs[k] || float64(from(impostor, p.Threshold-2.0/perUnit))/float64(len(impostor)) <= FMRs[k] {
				t.Errorf("FMR %g: threshold %.5f with %g is not the lowest", FMRs[k], p.Threshold, p.FMR.Rate)
			}
			if want := FMRs[k]*float64(len(impostor)) >= 1; p.Resolved != want {
				t.Errorf("FMR %g of %d pairs: resolved %v", FMRs[k], len(impostor), p.Resolved)
			}
		}
		gap := math.Abs(float64(from(impostor, r.EER.Threshold))/float64(len(impostor)) - float64(len(genuine)-from(genuine, r.EER.Threshold))/float64(len(genuine)))
		if gap > 1.0/float64(len(genuine)) || r.EER.Rate < 0.005 || r.EER.Rate > 0.2 {
			t.Errorf("EER %.4f at %.5f, where the rates differ by %.5f", r.EER.Rate, r.EER.Threshold, gap)
		}
		if math.Abs(r.Genuine.Min()-genuine[0]) > 1e-5 || math.Abs(r.Impostor.Max()-impostor[len(impostor)-1]) > 1e-5 {
			t.Errorf("least genuine %.6f, highest impostor %.6f; want %.6f, %.6f", r.Genuine.Min(), r.Impostor.Max(), genuine[0], impostor[len(impostor)-1])
		}
	}
}

func TestNamedPairsAreComparedAndNoOthers(t *testing.T) {
	s := crowd(t, 20, 2, 16, 0.8)
	var all []Pair
	for a := range s.Len() {
		for b := range a {
			all = append(all, Pair{a, b})
		}
	}
	var told int64
	every, err := Evaluate(t.Context(), s, Options{Progress: func(done, total int64) {
		if done == total {
			told = total
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	named, err := Evaluate(t.Context(), s, Options{Pairs: all})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(every.Points) != fmt.Sprint(named.Points) || every.EER != named.EER || told != int64(2*len(all)) {
		t.Errorf("all pairs: %+v; the same by name: %+v; told of %d", every.Points, named.Points, told)
	}
	few, err := Evaluate(t.Context(), s, Options{Pairs: []Pair{{0, 1}, {0, 2}, {5, 3}}})
	if err != nil || few.Genuine.Count() != 1 || few.Impostor.Count() != 2 {
		t.Errorf("three pairs: %+v, %v", few, err)
	}
	for name, pairs := range map[string][]Pair{"none": {}, "no impostor": {{0, 1}}, "beyond": {{0, 40}}, "itself": {{3, 3}}} {
		_, err := Evaluate(t.Context(), s, Options{Pairs: pairs})
		if err == nil || errors.Is(err, ErrNothing) != (name == "none" || name == "no impostor") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Evaluate(ended, s, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v, want %v", err, context.Canceled)
	}
}

func TestSeparatedScoresHaveNoError(t *testing.T) {
	r, err := Evaluate(t.Context(), crowd(t, 30, 2, 64, 0.1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.EER.Rate != 0 || r.EER.Threshold <= r.Impostor.Max() || r.EER.Threshold >= r.Genuine.Min() {
		t.Errorf("EER %+v between %.3f and %.3f", r.EER, r.Impostor.Max(), r.Genuine.Min())
	}
	p := r.Points[0]
	if _, want := proportion.Wilson(0, 30); p.FNMR.Rate != 0 || p.FNMR.Low != 0 || math.Abs(p.FNMR.High-want) > 1e-9 {
		t.Errorf("no error in 30 pairs: %+v, want an upper end of %.4f", p.FNMR, want)
	}
}

// Scores that rounding puts beyond 1, and templates without content, count.
func TestOddTemplates(t *testing.T) {
	s := NewSet(3)
	nan := float32(math.NaN())
	for i, v := range []matcher.Template{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {0, 0, 0}, {nan, 1, 1}} {
		if _, err := s.Add(v, i/2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(matcher.Template{1}, 9); err == nil {
		t.Error("a template of another size was taken")
	}
	r, err := Evaluate(t.Context(), s, Options{FMRs: []float64{1e-9}})
	if err != nil {
		t.Fatal(err)
	}
	// Two pictures of different people are the same: no threshold excludes them but one beyond 1.
	if p := r.Points[0]; r.Genuine.Count() != 2 || r.Impostor.Count() != 8 || p.FMR.Errors != 0 || p.Threshold <= 1 || p.FNMR.Errors != 2 {
		t.Errorf("%d genuine, %d impostor pairs, %+v", r.Genuine.Count(), r.Impostor.Count(), p)
	}
	for _, c := range []struct {
		score float32
		edge  float64
		at    bool
	}{{0.5, 0.5, true}, {0.49999997, 0.5, false}, {0.50000006, 0.5, true}, {-1e-20, 0, false}, {0, 0, true}, {-1, -1, true}, {1, 1 - 1.0/perUnit, true}} {
		if got := binOf(c.score) >= edgeOf(c.edge); got != c.at {
			t.Errorf("score %v reaches %v: %v, want %v", c.score, c.edge, got, c.at)
		}
	}
}

func TestTemplatesAreHiddenAndWiped(t *testing.T) {
	s := NewSet(4)
	for i := range 9 { // grows several times
		if _, err := s.Add(matcher.Template{0.6, 0.8, 0, 0}, i); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "set", s)
	if out := fmt.Sprintf("%v %+v %#v %x", s, s, s, s) + log.String(); strings.Contains(out, "0.6") || strings.Contains(out, "3f19") {
		t.Errorf("templates shown: %s", out)
	}
	if _, err := json.Marshal(s); !errors.Is(err, matcher.ErrSerialized) {
		t.Errorf("JSON: %v, want %v", err, matcher.ErrSerialized)
	}
	held := s.data[:cap(s.data)]
	s.Wipe()
	if slices.ContainsFunc(held, func(v float32) bool { return v != 0 }) || s.Len() != 0 {
		t.Errorf("wiped: %v, %d templates", held, s.Len())
	}
}

func TestThresholdFileIsTheCatalogs(t *testing.T) {
	r, err := Evaluate(t.Context(), crowd(t, 120, 2, 16, 0.6), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := WriteThresholds(&file, "net@01234567", r.Thresholds("crowd", FMRs)); err != nil {
		t.Fatal(err)
	}
	var e catalog.Entry
	if err := yaml.NewDecoder(&file, yaml.Strict()).Decode(&e); err != nil {
		t.Fatal(err)
	}
	// 28 560 impostor pairs show no rate under 3 in as many, 1.05e-4.
	if len(e.Thresholds) != 2 {
		t.Fatalf("%+v, want two thresholds", e.Thresholds)
	}
	for i, got := range e.Thresholds {
		if got.FMR != FMRs[i] || got.Set != "crowd" || got.Impostor != 28560 || got.Genuine != 120 || got.FMRBound() > got.FMR {
			t.Errorf("%+v, bound %.2e", got, got.FMRBound())
		}
		looser := got
		looser.FalseMatches++
		if looser.FMRBound() <= got.FMR {
			t.Errorf("%+v: one more false match would be allowed", got)
		}
		if edge := edgeOf(got.Cosine); r.Impostor.reaching(edge) != int64(got.FalseMatches) || r.Genuine.Count()-r.Genuine.reaching(edge) != int64(got.FalseNonMatches) {
			t.Errorf("%+v: counts are others'", got)
		}
	}
}

// BenchmarkAllPairs compares 6 326 templates of 256 numbers, all 20 million
// pairs twice: for the scores and for each person's errors. The aim is a
// minute on two cores.
func BenchmarkAllPairs(b *testing.B) {
	s := crowd(b, 3163, 2, 256, 0.8)
	for b.Loop() {
		r, err := Evaluate(b.Context(), s, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if n := r.Genuine.Count() + r.Impostor.Count(); n < 20_000_000 {
			b.Fatalf("%d pairs", n)
		}
	}
}
