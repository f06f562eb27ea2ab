package cvc

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// Signer makes signatures with a private key: one in a file (Key), or in a
// token that gives none out.
type Signer interface {
	// Sign signs a digest made with opts.HashFunc(): RSA-PSS where opts is
	// *rsa.PSSOptions, else RSA PKCS#1 v1.5 or ECDSA as the key is. An ECDSA
	// signature is r and s concatenated, each at the length of the curve's order.
	Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

// Issue makes a certificate of the fields of c that say what it certifies:
// Authority, Holder, Key, Authorization, Effective and Expires. It is signed by
// the authority's key, whose algorithm is given. Domain parameters are written
// where Key.Explicit asks for them: a CVCA's self-signed certificate must have
// them, those of document verifiers and terminals must not (D.3.3).
func Issue(ctx context.Context, c Certificate, algorithm Algorithm, signer Signer) (*Certificate, error) {
	body, err := c.encodeBody()
	if err != nil {
		return nil, fmt.Errorf("cannot issue a certificate for %s: %w", c.Holder, err)
	}
	signature, err := signer.Sign(ctx, algorithm.digest(body), algorithm.options())
	if err != nil {
		return nil, fmt.Errorf("cannot sign the certificate of %s: %w", c.Holder, err)
	}
	return Parse(ber.Encode(tagCertificate, body, ber.Encode(tagSignature, signature)))
}

func (c *Certificate) encodeBody() ([]byte, error) {
	if err := c.Key.complete(); err != nil {
		return nil, err
	}
	if c.Authorization.Type != InspectionSystems {
		return nil, errors.New("only inspection systems are certified here")
	}
	effective, err := encodeDate(c.Effective)
	if err != nil {
		return nil, err
	}
	expires, err := encodeDate(c.Expires)
	if err != nil {
		return nil, err
	}
	return ber.Encode(tagBody,
		ber.Encode(tagProfile, []byte{0}),
		ber.Encode(tagAuthority, []byte(c.Authority)),
		c.Key.encode(c.Key.Explicit),
		ber.Encode(tagHolder, []byte(c.Holder)),
		c.Authorization.encode(),
		ber.Encode(tagEffective, effective),
		ber.Encode(tagExpires, expires)), nil
}

// complete tells whether the key can be written.
func (k PublicKey) complete() error {
	if k.Modulus == nil && (k.Curve == nil || k.Point.Infinity()) {
		return errors.New("its public key is missing or without domain parameters")
	}
	if _, known := AlgorithmByOID(k.Algorithm.OID); !known {
		return fmt.Errorf("algorithm %q is none of terminal authentication", k.Algorithm.OID)
	}
	return nil
}
