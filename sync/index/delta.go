// Package index is what a device knows of its region's checks: where and when a
// document was checked in the last 90 days, on any device, so that the question
// on the line is answered without a link.
//
//	centre: entries, mappings ─Delta, signed─▶ pieces ─▶ Client ─▶ Index: sorted segments on disk, merged
//
// A document is known by the keyed hashes that devices of a fleet share
// (limen.Trace), shortened to 16 bytes. Each check has a random handle, by
// which an erasure names it: who sees the handle learns nothing. Deltas are
// signed by the centre's receipt key, because a process makes them: it vouches
// for what the centre holds and can neither command a device nor change what
// it runs.
package index

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/set"
	"limen/sync/wire"
)

// Sizes of what names something.
const (
	KeySize    = 16 // of a document: the start of its trace's hash
	HandleSize = 8  // of a check
	recordSize = 8  // of a record's identifier: the start of its SHA-256
)

// Keep is how long checks stay in the index.
const Keep = 90 * 24 * time.Hour

// Bounds of a delta.
const (
	MaxRows   = 20_000
	MaxPlaces = 4096
	maxDelta  = 16 << 20 // bytes, unpacked
)

// Delta is what changed in a region's index from one number to the next.
type Delta struct {
	Places  []string `cbor:"1,keyasint"` // "site/device", by their number in rows
	Proofs  []string `cbor:"2,keyasint"` // what chips' keys proved with, likewise
	Rows    []Row    `cbor:"3,keyasint"`
	Removed [][]byte `cbor:"4,keyasint"` // handles
}

// Row is a check, or an officer's decision about one.
type Row struct {
	Keys      [][]byte `cbor:"1,keyasint"` // of the document, under each fleet key
	Handle    []byte   `cbor:"2,keyasint"`
	At        uint32   `cbor:"3,keyasint"` // seconds since 1970
	Place     uint16   `cbor:"4,keyasint"`
	Flags     uint8    `cbor:"5,keyasint"`
	Proof     uint8    `cbor:"6,keyasint"`
	Pseudonym []byte   `cbor:"7,keyasint"` // the marks were made under it
	SODMark   []byte   `cbor:"8,keyasint,omitempty"`
	KeyMark   []byte   `cbor:"9,keyasint,omitempty"`
	Record    []byte   `cbor:"10,keyasint"` // names the inspection, also in an officer's row
}

// Flags.
const (
	flagAdmitted = 1 << iota
	flagRefused
	flagLost
	flagOfficer // the row is an officer's decision
	flagSOD
	flagKey
	flagCorrected
)

// RecordName is how rows name a record.
func RecordName(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:recordSize]
}

// RowOf makes the row of a record; false where it is none that the index has.
// Place and proof are the caller's to number.
func RowOf(r limen.Record, keys [][]byte, handle []byte) (row Row, ok bool) {
	row = Row{Keys: keys, Handle: handle, At: uint32(min(max(r.Started.Time().Unix(), 0), math.MaxUint32)), Pseudonym: r.Document.Pseudonym[:]}
	switch r.Decision.Outcome {
	case limen.Admit:
		row.Flags |= flagAdmitted
	case limen.Refuse:
		row.Flags |= flagRefused
	}
	switch {
	case r.Kind == limen.KindInspection:
		row.Record = RecordName(r.ID)
	case r.Officer != nil:
		row.Record = RecordName(r.Officer.Inspection)
		row.Flags |= flagOfficer
		return row, true
	case r.Correction != nil:
		row.Record = RecordName(r.Correction.Record)
		row.Flags = flagCorrected
		return row, true
	default:
		return row, false
	}
	for _, c := range r.Checks {
		for _, why := range c.Reasons {
			if why.Code == limen.ReportedLost {
				row.Flags |= flagLost
			}
		}
	}
	if len(r.Chip.SODMark) == limen.MarkSize {
		row.Flags, row.SODMark = row.Flags|flagSOD, r.Chip.SODMark
	}
	if len(r.Chip.KeyMark) == limen.MarkSize {
		row.Flags, row.KeyMark = row.Flags|flagKey, r.Chip.KeyMark
	}
	return row, true
}

// DocumentKey shortens a trace's hash.
func DocumentKey(hash []byte) []byte { return hash[:KeySize] }

