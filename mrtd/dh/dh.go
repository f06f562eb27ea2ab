// Package dh is Diffie-Hellman in a subgroup of prime order of the integers
// modulo a prime (ANSI X9.42, RFC 2631), with the groups travel documents use
// (RFC 5114) and those they spell out as explicit parameters.
//
// It is not constant-time. An inspection system uses it for ephemeral keys
// used once; no key that must stay secret for long is ever used here.
package dh

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Group is the subgroup that G generates modulo the prime P; Q is its order,
// nil where explicit parameters state none (PKCS #3 has no place for it).
// Groups are read-only once made.
type Group struct {
	Name string // "RFC 5114 2048/256"; empty for unnamed explicit parameters
	P    *big.Int
	G    *big.Int
	Q    *big.Int
}

// Bounds of explicit parameters from a document: the largest standardized group
// has 2048 bits, and arithmetic time grows with the cube.
const (
	minBits      = 1024
	maxBits      = 3072
	minOrderBits = 160
)

var one = big.NewInt(1)

// Explicit makes a group of parameters a document spells out; q is nil where it
// states no order. They are recognized as a named group where they are one;
// others are checked as far as costs little (P and Q probably prime, Q divides
// P-1, G of order Q), because a chain to a trusted CSCA must vouch for them.
func Explicit(p, g, q *big.Int) (*Group, error) {
	if p.Sign() <= 0 || p.BitLen() < minBits || p.BitLen() > maxBits || p.Bit(0) == 0 {
		return nil, fmt.Errorf("dh: modulus of %d bits is even or outside %d to %d", p.BitLen(), minBits, maxBits)
	}
	for _, known := range groups() {
		if known.P.Cmp(p) == 0 && known.G.Cmp(g) == 0 && (q == nil || known.Q.Cmp(q) == 0) {
			return known, nil
		}
	}
	group := &Group{P: p, G: g, Q: q}
	if !group.inRange(g) {
		return nil, errors.New("dh: explicit generator is 0, ±1 or not below the modulus")
	}
	if q != nil {
		if q.Sign() <= 0 || q.BitLen() < minOrderBits || q.BitLen() >= p.BitLen() {
			return nil, fmt.Errorf("dh: explicit order of %d bits is outside %d to %d", q.BitLen(), minOrderBits, p.BitLen()-1)
		}
		if new(big.Int).Mod(group.order(), q).Sign() != 0 {
			return nil, errors.New("dh: explicit order does not divide that of the field")
		}
		if !group.Contains(g) {
			return nil, errors.New("dh: explicit generator does not have the stated order")
		}
	}
	if !p.ProbablyPrime(0) || q != nil && !q.ProbablyPrime(0) { // Baillie and PSW; no composite is known that passes
		return nil, errors.New("dh: explicit parameters without a prime modulus and a prime order")
	}
	return group, nil
}

// order is that of the multiplicative group, P-1.
func (g *Group) order() *big.Int { return new(big.Int).Sub(g.P, one) }

// inRange tells whether y is a number from 2 to P-2: 0, 1 and -1 generate
// nothing worth agreeing on.
func (g *Group) inRange(y *big.Int) bool {
	return y.Cmp(one) > 0 && y.Cmp(g.order()) < 0
}

// Equal tells whether two groups have the same parameters. A nil group equals none.
func (g *Group) Equal(o *Group) bool {
	if g == nil || o == nil {
		return false
	}
	sameOrder := g.Q == nil && o.Q == nil || g.Q != nil && o.Q != nil && g.Q.Cmp(o.Q) == 0
	return g == o || sameOrder && g.P.Cmp(o.P) == 0 && g.G.Cmp(o.G) == 0
}

// ByteLen is the length of an element.
func (g *Group) ByteLen() int { return (g.P.BitLen() + 7) / 8 }

// Contains is public key validation (RFC 2631, 2.1.5): y is from 2 to P-2 and,
// where the order is known, in the subgroup. What is not betrays the reader's
// exponent modulo a small number.
func (g *Group) Contains(y *big.Int) bool {
	return g.inRange(y) && (g.Q == nil || g.Exp(y, g.Q).Cmp(one) == 0)
}

// Exp is y^k modulo P.
func (g *Group) Exp(y, k *big.Int) *big.Int { return new(big.Int).Exp(y, k, g.P) }

// Mul is the product modulo P.
func (g *Group) Mul(x, y *big.Int) *big.Int {
	z := new(big.Int).Mul(x, y)
	return z.Mod(z, g.P)
}

// Cofactor is (P-1)/Q, which lifts any number into the subgroup; nil where the
// order is not known.
func (g *Group) Cofactor() *big.Int {
	if g.Q == nil {
		return nil
	}
	return new(big.Int).Div(g.order(), g.Q)
}

// GenerateKey returns a private exponent in [1, Q-1] and base to its power;
// base may be a mapped generator (PACE), nil for the group's own. Where the
// order is not known the exponent is below P-1.
func (g *Group) GenerateKey(random io.Reader, base *big.Int) (private, public *big.Int, err error) {
	if base == nil {
		base = g.G
	}
	order := g.Q
	if order == nil {
		order = g.order()
	}
	private, err = rand.Int(random, new(big.Int).Sub(order, one))
	if err != nil {
		return nil, nil, err
	}
	private.Add(private, one)
	return private, g.Exp(base, private), nil
}

// Marshal writes an element at the modulus's length.
func (g *Group) Marshal(y *big.Int) []byte { return y.FillBytes(make([]byte, g.ByteLen())) }

// Unmarshal reads an element, leading zeros or none, and checks that it is one
// of the subgroup.
func (g *Group) Unmarshal(b []byte) (*big.Int, error) {
	if len(b) == 0 || len(b) > g.ByteLen() {
		return nil, fmt.Errorf("dh: %d bytes are no element modulo %d bits", len(b), g.P.BitLen())
	}
	y := new(big.Int).SetBytes(b)
	if !g.Contains(y) {
		return nil, errors.New("dh: number is not in the subgroup")
	}
	return y, nil
}
