package cvc

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// PublicKey is a public key data object (BSI TR-03110-3, D.3): RSA where
// Modulus is set, else a point of an elliptic curve.
type PublicKey struct {
	Algorithm Algorithm // of the signatures this key verifies
	Modulus   *big.Int
	Exponent  int
	// Curve is nil where the certificate leaves the domain parameters to its
	// CVCA's, as those of document verifiers and terminals must: see Inherit.
	Curve *ec.Curve
	Point ec.Point // zero while Curve is nil
	// Explicit tells that the domain parameters stand in the certificate.
	Explicit bool

	encoded []byte // the point as it stands in the certificate
}

// Tags of a public key data object (D.3).
const (
	tagPublicKey ber.Tag = 0x7F49
	tagModulus   ber.Tag = 0x81
	tagExponent  ber.Tag = 0x82
	tagPrime     ber.Tag = 0x81
	tagA         ber.Tag = 0x82
	tagB         ber.Tag = 0x83
	tagGenerator ber.Tag = 0x84
	tagOrder     ber.Tag = 0x85
	tagPoint     ber.Tag = 0x86
	tagCofactor  ber.Tag = 0x87
)

// Sizes of RSA keys: A.7.3.2 has 1024 to 3072 bits and exponents of 32; 4096
// is seen in plans. crypto/rsa takes no exponent beyond 31 bits.
const (
	minModulusBits  = 1024
	maxModulusBits  = 4096
	maxExponentBits = 31
	maxPoint        = 1 + 2*66 // 521 bits, uncompressed
)

// String names kind and size: "RSA 2048", "EC brainpoolP256r1".
func (k PublicKey) String() string {
	switch {
	case k.Modulus != nil:
		return fmt.Sprintf("RSA %d", k.Modulus.BitLen())
	case k.Curve == nil:
		return "EC"
	case k.Curve.Name == "":
		return fmt.Sprintf("EC unnamed curve of %d bits", k.Curve.P.BitLen())
	}
	return "EC " + k.Curve.Name
}

func parseKey(t ber.TLV) (PublicKey, error) {
	parts, err := t.Children()
	if err != nil {
		return PublicKey{}, err
	}
	if len(parts) < 2 {
		return PublicKey{}, errors.New("no algorithm and key")
	}
	oid, err := parts[0].OID()
	if err != nil {
		return PublicKey{}, err
	}
	algorithm, known := AlgorithmByOID(oid)
	if !known {
		return PublicKey{}, fmt.Errorf("algorithm %s is none of terminal authentication", oid)
	}
	k := PublicKey{Algorithm: algorithm}
	if algorithm.Scheme == trust.ECDSA {
		return k, k.setEC(parts[1:])
	}
	return k, k.setRSA(parts[1:])
}

func (k *PublicKey) setRSA(parts []ber.TLV) error {
	if len(parts) != 2 || parts[0].Tag != tagModulus || parts[1].Tag != tagExponent {
		return errors.New("RSA key is not a modulus and an exponent")
	}
	n, e := unsigned(parts[0].Value), unsigned(parts[1].Value)
	if n.BitLen() < minModulusBits || n.BitLen() > maxModulusBits || n.Bit(0) == 0 {
		return fmt.Errorf("RSA modulus of %d bits is even or outside %d to %d", n.BitLen(), minModulusBits, maxModulusBits)
	}
	if e.BitLen() < 2 || e.BitLen() > maxExponentBits || e.Bit(0) == 0 {
		return fmt.Errorf("RSA exponent of %d bits is even, 1, or longer than %d", e.BitLen(), maxExponentBits)
	}
	k.Modulus, k.Exponent = n, int(e.Int64())
	return nil
}

// setEC reads a point alone, or after the domain parameters, of which only the
// cofactor may be missing (D.3.3).
func (k *PublicKey) setEC(parts []ber.TLV) error {
	fields := map[ber.Tag][]byte{}
	last := ber.Tag(0)
	for _, p := range parts {
		if p.Tag <= last || p.Tag < tagPrime || p.Tag > tagCofactor || len(p.Value) == 0 || len(p.Value) > maxPoint {
			return fmt.Errorf("object %X is out of place in an EC key", p.Tag)
		}
		last = p.Tag
		fields[p.Tag] = p.Value
	}
	if k.encoded = fields[tagPoint]; k.encoded == nil {
		return errors.New("EC key without its public point")
	}
	if len(fields) == 1 {
		return nil
	}
	for tag := tagPrime; tag < tagPoint; tag++ {
		if fields[tag] == nil {
			return fmt.Errorf("EC domain parameters without object %X", tag)
		}
	}
	cofactor := big.NewInt(1)
	if b := fields[tagCofactor]; b != nil {
		cofactor.SetBytes(b)
	}
	if cofactor.BitLen() > 16 {
		return errors.New("EC domain parameters with an absurd cofactor")
	}
	p, g := unsigned(fields[tagPrime]), fields[tagGenerator]
	n := (p.BitLen() + 7) / 8
	if len(g) != 1+2*n || g[0] != 4 {
		return errors.New("EC generator is no uncompressed point")
	}
	curve, err := ec.Explicit(p, unsigned(fields[tagA]), unsigned(fields[tagB]),
		unsigned(g[1:1+n]), unsigned(g[1+n:]), unsigned(fields[tagOrder]), int(cofactor.Int64()))
	if err != nil {
		return err
	}
	k.Explicit = true
	return k.onCurve(curve)
}

