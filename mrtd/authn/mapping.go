package authn

import (
	"slices"
	"strings"

	"limen/mrtd/lds"
)

// oidPACECAM is id-PACE-ECDH-CAM (Doc 9303-11, 9.2.3).
const oidPACECAM = "0.4.0.127.0.7.2.2.4.6."

// ChipMapping judges whether PACE with chip authentication mapping has proven
// the chip (Doc 9303-11, 6 and 4.4.3.5.2): Answered is chip authentication data
// that fits the mapping and a key of EF.CardSecurity, and security whether that
// file passed passive authentication.
//
// EF.CardAccess, which announces the mapping, is signed by nobody; DG14, which
// repeats it, is. A mapping in DG14 that EF.CardAccess leaves out is how a copy
// without the key, or a middleman, gets opened by another protocol. cardAccess
// and dg14 are whole files, nil where they were not read.
func ChipMapping(o Outcome, security Verdict, cardAccess, dg14 []byte, r Result) Verdict {
	switch o {
	case Contradicted:
		return Verdict{Status: Failed, Code: ChipMappingFailed}
	case Declined:
		return Verdict{Status: Failed, Code: ChipMappingDeclined}
	case Answered:
		if security.Status != Passed {
			return Verdict{Inconclusive, ChipKeyNotAuthentic, lds.EFCardSecurity.Name}
		}
		return Verdict{Status: Passed}
	}
	announced, _ := lds.ParseCardAccess(cardAccess)
	if listsMapping(announced) {
		return unproven(o, ChipMappingInterrupted)
	}
	signed, err := lds.ParseDG14(dg14)
	if err == nil && listsMapping(signed) && r.authentic() && r.Groups[14].Status == Passed {
		return Verdict{Failed, ChipMappingHidden, lds.EFCardAccess.Name}
	}
	return Verdict{Status: NotPresent}
}

func listsMapping(infos lds.SecurityInfos) bool {
	return slices.ContainsFunc(infos.PACE, func(p lds.PACEInfo) bool { return strings.HasPrefix(p.OID, oidPACECAM) })
}
