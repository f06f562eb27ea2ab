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

// Fit trains a logistic regression by gradient descent on standardized
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
	w, bias := make([]float64, dims), 0.0
	grad := make([]float64, dims)
	rate := 2 / (1 + float64(dims)/4 + decay) // below what the curvature bears
	for range steps {
		clear(grad)
		down := 0.0
		for k, e := range examples {
			x, z := standard[k*dims:(k+1)*dims], bias
			for i, v := range x {
				z += w[i] * v
			}
			off := 1/(1+math.Exp(-z)) - float64(kind(e.Morph))
			off /= 2 * count[kind(e.Morph)]
			down += off
			for i, v := range x {
				grad[i] += off * v
			}
		}
		bias -= rate * down
		for i := range w {
			w[i] -= rate * (grad[i] + decay*w[i])
		}
	}
	c := Classifier{Bias: bias, Weights: w}
	for i := range w { // the classifier takes features as they are
		w[i] *= scale[i]
		c.Bias -= w[i] * mean[i]
	}
	return c, nil
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