func (k *PublicKey) onCurve(curve *ec.Curve) error {
	point, err := curve.Unmarshal(k.encoded)
	if err != nil {
		return err
	}
	k.Curve, k.Point = curve, point
	return nil
}

// known tells a key that can verify from one whose domain parameters are elsewhere.
func (k PublicKey) known() bool { return k.Modulus != nil || k.Curve != nil }

// Inherit returns the key with the domain parameters of the key that certifies
// it, where its certificate states none (D.3.3). Other keys stay as they are.
func (k PublicKey) Inherit(from PublicKey) (PublicKey, error) {
	if k.known() {
		return k, nil
	}
	if from.Curve == nil {
		return k, errors.New("cvc: the certifying key has no domain parameters to inherit")
	}
	if err := k.onCurve(from.Curve); err != nil {
		return k, fmt.Errorf("cvc: inherited domain parameters: %w", err)
	}
	return k, nil
}

// Equal tells whether two keys are the same and sign alike.
func (k PublicKey) Equal(o PublicKey) bool {
	if k.Algorithm != o.Algorithm || (k.Modulus == nil) != (o.Modulus == nil) {
		return false
	}
	if k.Modulus != nil {
		return k.Modulus.Cmp(o.Modulus) == 0 && k.Exponent == o.Exponent
	}
	return k.Curve != nil && o.Curve != nil && k.Point.Equal(o.Point) &&
		k.Curve.P.Cmp(o.Curve.P) == 0 && k.Curve.A.Cmp(o.Curve.A) == 0 && k.Curve.B.Cmp(o.Curve.B) == 0 &&
		k.Curve.G.Equal(o.Curve.G) && k.Curve.N.Cmp(o.Curve.N) == 0
}

// Verify judges a signature over message, as strictly as a chip: ECDSA as r and
// s concatenated at the order's length (BSI TR-03111, 5.2.1), PSS with a salt
// as long as the hash. It returns nil, an error that wraps trust.ErrSignature,
// or one that says why no judgment is possible.
func (k PublicKey) Verify(message, signature []byte) error {
	digest := k.Algorithm.digest(message)
	ok := false
	switch {
	case k.Modulus != nil && k.Algorithm.Scheme == trust.RSAPKCS1:
		ok = rsa.VerifyPKCS1v15(&rsa.PublicKey{N: k.Modulus, E: k.Exponent}, k.Algorithm.Hash, digest, signature) == nil
	case k.Modulus != nil && k.Algorithm.Scheme == trust.RSAPSS:
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.Algorithm.Hash}
		ok = rsa.VerifyPSS(&rsa.PublicKey{N: k.Modulus, E: k.Exponent}, k.Algorithm.Hash, digest, signature, options) == nil
	case k.Curve != nil:
		n := (k.Curve.N.BitLen() + 7) / 8
		ok = len(signature) == 2*n && k.Curve.Verify(k.Point, digest, unsigned(signature[:n]), unsigned(signature[n:]))
	default:
		return errors.New("cvc: the key's domain parameters are not known")
	}
	if !ok {
		return fmt.Errorf("cvc: %w", trust.ErrSignature)
	}
	return nil
}

// encode writes the data object; parameters says whether an elliptic curve's
// domain parameters are to stand in it.
func (k PublicKey) encode(parameters bool) []byte {
	out := ber.EncodeOID(k.Algorithm.OID)
	if k.Modulus != nil {
		e := big.NewInt(int64(k.Exponent))
		return ber.Encode(tagPublicKey, out, ber.Encode(tagModulus, k.Modulus.Bytes()), ber.Encode(tagExponent, e.Bytes()))
	}
	point := ber.Encode(tagPoint, k.Curve.Marshal(k.Point))
	if !parameters {
		return ber.Encode(tagPublicKey, out, point)
	}
	// Coefficients at the field's length, as certificates in use write them
	// although D.2.1.1 would drop leading zeros.
	n, c := k.Curve.ByteLen(), k.Curve
	return ber.Encode(tagPublicKey, out,
		ber.Encode(tagPrime, c.P.Bytes()),
		ber.Encode(tagA, c.A.FillBytes(make([]byte, n))),
		ber.Encode(tagB, c.B.FillBytes(make([]byte, n))),
		ber.Encode(tagGenerator, c.Marshal(c.G)),
		ber.Encode(tagOrder, c.N.Bytes()),
		point,
		ber.Encode(tagCofactor, big.NewInt(int64(c.H)).Bytes()))
}

func unsigned(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
