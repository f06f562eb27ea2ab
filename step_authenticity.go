package limen

import (
	"fmt"
	"strings"

	"limen/mrtd/authn"
	"limen/mrtd/lds"
)

// authenticity is what passive authentication and the comparisons around it say.
type authenticity struct {
	checks
	facts ChipFacts
}

func (a authenticity) addTo(e *Evidence) {
	a.checks.addTo(e)
	e.Chip.SignerCountry, e.Chip.HashAlgorithm, e.Chip.TrustDate = a.facts.SignerCountry, a.facts.HashAlgorithm, a.facts.TrustDate
	e.Chip.CRLDate, e.Chip.Proof = a.facts.CRLDate, a.facts.Proof
}

// judgeAuthenticity proves, or not, who issued what the chip said and that the
// chip is no copy: passive authentication (Doc 9303-11, 5.1), EF.COM against
// EF.SOD, EF.CardAccess against DG14, DG1 against the printed MRZ, and chip and
// active authentication (6).
func (in *Inspection) judgeAuthenticity(p printed, chip chipReading) authenticity {
	out := in.authenticate(p, chip)
	in.tell(StepAuthenticity, out.checks...)
	return out
}

func (in *Inspection) authenticate(p printed, chip chipReading) authenticity {
	var out authenticity
	raw, ok := chip.files[lds.EFSOD.Path()]
	if !ok {
		for _, name := range []CheckName{CheckSODSignature, CheckCSCAChain, CheckIssuer, CheckDGHash, CheckCardAccess, CheckMRZChip, CheckChipGenuine} {
			out.checks = append(out.checks, needs(name, CheckChipRead))
		}
		return out
	}
	limits := authn.Options{MaxTrustAge: in.Policy.Trust.MaxAge, MaxCRLAge: in.Policy.Trust.CRLMaxAge}
	found := limits.Examine(chip.chip, in.Trust, in.Now())
	if _, err := lds.ParseSOD(raw); err != nil {
		out.checks = checks{fail(CheckSODSignature, because(SODMalformed)), needs(CheckCSCAChain, CheckSODSignature), needs(CheckIssuer, CheckSODSignature), needs(CheckDGHash, CheckSODSignature), needs(CheckCardAccess, CheckSODSignature), needs(CheckChipGenuine, CheckSODSignature)}
	} else {
		out.checks = checks{checkOf(CheckSODSignature, found.Passive.Signature), chainCheck(found.Passive), checkOf(CheckIssuer, authn.CompareIssuer(found.Passive.Signer, p.mrz.Issuer))}
		out.checks = append(out.checks, groupChecks(chip, found.Passive)...)
		out.checks = append(out.checks, compareCOM(chip, found), cardAccessCheck(found), genuineCheck(chip, found))
		r := found.Passive
		out.facts = ChipFacts{SignerCountry: stateCode(r.Signer.Country), HashAlgorithm: r.HashAlgorithm, TrustDate: MomentOf(r.TrustDate), CRLDate: MomentOf(r.CRLDate), Proof: proofOf(found)}
	}
	out.checks = append(out.checks, compareMRZ(chip, found))
	return out
}

// groupChecks are the hashes of the groups the line needs, and of those that
// prove the chip where they were read.
func groupChecks(chip chipReading, r authn.Result) (out checks) {
	for _, n := range wanted {
		name := fmt.Sprintf("DG%d", n)
		if chip.files[group(n).Path()] == nil {
			out = append(out, needs(CheckDGHash, CheckChipRead).of(name))
			continue
		}
		out = append(out, checkOf(CheckDGHash, r.Groups[n]).of(name))
	}
	for _, n := range keys {
		if chip.files[group(n).Path()] != nil {
			out = append(out, checkOf(CheckDGHash, r.Groups[n]).of(fmt.Sprintf("DG%d", n)))
		}
	}
	return out
}

// cardAccessCheck is whether PACE was hidden. What only an authentic EF.SOD
// could confirm needs one.
func cardAccessCheck(found authn.Findings) Check {
	chain := found.Passive.Signature.Status == authn.Passed && found.Passive.Chain.Status == authn.Passed
	if found.CardAccess.Status == authn.Inconclusive && !chain {
		return needs(CheckCardAccess, CheckCSCAChain)
	}
	return checkOf(CheckCardAccess, found.CardAccess)
}

// genuineCheck is whether the chip is no copy. A reading that broke off says
// nothing of it.
func genuineCheck(chip chipReading, found authn.Findings) Check {
	c := checkOf(CheckChipGenuine, found.Genuine)
	switch {
	case c.Status == NotPerformed && chip.status(CheckChipRead, "") != Passed:
		return needs(CheckChipGenuine, CheckChipRead)
	case found.Genuine.Code == authn.ChipKeyNotAuthentic && found.Genuine.Subject == lds.EFSOD.Name:
		return needs(CheckChipGenuine, CheckCSCAChain) // its keys are nobody's word
	}
	if c.Status == Passed {
		for _, n := range found.Notes {
			c.Reasons = appendNew(c.Reasons, Reason{ReasonCode(n.Code), n.Subject})
		}
	}
	return c
}

// proofOf names what has proven the chip, the strongest first.
func proofOf(found authn.Findings) string {
	switch authn.Passed {
	case found.ChipAuth.Status:
		return "chip_authentication"
	case found.Mapping.Status:
		return "pace_mapping"
	case found.ActiveAuth.Status:
		return "active_authentication"
	}
	return ""
}

// stateCode is a country as a certificate states it, where it is a code of two
// or three letters, else "". The chip brings the certificate and no one has
// vouched for it yet: at any length it would make a record that cannot be stored.
func stateCode(country string) string {
	if len(country) < 2 || len(country) > 3 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return country
}

// chainCheck is the chain with what was noticed about it: a passed chain with
// a weak hash or a signer expired since says so.
func chainCheck(r authn.Result) Check {
	c := checkOf(CheckCSCAChain, r.Chain)
	if c.Status != Passed {
		return c
	}
	for _, n := range r.Notes {
		c.Reasons = appendNew(c.Reasons, Reason{ReasonCode(n.Code), n.Subject})
	}
	return c
}

// checkOf takes over a verdict of mrtd/authn, whose words are the same.
func checkOf(name CheckName, v authn.Verdict) Check {
	c := Check{Name: name, Status: Status(v.Status)}
	if v.Code != "" {
		c.Reasons = []Reason{{Code: ReasonCode(v.Code), Subject: v.Subject}}
	}
	if c.Status == "" {
		c.Status = NotPerformed
	}
	return c
}

func compareCOM(chip chipReading, found authn.Findings) Check {
	if _, ok := chip.files[lds.EFCOM.Path()]; !ok && chip.status(CheckChipRead, "") != Passed {
		return needs(CheckCOM, CheckChipRead) // not read is not absent
	}
	return checkOf(CheckCOM, found.COM)
}

func compareMRZ(chip chipReading, found authn.Findings) Check {
	raw, ok := chip.files[group(1).Path()]
	if !ok {
		return needs(CheckMRZChip, CheckChipRead)
	}
	if _, err := lds.ParseDG1(raw); err != nil {
		return fail(CheckMRZChip, because(MRZChipMismatch, "DG1"))
	}
	return checkOf(CheckMRZChip, found.MRZ)
}
