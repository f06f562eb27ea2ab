package authn

import (
	"slices"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// Chip is what a chip gave and did, as package mrtd's Reading tells it.
type Chip struct {
	Files map[lds.Path][]byte // whole files
	// Mapping is the proof of PACE with chip authentication mapping; nil where
	// PACE ran otherwise, or not at all.
	Mapping      *access.CAMProof
	ChipAuth     Outcome
	ActiveAuth   Outcome
	Challenge    []byte // of active authentication
	Signature    []byte // over it
	TerminalAuth Outcome
	Printed      []string // the MRZ's lines; nil where nobody saw them
}

// Findings are all verdicts on a chip, none of which any other one replaces.
type Findings struct {
	Passive      Result
	COM          Verdict // EF.COM lists what EF.SOD signs
	CardAccess   Verdict // EF.CardAccess announces what DG14 does
	MRZ          Verdict // DG1 says what is printed
	Issuer       Verdict // the signer is of the state in DG1
	Mapping      Verdict // PACE with chip authentication mapping
	ChipAuth     Verdict
	ActiveAuth   Verdict
	TerminalAuth Verdict
	Genuine      Verdict // the sum of Mapping, ChipAuth and ActiveAuth
	Notes        []Note  // beside Passive's
}

// Examine judges a chip in every respect, within limits of age.
func (o Options) Examine(c Chip, store *trust.Store, at time.Time) Findings {
	groups := c.groups()
	sod := c.Files[lds.EFSOD.Path()]
	f := Findings{Passive: o.PassiveFile(sod, groups, store, at)}
	f.COM = f.compareCOM(c, sod)
	f.CardAccess = CompareCardAccess(c.Files[lds.EFCardAccess.Path()], groups[14], f.Passive)
	f.MRZ, f.Issuer = compareDG1(groups[1], c.Printed, f.Passive)
	f.Mapping = o.examineMapping(c, groups[14], f.Passive, store, at)
	f.ChipAuth = ChipAuthentication(c.ChipAuth, groups[14], f.Passive)
	var signature Verdict
	if c.ActiveAuth == Answered {
		signature, f.Notes = Active(groups[15], groups[14], c.Challenge, c.Signature)
	}
	f.ActiveAuth = ActiveAuthentication(c.ActiveAuth, signature, groups[15], f.Passive)
	if f.ActiveAuth.Status == Passed && f.Passive.compromised() { // whoever has the key has it not from this chip
		f.ActiveAuth = Verdict{Inconclusive, KnownDeviation, string(trust.DefectAAKeyCompromised)}
	}
	f.TerminalAuth = terminalVerdict(c.TerminalAuth)
	f.Genuine = ChipGenuine(f.Mapping, f.ChipAuth, f.ActiveAuth)
	return f
}

// compromised tells whether the state has published that keys of active
// authentication of such documents are known to others.
func (r Result) compromised() bool {
	return slices.ContainsFunc(r.Deviations, func(d trust.Deviation) bool { return d.Defect == trust.DefectAAKeyCompromised })
}

// examineMapping judges the proof of PACE by the keys of EF.CardSecurity, which
// the document signer signs, and of DG14, which EF.SOD vouches for already.
func (o Options) examineMapping(c Chip, dg14 []byte, r Result, store *trust.Store, at time.Time) Verdict {
	outcome, security := NotRun, Verdict{}
	if c.Mapping != nil {
		outcome, security = o.judgeMapping(c, dg14, r, store, at)
		if outcome == Interrupted {
			outcome, security = Answered, Verdict{} // it came to its end: what is missing is a key to judge it by
		}
	}
	return ChipMapping(outcome, security, c.Files[lds.EFCardAccess.Path()], dg14, r)
}

// judgeMapping tells how the proof ended, and whether the key is this
// document's. Nothing ties EF.CardSecurity to EF.SOD but the state that signed
// both: whoever has got the key out of one genuine chip can put its file beside
// the files of any other. So a key that DG14 does not have counts only where
// DG14 has none for chip authentication, which a chip with the mapping must bear
// too (Doc 9303-11, 4.4), or the chip has run that as well.
func (o Options) judgeMapping(c Chip, dg14 []byte, r Result, store *trust.Store, at time.Time) (Outcome, Verdict) {
	infos, err := lds.ParseDG14(dg14)
	vouched := err == nil && r.authentic() && r.Groups[14].Status == Passed
	if vouched && c.Mapping.VerifyAmong(infos.PublicKeys) == nil {
		return Answered, Verdict{Status: Passed}
	}
	file, err := lds.ParseCardSecurity(c.Files[lds.EFCardSecurity.Path()])
	if err != nil {
		file = &lds.CardSecurity{}
	}
	outcome := OutcomeOf(c.Mapping.VerifyAmong(file.Infos.PublicKeys))
	if outcome != Answered {
		return outcome, Verdict{}
	}
	signed := o.Passive(&lds.SOD{SignedData: file.SignedData}, nil, store, at)
	switch {
	case !signed.authentic(), signed.Signer.Country != r.Signer.Country,
		vouched && len(access.ChipAuthVariants(infos)) > 0 && c.ChipAuth != Answered:
		return Answered, Verdict{Inconclusive, ChipKeyNotAuthentic, lds.EFCardSecurity.Name}
	}
	return Answered, Verdict{Status: Passed}
}

// groups are the data groups among the files.
func (c Chip) groups() map[int][]byte {
	out := map[int][]byte{}
	for n := 1; n <= 16; n++ {
		f, _ := lds.FileOfGroup(n)
		if b := c.Files[f.Path()]; b != nil {
			out[n] = b
		}
	}
	return out
}

func (f Findings) compareCOM(c Chip, raw []byte) Verdict {
	sod, err := lds.ParseSOD(raw)
	if err != nil {
		return Verdict{Status: NotPerformed, Code: f.Passive.Signature.Code}
	}
	file, read := c.Files[lds.EFCOM.Path()]
	if !read {
		return CompareCOM(nil, sod)
	}
	com, err := lds.ParseCOM(file)
	if err != nil {
		return Verdict{Inconclusive, COMMalformed, lds.EFCOM.Name}
	}
	return CompareCOM(&com, sod)
}

// compareDG1 holds DG1 against the print and against its signer.
func compareDG1(dg1 []byte, printed []string, r Result) (mrz, issuer Verdict) {
	lines, err := lds.ParseDG1(dg1)
	switch {
	case len(dg1) == 0:
		return Verdict{NotPerformed, DGNotRead, groupName(1)}, Verdict{NotPerformed, DGNotRead, groupName(1)}
	case err != nil:
		return Verdict{Failed, MRZUnreadable, "chip"}, Verdict{Inconclusive, MRZUnreadable, "chip"}
	}
	issuer = CompareIssuer(r.Signer, lines[0][2:5]) // the issuing state stands there in every format (Doc 9303-4 to -7)
	if printed == nil {
		return Verdict{}, issuer
	}
	return CompareMRZ(printed, lines), issuer
}

func terminalVerdict(o Outcome) Verdict {
	switch o {
	case Answered:
		return Verdict{Status: Passed}
	case Declined:
		return Verdict{Status: Failed, Code: TerminalRefused}
	case Interrupted, Contradicted:
		return Verdict{Status: Inconclusive, Code: TerminalRefused}
	}
	return Verdict{}
}
