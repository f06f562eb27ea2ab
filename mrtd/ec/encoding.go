package ec

import (
	"errors"
	"math/big"
)

var one = big.NewInt(1)

// EncodesField tells whether FromField is defined: the field's prime leaves 3
// modulo 4 (P-224's does not), no coefficient is zero, and every point of the
// curve is in the group.
func (c *Curve) EncodesField() bool {
	return c.P.Bit(0) == 1 && c.P.Bit(1) == 1 && c.A.Sign() != 0 && c.B.Sign() != 0 && c.H == 1
}

// FromField maps a number below P to a point whose logarithm nobody knows, the
// function f_G of PACE's integrated mapping (Doc 9303-11, appendix B.2). A
// handful of numbers, 0, 1 and -1 among them, have no point.
func (c *Curve) FromField(t *big.Int) (Point, error) {
	if !c.EncodesField() {
		return Point{}, errors.New("ec: this curve has no encoding of field elements")
	}
	p := c.P
	mul := func(x, y *big.Int) *big.Int { return mod(new(big.Int).Mul(x, y), p) }
	t2 := mul(t, t)
	alpha := mod(new(big.Int).Neg(t2), p)
	sum := mod(new(big.Int).Add(alpha, mul(alpha, alpha)), p)
	inverse := new(big.Int).ModInverse(mul(c.A, sum), p)
	if inverse == nil {
		return Point{}, errors.New("ec: field element without a point")
	}
	// x2 = -b(1+α+α²)/(a(α+α²)); x3 = α·x2. One of the two is on the curve.
	x2 := mul(mul(new(big.Int).Neg(c.B), sum.Add(sum, one)), inverse)
	x3 := mul(alpha, x2)
	h2 := c.rhs(x2)
	// h2^(p-1-(p+1)/4) is the inverse of a square root, where there is one.
	e := new(big.Int).Add(p, one)
	e.Sub(new(big.Int).Sub(p, one), e.Rsh(e, 2))
	root := new(big.Int).Exp(h2, e, p)
	out := Point{x3, mul(root, mul(mul(t2, t), h2))}
	if mul(mul(root, root), h2).Cmp(one) == 0 {
		out = Point{x2, mul(root, h2)}
	}
	if !c.Contains(out) {
		return Point{}, errors.New("ec: field element without a point")
	}
	return out, nil
}
