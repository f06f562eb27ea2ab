// Package ec is elliptic-curve arithmetic over any short Weierstrass curve,
// with the curves travel documents use (RFC 5639, FIPS 186-4) and those they
// spell out as explicit parameters, which crypto/elliptic does not bear.
//
// It is not constant-time off the NIST curves. An inspection system uses it
// for public verification and for ephemeral keys used once; the keys that
// must stay secret for long (a site's signing keys) are not used here, but for
// those a site keeps in software against the advice of package cvc.
package ec

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/big"
)

// Curve is y² = x³ + Ax + B over the field of P, with generator G of prime
// order N and cofactor H. Curves are read-only once made.
type Curve struct {
	Name string // "P-256", "brainpoolP256r1"; empty for unnamed explicit parameters
	P    *big.Int
	A    *big.Int
	B    *big.Int
	G    Point
	N    *big.Int
	H    int

	field  *field
	native elliptic.Curve // crypto/elliptic's faster arithmetic, where it has the curve
}

// Point is an affine point; a nil X is the point at infinity.
type Point struct{ X, Y *big.Int }

// Infinity tells whether p is the neutral element.
func (p Point) Infinity() bool { return p.X == nil }

// Equal tells whether two points are the same.
func (p Point) Equal(q Point) bool {
	if p.Infinity() || q.Infinity() {
		return p.Infinity() == q.Infinity()
	}
	return p.X.Cmp(q.X) == 0 && p.Y.Cmp(q.Y) == 0
}

// maxBits bounds explicit parameters from a document: the largest curve of
// Doc 9303-11 has 521 bits, and arithmetic time grows with the cube.
const maxBits = 640

// Explicit makes a curve of parameters a document spells out. They are
// recognized as a named curve where they are one; others are checked only as
// far as costs little (P and N probably prime, non-singular, G on the curve, N
// within Hasse's bound and of a kind that bears secrets), because a chain to a trusted CSCA must vouch for them.
func Explicit(p, a, b, gx, gy, n *big.Int, h int) (*Curve, error) {
	if p.Sign() <= 0 || p.BitLen() < 160 || p.BitLen() > maxBits || n.BitLen() > maxBits || n.Sign() <= 0 {
		return nil, fmt.Errorf("ec: field of %d bits and order of %d are outside 160 to %d", p.BitLen(), n.BitLen(), maxBits)
	}
	for _, c := range curves() {
		if c.P.Cmp(p) == 0 && c.A.Cmp(mod(a, p)) == 0 && c.B.Cmp(mod(b, p)) == 0 && c.N.Cmp(n) == 0 &&
			c.G.X.Cmp(gx) == 0 && c.G.Y.Cmp(gy) == 0 {
			return c, nil
		}
	}
	c := &Curve{P: p, A: mod(a, p), B: mod(b, p), G: Point{gx, gy}, N: n, H: h}
	if !probablyPrime(p) || !probablyPrime(n) {
		return nil, errors.New("ec: explicit parameters without a prime field and a prime order")
	}
	c.field = newField(c.P, c.A) // P is odd: a prime beyond 2
	disc := new(big.Int).Exp(c.A, big.NewInt(3), p)
	disc.Lsh(disc, 2)
	disc.Add(disc, new(big.Int).Mul(big.NewInt(27), new(big.Int).Mul(c.B, c.B)))
	if disc.Mod(disc, p).Sign() == 0 {
		return nil, errors.New("ec: explicit parameters of a singular curve")
	}
	// Hasse: |h·n − (p+1)| ≤ 2√p.
	gap := new(big.Int).Mul(n, big.NewInt(int64(h)))
	gap.Sub(gap, p).Sub(gap, big.NewInt(1))
	if h < 1 || gap.Mul(gap, gap).Cmp(new(big.Int).Lsh(p, 2)) > 0 {
		return nil, errors.New("ec: explicit order and cofactor do not fit the field")
	}
	if easy(p, n) {
		return nil, errors.New("ec: explicit parameters of a curve whose logarithms are easy")
	}
	if !c.Contains(c.G) || !c.ScalarMult(c.G, n).Infinity() {
		return nil, errors.New("ec: explicit generator does not have the stated order")
	}
	return c, nil
}

