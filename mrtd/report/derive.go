package report

import (
	"fmt"
	"maps"
	"slices"

	"limen/mrtd/authn"
)

// verdicts are those on the ways into the chip (TR-03135-1, 5.8.3). A way that
// another one made needless was not tried.
func (a Access) verdicts() map[Check]authn.Verdict {
	passed, absent := authn.Verdict{Status: authn.Passed}, authn.Verdict{Status: authn.NotPresent, Code: "not_offered"}
	all := map[Check]authn.Verdict{}
	switch a.PACE {
	case "succeeded":
		all[PACE] = passed
	case "failed":
		all[PACE] = authn.Verdict{Status: authn.Failed, Code: "pace_failed"}
	case "not_offered":
		all[PACE] = absent
	case "unsupported":
		all[PACE] = authn.Verdict{Status: authn.NotPerformed, Code: "pace_unsupported"}
	}
	switch a.Protocol {
	case "BAC":
		all[BAC] = passed
	case "none":
		all[BAC], all[PlainAccess] = absent, passed
	}
	if a.Protocol != "" {
		all[Application] = passed
	}
	return all
}

// mandatory are the files without which there is nothing to check. EF.COM is
// not among them: the guideline calls it deprecated, and documents without it
// are read.
var mandatory = []string{"EF.SOD", "DG1", "DG2"}

func (in Input) availability() []authn.Verdict {
	if len(in.Files) == 0 && len(in.Absent) == 0 && in.Broken == "" {
		return nil // nothing is known of any file
	}
	var all []authn.Verdict
	for _, name := range mandatory {
		v := authn.Verdict{Status: authn.NotPerformed, Code: fileUnread, Subject: name}
		switch {
		case slices.ContainsFunc(in.Files, func(f File) bool { return f.Name == name }):
			v = authn.Verdict{Status: authn.Passed, Subject: name}
		case slices.Contains(in.Absent, name):
			v.Status, v.Code = authn.Failed, fileAbsent
		case in.Broken != "":
			v.Code = in.Broken
		}
		all = append(all, v)
	}
	return all
}

// integrity is the groups' verdicts in the order of their numbers.
func integrity(p authn.Result) []authn.Verdict {
	var all []authn.Verdict
	for _, n := range slices.Sorted(maps.Keys(p.Groups)) {
		v := p.Groups[n]
		v.Subject = fmt.Sprintf("DG%d", n)
		all = append(all, v)
	}
	return all
}

// securityObject tells what EF.SOD's verdict says of its parts. Digest and
// signature are judged together: which of them is wrong is not known.
func securityObject(p authn.Result) map[Check]authn.Verdict {
	list, section, signer := authn.Verdict{Status: authn.Passed}, authn.Verdict{Status: authn.Passed}, authn.Verdict{Status: authn.Passed}
	digest, signature := p.Signature, p.Signature
	unjudged := authn.Verdict{Status: authn.Inconclusive, Code: p.Signature.Code}
	switch p.Signature.Code {
	case authn.SODAbsent:
		return map[Check]authn.Verdict{
			SODHashList: p.Signature, SODSignatureSection: p.Signature, SODSigner: p.Signature,
			SODDigest: p.Signature, SODSignature: {Status: authn.Inconclusive, Code: authn.SODAbsent},
		}
	case authn.SODMalformed:
		list, section, signer, digest, signature = p.Signature, p.Signature, unjudged, unjudged, unjudged
	case authn.SignerMissing, authn.SignerMalformed:
		signer, digest, signature = p.Signature, unjudged, unjudged
	case authn.SODSignatureInvalid:
		digest = unjudged
	}
	return map[Check]authn.Verdict{SODHashList: list, SODSignatureSection: section, SODSigner: signer, SODDigest: digest, SODSignature: signature}
}

// speaksOf is which check of the signer's certificate a verdict on the chain
// speaks of.
var speaksOf = map[authn.Code]Check{
	authn.CSCASignatureInvalid:  SignerSignature,
	authn.CSCANotValid:          CountryValidity,
	authn.IssuerCountryMismatch: CountryInSigner,
	authn.SignerExpired:         SignerValidity,
	authn.SignerNotYetValid:     SignerValidity,
	authn.SignerRevoked:         Revocation,
	authn.CSCARevoked:           Revocation,
}

// certificates tells what the chain's verdict says of its parts: authn stops at
// the first that fails, and those behind it are undetermined. That it found the
// CSCA means that the signer's certificate verifies.
func certificates(p authn.Result) map[Check]authn.Verdict {
	order := []Check{SignerSignature, CountryValidity, CountryInSigner, SignerValidity, Revocation}
	all := map[Check]authn.Verdict{}
	at := slices.Index(order, speaksOf[p.Chain.Code])
	for i, c := range order {
		switch {
		case p.Chain.Status == authn.Passed, i < at, c == SignerSignature && p.CSCA != (authn.Party{}):
			all[c] = authn.Verdict{Status: authn.Passed}
		case i == at:
			all[c] = p.Chain
		default:
			all[c] = authn.Verdict{Status: authn.Inconclusive, Code: p.Chain.Code}
		}
	}
	if all[Revocation].Status != authn.Failed {
		all[Revocation] = revocation(p)
	}
	return all
}

// revocation is what is known of the signer from a list that does not have it.
// authn notes where there is none.
func revocation(p authn.Result) authn.Verdict {
	for _, n := range p.Notes {
		switch n.Code {
		case authn.CRLUnknown:
			return authn.Verdict{Status: authn.NotPerformed, Code: n.Code}
		case authn.CRLSignatureInvalid, authn.CRLOverdue:
			return authn.Verdict{Status: authn.Inconclusive, Code: n.Code}
		}
	}
	if p.CRLDate.IsZero() {
		return authn.Verdict{}
	}
	return authn.Verdict{Status: authn.Passed}
}

// trusted is the sum over the signer's certificate. Where there is none, or no
// way to judge it, that is undetermined.
func (in Input) trusted() authn.Verdict {
	v := in.worst([]authn.Verdict{in.Passive.Chain, in.Verdicts[Revocation]})
	if v.Status != authn.Passed && v.Status != authn.Failed {
		v.Status = authn.Inconclusive
	}
	return v
}
