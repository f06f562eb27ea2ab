package authn

import (
	"errors"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// ChipMapping judges whether PACE with chip authentication mapping has proven
// the chip (Doc 9303-11, 4.4.3.5): the mapping must have been made with a static
// key that EF.CardSecurity gives, and that file, which the document signer signs,
// must be authentic itself, or DG14 have the same key. proof is nil where PACE
// ran otherwise. Both files are whole ones, nil where they were not read.
func ChipMapping(proof *access.CAMProof, cardSecurity, dg14 []byte, r Result, store *trust.Store, at time.Time) Verdict {
	if proof == nil {
		return Verdict{Status: NotPresent}
	}
	keys, source := []lds.ChipAuthenticationPublicKeyInfo(nil), Verdict{Inconclusive, MappingKeyMissing, lds.EFCardSecurity.Name}
	if file, err := lds.ParseCardSecurity(cardSecurity); err == nil {
		keys, source = file.Infos.PublicKeys, judgeSigned(file.SignedData, store, at)
	}
	if infos, err := lds.ParseDG14(dg14); err == nil && r.authentic() && r.Groups[14].Status == Passed {
		// The signed group's keys need no second signature.
		if proof.VerifyAmong(infos.PublicKeys) == nil {
			return Verdict{Status: Passed}
		}
	}
	switch err := proof.VerifyAmong(keys); {
	case len(keys) == 0:
		return Verdict{Inconclusive, MappingKeyMissing, lds.EFCardSecurity.Name}
	case errors.Is(err, access.ErrChipKey):
		return Verdict{Failed, MappingFailed, lds.EFCardSecurity.Name}
	case err != nil:
		return Verdict{Inconclusive, MappingKeyMissing, lds.EFCardSecurity.Name}
	case source.Status == Failed:
		return Verdict{Failed, source.Code, lds.EFCardSecurity.Name}
	case source.Status != Passed:
		return Verdict{Inconclusive, ChipKeyNotAuthentic, lds.EFCardSecurity.Name}
	}
	return Verdict{Status: Passed}
}

// judgeSigned is passive authentication of a signed file other than EF.SOD:
// its signature, and its signer's chain.
func judgeSigned(signed *trust.SignedData, store *trust.Store, at time.Time) Verdict {
	r := Passive(&lds.SOD{SignedData: signed}, nil, store, at)
	if r.Signature.Status != Passed {
		return r.Signature
	}
	return r.Chain
}