// easy tells curves on which logarithms are those of an addition, as many points
// as the field has elements, or of a field that is small beside the curve (BSI
// TR-03111, 4.1.3: the order is not P, and divides no P^k-1 for k up to 20).
func easy(p, n *big.Int) bool {
	power := new(big.Int).Mod(p, n)
	for range 20 {
		if power.Sign() == 0 || power.Cmp(one) == 0 {
			return true
		}
		power.Mod(power.Mul(power, p), n)
	}
	return false
}

func mod(x, p *big.Int) *big.Int { return new(big.Int).Mod(x, p) }

// Equal tells whether two curves have the same parameters: those spelled out
// twice are two values. A nil curve equals none.
func (c *Curve) Equal(d *Curve) bool {
	if c == nil || d == nil {
		return false
	}
	return c == d || c.P.Cmp(d.P) == 0 && c.A.Cmp(d.A) == 0 && c.B.Cmp(d.B) == 0 && c.G.Equal(d.G) && c.N.Cmp(d.N) == 0 && c.H == d.H
}

// ByteLen is the length of a coordinate.
func (c *Curve) ByteLen() int { return (c.P.BitLen() + 7) / 8 }

// Contains tells whether p is an affine point of the curve, in range.
func (c *Curve) Contains(p Point) bool {
	if p.Infinity() || p.Y == nil || p.X.Sign() < 0 || p.Y.Sign() < 0 || p.X.Cmp(c.P) >= 0 || p.Y.Cmp(c.P) >= 0 {
		return false
	}
	y2 := new(big.Int).Mul(p.Y, p.Y)
	return y2.Mod(y2, c.P).Cmp(c.rhs(p.X)) == 0
}

func (c *Curve) rhs(x *big.Int) *big.Int {
	r := new(big.Int).Mul(x, x)
	r.Add(r, c.A)
	r.Mul(r, x)
	r.Add(r, c.B)
	return r.Mod(r, c.P)
}

// Marshal writes the uncompressed form 04 || X || Y (BSI TR-03111, 3.2.1).
func (c *Curve) Marshal(p Point) []byte {
	n := c.ByteLen()
	out := make([]byte, 1+2*n)
	out[0] = 4
	p.X.FillBytes(out[1 : 1+n])
	p.Y.FillBytes(out[1+n:])
	return out
}

// Unmarshal reads an uncompressed or compressed point and checks that it is
// one of the curve: a point off the curve is how invalid-curve attacks begin.
func (c *Curve) Unmarshal(b []byte) (Point, error) {
	n := c.ByteLen()
	switch {
	case len(b) == 1+2*n && b[0] == 4:
		p := Point{new(big.Int).SetBytes(b[1 : 1+n]), new(big.Int).SetBytes(b[1+n:])}
		if !c.Contains(p) {
			return Point{}, errors.New("ec: point is not on the curve")
		}
		return p, nil
	case len(b) == 1+n && (b[0] == 2 || b[0] == 3):
		x := new(big.Int).SetBytes(b[1:])
		if x.Cmp(c.P) >= 0 {
			return Point{}, errors.New("ec: coordinate out of range")
		}
		y, ok := c.field.sqrt(c.rhs(x))
		if !ok {
			return Point{}, errors.New("ec: point is not on the curve")
		}
		if y.Bit(0) != uint(b[0]&1) {
			y.Sub(c.P, y)
		}
		return Point{x, y}, nil
	}
	return Point{}, fmt.Errorf("ec: %d bytes are no point of a %d-bit curve", len(b), c.P.BitLen())
}
