package trust

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

// PublicKey is a certificate's key: RSA where Modulus is set, elliptic curve
// where Curve is set, of a kind that is not known here where neither is.
type PublicKey struct {
	OID      string // of the key's algorithm
	Modulus  *big.Int
	Exponent *big.Int
	Curve    *ec.Curve
	Point    ec.Point
	Explicit bool // the curve was spelled out, not named
}

// String names kind and size: "RSA 4096", "EC brainpoolP256r1".
func (k *PublicKey) String() string {
	switch {
	case k.Modulus != nil:
		return fmt.Sprintf("RSA %d", k.Modulus.BitLen())
	case k.Curve != nil && k.Curve.Name != "":
		return "EC " + k.Curve.Name
	case k.Curve != nil:
		return fmt.Sprintf("EC unnamed curve of %d bits", k.Curve.P.BitLen())
	}
	return "unknown key " + k.OID
}

// Equal tells whether two keys are the same. One of a kind that is not known is equal to none.
func (k *PublicKey) Equal(o *PublicKey) bool {
	switch {
	case k.Modulus != nil && o.Modulus != nil:
		return k.Modulus.Cmp(o.Modulus) == 0 && k.Exponent.Cmp(o.Exponent) == 0
	case k.Curve != nil && o.Curve != nil:
		return k.Curve.P.Cmp(o.Curve.P) == 0 && k.Curve.N.Cmp(o.Curve.N) == 0 && bytes.Equal(k.Curve.Marshal(k.Point), o.Curve.Marshal(o.Point))
	}
	return false
}

// The sizes of RSA keys accepted: real CSCA certificates have 2048 to 6144
// bits, old document signers 1024; time to verify grows with both numbers.
const (
	minModulusBits  = 1024
	maxModulusBits  = 8192
	maxExponentBits = 64
)

// parseKey reads a SubjectPublicKeyInfo. A kind of key that is not known is no
// error: such a certificate can be listed, and verifies nothing.
func parseKey(t ber.TLV) (*PublicKey, error) {
	parts, err := t.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) < 2 || parts[1].Tag != ber.BitString {
		return nil, errors.New("public key is not an algorithm and a bit string")
	}
	oid, parameters, err := identifier(parts[0])
	if err != nil {
		return nil, err
	}
	bits, err := parts[1].Bits()
	if err != nil {
		return nil, err
	}
	key := &PublicKey{OID: oid}
	switch oid {
	case oidRSA, oidPSS:
		return key, key.setRSA(bits)
	case oidECKey, oidECDH:
		return key, key.setEC(parameters, bits)
	}
	return key, nil
}

func (k *PublicKey) setRSA(bits []byte) error {
	seq, _, err := ber.Next(bits)
	if err != nil {
		return fmt.Errorf("RSA key: %w", err)
	}
	numbers, err := seq.Children()
	if err != nil {
		return fmt.Errorf("RSA key: %w", err)
	}
	if len(numbers) < 2 || numbers[0].Tag != ber.Integer || numbers[1].Tag != ber.Integer {
		return errors.New("RSA key: no modulus and exponent")
	}
	// Read as unsigned: some encoders leave out the zero octet before a set top bit.
	n, e := unsigned(numbers[0].Value), unsigned(numbers[1].Value)
	if n.BitLen() < minModulusBits || n.BitLen() > maxModulusBits || n.Bit(0) == 0 {
		return fmt.Errorf("RSA key: modulus of %d bits is even or outside %d to %d", n.BitLen(), minModulusBits, maxModulusBits)
	}
	if e.BitLen() < 2 || e.BitLen() > maxExponentBits || e.Bit(0) == 0 {
		return fmt.Errorf("RSA key: exponent of %d bits is even, 1, or longer than %d", e.BitLen(), maxExponentBits)
	}
	k.Modulus, k.Exponent = n, e
	return nil
}

func (k *PublicKey) setEC(parameters ber.TLV, bits []byte) error {
	var curve *ec.Curve
	switch parameters.Tag {
	case ber.OID:
		oid, err := parameters.OID()
		if err != nil {
			return fmt.Errorf("EC key: %w", err)
		}
		if curve = ec.ByOID(oid); curve == nil {
			k.OID = oid
			return nil
		}
	case ber.Sequence:
		var err error
		if curve, err = explicitCurve(parameters); err != nil {
			return fmt.Errorf("EC key: %w", err)
		}
		k.Explicit = true
	default:
		return errors.New("EC key: neither a named curve nor explicit parameters")
	}
	point, err := curve.Unmarshal(bits)
	if err != nil {
		return fmt.Errorf("EC key: %w", err)
	}
	k.Curve, k.Point = curve, point
	return nil
}

// explicitCurve reads ECParameters over a prime field (BSI TR-03111, annex D).
func explicitCurve(t ber.TLV) (*ec.Curve, error) {
	parts, err := t.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) < 5 || parts[1].Tag != ber.Sequence || parts[2].Tag != ber.Sequence || parts[4].Tag != ber.Integer {
		return nil, errors.New("malformed explicit parameters")
	}
	field, err := parts[1].Children()
	if err != nil {
		return nil, err
	}
	if len(field) < 2 {
		return nil, errors.New("explicit parameters without a field")
	}
	if oid, err := field[0].OID(); err != nil || oid != oidPrimeField {
		return nil, fmt.Errorf("explicit parameters over a field %q that is not prime", oid)
	}
	coefficients, err := parts[2].Children()
	if err != nil {
		return nil, err
	}
	if len(coefficients) < 2 {
		return nil, errors.New("explicit parameters without coefficients")
	}
	cofactor := big.NewInt(1)
	if len(parts) > 5 && parts[5].Tag == ber.Integer {
		cofactor = unsigned(parts[5].Value)
	}
	if cofactor.BitLen() > 16 {
		return nil, errors.New("explicit parameters with an absurd cofactor")
	}
	p, a, b := unsigned(field[1].Value), unsigned(coefficients[0].Value), unsigned(coefficients[1].Value)
	x, y, err := uncompressed(parts[3].Value, p)
	if err != nil {
		return nil, err
	}
	return ec.Explicit(p, a, b, x, y, unsigned(parts[4].Value), int(cofactor.Int64()))
}

// uncompressed splits a generator 04 || X || Y. A compressed one is refused:
// Doc 9303-12, 4.4.2 asks for the uncompressed form.
func uncompressed(b []byte, p *big.Int) (x, y *big.Int, err error) {
	n := (p.BitLen() + 7) / 8
	if len(b) != 1+2*n || b[0] != 4 {
		return nil, nil, fmt.Errorf("generator of %d bytes is not uncompressed", len(b))
	}
	return unsigned(b[1 : 1+n]), unsigned(b[1+n:]), nil
}

func unsigned(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
