package ec

import (
	"crypto/rand"
	"errors"
	"io"
	"math/big"
)

// GenerateKey returns a private scalar in [1, N-1] and G times it; base may be
// a mapped generator (PACE), the zero Point for the curve's own.
func (c *Curve) GenerateKey(random io.Reader, base Point) (*big.Int, Point, error) {
	if base.Infinity() {
		base = c.G
	}
	max := new(big.Int).Sub(c.N, big.NewInt(1))
	d, err := rand.Int(random, max)
	if err != nil {
		return nil, Point{}, err
	}
	d.Add(d, big.NewInt(1))
	return d, c.ScalarMult(base, d), nil
}

// hashToInt keeps the leftmost bits of a digest (BSI TR-03111, 4.2.1).
func (c *Curve) hashToInt(digest []byte) *big.Int {
	n := (c.N.BitLen() + 7) / 8
	if len(digest) > n {
		digest = digest[:n]
	}
	z := new(big.Int).SetBytes(digest)
	if excess := len(digest)*8 - c.N.BitLen(); excess > 0 {
		z.Rsh(z, uint(excess))
	}
	return z
}

// Verify checks an ECDSA signature over a digest; false for anything out of range.
func (c *Curve) Verify(public Point, digest []byte, r, s *big.Int) bool {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.N) >= 0 || s.Cmp(c.N) >= 0 || !c.Contains(public) {
		return false
	}
	w := new(big.Int).ModInverse(s, c.N)
	if w == nil {
		return false
	}
	u1 := new(big.Int).Mul(c.hashToInt(digest), w)
	u2 := new(big.Int).Mul(r, w)
	p := c.Add(c.ScalarMult(c.G, u1.Mod(u1, c.N)), c.ScalarMult(public, u2.Mod(u2, c.N)))
	return !p.Infinity() && p.X.Mod(p.X, c.N).Cmp(r) == 0
}

// Sign makes an ECDSA signature over a digest, for specimens and simulated chips.
func (c *Curve) Sign(random io.Reader, private *big.Int, digest []byte) (r, s *big.Int, err error) {
	for range 64 {
		k, p, err := c.GenerateKey(random, Point{})
		if err != nil {
			return nil, nil, err
		}
		r = new(big.Int).Mod(p.X, c.N)
		s = new(big.Int).Mul(r, private)
		s.Add(s, c.hashToInt(digest))
		s.Mul(s, new(big.Int).ModInverse(k, c.N))
		s.Mod(s, c.N)
		if r.Sign() != 0 && s.Sign() != 0 {
			return r, s, nil
		}
	}
	return nil, nil, errors.New("ec: no signature found: the source of randomness is broken")
}
