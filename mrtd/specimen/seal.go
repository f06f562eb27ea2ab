package specimen

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// SealSigner signs visible digital seals (package seal) with a key an authority
// certified.
type SealSigner struct {
	key *key
	der []byte
}

// SealProfile describes a signer of seals.
type SealProfile struct {
	Name   string // two characters, unlike those of the state's other signers
	Serial int64  // of the certificate, which seals refer to
	Curve  string // of the key: brainpoolP256r1 where ""
	Types  []string
	// Usage is the extended key usage of the certificate: that of a seal's signer where "".
	Usage string
	Years int // the certificate is valid for, from the authority's start; 12 where 0
}

// vdsSigner is id-icao-vdsSigner (Doc 9303-12, 7.1.3).
const vdsSigner = "2.23.136.1.1.11.1"

// SealSigner makes a key and certifies it for signing seals (Doc 9303-12, 7.1.3).
func (a *Authority) SealSigner(p SealProfile) (*SealSigner, error) {
	if len(p.Name) != 2 || p.Serial <= 0 {
		return nil, errors.New("cannot make a signer of seals: its name is not two characters, or its serial not positive")
	}
	kind := a.profile.DS
	kind.Scheme, kind.Curve = trust.ECDSA, p.Curve
	if p.Curve == "" {
		kind.Curve = "brainpoolP256r1"
	}
	k, err := newKey(kind, a.random)
	if err != nil {
		return nil, fmt.Errorf("cannot make the key of a signer of seals: %w", err)
	}
	if p.Usage == "" {
		p.Usage = vdsSigner
	}
	if p.Years == 0 {
		p.Years = 12
	}
	part := func(oid, value string) []byte {
		return ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(ber.PrintableString, []byte(value))))
	}
	der, err := a.certify(certificate{
		subject: ber.Encode(ber.Sequence, part("2.5.4.6", a.profile.Country), part("2.5.4.3", p.Name)),
		key:     k, years: p.Years, usage: p.Usage, types: p.Types, serial: big.NewInt(p.Serial),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot certify a signer of seals: %w", err)
	}
	return &SealSigner{k, der}, nil
}

// Certificate is the signer's certificate, DER.
func (s *SealSigner) Certificate() []byte { return slices.Clone(s.der) }

// Curve is the curve of the signer's key.
func (s *SealSigner) Curve() *ec.Curve { return s.key.curve }

// Sign signs a digest: what package seal asks of a signer.
func (s *SealSigner) Sign(digest []byte) (r, sig *big.Int, err error) {
	return s.key.curve.Sign(s.key.random, s.key.private, digest)
}
