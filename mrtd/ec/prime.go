package ec

import (
	"crypto/sha256"
	"math/big"
	"math/rand/v2"
)

// primeRounds is how many bases a number must pass: one that is not prime passes
// each with a chance below a quarter.
const primeRounds = 32

// probablyPrime is the test of Miller and Rabin for an odd number of at most
// maxBits. The bases follow from a hash of the number, so that who chooses it
// does not choose them. Unlike the standard library's test it allocates next to
// nothing: a list may spell a curve out in every certificate.
func probablyPrime(n *big.Int) bool {
	if n.Bit(0) == 0 || n.BitLen() < 16 {
		return false
	}
	f := newField(n, new(big.Int))
	odd := new(big.Int).Sub(n, one)
	twos := odd.TrailingZeroBits()
	odd.Rsh(odd, twos)
	var minusOne element
	f.sub(&minusOne, &minusOne, &f.one)
	bases := rand.NewChaCha8(sha256.Sum256(n.Bytes()))
	for range primeRounds {
		var x element
		for x.zero() || x == f.one || x == minusOne {
			for i := range f.n {
				x[i] = bases.Uint64()
			}
			f.mul(&x, &x, &f.rr) // a number of the field, whatever the limbs were
		}
		x = f.pow(&x, odd)
		passed := x == f.one || x == minusOne
		for i := uint(1); i < twos && !passed; i++ {
			f.mul(&x, &x, &x)
			passed = x == minusOne
		}
		if !passed {
			return false
		}
	}
	return true
}
