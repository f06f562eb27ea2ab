// Package token signs with keys that lie in a PKCS#11 token and never leave it:
// a smart card, a hardware security module, or SoftHSM, which is software.
//
//	Open -> Token.Signer -> Signer.Sign ... -> Token.Close
//
// The vendor's library is loaded at run time by its path. A call into it cannot
// be interrupted once it is on its way: a caller whose context ends stops
// waiting, and Close waits for the call. Keys that ask for their PIN before
// every signature are left out, as are making and deleting keys: tokens come
// with tools for that.
//
// Built without cgo, the package compiles and Open says that it cannot work.
package token

import (
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
)

// Config says which token.
type Config struct {
	Module string // path of the vendor's PKCS#11 library
	Label  string // of the token
}

// Errors a caller acts on, besides keystore.ErrPassphrase for a wrong PIN.
var (
	// ErrNoToken: the library knows no token of that label. Plug it in, or correct the label.
	ErrNoToken = errors.New("no token of that label")
	// ErrNoKey: the token holds no private key of that label, or more than one.
	ErrNoKey = errors.New("not one private key of that label")
)

// Public is the public half of a key: RSA, or a point on a curve.
type Public struct {
	RSA   *rsa.PublicKey
	Curve string // object identifier of the curve, "1.3.36.3.3.2.8.1.1.7" is brainpoolP256r1; "" for RSA
	Point []byte // 04 || X || Y
}

// mechanism is how a digest is to be signed.
type mechanism struct {
	pss  bool
	hash crypto.Hash
	salt int    // octets, PSS
	data []byte // what the token is given
}

// prepare makes of a digest what a token signs: it hashes nothing, so that one
// mechanism serves every hash.
func prepare(rsaKey bool, digest []byte, opts crypto.SignerOpts) (mechanism, error) {
	hash := opts.HashFunc()
	if !hash.Available() || len(digest) != hash.Size() {
		return mechanism{}, fmt.Errorf("digest of %d bytes is none of %s", len(digest), hash)
	}
	pss, isPSS := opts.(*rsa.PSSOptions)
	switch {
	case isPSS && !rsaKey:
		return mechanism{}, errors.New("RSA-PSS asked of a key that is not RSA")
	case isPSS && pss.SaltLength > 0:
		return mechanism{true, hash, pss.SaltLength, digest}, nil
	case isPSS && pss.SaltLength == rsa.PSSSaltLengthEqualsHash:
		return mechanism{true, hash, hash.Size(), digest}, nil
	case isPSS:
		return mechanism{}, errors.New("RSA-PSS needs the salt's length")
	case !rsaKey:
		return mechanism{false, hash, 0, digest}, nil
	}
	oid, known := hashOIDs[hash]
	if !known {
		return mechanism{}, fmt.Errorf("%s is no hash of RSA PKCS#1 here", hash)
	}
	info, err := asn1.Marshal(digestInfo{algorithm{oid, asn1.NullRawValue}, digest})
	return mechanism{false, hash, 0, info}, err
}

// digestInfo is RFC 8017, 9.2, step 2.
type digestInfo struct {
	Algorithm algorithm
	Digest    []byte
}

type algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue
}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA224: {2, 16, 840, 1, 101, 3, 4, 2, 4},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}
