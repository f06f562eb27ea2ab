package authn

import (
	"strings"

	"limen/mrtd/trust"
)

// revocation looks the signer and its CSCA up in the CSCA's list. What is
// revoked fails whatever else is said of it, and whenever it signed: only the
// signer's word tells that (Doc 9303-12, D.1.1.3). No list, or one that does
// not hold, leaves the status undetermined (D.1.2.3), which is a note.
func (j judge) revocation(a *attempt) {
	csca, signer := j.store.RevokedCSCA(a.csca, j.at), j.store.Revoked(a.ds, j.at)
	a.crl = signer.List
	switch {
	case csca.Revoked:
		a.chain = Verdict{Failed, CSCARevoked, string(csca.Reason)}
	case signer.Revoked:
		a.chain = Verdict{Failed, SignerRevoked, string(signer.Reason)}
	}
	switch {
	case signer.Invalid:
		a.note(CRLSignatureInvalid, "")
	case !signer.Covered:
		a.note(CRLUnknown, "")
	case signer.Overdue:
		a.note(CRLOverdue, "")
	}
	if signer.ByCountry {
		a.note(CRLOfCountry, "")
	}
}

// age judges how old what the chain rests on is, where there are limits.
func (j judge) age(a *attempt) Verdict {
	if j.MaxTrustAge > 0 && j.at.Sub(j.store.Date(a.csca)) > j.MaxTrustAge {
		return Verdict{Inconclusive, TrustStale, "csca"}
	}
	switch {
	case j.MaxCRLAge <= 0:
	case a.crl == nil:
		return Verdict{Status: Inconclusive, Code: CRLUnknown}
	case j.at.Sub(a.crl.ThisUpdate) > j.MaxCRLAge:
		return Verdict{Inconclusive, TrustStale, "crl"}
	}
	return Verdict{Status: Passed}
}

// documentType judges whether the signer may sign a document of this code. A
// signer of another kind of document must not; another second letter, which is
// a state's own to choose, is a note: states list the codes of their passports
// and cards carelessly. A signer that lists nothing is of before 2011.
func (j judge) documentType(a *attempt) Verdict {
	code := j.document.code
	if code == "" || len(a.ds.DocumentTypes) == 0 {
		return Verdict{Status: Passed}
	}
	kind := false
	for _, t := range a.ds.DocumentTypes {
		if trust.CoversDocument(t, code) {
			return Verdict{Status: Passed}
		}
		kind = kind || t != "" && strings.EqualFold(t[:1], code[:1])
	}
	if !kind {
		return Verdict{Status: Failed, Code: SignerDocumentType}
	}
	a.note(SignerDocumentType, "")
	return Verdict{Status: Passed}
}
