package eval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// z is the normal distribution's 97.5 % point.
const z = 1.959963984540054

// wilson is the score interval of k errors in n independent trials (E. B.
// Wilson, 1927), of 95 %.
func wilson(k, n int64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	low, high = max(center-half, 0), min(center+half, 1)
	if k == 0 { // where rounding would leave a trace
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

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
