package ec

import "math/big"

// jacobian is (X/Z², Y/Z³); Z = 0 is the point at infinity.
type jacobian struct{ x, y, z *big.Int }

func toJacobian(p Point) jacobian {
	if p.Infinity() {
		return jacobian{big.NewInt(1), big.NewInt(1), new(big.Int)}
	}
	return jacobian{p.X, p.Y, big.NewInt(1)}
}

func (c *Curve) affine(j jacobian) Point {
	if j.z.Sign() == 0 {
		return Point{}
	}
	zi := new(big.Int).ModInverse(j.z, c.P)
	if zi == nil { // P is not prime after all: Explicit's test is only probable
		return Point{}
	}
	zi2 := c.mul(zi, zi)
	return Point{c.mul(j.x, zi2), c.mul(j.y, c.mul(zi2, zi))}
}

func (c *Curve) mul(a, b *big.Int) *big.Int {
	r := new(big.Int).Mul(a, b)
	return r.Mod(r, c.P)
}

func (c *Curve) sub(a, b *big.Int) *big.Int {
	r := new(big.Int).Sub(a, b)
	if r.Sign() < 0 {
		r.Add(r, c.P)
	}
	return r
}

func (c *Curve) small(a *big.Int, shift uint) *big.Int {
	r := new(big.Int).Lsh(a, shift)
	return r.Mod(r, c.P)
}

// double is dbl-2007-bl of the Explicit-Formulas Database, for any A.
func (c *Curve) double(p jacobian) jacobian {
	if p.z.Sign() == 0 || p.y.Sign() == 0 {
		return toJacobian(Point{})
	}
	xx, yy, zz := c.mul(p.x, p.x), c.mul(p.y, p.y), c.mul(p.z, p.z)
	s := c.small(c.mul(p.x, yy), 2)
	m := new(big.Int).Mul(xx, big.NewInt(3))
	m.Add(m, new(big.Int).Mul(c.A, c.mul(zz, zz)))
	m.Mod(m, c.P)
	x := c.sub(c.mul(m, m), c.small(s, 1))
	y := c.sub(c.mul(m, c.sub(s, x)), c.small(c.mul(yy, yy), 3))
	return jacobian{x, y, c.small(c.mul(p.y, p.z), 1)}
}

// add is the textbook Jacobian addition, complete by its case distinctions.
func (c *Curve) add(p, q jacobian) jacobian {
	if p.z.Sign() == 0 {
		return q
	}
	if q.z.Sign() == 0 {
		return p
	}
	pz2, qz2 := c.mul(p.z, p.z), c.mul(q.z, q.z)
	u1, u2 := c.mul(p.x, qz2), c.mul(q.x, pz2)
	s1, s2 := c.mul(p.y, c.mul(qz2, q.z)), c.mul(q.y, c.mul(pz2, p.z))
	h, r := c.sub(u2, u1), c.sub(s2, s1)
	if h.Sign() == 0 {
		if r.Sign() == 0 {
			return c.double(p)
		}
		return toJacobian(Point{})
	}
	hh := c.mul(h, h)
	hhh, v := c.mul(hh, h), c.mul(u1, hh)
	x := c.sub(c.sub(c.mul(r, r), hhh), c.small(v, 1))
	y := c.sub(c.mul(r, c.sub(v, x)), c.mul(s1, hhh))
	return jacobian{x, y, c.mul(c.mul(p.z, q.z), h)}
}

// Add returns p + q.
func (c *Curve) Add(p, q Point) Point {
	return c.affine(c.add(toJacobian(p), toJacobian(q)))
}

// ScalarMult returns k·p for a point of the curve and k ≥ 0, by a window of four bits.
func (c *Curve) ScalarMult(p Point, k *big.Int) Point {
	if p.Infinity() || k.Sign() <= 0 {
		return Point{}
	}
	if c.native != nil {
		k := new(big.Int).Mod(k, c.N)
		if k.Sign() == 0 {
			return Point{}
		}
		//lint:ignore SA1019 PACE multiplies by mapped generators and adds points, which crypto/ecdh does not offer
		x, y := c.native.ScalarMult(p.X, p.Y, k.Bytes())
		return Point{x, y}
	}
	var table [16]jacobian
	table[0] = toJacobian(Point{})
	for i := 1; i < 16; i++ {
		table[i] = c.add(table[i-1], toJacobian(p))
	}
	acc := table[0]
	for _, b := range k.Bytes() {
		for _, nibble := range [2]byte{b >> 4, b & 15} {
			for range 4 {
				acc = c.double(acc)
			}
			acc = c.add(acc, table[nibble])
		}
	}
	return c.affine(acc)
}
