package limen

import (
	"slices"

	"limen/mrtd/authn"
)

// Outcome is where the traveller goes.
type Outcome string

// A machine admits or refers. Refuse exists only in an officer's record
// (Schengen Borders Code, Art. 14: refusal is an officer's, with reasons).
const (
	Admit  Outcome = "admit"
	Refer  Outcome = "refer"
	Refuse Outcome = "refuse"
)

// Recommendation is what a referred traveller's officer is advised to begin with.
type Recommendation string

// The recommendations, from the lightest to the gravest.
const (
	RecommendNone     Recommendation = ""         // admitted
	RecommendRepeat   Recommendation = "repeat"   // something technical: present the document again
	RecommendServe    Recommendation = "serve"    // not for this gate: a manual check
	RecommendIdentify Recommendation = "identify" // compare the person with the document
	RecommendExamine  Recommendation = "examine"  // the document is in doubt
	RecommendHold     Recommendation = "hold"     // a database holds something against the document
)

// Decision is what the machine concluded, and why.
type Decision struct {
	Outcome        Outcome        `json:"outcome" cbor:"1,keyasint"`
	Reasons        []Reason       `json:"reasons,omitempty" cbor:"2,keyasint,omitempty"` // why referred, in the order of the line
	Notes          []Reason       `json:"notes,omitempty" cbor:"3,keyasint,omitempty"`   // seen without weight: what passed checks remarked
	Recommendation Recommendation `json:"recommendation,omitempty" cbor:"4,keyasint,omitempty"`
}

// Decide turns evidence into a decision. It is pure: the same evidence under
// the same policy always gives the same decision.
//
// A failed check refers, whatever the policy says; a check the policy demands
// refers unless it passed; one that was demanded and never made refers too.
// Nothing else is weighed, and there is no score to outweigh a failure.
func Decide(e Evidence, p Policy) Decision {
	blocking := make([]bool, len(e.Checks))
	for i, c := range e.Checks {
		blocking[i] = c.Status == Failed
	}
	var d Decision
	var missing []Reason
	demand := func(r Requirement, suffices func(Check) bool) {
		found := false
		for i, c := range e.Checks {
			if r.matches(c) {
				found = true
				blocking[i] = blocking[i] || !suffices(c)
			}
		}
		if !found {
			missing = append(missing, because(CheckMissing, string(r)))
		}
	}
	for _, r := range p.Mandatory {
		demand(r, func(c Check) bool { return c.Status == Passed })
	}
	for _, r := range p.WherePresent {
		demand(r, func(c Check) bool { return c.Status == Passed || c.Status == NotPresent })
	}
	for _, l := range p.Lookups {
		if l.Mandatory {
			demand(Requirement(string(CheckLookup)+":"+l.Name), func(c Check) bool {
				return c.Status == Passed || c.Status == NotPerformed && l.Offline == OfflineAccept
			})
		}
	}
	for i, c := range e.Checks {
		blocking[i] = blocking[i] || c.Name == CheckCompleted && c.Status != Passed
	}

	var consequences []Reason
	for i, c := range e.Checks {
		for _, r := range c.Reasons {
			switch {
			case !blocking[i] && r.Code != PrerequisiteMissing && (c.Status != NotPerformed || c.Name == CheckLookup):
				d.Notes = appendNew(d.Notes, r)
			case !blocking[i]: // what this appliance cannot check is on the list of checks
			case r.Code == PrerequisiteMissing:
				consequences = appendNew(consequences, r)
			default:
				d.Reasons = appendNew(d.Reasons, r)
			}
		}
		if blocking[i] && len(c.Reasons) == 0 {
			d.Reasons = appendNew(d.Reasons, because(CheckMissing, string(c.Name)))
		}
	}
	// What was not checked only because something earlier failed explains
	// nothing beside that failure. The same holds for a check never reached.
	if len(d.Reasons) == 0 {
		d.Reasons = append(d.Reasons, consequences...)
		d.Reasons = append(d.Reasons, missing...)
	}
	blocked := slices.Contains(blocking, true) || len(missing) > 0
	if !blocked && len(e.Checks) > 0 {
		d.Outcome = Admit
		return d
	}
	d.Outcome = Refer
	d.Recommendation = recommend(d.Reasons)
	return d
}

func appendNew(list []Reason, r Reason) []Reason {
	if slices.Contains(list, r) {
		return list
	}
	return append(list, r)
}

// gravity orders recommendations; a referral carries its gravest.
var gravity = []Recommendation{RecommendNone, RecommendRepeat, RecommendServe, RecommendIdentify, RecommendExamine, RecommendHold}

func recommend(reasons []Reason) Recommendation {
	gravest := 1
	for _, r := range reasons {
		gravest = max(gravest, slices.Index(gravity, advice(r.Code)))
	}
	return gravity[gravest]
}

// advice classes a reason. What is not known to be merely technical puts the
// document in doubt.
func advice(code ReasonCode) Recommendation {
	switch code {
	case StopListHit, ReportedLost, LostBefore:
		return RecommendHold
	case TravelImpossible, FaceMismatch, FaceSeveral, PortraitNoFace, PortraitSmall, PortraitSeveral, PresentationAttack, PADFaceChanged:
		return RecommendIdentify
	case ReasonCode(authn.TrustStale), ReasonCode(authn.CRLUnknown), ReasonCode(authn.CRLSignatureInvalid), // the appliance's lists, not the document
		NotEligible, DocumentExpired, ExpiryUnknown, ModelMissing, ModelChanged, ModelDemo, PADModelMissing, PADTooLittle, MorphUntrained, LookupStale, LookupDated, LookupUnavailable, HistoryAway, HistoryNotKept, PlaceUnknown, RefusedBefore, CameraAway, ChipReaderAway, PortraitDecoderAway, CheckMissing, RecordNotStored:
		return RecommendServe
	case MRZUnreadable, MRZCheckDigit, CutShort, ChipLost, ChipNoAnswer, ChipReadFailed,
		PADTooShort, FaceNotFound, FaceTooSmall, FaceBlurred, FaceTurned, FaceTooDark, FaceTooBright:
		return RecommendRepeat
	}
	return RecommendExamine
}
