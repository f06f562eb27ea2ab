package eval

import (
	"context"
	"math"
)

// bins of 2^-16 each, from -1 to 1. Their edges are exact as float32 and
// float64, so that a score is at or above an edge exactly when its bin is.
const bins = 1 << 17

const perUnit = bins / 2

// binOf is the bin of a score; what rounding brought out of -1 to 1, and what
// is no number, counts as the nearest and as -1.
func binOf(cosine float32) int {
	x := math.Floor(float64(cosine)*perUnit) + perUnit // exact: scaled by a power of two before it is cut
	if !(x > 0) {
		return 0
	}
	return int(min(x, bins-1))
}

// edgeOf is the lowest edge not below a threshold.
func edgeOf(threshold float64) int {
	return int(min(max(math.Ceil(threshold*perUnit)+perUnit, 0), bins))
}

// cosineOf is an edge as a threshold. The last is one that no score reaches,
// not even that of a picture with itself.
func cosineOf(edge int) float64 {
	if edge == bins {
		edge++
	}
	return float64(edge)/perUnit - 1
}

// Histogram is how often which score occurred.
type Histogram struct {
	bin      []int64
	count    int64
	min, max float32
}

func newHistogram() *Histogram {
	return &Histogram{bin: make([]int64, bins), min: float32(math.Inf(1)), max: float32(math.Inf(-1))}
}

func (h *Histogram) add(cosine float32) {
	h.bin[binOf(cosine)]++
	h.count++
	h.min, h.max = min(h.min, cosine), max(h.max, cosine)
}

func (h *Histogram) merge(o *Histogram) {
	for i, n := range o.bin {
		h.bin[i] += n
	}
	h.count += o.count
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
}

// Count is the number of scores.
func (h *Histogram) Count() int64 { return h.count }

// Min is the lowest score, exactly.
func (h *Histogram) Min() float64 { return float64(h.min) }

// Max is the highest score, exactly.
func (h *Histogram) Max() float64 { return float64(h.max) }

// Shares is the share of the scores in each of n parts of -1 to 1; n is a
// power of two up to 2^17.
func (h *Histogram) Shares(n int) []float64 {
	out := make([]float64, n)
	if h.count == 0 {
		return out
	}
	for i, c := range h.bin {
		out[i*n/bins] += float64(c) / float64(h.count)
	}
	return out
}

// lowestWithAtMost is the lowest edge that no more than n scores reach.
func (h *Histogram) lowestWithAtMost(n int64) int {
	var above int64
	edge := bins
	for edge > 0 && above+h.bin[edge-1] <= n {
		edge--
		above += h.bin[edge]
	}
	return edge
}

// histograms makes the first pass.
func histograms(ctx context.Context, s *Set, pairs []Pair, p *progress) (genuine, impostor *Histogram, err error) {
	n := workers()
	var both [2][]*Histogram
	visitors := make([]visitor, n)
	for w := range n {
		g, i := newHistogram(), newHistogram()
		both[0], both[1] = append(both[0], g), append(both[1], i)
		visitors[w] = func(a, b int, cosine float32) {
			if s.person[a] == s.person[b] {
				g.add(cosine)
			} else {
				i.add(cosine)
			}
		}
	}
	if err := compare(ctx, s, pairs, p, visitors); err != nil {
		return nil, nil, err
	}
	for _, list := range both {
		for _, h := range list[1:] {
			list[0].merge(h)
		}
	}
	return both[0][0], both[1][0], nil
}

// reaching is how many scores lie at an edge or above.
func (h *Histogram) reaching(edge int) int64 {
	var n int64
	for _, c := range h.bin[edge:] {
		n += c
	}
	return n
}
