package cvc

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"limen/mrtd/trust"
)

// Algorithm is how terminal authentication signs (BSI TR-03110-3, tables 17 and 18).
type Algorithm struct {
	OID    string
	Scheme trust.Scheme
	Hash   crypto.Hash
}

const oidTA = "0.4.0.127.0.7.2.2.2" // id-TA

var algorithms = []Algorithm{
	{oidTA + ".1.1", trust.RSAPKCS1, crypto.SHA1},
	{oidTA + ".1.2", trust.RSAPKCS1, crypto.SHA256},
	{oidTA + ".1.3", trust.RSAPSS, crypto.SHA1},
	{oidTA + ".1.4", trust.RSAPSS, crypto.SHA256},
	{oidTA + ".1.5", trust.RSAPKCS1, crypto.SHA512},
	{oidTA + ".1.6", trust.RSAPSS, crypto.SHA512},
	{oidTA + ".2.1", trust.ECDSA, crypto.SHA1},
	{oidTA + ".2.2", trust.ECDSA, crypto.SHA224},
	{oidTA + ".2.3", trust.ECDSA, crypto.SHA256},
	{oidTA + ".2.4", trust.ECDSA, crypto.SHA384},
	{oidTA + ".2.5", trust.ECDSA, crypto.SHA512},
}

// Algorithms lists every algorithm of terminal authentication.
func Algorithms() []Algorithm { return append([]Algorithm(nil), algorithms...) }

// AlgorithmByOID returns an algorithm by its object identifier.
func AlgorithmByOID(oid string) (Algorithm, bool) {
	return algorithmWhere(func(a Algorithm) bool { return a.OID == oid })
}

// AlgorithmOf returns the algorithm of a scheme and a hash, where there is one:
// RSA signs with SHA-1, SHA-256 or SHA-512 only.
func AlgorithmOf(scheme trust.Scheme, hash crypto.Hash) (Algorithm, bool) {
	return algorithmWhere(func(a Algorithm) bool { return a.Scheme == scheme && a.Hash == hash })
}

func algorithmWhere(is func(Algorithm) bool) (Algorithm, bool) {
	for _, a := range algorithms {
		if is(a) {
			return a, true
		}
	}
	return Algorithm{}, false
}

// String names scheme and hash: "ECDSA SHA-256".
func (a Algorithm) String() string { return fmt.Sprintf("%s %s", a.Scheme, a.Hash) }

// digest is what is signed of a message.
func (a Algorithm) digest(message []byte) []byte {
	h := a.Hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// options tell a Signer what to make of the digest: the salt is as long as the
// hash (A.7.3.1).
func (a Algorithm) options() crypto.SignerOpts {
	if a.Scheme == trust.RSAPSS {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.Hash}
	}
	return a.Hash
}
