package cvc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// Key is a private key kept in software, for tests, trials and sites without a
// token. It is a Signer, and prints as redacted.
//
// On brainpool curves it signs with package ec, which is not constant-time:
// whoever can time many of its signatures learns about the key. An operational
// inspection system keeps its key in a token.
type Key struct {
	rsa     *rsa.PrivateKey
	curve   *ec.Curve
	private *big.Int
	point   ec.Point
}

const redacted = "private key (redacted)"

// Format prints none of the key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue redacts the key in logs.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts the key in encoders.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// RSAKey is the Key of an RSA private key.
func RSAKey(k *rsa.PrivateKey) *Key { return &Key{rsa: k} }

// ECKey is the Key of a curve and a private scalar in [1, N-1].
func ECKey(curve *ec.Curve, private *big.Int) (*Key, error) {
	if private.Sign() <= 0 || private.Cmp(curve.N) >= 0 {
		return nil, errors.New("cvc: the private scalar is not within the curve's order")
	}
	return &Key{curve: curve, private: private, point: curve.ScalarMult(curve.G, private)}, nil
}

// GenerateECKey makes a key on a curve.
func GenerateECKey(curve *ec.Curve, random io.Reader) (*Key, error) {
	private, point, err := curve.GenerateKey(random, ec.Point{})
	if err != nil {
		return nil, fmt.Errorf("cvc: no randomness: %w", err)
	}
	return &Key{curve: curve, private: private, point: point}, nil
}

// Public is the key's public half, for signatures by an algorithm of its kind.
func (k *Key) Public(a Algorithm) (PublicKey, error) {
	if (a.Scheme == trust.ECDSA) != (k.rsa == nil) {
		return PublicKey{}, fmt.Errorf("cvc: a key that does not sign by %s", a)
	}
	if k.rsa != nil {
		return PublicKey{Algorithm: a, Modulus: k.rsa.N, Exponent: k.rsa.E}, nil
	}
	return PublicKey{Algorithm: a, Curve: k.curve, Point: k.point, encoded: k.curve.Marshal(k.point)}, nil
}

// Certified tells whether a certificate is for this key. Where the certificate
// leaves its domain parameters out, the point decides.
func (k *Key) Certified(c *Certificate) bool {
	own, err := k.Public(c.Key.Algorithm)
	if err != nil {
		return false
	}
	if k.rsa == nil && c.Key.Curve == nil {
		return bytes.Equal(own.encoded, c.Key.encoded)
	}
	return own.Equal(c.Key)
}

// Sign is Signer's.
func (k *Key) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.rsa != nil {
		return k.rsa.Sign(rand.Reader, digest, opts)
	}
	r, s, err := k.signECDSA(digest)
	if err != nil {
		return nil, err
	}
	n := (k.curve.N.BitLen() + 7) / 8
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	s.FillBytes(out[n:])
	return out, nil
}

// signECDSA takes the standard library's constant-time signature where it has the curve.
func (k *Key) signECDSA(digest []byte) (r, s *big.Int, err error) {
	native := map[string]elliptic.Curve{"P-224": elliptic.P224(), "P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.curve.Name]
	if native == nil {
		return k.curve.Sign(rand.Reader, k.private, digest)
	}
	private, err := ecdsa.ParseRawPrivateKey(native, k.private.FillBytes(make([]byte, (k.curve.N.BitLen()+7)/8)))
	if err != nil {
		return nil, nil, err
	}
	der, err := ecdsa.SignASN1(rand.Reader, private, digest)
	if err != nil {
		return nil, nil, err
	}
	seq, err := ber.Parse(der, ber.Sequence)
	if err != nil {
		return nil, nil, err
	}
	numbers, err := seq.Children()
	if err != nil || len(numbers) != 2 {
		return nil, nil, errors.New("cvc: crypto/ecdsa wrote no pair of numbers")
	}
	return unsigned(numbers[0].Value), unsigned(numbers[1].Value), nil
}

const (
	oidRSA     = "1.2.840.113549.1.1.1"
	oidECKey   = "1.2.840.10045.2.1"
	maxKeyFile = 64 << 10
)

// ParseKey reads a private key that is not encrypted: PEM as OpenSSL writes it
// (PKCS#8, SEC 1 or PKCS#1), or PKCS#8 in DER; RSA, or EC over a named curve of
// package ec or explicit parameters.
func ParseKey(b []byte) (*Key, error) {
	k, err := parseKeyFile(b)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return k, nil
}

func parseKeyFile(b []byte) (*Key, error) {
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxKeyFile)
	}
	if !bytes.Contains(b, []byte("-----BEGIN")) {
		return parsePKCS8(b)
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errors.New("the file holds none that can be read")
		}
		if block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY" {
			return nil, errors.New("it is encrypted: decrypt it (openssl pkey), or keep it in a token")
		}
		switch block.Type {
		case "PRIVATE KEY":
			return parsePKCS8(block.Bytes)
		case "EC PRIVATE KEY":
			return parseSEC1(block.Bytes, nil)
		case "RSA PRIVATE KEY":
			return parsePKCS1(block.Bytes)
		}
	}
}

