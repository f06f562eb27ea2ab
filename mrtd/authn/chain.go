package authn

import (
	"bytes"
	"crypto"
	"time"

	"limen/mrtd/trust"
)

// chain finds the CSCA certificate whose key signed the signer's, and judges
// both (Doc 9303-11, 5.1.1; Doc 9303-12, 7.1 and D.1). A document signer is
// always issued by a CSCA itself; a link certificate of the store stands for
// the CSCA whose key it carries, so no longer path has to be climbed.
func (j judge) chain(a *attempt) {
	a.chain = Verdict{Status: Failed, Code: CSCAUnknown}
	if j.store == nil {
		return
	}
	j.findCSCA(a)
	if a.csca == nil {
		return
	}
	if a.chain.Status == Passed {
		a.chain = j.signer(a)
	}
	if a.chain.Status == Passed {
		a.chain = j.documentType(a)
	}
	j.revocation(a)
	if a.ds.Algorithm.Hash == crypto.SHA1 {
		a.note(HashAlgorithmWeak, "signer")
	}
	if a.chain.Status == Passed {
		a.chain = j.age(a)
	}
}

func (j judge) findCSCA(a *attempt) {
	for _, csca := range j.store.Find(a.ds.Issuer.Raw, a.ds.AuthorityKeyID) {
		v := signatureVerdict(a.ds.VerifySignatureBy(csca), CSCASignatureInvalid)
		if v.Status != Passed {
			// Of several CSCAs of one name, one whose key is not the one named is
			// simply not the issuer: its refusal proves nothing.
			if a.csca == nil && named(a.ds, csca) {
				a.chain = v
			}
			continue
		}
		v = judgeValidity(a.ds, csca)
		if a.csca == nil || v.Status == Passed {
			a.csca, a.chain = csca, v
		}
		if v.Status == Passed {
			break
		}
	}
}

// named tells whether the signer's certificate names this CSCA's very key.
func named(ds, csca *trust.Certificate) bool {
	if len(ds.AuthorityKeyID) == 0 || len(csca.SubjectKeyID) == 0 {
		return ds.Issuer.Equal(csca.Subject)
	}
	return bytes.Equal(ds.AuthorityKeyID, csca.SubjectKeyID)
}

// A day's grace, since certificates issued on one day have begun hours apart.
const clockGrace = 24 * time.Hour

func judgeValidity(ds, csca *trust.Certificate) Verdict {
	switch {
	case ds.NotBefore.Before(csca.NotBefore.Add(-clockGrace)), ds.NotBefore.After(csca.NotAfter):
		return Verdict{Status: Failed, Code: CSCANotValid}
	case ds.Subject.Country != csca.Subject.Country:
		return Verdict{Status: Failed, Code: IssuerCountryMismatch, Subject: "csca"}
	}
	return Verdict{Status: Passed}
}

// Extended key usage is for other signers of the same CSCA, of master lists,
// visas and seals; a document signer has none (Doc 9303-12, table 6). Version 1
// and other early certificates lack key usage altogether.
func (j judge) signer(a *attempt) Verdict {
	switch {
	case a.ds.HasKeyUsage && a.ds.KeyUsage&trust.DigitalSignature == 0,
		a.ds.HasConstraints && a.ds.CA, len(a.ds.ExtendedKeyUsage) > 0:
		return Verdict{Status: Failed, Code: SignerKeyUsage}
	case len(a.ds.UnreadExtensions) > 0: // RFC 5280, 4.2: what is critical and not understood is refused
		return Verdict{Status: Failed, Code: SignerKeyUsage, Subject: "critical_extension"}
	case !a.ds.HasKeyUsage:
		a.note(SignerKeyUsageAbsent, "")
	}
	signed := a.info.SigningTime
	if signed.IsZero() {
		a.note(SigningTimeAbsent, "")
		signed = j.at
	} else {
		if !a.ds.PrivateKeyUntil.IsZero() && signed.After(a.ds.PrivateKeyUntil.Add(clockGrace)) {
			a.note(SignerKeyPeriodExceeded, "")
		}
		if signed.After(j.at.Add(clockGrace)) { // a time to come is no time it signed at
			return Verdict{Status: Failed, Code: SignerNotYetValid, Subject: "signing_time"}
		}
	}
	switch {
	case signed.Before(a.ds.NotBefore):
		return Verdict{Status: Failed, Code: SignerNotYetValid}
	case signed.After(a.ds.NotAfter):
		return Verdict{Status: Failed, Code: SignerExpired}
	case j.at.After(a.ds.NotAfter):
		if j.document.valid && j.at.After(a.ds.NotAfter.Add(clockGrace)) {
			return Verdict{Status: Failed, Code: SigningTimeUnproven}
		}
		a.note(SignerExpiredSince, "")
		a.note(SigningTimeUnproven, "")
	case j.at.After(a.csca.NotAfter.Add(clockGrace)):
		// States do let signers outlast their CSCA (Austria's of 2023 by three years).
		a.note(CSCAExpiredSince, "")
	}
	return Verdict{Status: Passed}
}
