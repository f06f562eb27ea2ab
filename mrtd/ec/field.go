package ec

import (
	"math/big"
	"math/bits"
)

// maxLimbs holds the largest field that Explicit admits.
const maxLimbs = maxBits / 64

// element is a number below P in Montgomery form, x·2^(64n) mod P, its lowest
// limb first; only the field's first n limbs are used.
type element [maxLimbs]uint64

// field is arithmetic modulo an odd P without allocation: it is what a PACE
// run and a signature of the brainpool curves spend their time on.
type field struct {
	n     int
	p     element
	low   uint64  // -1/P mod 2^64
	one   element // 1 in Montgomery form
	rr    element // 2^(128n) mod P, which brings numbers into the form
	a     element // the curve's A
	prime *big.Int
}

func newField(p, a *big.Int) *field {
	f := &field{n: (p.BitLen() + 63) / 64, prime: p}
	f.p = limbs(p)
	inv := f.p[0] // Newton: an odd number is its own inverse modulo 8
	for range 5 {
		inv *= 2 - f.p[0]*inv
	}
	f.low = -inv
	r := new(big.Int).Lsh(big.NewInt(1), uint(64*f.n))
	f.one = limbs(mod(r, p))
	f.rr = limbs(mod(r.Mul(r, r), p))
	f.a = f.from(a)
	return f
}

// limbs spells a number of at most maxLimbs limbs.
func limbs(x *big.Int) (e element) {
	var b [maxLimbs * 8]byte
	x.FillBytes(b[:])
	for i := range e {
		for _, v := range b[len(b)-8*i-8 : len(b)-8*i] {
			e[i] = e[i]<<8 | uint64(v)
		}
	}
	return e
}

// from brings a number into the field.
func (f *field) from(x *big.Int) element {
	e := limbs(mod(x, f.prime))
	f.mul(&e, &e, &f.rr)
	return e
}

// to brings an element out of it.
func (f *field) to(e *element) *big.Int {
	out := element{1}
	f.mul(&out, e, &out)
	var b [maxLimbs * 8]byte
	for i, limb := range out {
		for k := range 8 {
			b[len(b)-8*i-1-k] = byte(limb >> (8 * k))
		}
	}
	return new(big.Int).SetBytes(b[:])
}

func (e *element) zero() bool { return *e == element{} }

// mul is z = x·y, by Montgomery's multiplication with the reduction after
// each limb (Koç, Acar, Kaliski: "coarsely integrated operand scanning").
func (f *field) mul(z, x, y *element) {
	n := f.n
	var t [maxLimbs + 1]uint64
	px, pp, tt := x[:n], f.p[:n], t[:n]
	for i := range n {
		yi := y[i]
		var carry, c uint64
		for j := range tt {
			hi, lo := bits.Mul64(px[j], yi)
			lo, c = bits.Add64(lo, tt[j], 0)
			hi += c
			tt[j], c = bits.Add64(lo, carry, 0)
			carry = hi + c
		}
		top, over := bits.Add64(t[n], carry, 0)
		m := tt[0] * f.low
		hi, lo := bits.Mul64(m, pp[0])
		_, c = bits.Add64(lo, tt[0], 0)
		carry = hi + c
		for j := 1; j < n; j++ {
			hi, lo := bits.Mul64(m, pp[j])
			lo, c = bits.Add64(lo, tt[j], 0)
			hi += c
			tt[j-1], c = bits.Add64(lo, carry, 0)
			carry = hi + c
		}
		tt[n-1], c = bits.Add64(top, carry, 0)
		t[n] = over + c
	}
	f.reduce(z, (*element)(t[:maxLimbs]), f.spill(&t))
}

// spill is the limb above the field's own.
func (f *field) spill(t *[maxLimbs + 1]uint64) uint64 {
	over := t[f.n]
	t[f.n] = 0
	return over
}

// reduce is z = x mod P for x + over·2^(64n) below 2P.
func (f *field) reduce(z, x *element, over uint64) {
	var d element
	var borrow uint64
	for i := range f.n {
		d[i], borrow = bits.Sub64(x[i], f.p[i], borrow)
	}
	if borrow > over {
		d = *x
	}
	*z = d
}

func (f *field) add(z, x, y *element) {
	var s element
	var carry uint64
	for i := range f.n {
		s[i], carry = bits.Add64(x[i], y[i], carry)
	}
	f.reduce(z, &s, carry)
}

func (f *field) sub(z, x, y *element) {
	var d element
	var borrow, carry uint64
	for i := range f.n {
		d[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	if borrow != 0 {
		for i := range f.n {
			d[i], carry = bits.Add64(d[i], f.p[i], carry)
		}
	}
	*z = d
}
