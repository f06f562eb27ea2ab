package index

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/wire"
)

// Sighting is a check in the centre's answer to a device's question.
type Sighting struct {
	Record    string `cbor:"1,keyasint"`
	At        int64  `cbor:"2,keyasint"` // milliseconds since 1970
	Site      string `cbor:"3,keyasint"`
	Device    string `cbor:"4,keyasint"`
	Outcome   string `cbor:"5,keyasint"`
	Officer   string `cbor:"6,keyasint,omitempty"`
	Lost      bool   `cbor:"7,keyasint,omitempty"`
	Corrected bool   `cbor:"8,keyasint,omitempty"`
	Pseudonym []byte `cbor:"9,keyasint"`
	Proof     string `cbor:"10,keyasint,omitempty"`
	SODMark   []byte `cbor:"11,keyasint,omitempty"`
	KeyMark   []byte `cbor:"12,keyasint,omitempty"`
}

// corrected stands for a correction's words, which only its device and the centre have.
const corrected = "corrected: ask the centre how"

func (s Sighting) earlier() (limen.Earlier, error) {
	e := limen.Earlier{
		Record: s.Record, At: time.UnixMilli(s.At).UTC(), Site: s.Site, Device: s.Device, Outcome: limen.Outcome(s.Outcome), Officer: limen.Outcome(s.Officer),
		Lost: s.Lost, Proof: s.Proof, SODMark: s.SODMark, KeyMark: s.KeyMark,
	}
	if s.Corrected {
		e.Correction = corrected
	}
	if len(s.Pseudonym) != len(e.Pseudonym) {
		return e, errors.New("a check of the answer has no pseudonym")
	}
	copy(e.Pseudonym[:], s.Pseudonym)
	return e, nil
}

// seenHead begins the centre's word for an answer.
const seenHead = "limen seen v1"

// word says that an answer is the centre's, to one ask.
type word struct {
	Device string `cbor:"1,keyasint"`
	ID     []byte `cbor:"2,keyasint"`
	AsOf   int64  `cbor:"3,keyasint"`
	SHA256 []byte `cbor:"4,keyasint"`
}

// Answer makes the centre's answer to an ask, and its word for it. Newest come
// first; what does not fit is left out.
func Answer(device string, id []byte, asOf time.Time, seen []Sighting, receipts note.Signer) (answer, signed []byte, err error) {
	for {
		if answer, err = encoding.Marshal(seen); err != nil {
			return nil, nil, err
		}
		if len(answer) <= wire.PieceSize {
			break
		}
		seen = seen[:len(seen)-1]
	}
	sum := sha256.Sum256(answer)
	signed, err = wire.Seal(seenHead, word{device, id, asOf.UnixMilli(), sum[:]}, receipts)
	return answer, signed, err
}

// openAnswer checks and reads an answer to an ask.
func openAnswer(r wire.Reply, device string, receipts note.Verifier) ([]limen.Earlier, time.Time, error) {
	var w word
	if err := wire.Unseal(seenHead, r.Word, note.VerifierList(receipts), &w); err != nil {
		return nil, time.Time{}, err
	}
	sum := sha256.Sum256(r.Seen)
	if w.Device != device || string(w.ID) != string(r.ID) || string(w.SHA256) != string(sum[:]) {
		return nil, time.Time{}, errors.New("the centre's word is for another answer")
	}
	var seen []Sighting
	if err := decoding.Unmarshal(r.Seen, &seen); err != nil {
		return nil, time.Time{}, fmt.Errorf("cannot read the centre's answer: %w", err)
	}
	out := make([]limen.Earlier, 0, len(seen))
	for _, s := range seen {
		e, err := s.earlier()
		if err != nil {
			return nil, time.Time{}, err
		}
		out = append(out, e)
	}
	return out, time.UnixMilli(w.AsOf).UTC(), nil
}
