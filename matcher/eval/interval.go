package eval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// bootstrap is the percentile interval, of 95 %, of a rate when people are
// drawn with replacement and bring all their pairs.
//
// A pair of two people would weigh as the product of how often each was drawn.
// That needs every pair; to first order in the weights (the Hoeffding
// projection of the rate, taken of its logarithm, so that it stays above zero)
// the sums by person are enough: each person moves the rate by the own share of
// the errors less the own share of the trials. In genuine pairs, which are of
// one person, that is the plain bootstrap to the same order; in impostor pairs
// a person counts in both roles, which doubles the shares of the sums.
func bootstrap(errors, trials []int64, allErrors, allTrials float64, replicates int, from *rand.Rand) (low, high float64) {
	n := len(errors)
	pull := make([]float64, n) // of a person drawn once
	for i := range pull {
		pull[i] = float64(errors[i])/allErrors - float64(trials[i])/allTrials
	}
	rate := allErrors / allTrials
	rates := make([]float64, replicates)
	for r := range rates {
		var sum float64
		for range n {
			sum += pull[from.IntN(n)]
		}
		rates[r] = min(rate*math.Exp(sum), 1)
	}
	slices.Sort(rates)
	return rates[int(0.025*float64(replicates-1))], rates[int(math.Ceil(0.975*float64(replicates-1)))]
}
