package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"limen/mrtd/authn"
	"limen/mrtd/trust"
)

// Extended key usages of those who sign seals. A certificate with another is
// not one for seals; one with none is let pass with a note, since the first
// signers had none.
var sealUsages = []string{
	"2.23.136.1.1.11.1",     // id-icao-vdsSigner (Doc 9303-12, 7.1.3)
	"0.4.0.127.0.7.3.5.1.1", // arrival attestations (BSI TR-03137-1, 6.5.2)
}

// A day's grace, as authn gives it: certificates issued on one day have begun hours apart.
const clockGrace = 24 * time.Hour

// judgeChain finds the CSCA certificate whose key signed the signer's, and
// judges both, as passive authentication does for document signers.
func (r *Result) judgeChain(s *Seal, signer *trust.Certificate, store *trust.Store, at time.Time) {
	r.CSCA, r.TrustDate, r.TrustAge = authn.Party{}, time.Time{}, 0
	r.Chain = authn.Verdict{Status: authn.Failed, Code: authn.CSCAUnknown}
	if store == nil {
		return
	}
	var found *trust.Certificate
	for _, csca := range store.Find(signer.Issuer.Raw, signer.AuthorityKeyID) {
		switch err := signer.VerifySignatureBy(csca); {
		case errors.Is(err, trust.ErrSignature):
			if found == nil && names(signer, csca) {
				r.Chain.Code = authn.CSCASignatureInvalid
			}
			continue
		case err != nil:
			if found == nil {
				r.Chain = authn.Verdict{Status: authn.Inconclusive, Code: authn.AlgorithmUnknown}
			}
			continue
		}
		if v := judgeCSCA(signer, csca); found == nil || v.Status == authn.Passed {
			found, r.Chain = csca, v
		}
		if r.Chain.Status == authn.Passed {
			break
		}
	}
	if found == nil {
		return
	}
	r.CSCA = party(found, signer.Algorithm.String())
	if r.TrustDate = store.Date(found); !r.TrustDate.IsZero() {
		r.TrustAge = at.Sub(r.TrustDate)
	}
	if r.Chain.Status == authn.Passed {
		r.Chain = r.judgeSigner(s, signer, at)
	}
}

// names tells whether the signer's certificate names this CSCA's very key.
func names(signer, csca *trust.Certificate) bool {
	if len(signer.AuthorityKeyID) == 0 || len(csca.SubjectKeyID) == 0 {
		return signer.Issuer.Equal(csca.Subject)
	}
	return bytes.Equal(signer.AuthorityKeyID, csca.SubjectKeyID)
}

func judgeCSCA(signer, csca *trust.Certificate) authn.Verdict {
	switch {
	case signer.NotBefore.Before(csca.NotBefore.Add(-clockGrace)), signer.NotBefore.After(csca.NotAfter):
		return authn.Verdict{Status: authn.Failed, Code: authn.CSCANotValid}
	case signer.Subject.Country != csca.Subject.Country:
		return authn.Verdict{Status: authn.Failed, Code: authn.IssuerCountryMismatch, Subject: "csca"}
	}
	return authn.Verdict{Status: authn.Passed}
}

func (r *Result) judgeSigner(s *Seal, signer *trust.Certificate, at time.Time) authn.Verdict {
	failed := func(code authn.Code, subject string) authn.Verdict {
		return authn.Verdict{Status: authn.Failed, Code: code, Subject: subject}
	}
	switch {
	case signer.HasKeyUsage && signer.KeyUsage&trust.DigitalSignature == 0, signer.HasConstraints && signer.CA:
		return failed(authn.SignerKeyUsage, "")
	case len(signer.UnreadExtensions) > 0: // RFC 5280, 4.2: what is critical and not understood is refused
		return failed(authn.SignerKeyUsage, "critical_extension")
	case len(signer.ExtendedKeyUsage) == 0:
		r.note(authn.SignerKeyUsageAbsent, "extended_key_usage")
	case !slices.ContainsFunc(signer.ExtendedKeyUsage, func(oid string) bool { return slices.Contains(sealUsages, oid) }):
		return failed(authn.SignerKeyUsage, "extended_key_usage")
	}
	if !s.allowedBy(signer) {
		return failed(DocumentTypeRefused, "")
	}
	if v := authn.CompareIssuer(r.Signer, s.Country); v.Status != authn.Passed {
		return v
	}
	signed := time.Date(s.Signed.Year, time.Month(s.Signed.Month), s.Signed.Day, 0, 0, 0, 0, time.UTC)
	switch {
	case signed.After(at.Add(clockGrace)): // a day to come is none it signed on
		return failed(authn.SignerNotYetValid, "signature_date")
	case signed.Add(clockGrace).Before(signer.NotBefore), at.Before(signer.NotBefore):
		return failed(authn.SignerNotYetValid, "")
	case signed.After(signer.NotAfter), at.After(signer.NotAfter):
		return failed(authn.SignerExpired, "")
	case !signer.PrivateKeyUntil.IsZero() && signed.After(signer.PrivateKeyUntil.Add(clockGrace)):
		r.note(authn.SignerKeyPeriodExceeded, "")
	}
	return authn.Verdict{Status: authn.Passed}
}

// allowedBy tells whether the signer's certificate, where it lists types of
// document, lists the one of the seal's MRZ: a single letter stands for all
// types that begin with it (Doc 9303-12, 7.1.1.6).
func (s *Seal) allowedBy(signer *trust.Certificate) bool {
	lines := s.MRZ()
	if len(signer.DocumentTypes) == 0 || lines == nil {
		return true
	}
	code := strings.TrimRight(lines[0][:2], "<")
	return slices.ContainsFunc(signer.DocumentTypes, func(t string) bool {
		t = strings.TrimRight(t, "< ")
		return t == code || len(t) == 1 && strings.HasPrefix(code, t)
	})
}

func party(c *trust.Certificate, algorithm string) authn.Party {
	return authn.Party{
		Country: c.Subject.Country, Subject: c.Subject.String(), Serial: fmt.Sprintf("%X", c.Serial),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: c.Key.String(), Algorithm: algorithm,
	}
}
