package ec

import "math/big"

// sqrt is a square root modulo P, which is prime, and whether there is one. The
// standard library takes the steps of Tonelli and Shanks with an allocation or
// two each, and where a document spells its field out, P-1 may be divisible by a
// high power of two: the steps grow with the square of that.
func (f *field) sqrt(x *big.Int) (*big.Int, bool) {
	if f.prime.Bit(1) == 1 { // P leaves 3 modulo 4: one exponentiation
		y := new(big.Int).ModSqrt(x, f.prime)
		return y, y != nil
	}
	if x.Sign() == 0 {
		return new(big.Int), true
	}
	if big.Jacobi(x, f.prime) != 1 {
		return nil, false
	}
	odd := new(big.Int).Sub(f.prime, one)
	twos := odd.TrailingZeroBits() // P-1 is odd·2^twos
	odd.Rsh(odd, twos)
	base := f.from(x)
	power := f.pow(&base, odd) // in the group of order 2^twos
	root := f.pow(&base, new(big.Int).Rsh(new(big.Int).Add(odd, one), 1))
	turn := f.generator(odd)
	for power != f.one {
		order := uint(0)
		for p := power; p != f.one; order++ {
			if f.mul(&p, &p, &p); order == twos {
				return nil, false // P is no prime
			}
		}
		if order >= twos {
			return nil, false
		}
		for ; twos > order+1; twos-- {
			f.mul(&turn, &turn, &turn)
		}
		f.mul(&root, &root, &turn)
		f.mul(&turn, &turn, &turn)
		f.mul(&power, &power, &turn)
		twos = order
	}
	return f.to(&root), true
}

// generator is an element of the order of the highest power of two in P-1: the
// odd part's power of a number that has no square root.
func (f *field) generator(odd *big.Int) element {
	z := big.NewInt(2)
	for big.Jacobi(z, f.prime) != -1 {
		z.Add(z, one)
	}
	base := f.from(z)
	return f.pow(&base, odd)
}

func (f *field) pow(x *element, k *big.Int) element {
	out := f.one
	for i := k.BitLen() - 1; i >= 0; i-- {
		f.mul(&out, &out, &out)
		if k.Bit(i) == 1 {
			f.mul(&out, &out, x)
		}
	}
	return out
}
