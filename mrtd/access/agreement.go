package access

import (
	"crypto/sha1"
	"errors"
	"io"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// domain is the arithmetic of one key agreement (9.6); E is a public key's
// number or point, whose zero value stands for the standard generator.
type domain[E any] interface {
	GenerateKey(random io.Reader, base E) (private *big.Int, public E, err error)
	// power is base to k, an error where that is the neutral element.
	power(base E, k *big.Int) (E, error)
	// combine is the group's operation, an error where that is the neutral element.
	combine(x, y E) (E, error)
	// fromField maps a number below the field's prime into the group.
	fromField(x *big.Int) (E, error)
	field() *big.Int
	generator() E
	equal(x, y E) bool
	// encode writes a key as the data objects hold it (9.4.5).
	encode(E) []byte
	// padded is encode with leading zeros, which some keep.
	padded(E) []byte
	// decode reads a key and validates it.
	decode([]byte) (E, error)
	// secret is the agreed element as the key derivation takes it (9.7.1).
	secret(E) []byte
	// compressed is Comp() of BSI TR-03110-3, A.2.2.3.
	compressed(E) []byte
	// tag is the public value's in a public key data object (9.4.3, 9.4.4).
	tag() ber.Tag
}

var errInfinity = errors.New("the agreed point is at infinity, or the agreed number 1")

// onCurve is ECDH (9.6; BSI TR-03111, 4.3) over a curve without cofactor.
type onCurve struct{ *ec.Curve }

func (c onCurve) power(base ec.Point, k *big.Int) (ec.Point, error) {
	return finite(c.ScalarMult(base, new(big.Int).Mod(k, c.N)))
}

func (c onCurve) combine(x, y ec.Point) (ec.Point, error) { return finite(c.Add(x, y)) }

func (c onCurve) fromField(x *big.Int) (ec.Point, error) { return c.FromField(x) }

func finite(p ec.Point) (ec.Point, error) {
	if p.Infinity() {
		return p, errInfinity
	}
	return p, nil
}

func (c onCurve) field() *big.Int              { return c.P }
func (c onCurve) generator() ec.Point          { return c.G }
func (c onCurve) equal(x, y ec.Point) bool     { return x.Equal(y) }
func (c onCurve) encode(p ec.Point) []byte     { return c.Marshal(p) }
func (c onCurve) padded(p ec.Point) []byte     { return c.Marshal(p) }
func (onCurve) tag() ber.Tag                   { return 0x86 }
func (c onCurve) secret(p ec.Point) []byte     { return p.X.FillBytes(make([]byte, c.ByteLen())) }
func (c onCurve) compressed(p ec.Point) []byte { return c.secret(p) }

func (c onCurve) decode(b []byte) (ec.Point, error) {
	if len(b) == 0 || b[0] != 4 { // only uncompressed points (4.4.3.2)
		return ec.Point{}, errors.New("the chip sent no uncompressed point")
	}
	return c.Unmarshal(b)
}

// inGroup is Diffie-Hellman modulo a prime (9.6; RFC 2631).
type inGroup struct{ *dh.Group }

func (g inGroup) power(base, k *big.Int) (*big.Int, error) { return proper(g.Exp(base, k)) }
func (g inGroup) combine(x, y *big.Int) (*big.Int, error)  { return proper(g.Mul(x, y)) }

// fromField is f_g of 4.4.3.3.2.
func (g inGroup) fromField(x *big.Int) (*big.Int, error) {
	if g.Q == nil {
		return nil, errors.New("the group's order is not known")
	}
	return proper(g.Exp(x, g.Cofactor()))
}

func proper(x *big.Int) (*big.Int, error) {
	if x.BitLen() <= 1 {
		return x, errInfinity
	}
	return x, nil
}

func (g inGroup) field() *big.Int                   { return g.P }
func (g inGroup) generator() *big.Int               { return g.G }
func (g inGroup) equal(x, y *big.Int) bool          { return x.Cmp(y) == 0 }
func (g inGroup) encode(x *big.Int) []byte          { return x.Bytes() }
func (g inGroup) padded(x *big.Int) []byte          { return g.Marshal(x) }
func (g inGroup) decode(b []byte) (*big.Int, error) { return g.Unmarshal(b) }
func (g inGroup) secret(x *big.Int) []byte          { return g.Marshal(x) }
func (inGroup) tag() ber.Tag                        { return 0x84 }

func (g inGroup) compressed(x *big.Int) []byte {
	h := sha1.Sum(g.encode(x))
	return h[:]
}
