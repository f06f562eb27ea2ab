package ec

import "math/big"

// jacobian is (X/Z², Y/Z³); Z = 0 is the point at infinity.
type jacobian struct{ x, y, z element }

func (c *Curve) toJacobian(p Point) jacobian {
	if p.Infinity() {
		return jacobian{x: c.field.one, y: c.field.one}
	}
	return jacobian{c.field.from(p.X), c.field.from(p.Y), c.field.one}
}

func (c *Curve) affine(j jacobian) Point {
	if j.z.zero() {
		return Point{}
	}
	f := c.field
	inverse := f.to(&j.z)
	if inverse.ModInverse(inverse, c.P) == nil { // P is not prime after all: Explicit's test is only probable
		return Point{}
	}
	zi := f.from(inverse)
	var zi2, x, y element
	f.mul(&zi2, &zi, &zi)
	f.mul(&x, &j.x, &zi2)
	f.mul(&y, &j.y, &zi2)
	f.mul(&y, &y, &zi)
	return Point{f.to(&x), f.to(&y)}
}

// double is dbl-2007-bl of the Explicit-Formulas Database, for any A.
func (f *field) double(p jacobian) (out jacobian) {
	if p.z.zero() || p.y.zero() {
		return jacobian{x: f.one, y: f.one}
	}
	var yy, s, m, t element
	f.mul(&yy, &p.y, &p.y)
	f.mul(&s, &p.x, &yy) // s = 4·x·y²
	f.add(&s, &s, &s)
	f.add(&s, &s, &s)
	f.mul(&m, &p.z, &p.z) // m = 3·x² + a·z⁴
	f.mul(&m, &m, &m)
	f.mul(&m, &m, &f.a)
	f.mul(&t, &p.x, &p.x)
	f.add(&m, &m, &t)
	f.add(&m, &m, &t)
	f.add(&m, &m, &t)

	f.mul(&out.x, &m, &m)
	f.sub(&out.x, &out.x, &s)
	f.sub(&out.x, &out.x, &s)
	f.mul(&yy, &yy, &yy) // 8·y⁴
	f.add(&yy, &yy, &yy)
	f.add(&yy, &yy, &yy)
	f.add(&yy, &yy, &yy)
	f.sub(&t, &s, &out.x)
	f.mul(&out.y, &m, &t)
	f.sub(&out.y, &out.y, &yy)
	f.mul(&out.z, &p.y, &p.z)
	f.add(&out.z, &out.z, &out.z)
	return out
}

// plus is the textbook Jacobian addition, complete by its case distinctions.
func (f *field) plus(p, q jacobian) (out jacobian) {
	if p.z.zero() {
		return q
	}
	if q.z.zero() {
		return p
	}
	var pz2, qz2, u1, s1, h, r, hh, v element
	f.mul(&pz2, &p.z, &p.z)
	f.mul(&qz2, &q.z, &q.z)
	f.mul(&u1, &p.x, &qz2)
	f.mul(&h, &q.x, &pz2)
	f.sub(&h, &h, &u1)
	f.mul(&s1, &p.y, &qz2)
	f.mul(&s1, &s1, &q.z)
	f.mul(&r, &q.y, &pz2)
	f.mul(&r, &r, &p.z)
	f.sub(&r, &r, &s1)
	if h.zero() {
		if r.zero() {
			return f.double(p)
		}
		return jacobian{x: f.one, y: f.one}
	}
	f.mul(&hh, &h, &h)
	f.mul(&v, &u1, &hh)
	f.mul(&hh, &hh, &h) // h³

	f.mul(&out.x, &r, &r)
	f.sub(&out.x, &out.x, &hh)
	f.sub(&out.x, &out.x, &v)
	f.sub(&out.x, &out.x, &v)
	f.sub(&v, &v, &out.x)
	f.mul(&out.y, &r, &v)
	f.mul(&s1, &s1, &hh)
	f.sub(&out.y, &out.y, &s1)
	f.mul(&out.z, &p.z, &q.z)
	f.mul(&out.z, &out.z, &h)
	return out
}

// Add returns p + q.
func (c *Curve) Add(p, q Point) Point {
	return c.affine(c.field.plus(c.toJacobian(p), c.toJacobian(q)))
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
	f := c.field
	var table [16]jacobian
	table[0], table[1] = c.toJacobian(Point{}), c.toJacobian(p)
	for i := 2; i < 16; i++ {
		table[i] = f.plus(table[i-1], table[1])
	}
	acc := table[0]
	for _, b := range k.Bytes() {
		for _, nibble := range [2]byte{b >> 4, b & 15} {
			for range 4 {
				acc = f.double(acc)
			}
			acc = f.plus(acc, table[nibble])
		}
	}
	return c.affine(acc)
}
