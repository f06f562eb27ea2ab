package eval

import (
	"context"
	"math/rand/v2"

	"limen/matcher/proportion"
)

// tally is the second pass: each person's errors at a few thresholds (levels),
// among everybody and among the person's own group in each partition.
type tally struct {
	people  int
	edges   []int
	genuine []int64 // pairs, by person
	// missed are false non-matches, by level and person.
	missed [][]int64
	// among are the impostor pairs: the first among everybody, the others by partition.
	among []strangers
}

// strangers are impostor pairs of people with the same label.
type strangers struct {
	labels  []string  // by person; nil: everybody is one group
	pairs   []int64   // by person; each pair counts for both of its people
	matched [][]int64 // false matches by level and person; the same
}

func (s *strangers) together(a, b int) bool {
	return s.labels == nil || s.labels[a] != "" && s.labels[a] == s.labels[b]
}

func newTally(s *Set, o Options, edges []int) *tally {
	t := &tally{people: s.people, edges: edges, genuine: make([]int64, s.people), missed: levels(len(edges), s.people)}
	for i := range len(o.Partitions) + 1 {
		a := strangers{pairs: make([]int64, s.people), matched: levels(len(edges), s.people)}
		if i > 0 {
			a.labels = o.Partitions[i-1].labels(s)
		}
		t.among = append(t.among, a)
	}
	return t
}

func levels(n, people int) [][]int64 {
	out := make([][]int64, n)
	for i := range out {
		out[i] = make([]int64, people)
	}
	return out
}

// count makes the second pass.
func count(ctx context.Context, s *Set, o Options, edges []int, p *progress) (*tally, error) {
	visitors := make([]visitor, workers())
	tallies := make([]*tally, len(visitors))
	for w := range visitors {
		tallies[w] = newTally(s, o, edges)
		visitors[w] = tallies[w].visitor(s)
	}
	if err := compare(ctx, s, o.Pairs, p, visitors); err != nil {
		return nil, err
	}
	for _, t := range tallies[1:] {
		tallies[0].merge(t)
	}
	return tallies[0], nil
}

func (t *tally) visitor(s *Set) visitor {
	lowest := bins
	for _, e := range t.edges {
		lowest = min(lowest, e)
	}
	return func(a, b int, cosine float32) {
		p, q, bin := s.person[a], s.person[b], binOf(cosine)
		if p == q {
			t.genuine[p]++
			for level, e := range t.edges {
				if bin < e {
					t.missed[level][p]++
				}
			}
			return
		}
		for i := range t.among {
			g := &t.among[i]
			if !g.together(p, q) {
				continue
			}
			g.pairs[p]++
			g.pairs[q]++
			if bin < lowest {
				continue
			}
			for level, e := range t.edges {
				if bin >= e {
					g.matched[level][p]++
					g.matched[level][q]++
				}
			}
		}
	}
}

func (t *tally) merge(o *tally) {
	add := func(to, from []int64) {
		for i, n := range from {
			to[i] += n
		}
	}
	add(t.genuine, o.genuine)
	for level := range t.edges {
		add(t.missed[level], o.missed[level])
	}
	for i := range t.among {
		add(t.among[i].pairs, o.among[i].pairs)
		for level := range t.edges {
			add(t.among[i].matched[level], o.among[i].matched[level])
		}
	}
}

// point is both rates among everybody at a level.
func (t *tally) point(among, level, replicates int) Point {
	everybody := make([]int, t.people)
	for i := range everybody {
		everybody[i] = i
	}
	return t.pointOf(everybody, among, level, replicates)
}

// pointOf is both rates of some people at a level: how often they are not
// matched with themselves, and how often with each other.
func (t *tally) pointOf(people []int, among, level, replicates int) Point {
	g := &t.among[among]
	of := func(counts []int64) []int64 {
		out := make([]int64, len(people))
		for i, p := range people {
			out[i] = counts[p]
		}
		return out
	}
	return Point{
		Threshold: cosineOf(t.edges[level]),
		FNMR:      estimate(of(t.missed[level]), of(t.genuine), 1, replicates),
		FMR:       estimate(of(g.matched[level]), of(g.pairs), 2, replicates),
	}
}

// estimate is a rate from each person's errors and trials; shared is how many
// people one trial counts for: 1 in genuine pairs, 2 in impostor pairs.
func estimate(errors, trials []int64, shared int64, replicates int) Estimate {
	var e Estimate
	for i := range errors {
		e.Errors += errors[i]
		e.Trials += trials[i]
	}
	e.Errors, e.Trials = e.Errors/shared, e.Trials/shared
	if e.Trials == 0 {
		e.High = 1
		return e
	}
	e.Rate = float64(e.Errors) / float64(e.Trials)
	e.Low, e.High = proportion.Wilson(e.Errors, e.Trials)
	if e.Errors > 0 && e.Errors < e.Trials {
		low, high := bootstrap(errors, trials, float64(e.Errors), float64(e.Trials), replicates, rand.New(rand.NewPCG(1, 2)))
		e.Low, e.High = min(e.Low, low), max(e.High, high)
	}
	return e
}
