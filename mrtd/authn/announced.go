package authn

import (
	"slices"

	"limen/mrtd/lds"
)

// CompareCardAccess judges whether EF.CardAccess, which is not signed,
// announces what the signed DG14 does (Doc 9303-11, 4.2 and 9.2.11): who takes
// the better variants of PACE out of it has the reader open the chip by a weaker
// one, or by BAC. Both are whole files, nil where the chip has none. A variant
// that only EF.CardAccess has is nobody's word; where DG14 repeats others it is a
// forger's, who would have the chip opened over parameters of his own.
func CompareCardAccess(cardAccess, dg14 []byte, r Result) Verdict {
	announced, aerr := lds.ParseCardAccess(cardAccess)
	signed, serr := lds.ParseDG14(dg14)
	missing := func(of, in lds.SecurityInfos) bool {
		return slices.ContainsFunc(of.PACE, func(i lds.PACEInfo) bool { return !slices.Contains(in.PACE, i) }) ||
			slices.ContainsFunc(of.Domains, func(d lds.PACEDomainParameterInfo) bool { return !announcesDomain(in, d) })
	}
	group := r.Groups[14]
	switch {
	case len(dg14) == 0 && len(cardAccess) == 0 && !r.lists(14):
		return Verdict{Status: NotPresent}
	case len(dg14) == 0:
		return Verdict{NotPerformed, DGNotRead, groupName(14)}
	case serr != nil:
		return Verdict{Inconclusive, CardAccessUnconfirmed, groupName(14)}
	case len(signed.PACE) == 0 && len(announced.PACE) == 0 && len(cardAccess) == 0:
		return Verdict{Status: NotPresent}
	case (len(cardAccess) == 0 || aerr != nil) && len(signed.PACE) > 0:
		return Verdict{Failed, PACEHidden, lds.EFCardAccess.Name}
	case missing(signed, announced):
		return Verdict{Failed, PACEHidden, lds.EFCardAccess.Name}
	case group.Status != Passed || !r.authentic():
		return Verdict{Inconclusive, CardAccessUnconfirmed, groupName(14)}
	case missing(announced, signed) && len(signed.PACE) > 0:
		return Verdict{Failed, CardAccessUnconfirmed, lds.EFCardAccess.Name}
	case missing(announced, signed):
		return Verdict{Inconclusive, CardAccessUnconfirmed, lds.EFCardAccess.Name}
	}
	return Verdict{Status: Passed}
}

func announcesDomain(in lds.SecurityInfos, d lds.PACEDomainParameterInfo) bool {
	return slices.ContainsFunc(in.Domains, func(o lds.PACEDomainParameterInfo) bool {
		same := o.Curve == nil && d.Curve == nil && o.Group == nil && d.Group == nil || o.Curve.Equal(d.Curve) || o.Group.Equal(d.Group)
		return same && o.OID == d.OID && o.ParameterID == d.ParameterID
	})
}
