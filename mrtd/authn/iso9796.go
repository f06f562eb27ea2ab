package authn

import (
	"bytes"
	"crypto"
	"math/big"

	"limen/mrtd/trust"
)

// verify9796 judges an RSA signature that gives back a part of the message it
// was made over (ISO/IEC 9796-2, digital signature scheme 1; Doc 9303-11,
// 6.1.2.2): the chip's nonce M1 is in it, the reader's challenge M2 is not. It
// returns the hash the trailer names.
//
// The signature may be the number itself or its complement to the modulus,
// whichever is smaller (ISO/IEC 9796-2, B.6 and B.4): only one of the two opens
// to a number that ends in C.
func verify9796(key *trust.PublicKey, challenge, signature []byte) (crypto.Hash, bool) {
	block := key.Recover(signature)
	if len(block) == 0 {
		return 0, false
	}
	if block[len(block)-1]&0x0F != 0x0C {
		complement := new(big.Int).Sub(key.Modulus, new(big.Int).SetBytes(block))
		complement.FillBytes(block)
	}
	m1, digest, hash, ok := splitBlock(block)
	if !ok {
		return 0, false
	}
	h := hash.New()
	h.Write(m1)
	h.Write(challenge)
	return hash, bytes.Equal(h.Sum(nil), digest)
}

// trailerHashes are the hash functions of a trailer of two octets (6.1.2.2). For
// SHA-1 the standard has one octet, BC; 33CC is ISO/IEC 10118-3's number for it
// and means the same.
var trailerHashes = map[byte]crypto.Hash{
	0x33: crypto.SHA1,
	0x34: crypto.SHA256,
	0x35: crypto.SHA512,
	0x36: crypto.SHA384,
	0x38: crypto.SHA224,
}

// splitBlock takes a message representative apart: a header that says that the
// message is recovered in part, 6A, or 6B BB… BA where M1 does not fill it; M1;
// the hash; the trailer.
func splitBlock(block []byte) (m1, digest []byte, hash crypto.Hash, ok bool) {
	end := len(block) - 1
	if end < 1 {
		return nil, nil, 0, false
	}
	switch block[end] {
	case 0xBC:
		hash = crypto.SHA1
	case 0xCC:
		end--
		hash = trailerHashes[block[end]]
	}
	if hash == 0 || !hash.Available() {
		return nil, nil, 0, false
	}
	start := 1
	switch block[0] {
	case 0x6A:
	case 0x6B:
		for start < end && block[start] == 0xBB {
			start++
		}
		if block[start] != 0xBA {
			return nil, nil, 0, false
		}
		start++
	default:
		return nil, nil, 0, false
	}
	at := end - hash.Size()
	if at < start {
		return nil, nil, 0, false
	}
	return block[start:at], block[at:end], hash, true
}
