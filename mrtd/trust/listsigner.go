package trust

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// listKind is what a signed list holds, and who may sign it.
type listKind struct {
	plural string
	usage  string // extended key usage of its signers (Doc 9303-12, 7.1.1.3)
}

const maxSignerChain = 4 // signer, link certificates, root

// verifyList judges the signature of a list and its signer, up to one of the roots.
func (s *SignedData) verifyList(kind listKind, roots []*Certificate) (*Certificate, time.Time, error) {
	roots = slices.DeleteFunc(slices.Clone(roots), func(c *Certificate) bool { return c == nil })
	if len(roots) == 0 {
		return nil, time.Time{}, errors.New("no root to judge it by: give the CSCA certificate of the state that signed it")
	}
	var embedded []*Certificate
	for _, raw := range s.Certificates {
		c, err := ParseCertificate(raw)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("of the signer: %w", err)
		}
		embedded = append(embedded, c)
	}
	// Doc 9303-12, 9 asks for one signer or, while hashes change, two: any that holds is enough.
	var first error
	for _, info := range s.Signers {
		signer, err := s.judgeListSigner(info, embedded, roots, kind)
		if err == nil {
			return signer, info.SigningTime, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, time.Time{}, first
}

func (s *SignedData) judgeListSigner(info SignerInfo, embedded, roots []*Certificate, kind listKind) (*Certificate, error) {
	i := slices.IndexFunc(embedded, info.Identifies)
	if i < 0 {
		return nil, errors.New("the signer's certificate is not in the message")
	}
	signer := embedded[i]
	if err := s.Verify(info, signer); err != nil {
		return nil, err
	}
	switch {
	case info.SigningTime.IsZero():
		return nil, errors.New("no signing time: the age of its trust cannot be known")
	case !signer.ValidAt(info.SigningTime):
		return nil, fmt.Errorf("%s was not valid on %s, when it signed", signer.Subject, info.SigningTime.Format(time.DateOnly))
	case !slices.Contains(signer.ExtendedKeyUsage, kind.usage):
		return nil, fmt.Errorf("%s is no signer of %s: extended key usage %s is missing", signer.Subject, kind.plural, kind.usage)
	}
	return signer, reach(signer, embedded, roots)
}

// reach climbs from c to one of the roots through link certificates of the
// message. Each certificate is climbed through once: a message of certificates
// that all sign each other costs no more than their pairs.
func reach(c *Certificate, between, roots []*Certificate) error {
	err := fmt.Errorf("%w: no chain from %s to the root %s", ErrSignature, c.Subject, roots[0].Subject)
	climbed := []*Certificate{c}
	for level, steps := climbed, 0; len(level) > 0 && steps <= maxSignerChain; steps++ {
		var above []*Certificate
		for _, c := range level {
			for _, root := range roots {
				if bytes.Equal(c.Raw, root.Raw) {
					return nil
				}
				if !c.Issuer.Equal(root.Subject) {
					continue
				}
				verr := c.VerifySignatureBy(root)
				if verr == nil {
					return nil
				}
				if !errors.Is(verr, ErrSignature) {
					err = verr
				}
			}
			for _, up := range between {
				if up.IsCA() && up.oneCountry() && c.Issuer.Equal(up.Subject) && !slices.Contains(climbed, up) && c.VerifySignatureBy(up) == nil {
					climbed, above = append(climbed, up), append(above, up)
				}
			}
		}
		level = above
	}
	return err
}
