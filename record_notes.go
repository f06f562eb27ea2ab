package limen

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Correction says what an earlier record says wrongly (GDPR, Art. 16). The
// record stays; whoever sees it sees the correction beside it. It is signed over
// the record without the signature, as an officer's decision is.
type Correction struct {
	Officer   string `json:"officer" cbor:"1,keyasint"` // identifier of who corrects, not a name
	Record    string `json:"record" cbor:"2,keyasint"`  // ID of the record it is about
	Index     uint64 `json:"index" cbor:"3,keyasint"`   // and that record's leaf
	Says      string `json:"says" cbor:"4,keyasint"`    // what is right
	PublicKey []byte `json:"public_key" cbor:"5,keyasint"`
	Signature []byte `json:"signature,omitempty" cbor:"6,keyasint,omitempty"`
}

// Question is who asked about a person, and why. Which document it was about
// lies beside the log, so that the question outlives the answer's erasure.
type Question struct {
	Who   string `json:"who" cbor:"1,keyasint"`
	What  string `json:"what" cbor:"2,keyasint"` // "find", "export", "erase", "correct"
	Why   string `json:"why" cbor:"3,keyasint"`
	Found int    `json:"found" cbor:"4,keyasint"` // entries shown, taken out or erased
}

// Notice is what the centre sent a device, and what became of it: nothing of it
// is about a person.
type Notice struct {
	What    string `json:"what" cbor:"1,keyasint"`                        // "set_taken", "set_refused", "command_done", "command_refused"
	Subject string `json:"subject,omitempty" cbor:"2,keyasint,omitempty"` // set or command, and its number
	Says    string `json:"says,omitempty" cbor:"3,keyasint,omitempty"`    // the result, or why it was refused
}

// maxSaid bounds what a person wrote.
const maxSaid = 300 // bytes

func checkSaid(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > maxSaid || !utf8.ValidString(s):
		return fmt.Errorf("%s has %d bytes; it is UTF-8 of at most %d", what, len(s), maxSaid)
	}
	return nil
}

// correctionPrefix separates a signature on a correction from any other use of the key.
const correctionPrefix = "limen correction v1\n"

// NewCorrection makes the signed record of what an earlier one, at leaf index,
// says wrongly. says must name nobody.
func NewCorrection(about Record, index uint64, officer, says, id string, now time.Time, key Signer) (Record, error) {
	if about.Kind != KindInspection && about.Kind != KindOfficer {
		return Record{}, fmt.Errorf("a record of kind %q is not corrected; an inspection or an officer's decision is", about.Kind)
	}
	if err := errors.Join(checkSaid("the correction", says), checkSaid("who corrects", officer)); err != nil {
		return Record{}, err
	}
	r := Record{
		Version: RecordVersion, Kind: KindCorrection, ID: id, Site: about.Site, Device: about.Device,
		Started: MomentOf(now), Ended: MomentOf(now), Document: about.Document, Software: about.Software,
		Correction: &Correction{Officer: officer, Record: about.ID, Index: index, Says: says, PublicKey: key.PublicKey()},
	}
	message, err := r.correctionMessage()
	if err != nil {
		return Record{}, err
	}
	if r.Correction.Signature, err = key.Sign(message); err != nil {
		return Record{}, fmt.Errorf("cannot sign the correction: %w", err)
	}
	return r, nil
}

// VerifyCorrection checks the signature of a correction. Whose key it is is for
// the caller to know.
func (r Record) VerifyCorrection() error {
	if r.Kind != KindCorrection || r.Correction == nil {
		return fmt.Errorf("record of kind %q is no correction", r.Kind)
	}
	message, err := r.correctionMessage()
	if err != nil {
		return err
	}
	if len(r.Correction.PublicKey) != ed25519.PublicKeySize || !ed25519.Verify(r.Correction.PublicKey, message, r.Correction.Signature) {
		return errors.New("the correction's signature does not fit the record")
	}
	return nil
}

func (r Record) correctionMessage() ([]byte, error) {
	c := *r.Correction
	c.Signature = nil
	r.Correction = &c
	b, err := r.Encode()
	return append([]byte(correctionPrefix), b...), err
}

// NewQuestion makes the record that somebody asked about a person.
func NewQuestion(q Question, site, device, id string, now time.Time) (Record, error) {
	if err := errors.Join(checkSaid("who asks", q.Who), checkSaid("the reason of a question", q.Why)); err != nil {
		return Record{}, err
	}
	return Record{
		Version: RecordVersion, Kind: KindQuestion, ID: id, Site: site, Device: device,
		Started: MomentOf(now), Ended: MomentOf(now), Question: &q,
	}, nil
}

// NewNotice makes the record of a notice. What is too long of it is cut: it is
// to be recorded whatever a stranger put into it.
func NewNotice(n Notice, site, device, id string, now time.Time) Record {
	for _, s := range []*string{&n.What, &n.Subject, &n.Says} {
		*s = strings.ToValidUTF8((*s)[:min(len(*s), maxSaid)], "")
	}
	return Record{
		Version: RecordVersion, Kind: KindNotice, ID: id, Site: site, Device: device,
		Started: MomentOf(now), Ended: MomentOf(now), Notice: &n,
	}
}
