package morph

import (
	"errors"
	"math"
	"slices"
)

// Example is one portrait's features, and whether it is a morph.
type Example struct {
	Features []float64
	Morph    bool
}

// Fit trains a logistic regression by Nesterov's gradient descent on standardized
// features. Both kinds weigh alike, however many there are of each; decay pulls the
// weights to zero, for there are few people and many features. The same
// examples give the same classifier. Threshold, Recogniser and Recipe are the caller's.
func Fit(examples []Example, decay float64, steps int) (Classifier, error) {
	if len(examples) == 0 || len(examples[0].Features) == 0 {
		return Classifier{}, errors.New("morph: nothing to train on")
	}
	n, dims := float64(len(examples)), len(examples[0].Features)
	mean, scale := make([]float64, dims), make([]float64, dims)
	var count [2]float64
	for _, e := range examples {
		if len(e.Features) != dims {
			return Classifier{}, errors.New("morph: examples have different features")
		}
		for i, v := range e.Features {
			mean[i] += v / n
		}
		count[kind(e.Morph)]++
	}
	if count[0] == 0 || count[1] == 0 {
		return Classifier{}, errors.New("morph: both morphs and bona fide portraits are needed")
	}
	for _, e := range examples {
		for i, v := range e.Features {
			scale[i] += (v - mean[i]) * (v - mean[i]) / n
		}
	}
	for i := range scale {
		scale[i] = 1 / math.Sqrt(scale[i]+1e-9)
	}
	standard := make([]float64, 0, len(examples)*dims)
	for _, e := range examples {
		for i, v := range e.Features {
			standard = append(standard, (v-mean[i])*scale[i])
		}
	}
	of := problem{standard, examples, count, decay}
	w := of.descend(steps)
	bias := w[dims]
	w = w[:dims]
	c := Classifier{Bias: bias, Weights: w}
	for i := range w { // the classifier takes features as they are
		w[i] *= scale[i]
		c.Bias -= w[i] * mean[i]
	}
	return c, nil
}

// problem is the loss that Fit makes small: of weights, the bias last, which
// decay leaves alone.
type problem struct {
	standard []float64 // features, example after example
	examples []Example
	count    [2]float64
	decay    float64
}

// slope is the loss's gradient at w; with curve it is the product of the
// loss's curvature at zero, its highest, and w.
func (p problem) slope(w []float64, curve bool) []float64 {
	dims := len(w) - 1
	out := make([]float64, len(w))
	for k, e := range p.examples {
		x, z := p.standard[k*dims:(k+1)*dims], w[dims]
		for i, v := range x {
			z += w[i] * v
		}
		off := z / 4
		if !curve {
			off = 1/(1+math.Exp(-z)) - float64(kind(e.Morph))
		}
		off /= 2 * p.count[kind(e.Morph)]
		out[dims] += off
		for i, v := range x {
			out[i] += off * v
		}
	}
	for i := range dims {
		out[i] += p.decay * w[i]
	}
	return out
}

// descend takes steps as long as the curvature bears, which is found by power
// iteration, with a momentum that fits the decay.
func (p problem) descend(steps int) []float64 {
	dims := len(p.standard) / len(p.examples)
	probe := make([]float64, dims+1)
	for i := range probe {
		probe[i] = 1 + float64(i%7)/7
	}
	curvature := 0.0
	for range 12 {
		next := p.slope(probe, true)
		sq, had := 0.0, 0.0
		for i, v := range next {
			sq, had = sq+v*v, had+probe[i]*probe[i]
		}
		curvature = math.Sqrt(sq / had)
		for i := range next {
			next[i] /= math.Sqrt(sq)
		}
		probe = next
	}
	rate := 1 / (1.3 * curvature) // the iteration comes to it from below
	keep := math.Sqrt(rate * max(p.decay, 1e-6))
	momentum := (1 - keep) / (1 + keep)
	w, ahead := make([]float64, dims+1), make([]float64, dims+1)
	for range steps {
		grad := p.slope(ahead, false)
		for i := range w {
			next := ahead[i] - rate*grad[i]
			ahead[i] = next + momentum*(next-w[i])
			w[i] = next
		}
	}
	return w
}

func kind(morph bool) int {
	if morph {
		return 1
	}
	return 0
}

// ThresholdAt is the lowest threshold that calls at most the given share of
// bona fide scores a morph.
func ThresholdAt(bonaFide []float64, share float64) float64 {
	s := slices.Sorted(slices.Values(bonaFide))
	if len(s) == 0 {
		return 0.5
	}
	i := min(int(math.Ceil((1-share)*float64(len(s)))), len(s)) - 1
	return min(max(s[max(i, 0)]+1e-6, 1e-6), 1-1e-6)
}
