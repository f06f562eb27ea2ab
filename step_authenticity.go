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
	e.Chip.SignerCountry, e.Chip.HashAlgorithm = a.facts.SignerCountry, a.facts.HashAlgorithm
	e.Chip.TrustDate, e.Chip.CRLDate = a.facts.TrustDate, a.facts.CRLDate
}

// judgeAuthenticity proves, or not, who issued what the chip said: passive
// authentication (Doc 9303-11, 5.1), EF.COM against EF.SOD, DG1 against the
// printed MRZ.
func (in *Inspection) judgeAuthenticity(p printed, chip chipReading) authenticity {
	out := in.authenticate(p, chip)
	in.tell(StepAuthenticity, out.checks...)
	return out
}

func (in *Inspection) authenticate(p printed, chip chipReading) authenticity {
	var out authenticity
	raw, ok := chip.files[lds.EFSOD.Path()]
	if !ok {
		for _, name := range []CheckName{CheckSODSignature, CheckCSCAChain, CheckIssuer, CheckDGHash, CheckMRZChip, CheckChipGenuine} {
			out.checks = append(out.checks, needs(name, CheckChipRead))
		}
		return out
	}
	sod, err := lds.ParseSOD(raw)
	if err != nil {
		out.checks = checks{fail(CheckSODSignature, because(SODMalformed)), needs(CheckCSCAChain, CheckSODSignature), needs(CheckIssuer, CheckSODSignature), needs(CheckDGHash, CheckSODSignature)}
	} else {
		groups := map[int][]byte{}
		for n := 1; n <= 16; n++ {
			if b, ok := chip.files[group(n).Path()]; ok {
				groups[n] = b
			}
		}
		ages := authn.Options{MaxTrustAge: in.Policy.Trust.MaxAge, MaxCRLAge: in.Policy.Trust.CRLMaxAge}
		result := ages.Passive(sod, groups, in.Trust, in.Now())
		out.checks = checks{checkOf(CheckSODSignature, result.Signature), chainCheck(result), checkOf(CheckIssuer, authn.CompareIssuer(result.Signer, p.mrz.Issuer))}
		for _, n := range wanted {
			name := fmt.Sprintf("DG%d", n)
			if groups[n] == nil {
				out.checks = append(out.checks, needs(CheckDGHash, CheckChipRead).of(name))
				continue
			}
			out.checks = append(out.checks, checkOf(CheckDGHash, result.Groups[n]).of(name))
		}
		out.facts = ChipFacts{
			SignerCountry: stateCode(result.Signer.Country), HashAlgorithm: result.HashAlgorithm,
			TrustDate: MomentOf(result.TrustDate), CRLDate: MomentOf(result.CRLDate),
		}
		out.checks = append(out.checks, compareCOM(chip, sod))
	}
	out.checks = append(out.checks, compareMRZ(p, chip), notPerformed(CheckChipGenuine, because(NotSupported)))
	return out
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

func compareCOM(chip chipReading, sod *lds.SOD) Check {
	raw, ok := chip.files[lds.EFCOM.Path()]
	if !ok && chip.status(CheckChipRead, "") != Passed {
		return needs(CheckCOM, CheckChipRead) // not read is not absent
	}
	if !ok {
		return checkOf(CheckCOM, authn.CompareCOM(nil, sod))
	}
	com, err := lds.ParseCOM(raw)
	if err != nil {
		return inconclusive(CheckCOM, because(ChipReadFailed, lds.EFCOM.Name))
	}
	return checkOf(CheckCOM, authn.CompareCOM(&com, sod))
}

func compareMRZ(p printed, chip chipReading) Check {
	raw, ok := chip.files[group(1).Path()]
	if !ok {
		return needs(CheckMRZChip, CheckChipRead)
	}
	lines, err := lds.ParseDG1(raw)
	if err != nil {
		return fail(CheckMRZChip, because(MRZChipMismatch, "DG1"))
	}
	return checkOf(CheckMRZChip, authn.CompareMRZ(p.mrz.Lines(), lines))
}
