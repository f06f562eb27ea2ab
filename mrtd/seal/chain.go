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
var (
	sealUsages = []string{
		"2.23.136.1.1.11.1",     // id-icao-vdsSigner (Doc 9303-12, 7.1.3)
		"0.4.0.127.0.7.3.5.1.1", // arrival attestations (BSI TR-03137-1, 6.5.2)
	}
	unconstrainedUsages = []string{"2.23.136.1.1.14.2"} // ICAO TR VDS-NC
)

// claim is what a seal says that its signer's certificate has to bear out.
type claim struct {
	state  string    // issuing, alpha-3
	signed time.Time // the day of signature; zero where the seal states none
	code   string    // of the document, as an MRZ has it; "" where none is stated
	usages []string
}

func (s *Seal) claim() claim {
	c := claim{
		state: s.Country, usages: sealUsages,
		signed: time.Date(s.Signed.Year, time.Month(s.Signed.Month), s.Signed.Day, 0, 0, 0, 0, time.UTC),
	}
	if lines := s.MRZ(); lines != nil {
		c.code = strings.TrimRight(lines[0][:2], "<")
	}
	return c
}

// A day's grace, as authn gives it: certificates issued on one day have begun hours apart.
const clockGrace = 24 * time.Hour

// judgeChain finds the CSCA certificate whose key signed the signer's, and
// judges both, as passive authentication does for document signers.
func (r *Result) judgeChain(c claim, signer *trust.Certificate, store *trust.Store, at time.Time) {
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
		r.Chain = r.judgeSigner(c, signer, at)
	}
	r.judgeRevocation(signer, found, store, at)
}

// judgeRevocation is passive authentication's: what is revoked fails, what no
// list covers is a note (Doc 9303-12, D.1.2.3).
func (r *Result) judgeRevocation(signer, csca *trust.Certificate, store *trust.Store, at time.Time) {
	above, own := store.RevokedCSCA(csca, at), store.Revoked(signer, at)
	switch {
	case above.Revoked:
		r.Chain = authn.Verdict{Status: authn.Failed, Code: authn.CSCARevoked, Subject: string(above.Reason)}
	case own.Revoked:
		r.Chain = authn.Verdict{Status: authn.Failed, Code: authn.SignerRevoked, Subject: string(own.Reason)}
	}
	switch {
	case own.Invalid:
		r.note(authn.CRLSignatureInvalid, "")
	case !own.Covered:
		r.note(authn.CRLUnknown, "")
	case own.Overdue:
		r.note(authn.CRLOverdue, "")
	}
	if own.ByCountry {
		r.note(authn.CRLOfCountry, "")
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

func (r *Result) judgeSigner(c claim, signer *trust.Certificate, at time.Time) authn.Verdict {
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
	case !slices.ContainsFunc(signer.ExtendedKeyUsage, func(oid string) bool { return slices.Contains(c.usages, oid) }):
		return failed(authn.SignerKeyUsage, "extended_key_usage")
	}
	if !c.allowedBy(signer) {
		return failed(authn.SignerDocumentType, "")
	}
	if v := authn.CompareIssuer(r.Signer, c.state); v.Status != authn.Passed {
		return v
	}
	switch {
	case at.Before(signer.NotBefore):
		return failed(authn.SignerNotYetValid, "")
	case at.After(signer.NotAfter):
		return failed(authn.SignerExpired, "")
	case c.signed.IsZero():
	case c.signed.After(at.Add(clockGrace)): // a day to come is none it signed on
		return failed(authn.SignerNotYetValid, "signature_date")
	case c.signed.Add(clockGrace).Before(signer.NotBefore):
		return failed(authn.SignerNotYetValid, "")
	case c.signed.After(signer.NotAfter):
		return failed(authn.SignerExpired, "")
	case !signer.PrivateKeyUntil.IsZero() && c.signed.After(signer.PrivateKeyUntil.Add(clockGrace)):
		r.note(authn.SignerKeyPeriodExceeded, "")
	}
	return authn.Verdict{Status: authn.Passed}
}

// allowedBy tells whether the signer's certificate, where it lists types of
// document, lists one of the seal's (Doc 9303-12, 7.1.1.6).
func (c claim) allowedBy(signer *trust.Certificate) bool {
	if len(signer.DocumentTypes) == 0 || c.code == "" {
		return true
	}
	return slices.ContainsFunc(signer.DocumentTypes, func(t string) bool { return trust.CoversDocument(t, c.code) })
}

func party(c *trust.Certificate, algorithm string) authn.Party {
	return authn.Party{
		Country: c.Subject.Country, Subject: c.Subject.String(), Serial: fmt.Sprintf("%X", c.Serial),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: c.Key.String(), Algorithm: algorithm,
	}
}
