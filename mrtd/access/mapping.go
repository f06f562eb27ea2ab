package access

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"math/big"

	"limen/mrtd/ber"
)

var errEcho = errors.New("the chip sent back the reader's own key")

// mapGeneric is the generic mapping s·G + H, H agreed anonymously (4.4.3.3.1),
// in the notation of curves. It also returns the chip's key as it was sent.
func mapGeneric[E any](p pace, d domain[E], s []byte) (generator E, chip []byte, err error) {
	var standard E
	private, _, theirs, err := swap(p, d, 0x81, 0x82, standard)
	if err != nil {
		return generator, nil, err
	}
	h, err := d.power(theirs.element, private)
	if err != nil {
		return generator, nil, err
	}
	// A nonce that is a multiple of the order leaves H alone.
	generator = h
	if sg, err := d.power(d.generator(), new(big.Int).SetBytes(s)); err == nil {
		if generator, err = d.combine(sg, h); err != nil {
			return generator, nil, err
		}
	}
	return generator, theirs.encoded, nil
}

// mapIntegrated is the integrated mapping f_G(R_p(s, t)), t drawn here and sent
// in the clear (4.4.3.3.2).
func mapIntegrated[E any](p pace, d domain[E], s []byte) (generator E, err error) {
	t := make([]byte, p.v.Cipher.keyLen())
	if _, err := io.ReadFull(p.random, t); err != nil {
		return generator, fmt.Errorf("no randomness: %w", err)
	}
	x, err := pseudoRandom(p.v.Cipher, s, t, d.field())
	if err != nil {
		return generator, err
	}
	// The chip's DO'82' is empty (4.4.5.2.2), or left out by some.
	if _, err := p.step(true, ber.Encode(0x81, t)); err != nil {
		return generator, err
	}
	return d.fromField(x)
}

// Constants of the pseudo-random function (4.4.3.3.2), for a block of 128 bits
// and for keys beyond it.
var (
	c0Short = []byte("\xa6\x68\x89\x2a\x7c\x41\xe3\xca\x73\x9f\x40\xb0\x57\xd8\x59\x04")
	c1Short = []byte("\xa4\xe1\x36\xac\x72\x5f\x73\x8b\x01\xc1\xf6\x02\x17\xc1\x88\xad")
	c0Long  = []byte("\xd4\x63\xd6\x52\x34\x12\x4e\xf7\x89\x70\x54\x98\x6d\xca\x0a\x17" +
		"\x4e\x28\xdf\x75\x8c\xba\xa0\x3f\x24\x06\x16\x41\x4d\x5a\x16\x76")
	c1Long = []byte("\x54\xbd\x72\x55\xf0\xaa\xf8\x31\xbe\xc3\x42\x3f\xcf\x39\xd6\x9b" +
		"\x6c\xbf\x06\x66\x77\xd0\xfa\xae\x5a\xad\xd9\x9d\xf8\xe5\x35\x17")
)

// pseudoRandom is R_p(s, t) of figure 2, a number below p: CBC under one key
// after the other, the first being t.
func pseudoRandom(c Cipher, s, t []byte, p *big.Int) (*big.Int, error) {
	c0, c1 := c0Short, c1Short
	if c == AES192 || c == AES256 {
		c0, c1 = c0Long, c1Long
	}
	if len(s) != len(c0) || len(t) != c.keyLen() {
		return nil, fmt.Errorf("nonces of %d and %d bytes do not fit %s", len(s), len(t), c)
	}
	key, err := cbc(c, t, s)
	if err != nil {
		return nil, err
	}
	var x []byte
	for 8*len(x) < p.BitLen()+64 {
		key = key[:c.keyLen()]
		part, err := cbc(c, key, c1)
		if err != nil {
			return nil, err
		}
		x = append(x, part...)
		if key, err = cbc(c, key, c0); err != nil {
			return nil, err
		}
	}
	n := new(big.Int).SetBytes(x)
	return n.Mod(n, p), nil
}

// cbc encrypts whole blocks with a zero initialization vector.
func cbc(c Cipher, key Key, plain []byte) ([]byte, error) {
	block, err := blockOf(c, key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, make([]byte, block.BlockSize())).CryptBlocks(out, plain)
	return out, nil
}
