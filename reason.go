package limen

import (
	"errors"
	"fmt"
)

// ReasonCode is a stable word for why a check ended as it did. Screens
// translate it into a sentence and a next action; records keep it.
type ReasonCode string

// Reason is a code with what it speaks of, such as {dg_hash_mismatch, DG2}.
// The subject names a thing of the system, never a thing a document said.
type Reason struct {
	Code    ReasonCode `json:"code" cbor:"1,keyasint"`
	Subject string     `json:"subject,omitempty" cbor:"2,keyasint,omitempty"`
}

// String is the code and its subject, as machines print them: "dg_hash_mismatch:DG2".
func (r Reason) String() string {
	if r.Subject == "" {
		return string(r.Code)
	}
	return string(r.Code) + ":" + r.Subject
}

func because(code ReasonCode, subject ...string) Reason {
	if len(subject) > 0 {
		return Reason{code, subject[0]}
	}
	return Reason{Code: code}
}

// The reasons this package gives. Those of passive authentication are named
// in mrtd/authn and pass through unchanged.
const (
	PrerequisiteMissing ReasonCode = "prerequisite_missing" // an earlier check, named by the subject, did not pass
	NotSupported        ReasonCode = "not_supported"        // this version of the appliance cannot check it
	CutShort            ReasonCode = "inspection_cut_short" // the document was taken away, the appliance stopped or the time ran out

	MRZUnreadable   ReasonCode = "mrz_unreadable"
	MRZCheckDigit   ReasonCode = "mrz_check_digit"
	MRZRepaired     ReasonCode = "mrz_repaired"
	NotEligible     ReasonCode = "not_eligible"
	DocumentExpired ReasonCode = "document_expired"
	ExpiryUnknown   ReasonCode = "expiry_unknown"

	ChipNoAnswer     ReasonCode = "chip_no_answer"
	ChipReaderAway   ReasonCode = "chip_reader_unavailable"
	ChipLost         ReasonCode = "chip_lost"
	ChipAccessDenied ReasonCode = "chip_access_denied"
	ChipNotMRTD      ReasonCode = "chip_not_a_travel_document"
	ChipReadFailed   ReasonCode = "chip_read_failed"
	ChipFileMissing  ReasonCode = "chip_file_missing"
	PACENotOffered   ReasonCode = "pace_not_offered"
	PACEFailed       ReasonCode = "pace_failed_bac_used"
	PACEUnsupported  ReasonCode = "pace_unsupported_bac_used"
	NoAccessControl  ReasonCode = "chip_open_without_key"
	SODMalformed     ReasonCode = "sod_malformed"
	MRZChipMismatch  ReasonCode = "mrz_chip_mismatch"

	FaceNotFound        ReasonCode = "face_not_found"
	FaceSeveral         ReasonCode = "several_faces"
	FaceTooSmall        ReasonCode = "face_too_small"
	FaceBlurred         ReasonCode = "face_blurred"
	FaceTurned          ReasonCode = "face_turned"
	FaceTooDark         ReasonCode = "face_too_dark"
	FaceTooBright       ReasonCode = "face_too_bright"
	FaceMismatch        ReasonCode = "face_mismatch"
	CameraAway          ReasonCode = "camera_unavailable"
	ModelMissing        ReasonCode = "face_model_missing"
	ModelChanged        ReasonCode = "face_model_wrong_hash"
	ModelDemo           ReasonCode = "face_model_demo_grade"
	PortraitUnreadable  ReasonCode = "portrait_unreadable"
	PortraitNoFace      ReasonCode = "portrait_without_face"
	PortraitSmall       ReasonCode = "portrait_too_small"
	PortraitSeveral     ReasonCode = "portrait_with_several_faces"
	PortraitDecoderAway ReasonCode = "portrait_decoder_unavailable"

	PresentationAttack ReasonCode = "presentation_attack_suspected"
	PADModelMissing    ReasonCode = "pad_model_missing"       // no network, and motion alone did not suffice
	PADTooShort        ReasonCode = "pad_sequence_too_short"  // the face was not seen long enough
	PADTooLittle       ReasonCode = "pad_evidence_too_little" // nothing seen speaks clearly
	PADFaceChanged     ReasonCode = "pad_face_changed"        // the face that is compared is not the one that was watched
	MorphSuspected     ReasonCode = "morph_suspected"
	MorphUntrained     ReasonCode = "morph_classifier_missing" // none was trained for the recogniser that judges

	StopListHit       ReasonCode = "stop_list_hit"
	ReportedLost      ReasonCode = "document_reported_lost"
	LookupUnavailable ReasonCode = "lookup_unavailable"
	LookupStale       ReasonCode = "lookup_stale"
	LookupDated       ReasonCode = "lookup_dated" // a note: a database's own data are as old as the subject says
	SeenBefore        ReasonCode = "seen_before"
	HistoryAway       ReasonCode = "history_unavailable"
	HistoryNotKept    ReasonCode = "history_not_kept"  // the site keeps none of such documents
	TravelImpossible  ReasonCode = "travel_impossible" // seen where nobody could have come from since; the subject is that site
	PlaceUnknown      ReasonCode = "place_unknown"     // the configuration does not say where the subject, a site, is
	SODChanged        ReasonCode = "chip_data_changed" // the chip seen at the subject, a site, had another EF.SOD
	ChipKeyChanged    ReasonCode = "chip_key_changed"  // … another key
	RefusedBefore     ReasonCode = "refused_before"    // an officer refused entry at the subject, a site
	LostBefore        ReasonCode = "lost_before"       // it was on a list of lost documents at the subject, a site
	RecordNotStored   ReasonCode = "record_not_stored"
	CheckMissing      ReasonCode = "mandatory_check_missing" // a check the policy demands was never made; the subject names it
)

// Unable is an error of a port that knows why it could not find out. The line
// turns its reason into the check's reason; any other error gets a general one.
type Unable struct {
	Reason Reason
	Err    error
}

// Error is the reason, then what happened.
func (u *Unable) Error() string { return fmt.Sprintf("%s: %v", u.Reason, u.Err) }
func (u *Unable) Unwrap() error { return u.Err }

// reasonOf is the reason inside err, or the fallback.
func reasonOf(err error, fallback ReasonCode) Reason {
	if u, ok := errors.AsType[*Unable](err); ok {
		return u.Reason
	}
	return Reason{Code: fallback}
}
