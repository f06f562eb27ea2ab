package limen

// Status is how one check ended. The zero value says nothing was stated and
// counts as not performed; it is never "passed".
type Status string

// The statuses, worst knowledge first.
const (
	NotPresent   Status = "not_present"   // the document does not have what would be checked
	NotPerformed Status = "not_performed" // could have been checked and was not
	Inconclusive Status = "inconclusive"  // tried, without an answer
	Failed       Status = "failed"        // answered: no
	Passed       Status = "passed"        // answered: yes
)

// CheckName names a check: the electronic checks every inspection must answer
// (Frontex ABC guidelines; BSI TR-03135) and those of the live line.
type CheckName string

// The checks, in the order of the line.
const (
	CheckMRZ          CheckName = "mrz"            // the printed MRZ was read and its check digits hold
	CheckEligibility  CheckName = "eligibility"    // the policy serves this document and age at this gate
	CheckExpiry       CheckName = "expiry"         // the document has not expired
	CheckChipAccess   CheckName = "chip_access"    // the chip opened with what is printed on the document
	CheckChipRead     CheckName = "chip_read"      // every file the line needs was read
	CheckSODSignature CheckName = "sod_signature"  // passive authentication: EF.SOD is signed by its document signer
	CheckCSCAChain    CheckName = "csca_chain"     // … and the signer by a CSCA we trust
	CheckIssuer       CheckName = "issuer_country" // … and both of the state that issued the document
	CheckCOM          CheckName = "com_sod"        // EF.COM lists the groups EF.SOD signs
	CheckCardAccess   CheckName = "card_access"    // EF.CardAccess announces what the signed DG14 does: PACE was not hidden
	CheckDGHash       CheckName = "dg_hash"        // one per group: its hash is the signed one
	CheckMRZChip      CheckName = "mrz_chip"       // DG1 says what is printed
	CheckChipGenuine  CheckName = "chip_genuine"   // active or chip authentication: the chip is no copy
	CheckFace         CheckName = "face_capture"   // one live face, good enough to compare
	CheckFaceAlive    CheckName = "face_alive"     // presentation attack detection (ISO/IEC 30107-3)
	CheckPortrait     CheckName = "portrait"       // the chip's portrait could be decoded
	CheckFaceMatch    CheckName = "face_match"     // the live face is the portrait's
	CheckFaceMorph    CheckName = "face_morph"     // the portrait is one person's alone (ISO/IEC 20059)
	CheckLookup       CheckName = "lookup"         // one per database
	CheckHistory      CheckName = "history"        // earlier checks of this document
	CheckRecord       CheckName = "record"         // what was done is stored and cannot be rewritten
	CheckCompleted    CheckName = "inspection"     // the line ran to its end
)

// inOrder lists every check a policy can demand, in the order of the line.
// Databases are demanded by their own part of the policy, and that the line
// ran to its end is always demanded.
var inOrder = []CheckName{
	CheckMRZ, CheckEligibility, CheckExpiry,
	CheckChipAccess, CheckChipRead,
	CheckSODSignature, CheckCSCAChain, CheckIssuer, CheckDGHash, CheckCOM, CheckCardAccess, CheckMRZChip, CheckChipGenuine,
	CheckFace, CheckFaceAlive, CheckPortrait, CheckFaceMatch, CheckFaceMorph, CheckHistory,
}

// Check is one question the line asked and its answer.
type Check struct {
	Name    CheckName `json:"name" cbor:"1,keyasint"`
	Subject string    `json:"subject,omitempty" cbor:"2,keyasint,omitempty"` // which group, which database: "DG2", "national"
	Status  Status    `json:"status" cbor:"3,keyasint"`
	// Reasons say why the status is what it is. On a passed check they are
	// notes: seen by the officer, without weight in the decision.
	Reasons []Reason `json:"reasons,omitempty" cbor:"4,keyasint,omitempty"`
}

// pass, fail and the others make a check; they keep the steps readable.
func pass(name CheckName, notes ...Reason) Check {
	return Check{Name: name, Status: Passed, Reasons: notes}
}
func fail(name CheckName, why ...Reason) Check {
	return Check{Name: name, Status: Failed, Reasons: why}
}
func inconclusive(name CheckName, why ...Reason) Check {
	return Check{Name: name, Status: Inconclusive, Reasons: why}
}
func notPerformed(name CheckName, why ...Reason) Check {
	return Check{Name: name, Status: NotPerformed, Reasons: why}
}

// of returns the check about one subject.
func (c Check) of(subject string) Check { c.Subject = subject; return c }

// needs marks a check that could not be performed because an earlier one did
// not pass: the earlier one's reasons explain it.
func needs(name, earlier CheckName) Check {
	return notPerformed(name, Reason{Code: PrerequisiteMissing, Subject: string(earlier)})
}
