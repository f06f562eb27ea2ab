package eval

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// tile is how many templates are compared with as many others at a time: two
// tiles of 256 numbers each are 128 kB, which a core's cache holds.
const tile = 64

// visitor takes one pair's cosine. Each worker has its own.
type visitor func(a, b int, cosine float32)

// progress counts comparisons over both passes.
type progress struct {
	done, total int64
	tell        func(done, total int64)
}

func newProgress(s *Set, o Options) *progress {
	n := int64(s.Len()) * int64(s.Len()-1) / 2
	if o.Pairs != nil {
		n = int64(len(o.Pairs))
	}
	return &progress{total: 2 * n, tell: o.Progress}
}

func (p *progress) add(n int64) {
	if p.tell != nil {
		p.tell(atomic.AddInt64(&p.done, n), p.total)
	}
}

// compare shows each pair once to one of the visitors, which work side by
// side: pairs where they are named, else every a < b.
func compare(ctx context.Context, s *Set, pairs []Pair, p *progress, visitors []visitor) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	work := func(v visitor) {
		var scores [tile * tile]float32
		for ctx.Err() == nil {
			n := int(next.Add(1) - 1)
			if pairs != nil {
				if n*tile*tile >= len(pairs) {
					return
				}
				some := pairs[n*tile*tile : min((n+1)*tile*tile, len(pairs))]
				for _, pair := range some {
					v(pair.A, pair.B, dot(s.row(pair.A), s.row(pair.B)))
				}
				p.add(int64(len(some)))
				continue
			}
			if n*tile >= s.Len() {
				return
			}
			p.add(s.strip(ctx, n*tile, &scores, v))
		}
	}
	for _, v := range visitors {
		wg.Go(func() { work(v) })
	}
	wg.Wait()
	return ctx.Err()
}

// workers is how many visitors compare is given.
func workers() int { return runtime.GOMAXPROCS(0) }

func (s *Set) row(i int) []float32 { return s.data[i*s.size : (i+1)*s.size] }

// strip compares a tile of templates with themselves and all after them.
func (s *Set) strip(ctx context.Context, from int, scores *[tile * tile]float32, v visitor) (compared int64) {
	to := min(from+tile, s.Len())
	for left := from; left < s.Len() && ctx.Err() == nil; left += tile {
		right := min(left+tile, s.Len())
		s.multiply(from, to, left, right, scores)
		for a := from; a < to; a++ {
			row := scores[(a-from)*tile:]
			for b := max(left, a+1); b < right; b++ {
				v(a, b, row[b-left])
				compared++
			}
		}
	}
	return compared
}

// multiply puts the products of templates a0 to a1 with b0 to b1 into scores,
// tile in a row. Two rows by four columns are as many sums as the registers of
// a processor hold.
func (s *Set) multiply(a0, a1, b0, b1 int, scores *[tile * tile]float32) {
	for a := a0; a < a1; a += 2 {
		two := a+1 < a1
		x := s.row(a)
		y := x
		if two {
			y = s.row(a + 1)
		}
		out := (a - a0) * tile
		b := b0
		for ; b+4 <= b1; b += 4 {
			m := dots(x, y, s.row(b), s.row(b+1), s.row(b+2), s.row(b+3))
			at := out + b - b0
			copy(scores[at:], m[:4])
			if two {
				copy(scores[at+tile:], m[4:])
			}
		}
		for ; b < b1; b++ {
			scores[out+b-b0] = dot(x, s.row(b))
			if two {
				scores[out+tile+b-b0] = dot(y, s.row(b))
			}
		}
	}
}

func dots(x, y, a, b, c, d []float32) [8]float32 {
	y, a, b, c, d = y[:len(x)], a[:len(x)], b[:len(x)], c[:len(x)], d[:len(x)]
	var xa, xb, xc, xd, ya, yb, yc, yd float32
	for i, u := range x {
		v, k, l, m, n := y[i], a[i], b[i], c[i], d[i]
		xa += u * k
		ya += v * k
		xb += u * l
		yb += v * l
		xc += u * m
		yc += v * m
		xd += u * n
		yd += v * n
	}
	return [8]float32{xa, xb, xc, xd, ya, yb, yc, yd}
}

func dot(x, y []float32) float32 {
	y = y[:len(x)]
	var sum float32
	for i, u := range x {
		sum += u * y[i]
	}
	return sum
}
