package trust

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// maxPublicKey is beyond an RSA key of 8192 bits and a curve that is spelled out.
const maxPublicKey = 16 << 10

// ParsePublicKey reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), as DG15
// holds one. A kind of key that is not known is no error. What follows the
// structure is ignored.
func ParsePublicKey(b []byte) (*PublicKey, error) {
	if len(b) > maxPublicKey {
		return nil, fmt.Errorf("public key of %d bytes is longer than %d", len(b), maxPublicKey)
	}
	t, _, err := ber.Next(b)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if t.Tag != ber.Sequence {
		return nil, errors.New("public key is no sequence")
	}
	return parseKey(t)
}

// Recover applies the public RSA operation to a signature and returns as many
// octets as the modulus has, for schemes that give back a part of the message
// (ISO/IEC 9796-2). It is nil for a key that is not RSA and a signature out of range.
func (k *PublicKey) Recover(signature []byte) []byte {
	if k.Modulus == nil {
		return nil
	}
	return k.open(signature, (k.Modulus.BitLen()+7)/8)
}

// SignatureLength is how many octets a signature of the key has, r and s
// concatenated for a key on a curve; 0 for a kind of key that is not known.
func (k *PublicKey) SignatureLength() int {
	switch {
	case k.Modulus != nil:
		return (k.Modulus.BitLen() + 7) / 8
	case k.Curve != nil:
		return 2 * ((k.Curve.N.BitLen() + 7) / 8)
	}
	return 0
}
