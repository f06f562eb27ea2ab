package trust

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"

	"limen/mrtd/ber"
)

// ErrSignature says that a signature was judged and does not hold. Any other
// error of this package's verification says that it could not be judged.
var ErrSignature = errors.New("signature does not verify")

// Verify judges a signature over message. digest is the hash to use where the
// algorithm names none, and may be zero. It returns nil, an error that wraps
// ErrSignature, or one that says why no judgment is possible.
func Verify(key *PublicKey, a Algorithm, digest crypto.Hash, message, signature []byte) error {
	hash, mgf := a.Hash, a.MGF
	if hash == 0 {
		hash, mgf = digest, digest
	}
	switch {
	case key == nil || key.Modulus == nil && key.Curve == nil:
		return errors.New("the signer's key is of a kind this version does not know")
	case a.Scheme == "":
		return fmt.Errorf("signature algorithm %s is not known to this version", a.OID)
	case hash == 0 || !hash.Available():
		return errors.New("the hash of the signature is not known to this version")
	case (a.Scheme == ECDSA) != (key.Curve != nil):
		return fmt.Errorf("%w: %s under a key %s", ErrSignature, a, key)
	}
	h := hash.New()
	h.Write(message)
	sum := h.Sum(nil)
	var ok bool
	switch a.Scheme {
	case ECDSA:
		r, s, good := splitECDSA(signature, (key.Curve.N.BitLen()+7)/8)
		ok = good && key.Curve.Verify(key.Point, sum, r, s)
	case RSAPKCS1:
		ok = verifyPKCS1(key, hash, sum, signature)
	case RSAPSS:
		ok = verifyPSS(key, hash, mgf, sum, signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// splitECDSA reads SEQUENCE { r, s }, or r || s of fixed length as TR-03111
// writes it and some issuers do under the ANSI X9.62 identifier. Which numbers
// are meant is plain from the form, so accepting both adds no signature.
func splitECDSA(b []byte, size int) (r, s *big.Int, ok bool) {
	if seq, err := ber.Parse(b, ber.Sequence); err == nil {
		if numbers, err := seq.Children(); err == nil && len(numbers) == 2 && numbers[0].Tag == ber.Integer && numbers[1].Tag == ber.Integer {
			return unsigned(numbers[0].Value), unsigned(numbers[1].Value), true
		}
	}
	if len(b) == 2*size {
		return unsigned(b[:size]), unsigned(b[size:]), true
	}
	return nil, nil, false
}

// open applies the public RSA operation and returns size octets, or nil for a
// signature out of range (RFC 8017, 5.2.2).
func (k *PublicKey) open(signature []byte, size int) []byte {
	s := unsigned(signature)
	if len(signature) > 2*maxModulusBits/8 || s.Cmp(k.Modulus) >= 0 {
		return nil
	}
	m := s.Exp(s, k.Exponent, k.Modulus)
	if (m.BitLen()+7)/8 > size {
		return nil
	}
	return m.FillBytes(make([]byte, size))
}

// verifyPKCS1 is RSASSA-PKCS1-v1_5 (RFC 8017, 8.2.2). The expected block is
// built and compared whole, so that nothing in the padding is left unread. A
// DigestInfo without its NULL is refused as RFC 8017, A.2.4 has it, although
// signers that write one exist: ICAO's own list of September 2023 did.
func verifyPKCS1(key *PublicKey, hash crypto.Hash, sum, signature []byte) bool {
	size := (key.Modulus.BitLen() + 7) / 8
	got := key.open(signature, size)
	return got != nil && bytes.Equal(got, PKCS1Block(hash, sum, size))
}

// PKCS1Block is EMSA-PKCS1-v1_5 (RFC 8017, 9.2): what an RSA signature of size
// octets over a digest encloses. It is nil where size is too short.
func PKCS1Block(hash crypto.Hash, sum []byte, size int) []byte {
	info := ber.Encode(ber.Sequence,
		ber.Encode(ber.Sequence, ber.EncodeOID(HashOID(hash)), ber.Encode(ber.Null)), ber.Encode(ber.OctetString, sum))
	if size < len(info)+11 {
		return nil
	}
	block := bytes.Repeat([]byte{0xFF}, size)
	block[0], block[1], block[size-len(info)-1] = 0, 1, 0
	copy(block[size-len(info):], info)
	return block
}

// verifyPSS is RSASSA-PSS (RFC 8017, 9.1.2) with the salt's length taken from
// the padding: documents state one that is not theirs, and the strength of the
// scheme does not rest on the statement.
func verifyPSS(key *PublicKey, hash, mgf crypto.Hash, sum, signature []byte) bool {
	if !mgf.Available() {
		return false
	}
	bits := key.Modulus.BitLen() - 1
	size := (bits + 7) / 8
	em := key.open(signature, size)
	h := hash.Size()
	if em == nil || size < h+2 || em[size-1] != 0xBC {
		return false
	}
	db, tail := em[:size-h-1], em[size-h-1:size-1]
	unused := byte(0xFF) << (8 - uint(8*size-bits)) // the bits of the first octet that must be zero; none where 8 divides bits
	if db[0]&unused != 0 {
		return false
	}
	MGF1(mgf, tail, db)
	db[0] &^= unused
	one := 0
	for one < len(db) && db[one] == 0 {
		one++
	}
	if one == len(db) || db[one] != 1 {
		return false
	}
	d := hash.New()
	d.Write(make([]byte, 8))
	d.Write(sum)
	d.Write(db[one+1:])
	return bytes.Equal(d.Sum(nil), tail)
}

// MGF1 adds the mask generated from seed (RFC 8017, B.2.1) onto b.
func MGF1(hash crypto.Hash, seed, b []byte) {
	for counter := 0; len(b) > 0; counter++ {
		d := hash.New()
		d.Write(seed)
		d.Write([]byte{byte(counter >> 24), byte(counter >> 16), byte(counter >> 8), byte(counter)})
		for _, x := range d.Sum(nil) {
			if len(b) == 0 {
				return
			}
			b[0] ^= x
			b = b[1:]
		}
	}
}
