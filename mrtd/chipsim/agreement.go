package chipsim

import (
	"crypto/sha1"
	"io"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// agreement is the key agreement of a PACE run as the chip computes it, on
// keys in the form they are sent: an uncompressed point, or a number without
// leading zeros (Doc 9303-11, 9.4). Where it says false the chip refuses.
type agreement interface {
	// draw makes a key pair over a base; nil is the standard generator.
	draw(random io.Reader, base []byte) (private *big.Int, public []byte, err error)
	// admits is key validation.
	admits(key []byte) bool
	power(key []byte, k *big.Int) ([]byte, bool)
	combine(a, b []byte) ([]byte, bool)
	// encode maps a number below prime into the group.
	encode(x *big.Int) ([]byte, bool)
	prime() *big.Int
	generator() []byte
	// secret is what keys are derived from.
	secret(shared []byte) []byte
	// compressed is a key as terminal authentication signs it (BSI TR-03110-3, A.2.2.3).
	compressed(key []byte) []byte
	// tag is the key's in a public key data object.
	tag() ber.Tag
}

// curve is ECDH.
type curve struct{ c *ec.Curve }

func (a curve) draw(random io.Reader, base []byte) (*big.Int, []byte, error) {
	var p ec.Point
	if base != nil {
		p, _ = a.c.Unmarshal(base)
	}
	private, public, err := a.c.GenerateKey(random, p)
	if err != nil {
		return nil, nil, err
	}
	return private, a.c.Marshal(public), nil
}

func (a curve) admits(key []byte) bool {
	_, err := a.c.Unmarshal(key)
	return err == nil && key[0] == 4
}

func (a curve) power(key []byte, k *big.Int) ([]byte, bool) {
	p, err := a.c.Unmarshal(key)
	if err != nil {
		return nil, false
	}
	return a.bytes(a.c.ScalarMult(p, new(big.Int).Mod(k, a.c.N)))
}

func (a curve) combine(x, y []byte) ([]byte, bool) {
	p, errP := a.c.Unmarshal(x)
	q, errQ := a.c.Unmarshal(y)
	if errP != nil || errQ != nil {
		return nil, false
	}
	return a.bytes(a.c.Add(p, q))
}

func (a curve) encode(x *big.Int) ([]byte, bool) {
	p, err := a.c.FromField(x)
	if err != nil {
		return nil, false
	}
	return a.bytes(p)
}

func (a curve) bytes(p ec.Point) ([]byte, bool) {
	if p.Infinity() {
		return nil, false
	}
	return a.c.Marshal(p), true
}

func (a curve) prime() *big.Int              { return a.c.P }
func (a curve) generator() []byte            { return a.c.Marshal(a.c.G) }
func (a curve) secret(shared []byte) []byte  { return shared[1 : 1+a.c.ByteLen()] }
func (a curve) compressed(key []byte) []byte { return a.secret(key) } // the x-coordinate both times
func (curve) tag() ber.Tag                   { return 0x86 }

// group is Diffie-Hellman modulo a prime.
type group struct{ g *dh.Group }

func (a group) draw(random io.Reader, base []byte) (*big.Int, []byte, error) {
	var b *big.Int
	if base != nil {
		b = new(big.Int).SetBytes(base)
	}
	private, public, err := a.g.GenerateKey(random, b)
	if err != nil {
		return nil, nil, err
	}
	return private, public.Bytes(), nil
}

func (a group) admits(key []byte) bool {
	_, err := a.g.Unmarshal(key)
	return err == nil && key[0] != 0
}

func (a group) power(key []byte, k *big.Int) ([]byte, bool) {
	return a.bytes(a.g.Exp(new(big.Int).SetBytes(key), k))
}

func (a group) combine(x, y []byte) ([]byte, bool) {
	return a.bytes(a.g.Mul(new(big.Int).SetBytes(x), new(big.Int).SetBytes(y)))
}

func (a group) encode(x *big.Int) ([]byte, bool) { return a.bytes(a.g.Exp(x, a.g.Cofactor())) }

func (a group) bytes(x *big.Int) ([]byte, bool) { return x.Bytes(), x.BitLen() > 1 }

func (a group) prime() *big.Int   { return a.g.P }
func (a group) generator() []byte { return a.g.G.Bytes() }

func (a group) secret(shared []byte) []byte {
	return append(make([]byte, a.g.ByteLen()-len(shared)), shared...)
}

func (group) compressed(key []byte) []byte {
	hash := sha1.Sum(key)
	return hash[:]
}

func (group) tag() ber.Tag { return 0x84 }