var encoding, decoding = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("index: CBOR encoding options: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxArrayElements: 2 * MaxRows, MaxMapPairs: 16, MaxNestedLevels: 5,
	}.DecMode()
	if err != nil {
		panic("index: CBOR decoding options: " + err.Error())
	}
	return enc, dec
}()

// Encode writes a delta, and Pack of package set packs it.
func (d Delta) Encode() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(d)
}

// DecodeDelta reads a delta.
func DecodeDelta(b []byte) (Delta, error) {
	if len(b) > maxDelta {
		return Delta{}, fmt.Errorf("delta of %d bytes is over the limit of %d", len(b), maxDelta)
	}
	var d Delta
	if err := decoding.Unmarshal(b, &d); err != nil {
		return Delta{}, fmt.Errorf("cannot read the delta: %w", err)
	}
	return d, d.check()
}

func (d Delta) check() error {
	if len(d.Rows) > MaxRows || len(d.Removed) > MaxRows || len(d.Places) > MaxPlaces || len(d.Proofs) > 255 {
		return errors.New("the delta is over its limits")
	}
	for _, r := range d.Rows {
		if len(r.Keys) == 0 || len(r.Keys) > wire.MaxTraces || len(r.Handle) != HandleSize || len(r.Pseudonym) != len(limen.Pseudonym{}) || len(r.Record) != recordSize ||
			(len(r.SODMark) != 0) != (r.Flags&flagSOD != 0) || (len(r.KeyMark) != 0) != (r.Flags&flagKey != 0) ||
			len(r.SODMark) != 0 && len(r.SODMark) != limen.MarkSize || len(r.KeyMark) != 0 && len(r.KeyMark) != limen.MarkSize {
			return errors.New("a row of the delta has parts of other sizes than a row's")
		}
		for _, k := range r.Keys {
			if len(k) != KeySize {
				return errors.New("a row of the delta has a key of another size")
			}
		}
		if int(r.Place) >= len(d.Places) || int(r.Proof) >= len(d.Proofs) {
			return errors.New("a row of the delta names a place or a proof that is not there")
		}
	}
	for _, h := range d.Removed {
		if len(h) != HandleSize {
			return errors.New("the delta removes by a handle of another size")
		}
	}
	return nil
}

// head begins what is signed of a delta.
const head = "limen index v1"

// Next is the centre's word to a device that has a region's index up to After:
// the delta that follows, or, with Number equal to After, that there is none.
type Next struct {
	Site   string `cbor:"1,keyasint"` // of the device
	Region string `cbor:"2,keyasint"`
	After  uint64 `cbor:"3,keyasint"`
	Number uint64 `cbor:"4,keyasint"`
	AsOf   int64  `cbor:"5,keyasint"` // milliseconds since 1970: what the centre took in until then is in the index up to Number
	Size   uint64 `cbor:"6,keyasint"` // bytes of the delta, unpacked
	SHA256 []byte `cbor:"7,keyasint,omitempty"`
}

// Sign signs as the centre.
func (n Next) Sign(receipts note.Signer) ([]byte, error) { return wire.Seal(head, n, receipts) }

// OpenNext reads what the centre signed.
func OpenNext(signed []byte, receipts note.Verifier) (n Next, err error) {
	if err := wire.Unseal(head, signed, note.VerifierList(receipts), &n); err != nil {
		return Next{}, err
	}
	if n.Size > maxDelta || n.Number < n.After || n.Number > n.After && len(n.SHA256) != sha256.Size || n.Number > math.MaxInt64 {
		return Next{}, errors.New("the word about the index is over its limits")
	}
	return n, wire.CheckIdentifier(n.Region)
}

// PieceName is the name by which a region's deltas are asked for.
func PieceName(region string) string { return "index." + region }

// unpack is the delta of a packed form, if it is the one that was signed.
func (n Next) unpack(packed []byte) (Delta, error) {
	b, err := set.Unpack(packed, n.Size)
	if err != nil {
		return Delta{}, err
	}
	if sum := sha256.Sum256(b); uint64(len(b)) != n.Size || string(sum[:]) != string(n.SHA256) {
		return Delta{}, errors.New("the delta is not the one the centre signed")
	}
	return DecodeDelta(b)
}
