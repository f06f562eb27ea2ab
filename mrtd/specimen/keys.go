package specimen

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// Seed is a source of randomness that is the same for the same text.
func Seed(text string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(text))) }

// KeyKind is what kind of key an authority signs with, and with which hash.
type KeyKind struct {
	Scheme   trust.Scheme // ECDSA, RSAPKCS1 or RSAPSS
	Curve    string       // ECDSA: a name package ec knows
	Explicit bool         // ECDSA: spell the curve's parameters out, as most passports do
	Bits     int          // RSA: length of the modulus
	Hash     crypto.Hash  // of the signatures it makes
}

type key struct {
	kind    KeyKind
	curve   *ec.Curve
	private *big.Int // EC scalar or RSA private exponent
	point   ec.Point
	modulus *big.Int
	primes  []*big.Int // of the modulus
	random  io.Reader
}

const exponent = 65537

func newKey(kind KeyKind, random io.Reader) (*key, error) {
	if trust.HashOID(kind.Hash) == "" {
		return nil, fmt.Errorf("hash %s is not one of SHA-1, SHA-224, SHA-256, SHA-384, SHA-512", kind.Hash)
	}
	k := &key{kind: kind, random: random}
	var err error
	switch kind.Scheme {
	case trust.ECDSA:
		if k.curve = ec.ByName(kind.Curve); k.curve == nil {
			return nil, fmt.Errorf("curve %q is not known; brainpoolP256r1 and P-256 are", kind.Curve)
		}
		k.private, k.point, err = k.curve.GenerateKey(random, ec.Point{})
	case trust.RSAPKCS1, trust.RSAPSS:
		if kind.Bits < 1024 || kind.Bits > 8192 || kind.Bits%16 != 0 {
			return nil, fmt.Errorf("RSA modulus of %d bits; 1024 to 8192 in steps of 16 are made", kind.Bits)
		}
		if k.primes, k.private, err = rsaKey(kind.Bits, random); err == nil {
			k.modulus = new(big.Int).Mul(k.primes[0], k.primes[1])
		}
	default:
		return nil, fmt.Errorf("signature scheme %q is none of %s, %s, %s", kind.Scheme, trust.ECDSA, trust.RSAPKCS1, trust.RSAPSS)
	}
	return k, err
}

// rsaKey makes primes itself: crypto/rsa no longer takes its randomness from the caller.
func rsaKey(bits int, random io.Reader) (primes []*big.Int, d *big.Int, err error) {
	one, e := big.NewInt(1), big.NewInt(exponent)
	for range 16 {
		p, err := prime(bits/2, random)
		if err != nil {
			return nil, nil, err
		}
		q, err := prime(bits/2, random)
		if err != nil {
			return nil, nil, err
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(e, phi); d != nil && p.Cmp(q) != 0 {
			return []*big.Int{p, q}, d, nil
		}
	}
	return nil, nil, errors.New("no RSA key found: the source of randomness is broken")
}

func prime(bits int, random io.Reader) (*big.Int, error) {
	b := make([]byte, bits/8)
	for range 100000 {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("source of randomness: %w", err)
		}
		b[0] |= 0xC0 // two top bits, so that the product has its full length
		b[len(b)-1] |= 1
		if p := new(big.Int).SetBytes(b); p.ProbablyPrime(16) {
			return p, nil
		}
	}
	return nil, errors.New("no prime found: the source of randomness is broken")
}

// publicKey is the SubjectPublicKeyInfo, and bits its inner bit string.
func (k *key) publicKey() (info, bits []byte) {
	if k.curve == nil {
		bits = ber.Encode(ber.Sequence, ber.EncodeInt(k.modulus), ber.EncodeInt(big.NewInt(exponent)))
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.1"), ber.Encode(ber.Null)), ber.EncodeBits(bits)), bits
	}
	bits = k.curve.Marshal(k.point)
	parameters := ber.EncodeOID(k.curve.OID())
	if k.kind.Explicit {
		parameters = explicit(k.curve)
	}
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), parameters), ber.EncodeBits(bits)), bits
}

// explicit writes ECParameters (BSI TR-03111, annex D).
func explicit(c *ec.Curve) []byte {
	n := c.ByteLen()
	return ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(1)),
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeInt(c.P)),
		ber.Encode(ber.Sequence, ber.Encode(ber.OctetString, c.A.FillBytes(make([]byte, n))), ber.Encode(ber.OctetString, c.B.FillBytes(make([]byte, n)))),
		ber.Encode(ber.OctetString, c.Marshal(c.G)),
		ber.EncodeInt(c.N),
		ber.EncodeInt(big.NewInt(int64(c.H))))
}

// algorithm is the AlgorithmIdentifier of the key's signatures.
func (k *key) algorithm() []byte {
	oid := ber.EncodeOID(trust.SignatureOID(k.kind.Scheme, k.kind.Hash))
	switch k.kind.Scheme {
	case trust.RSAPKCS1:
		return ber.Encode(ber.Sequence, oid, ber.Encode(ber.Null))
	case trust.RSAPSS:
		hash := hashIdentifier(k.kind.Hash)
		return ber.Encode(ber.Sequence, oid, ber.Encode(ber.Sequence,
			ber.Encode(0xA0, hash),
			ber.Encode(0xA1, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.8"), hash)),
			ber.Encode(0xA2, ber.EncodeInt(big.NewInt(int64(k.kind.Hash.Size()))))))
	}
	return ber.Encode(ber.Sequence, oid)
}

func hashIdentifier(h crypto.Hash) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeOID(trust.HashOID(h)), ber.Encode(ber.Null))
}

// sign returns a signature over message in the form certificates and CMS hold.
func (k *key) sign(message []byte) ([]byte, error) {
	h := k.kind.Hash.New()
	h.Write(message)
	sum := h.Sum(nil)
	if k.curve != nil {
		r, s, err := k.curve.Sign(k.random, k.private, sum)
		if err != nil {
			return nil, err
		}
		return ber.Encode(ber.Sequence, ber.EncodeInt(r), ber.EncodeInt(s)), nil
	}
	return k.signRSA(sum)
}

func (k *key) signRSA(sum []byte) ([]byte, error) {
	size := (k.modulus.BitLen() + 7) / 8
	block := trust.PKCS1Block(k.kind.Hash, sum, size)
	if k.kind.Scheme == trust.RSAPSS {
		salt := make([]byte, k.kind.Hash.Size())
		if _, err := io.ReadFull(k.random, salt); err != nil {
			return nil, fmt.Errorf("source of randomness: %w", err)
		}
		block = pssBlock(k.kind.Hash, sum, salt, k.modulus.BitLen()-1)
	}
	if block == nil {
		return nil, fmt.Errorf("RSA modulus of %d bits is too short for %s", k.modulus.BitLen(), k.kind.Hash)
	}
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, k.private, k.modulus).FillBytes(make([]byte, size)), nil
}

// pssBlock is EMSA-PSS (RFC 8017, 9.1.1), nil where bits are too few.
func pssBlock(hash crypto.Hash, sum, salt []byte, bits int) []byte {
	size := (bits + 7) / 8
	gap := size - hash.Size() - len(salt) - 2
	if gap < 0 {
		return nil
	}
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(sum)
	h.Write(salt)
	seed := h.Sum(nil)
	db := append(append(make([]byte, gap), 1), salt...)
	trust.MGF1(hash, seed, db)
	db[0] &= 0xFF >> uint(8*size-bits)
	return append(append(db, seed...), 0xBC)
}