// parsePKCS8 reads PrivateKeyInfo (RFC 5208, 5).
func parsePKCS8(b []byte) (*Key, error) {
	seq, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return nil, err
	}
	parts, err := seq.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) < 3 || parts[0].Tag != ber.Integer || parts[1].Tag != ber.Sequence || parts[2].Tag != ber.OctetString {
		return nil, errors.New("not a version, an algorithm and a key")
	}
	algorithm, err := parts[1].Children()
	if err != nil {
		return nil, err
	}
	if len(algorithm) == 0 {
		return nil, errors.New("no algorithm")
	}
	oid, err := algorithm[0].OID()
	if err != nil {
		return nil, err
	}
	switch {
	case oid == oidRSA:
		return parsePKCS1(parts[2].Value)
	case oid == oidECKey && len(algorithm) == 2:
		curve, err := trust.ParseParameters(algorithm[1])
		if err != nil {
			return nil, err
		}
		return parseSEC1(parts[2].Value, curve)
	}
	return nil, fmt.Errorf("a key of kind %s is neither RSA nor EC", oid)
}

func parsePKCS1(b []byte) (*Key, error) {
	k, err := x509.ParsePKCS1PrivateKey(b)
	if err != nil {
		return nil, err
	}
	if bits := k.N.BitLen(); bits < minModulusBits || bits > maxModulusBits || k.E > 1<<maxExponentBits-1 {
		return nil, fmt.Errorf("RSA modulus of %d bits is outside %d to %d", bits, minModulusBits, maxModulusBits)
	}
	return RSAKey(k), nil
}

// parseSEC1 reads ECPrivateKey (SEC 1, C.4); curve is nil where the key itself
// has to name it.
func parseSEC1(b []byte, curve *ec.Curve) (*Key, error) {
	seq, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return nil, err
	}
	parts, err := seq.Children()
	if err != nil {
		return nil, err
	}
	if len(parts) < 2 || parts[1].Tag != ber.OctetString || len(parts[1].Value) > maxPoint {
		return nil, errors.New("not a version and a private scalar")
	}
	for _, p := range parts[2:] {
		if p.Tag == 0xA0 && curve == nil {
			inner, _, err := ber.Next(p.Value)
			if err != nil {
				return nil, err
			}
			if curve, err = trust.ParseParameters(inner); err != nil {
				return nil, err
			}
		}
	}
	if curve == nil {
		return nil, errors.New("an EC key that names no curve")
	}
	return ECKey(curve, unsigned(parts[1].Value))
}

// PEM writes the key as PKCS#8 that is not encrypted: keep it where only its
// owner reads. It fails on a curve without a name.
func (k *Key) PEM() ([]byte, error) {
	var der []byte
	if k.rsa != nil {
		der = ber.Encode(ber.Sequence, ber.EncodeInt(new(big.Int)),
			ber.Encode(ber.Sequence, ber.EncodeOID(oidRSA), ber.Encode(ber.Null)),
			ber.Encode(ber.OctetString, x509.MarshalPKCS1PrivateKey(k.rsa)))
	} else {
		oid := k.curve.OID()
		if oid == "" {
			return nil, errors.New("cvc: the key's curve has no name")
		}
		n := (k.curve.N.BitLen() + 7) / 8
		der = ber.Encode(ber.Sequence, ber.EncodeInt(new(big.Int)),
			ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), ber.EncodeOID(oid)),
			ber.Encode(ber.OctetString, ber.Encode(ber.Sequence,
				ber.EncodeInt(big.NewInt(1)),
				ber.Encode(ber.OctetString, k.private.FillBytes(make([]byte, n))),
				ber.Encode(0xA1, ber.EncodeBits(k.curve.Marshal(k.point))))))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
