package limen

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// RecordKind tells what a record is about.
type RecordKind string

// The kinds.
const (
	KindInspection RecordKind = "inspection"       // what the machine did
	KindOfficer    RecordKind = "officer_decision" // what an officer decided about an inspection
	KindCorrection RecordKind = "correction"       // what an earlier record says wrongly
	KindQuestion   RecordKind = "question"         // who asked about a person, took data out or had it erased
	KindNotice     RecordKind = "notice"           // what the centre sent the device, and what became of it
)

// Record is one entry of the history. It names no person and holds no number,
// portrait, template or image; the document is a pseudonym. Of the two pictures
// it holds what was measured of light, sharpness and the like.
//
// It is encoded once, as deterministic CBOR (RFC 8949, 4.2.1), and from then
// on stored, hashed and sent as those bytes.
type Record struct {
	Version  int              `json:"version" cbor:"1,keyasint"`
	Kind     RecordKind       `json:"kind" cbor:"2,keyasint"`
	ID       string           `json:"id" cbor:"3,keyasint"`
	Site     string           `json:"site" cbor:"4,keyasint"`
	Device   string           `json:"device" cbor:"5,keyasint"`
	Started  Moment           `json:"started" cbor:"6,keyasint"`
	Ended    Moment           `json:"ended" cbor:"7,keyasint"`
	Document Document         `json:"document" cbor:"8,keyasint"`
	Chip     ChipFacts        `json:"chip" cbor:"9,keyasint"`
	Face     *Comparison      `json:"face,omitempty" cbor:"10,keyasint,omitempty"`
	Checks   []Check          `json:"checks,omitempty" cbor:"11,keyasint,omitempty"`
	Decision Decision         `json:"decision" cbor:"12,keyasint"`
	Spent    Spent            `json:"spent" cbor:"13,keyasint"`
	Policy   string           `json:"policy,omitempty" cbor:"14,keyasint,omitempty"`
	Software string           `json:"software,omitempty" cbor:"15,keyasint,omitempty"`
	Officer  *OfficerDecision `json:"officer,omitempty" cbor:"16,keyasint,omitempty"`
	Quality  []Quality        `json:"quality,omitempty" cbor:"17,keyasint,omitempty"` // of the pictures; absent from records of before it was measured

	Correction *Correction `json:"correction,omitempty" cbor:"18,keyasint,omitempty"`
	Question   *Question   `json:"question,omitempty" cbor:"19,keyasint,omitempty"`
	Notice     *Notice     `json:"notice,omitempty" cbor:"20,keyasint,omitempty"`
}

// RecordVersion is the version this code writes. It reads version 1 too, which
// had no marks, corrections or questions, and whose pseudonyms were keyed hashes.
const RecordVersion = 2

// OfficerDecision is an officer's word about an inspection, signed over the
// record without the signature: by the appliance at which the officer sat, or
// by a key of the officer's own where there is one.
type OfficerDecision struct {
	Officer    string `json:"officer" cbor:"1,keyasint"`    // identifier of the officer, not a name
	Inspection string `json:"inspection" cbor:"2,keyasint"` // ID of the record it is about
	Index      uint64 `json:"index" cbor:"3,keyasint"`      // and that record's leaf
	Grounds    string `json:"grounds" cbor:"4,keyasint"`    // reason code chosen by the officer
	PublicKey  []byte `json:"public_key" cbor:"5,keyasint"`
	Signature  []byte `json:"signature,omitempty" cbor:"6,keyasint,omitempty"`
}

// encoding writes core deterministic CBOR; decoding refuses what a record
// cannot hold: unknown keys, duplicate keys, indefinite lengths, trailing bytes.
var encoding, decoding = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("limen: CBOR encoding options: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxArrayElements: 4096, MaxMapPairs: 4096, MaxNestedLevels: 16,
	}.DecMode()
	if err != nil {
		panic("limen: CBOR decoding options: " + err.Error())
	}
	return enc, dec
}()

// Encode writes a record as deterministic CBOR.
func (r Record) Encode() ([]byte, error) { return encoding.Marshal(r) }

// maxRecord bounds a record: an inspection's is near 3 kB, half of it quality components.
const maxRecord = 64 << 10

// DecodeRecord reads a record.
func DecodeRecord(b []byte) (Record, error) {
	if len(b) > maxRecord {
		return Record{}, fmt.Errorf("record of %d bytes is over the limit of %d", len(b), maxRecord)
	}
	var r Record
	if err := decoding.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("cannot read record: %w", err)
	}
	if r.Version < 1 || r.Version > RecordVersion {
		return Record{}, fmt.Errorf("record of version %d where 1 to %d belong: update this software", r.Version, RecordVersion)
	}
	return r, nil
}

// signedPrefix separates a signature on an officer's decision from any other use of the key.
const signedPrefix = "limen officer decision v1\n"

// NewOfficerRecord makes the signed record of an officer's decision about an
// inspection: admit or refuse, on grounds. key is the appliance's or the officer's.
func NewOfficerRecord(about Record, receipt Receipt, outcome Outcome, officer, grounds, id string, now time.Time, key Signer) (Record, error) {
	switch {
	case about.Kind != KindInspection:
		return Record{}, fmt.Errorf("an officer decides about an inspection, not about a record of kind %q", about.Kind)
	case outcome != Admit && outcome != Refuse:
		return Record{}, fmt.Errorf("an officer's outcome is %q or %q, not %q", Admit, Refuse, outcome)
	case officer == "":
		return Record{}, errors.New("an officer's decision names the officer")
	case grounds == "":
		return Record{}, errors.New("an officer's decision gives its grounds")
	}
	r := Record{
		Version: RecordVersion, Kind: KindOfficer, ID: id, Site: about.Site, Device: about.Device,
		Started: MomentOf(now), Ended: MomentOf(now), Document: about.Document, Policy: about.Policy, Software: about.Software,
		Decision: Decision{Outcome: outcome, Reasons: []Reason{{Code: ReasonCode(grounds)}}},
		Officer:  &OfficerDecision{Officer: officer, Inspection: about.ID, Index: receipt.Index, Grounds: grounds, PublicKey: key.PublicKey()},
	}
	message, err := r.signedMessage()
	if err != nil {
		return Record{}, err
	}
	if r.Officer.Signature, err = key.Sign(message); err != nil {
		return Record{}, fmt.Errorf("cannot sign the officer's decision: %w", err)
	}
	return r, nil
}

// VerifyOfficer checks the signature of an officer's record. Whose key it is
// is for the caller to know.
func (r Record) VerifyOfficer() error {
	if r.Kind != KindOfficer || r.Officer == nil {
		return fmt.Errorf("record of kind %q is no officer's decision", r.Kind)
	}
	message, err := r.signedMessage()
	if err != nil {
		return err
	}
	if len(r.Officer.PublicKey) != ed25519.PublicKeySize || !ed25519.Verify(r.Officer.PublicKey, message, r.Officer.Signature) {
		return errors.New("the officer's signature does not fit the record")
	}
	return nil
}

func (r Record) signedMessage() ([]byte, error) {
	officer := *r.Officer
	officer.Signature = nil
	r.Officer = &officer
	b, err := r.Encode()
	return append([]byte(signedPrefix), b...), err
}
