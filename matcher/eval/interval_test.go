package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"limen/matcher/proportion"
)

// The shares by person give what drawing people and all pairs among them gives.
func TestBootstrapIsThatOfPairs(t *testing.T) {
	const people, replicates = 60, 4000
	r := rand.New(rand.NewPCG(3, 4))
	pair := make([][]float64, people) // 1 where two people are taken for one
	errors, trials := make([]int64, people), make([]int64, people)
	alike := make([]float64, people)
	var all float64
	for i := range people {
		pair[i] = make([]float64, people)
		alike[i] = r.Float64() // some are taken for others more often
	}
	for i := range people {
		for j := range i {
			if r.Float64() < 0.4*alike[i]*alike[j] {
				pair[i][j] = 1
				errors[i]++
				errors[j]++
				all++
			}
			trials[i]++
			trials[j]++
		}
	}
	rates := make([]float64, replicates)
	for k := range rates {
		var weight [people]float64
		for range people {
			weight[r.IntN(people)]++
		}
		var e, n float64
		for i := range people {
			for j := range i {
				e += weight[i] * weight[j] * pair[i][j]
				n += weight[i] * weight[j]
			}
		}
		rates[k] = e / n
	}
	slices.Sort(rates)
	want := [2]float64{rates[replicates/40], rates[replicates-replicates/40]}
	low, high := bootstrap(errors, trials, all, people*(people-1)/2, replicates, r)
	wilsonLow, wilsonHigh := proportion.Wilson(int64(all), people*(people-1)/2)
	t.Logf("all pairs %.4f to %.4f, by person %.4f to %.4f, as if independent %.4f to %.4f", want[0], want[1], low, high, wilsonLow, wilsonHigh)
	if width := want[1] - want[0]; math.Abs(low-want[0]) > 0.12*width || math.Abs(high-want[1]) > 0.12*width || width < 1.5*(wilsonHigh-wilsonLow) {
		t.Errorf("%.4f to %.4f, want %.4f to %.4f, wider than %.4f to %.4f", low, high, want[0], want[1], wilsonLow, wilsonHigh)
	}
}

// One person with all the errors says less than as many people with one each.
func TestOneOddPersonWidensTheInterval(t *testing.T) {
	one, spread, trials := make([]int64, 100), make([]int64, 100), make([]int64, 100)
	for i := range trials {
		trials[i] = 10
		if i < 10 {
			spread[i] = 1
		}
	}
	one[0] = 10
	a, b := estimate(one, trials, 1, 2000), estimate(spread, trials, 1, 2000)
	if a.Rate != 0.01 || b.Rate != 0.01 || a.High-a.Low < 1.5*(b.High-b.Low) {
		t.Errorf("one person: %+v; ten: %+v", a, b)
	}
}
