package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"
)

// KindIndex is what other devices know of documents, from centre to device. It
// comes as a signed payload, by whichever way, also as a file.
const KindIndex Kind = "index"

// IndexVersion is the version of deltas; a reader takes no other.
const IndexVersion = 1

// Bounds of a delta.
const (
	MaxSightings     = 2000
	MaxSightingBytes = MaxMessage - 32<<10 // of all sightings of one: it fits a message even where nothing of it shrinks
	maxTraces        = 3
	maxInflated      = 2 << 20 // bytes of a delta once decompressed
	maxMark          = 64
)

// Delta is a piece of the index that a device holds of its region: what arrived
// at the centre after From, up to To, from others than the device. One from 0
// takes the place of all the device had: only so does what others erased go.
type Delta struct {
	Version   int        `cbor:"1,keyasint"`
	Device    string     `cbor:"2,keyasint"` // for whom
	From      uint64     `cbor:"3,keyasint"` // in the centre's order of arrival
	To        uint64     `cbor:"4,keyasint"`
	AsOf      int64      `cbor:"5,keyasint"`           // when the centre made it, milliseconds
	More      bool       `cbor:"6,keyasint,omitempty"` // the centre had more: the index is not whole yet
	Sightings []Sighting `cbor:"7,keyasint,omitempty"`
}

// Sighting is what another device recorded of a document: a check, or an
// officer's word about one.
type Sighting struct {
	Traces    []Trace `cbor:"1,keyasint"`
	Device    string  `cbor:"2,keyasint"`
	Number    uint64  `cbor:"3,keyasint"` // its entry there
	Site      string  `cbor:"4,keyasint"`
	At        int64   `cbor:"5,keyasint"`           // milliseconds
	Record    string  `cbor:"6,keyasint"`           // ID of the check
	Outcome   string  `cbor:"7,keyasint,omitempty"` // the machine's, or the officer's where Said
	Said      bool    `cbor:"8,keyasint,omitempty"` // by an officer, about that check
	Lost      bool    `cbor:"9,keyasint,omitempty"`
	Corrected string  `cbor:"10,keyasint,omitempty"`
	Pseudonym []byte  `cbor:"11,keyasint"` // under which the marks were made
	Proof     string  `cbor:"12,keyasint,omitempty"`
	SODMark   []byte  `cbor:"13,keyasint,omitempty"`
	KeyMark   []byte  `cbor:"14,keyasint,omitempty"`
}

// Trace leads to a document: a keyed hash under one fleet key.
type Trace struct {
	Key  []byte `cbor:"1,keyasint"`
	Hash []byte `cbor:"2,keyasint"`
}

// Size is how many bytes a sighting takes.
func (s Sighting) Size() (int, error) {
	b, err := encoding.Marshal(s)
	return len(b), err
}

// LogValue redacts.
func (d Delta) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("from", d.From), slog.Uint64("to", d.To), slog.Int("sightings", len(d.Sightings)))
}

// signedIndex is a delta on its way: compressed, with the centre's word for it.
type signedIndex struct {
	Version int    `cbor:"1,keyasint"`
	Kind    Kind   `cbor:"2,keyasint"`
	Payload []byte `cbor:"3,keyasint"` // zstd of a Delta
	Note    []byte `cbor:"4,keyasint"`
}

var indexDecoding = func() cbor.DecMode {
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxArrayElements: MaxSightings, MaxMapPairs: 16, MaxNestedLevels: 6,
	}.DecMode()
	if err != nil {
		panic("wire: CBOR decoding options: " + err.Error())
	}
	return dec
}()

// indexText is the note text: head, and base64 SHA-256 of the payload. What it
// is and for whom, the payload says.
func indexText(payload []byte) string {
	h := sha256.Sum256(payload)
	return "limen index v1\n" + base64.StdEncoding.EncodeToString(h[:]) + "\n"
}

// Seal signs a delta as the centre.
func (d Delta) Seal(centre note.Signer) ([]byte, error) {
	d.Version = IndexVersion
	if err := d.check(); err != nil {
		return nil, err
	}
	plain, err := encoding.Marshal(d)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxInflated {
		return nil, fmt.Errorf("delta of %d bytes is over the limit of %d: take fewer sightings", len(plain), maxInflated)
	}
	s := signedIndex{Version: IndexVersion, Kind: KindIndex, Payload: deflate(plain)}
	if s.Note, err = note.Sign(&note.Note{Text: indexText(s.Payload)}, centre); err != nil {
		return nil, err
	}
	b, err := encoding.Marshal(s)
	if err == nil && len(b) > MaxMessage {
		err = fmt.Errorf("delta of %d bytes is over the limit of %d: take fewer sightings", len(b), MaxMessage)
	}
	return b, err
}

// OpenDelta checks the centre's word before it decompresses anything.
func OpenDelta(b []byte, centre note.Verifier) (Delta, error) {
	var none Delta
	if len(b) > MaxMessage {
		return none, fmt.Errorf("delta of %d bytes is over the limit of %d", len(b), MaxMessage)
	}
	var s signedIndex
	if err := indexDecoding.Unmarshal(b, &s); err != nil {
		return none, fmt.Errorf("cannot read a delta of the index: %w", err)
	}
	if s.Version != IndexVersion || s.Kind != KindIndex {
		return none, fmt.Errorf("payload of version %d and kind %.20q where %d and %q belong", s.Version, s.Kind, IndexVersion, KindIndex)
	}
	n, err := note.Open(s.Note, note.VerifierList(centre))
	if err != nil {
		return none, fmt.Errorf("the delta is not signed by %s: %w", centre.Name(), err)
	}
	if n.Text != indexText(s.Payload) {
		return none, errors.New("the centre's word is about another delta")
	}
	plain, err := inflate(s.Payload)
	if err != nil {
		return none, err
	}
	return readDelta(plain)
}

func deflate(plain []byte) []byte {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic("wire: zstd options: " + err.Error())
	}
	defer z.Close()
	return z.EncodeAll(plain, nil)
}

// inflate decompresses within the bounds of a delta.
func inflate(payload []byte) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(payload), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderMaxWindow(1<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	plain, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("cannot decompress a delta of the index: %w", err)
	}
	if len(plain) > maxInflated {
		return nil, fmt.Errorf("a delta of the index is over the limit of %d bytes", maxInflated)
	}
	return plain, nil
}

func readDelta(plain []byte) (d Delta, err error) {
	if err := indexDecoding.Unmarshal(plain, &d); err != nil {
		return Delta{}, fmt.Errorf("cannot read a delta of the index: %w", err)
	}
	return d, d.check()
}

func (d Delta) check() error {
	if err := CheckIdentifier(d.Device); err != nil {
		return err
	}
	switch {
	case d.Version != IndexVersion:
		return fmt.Errorf("delta of version %d where %d belongs: update the older side", d.Version, IndexVersion)
	case d.To < d.From || d.To > 1<<62:
		return fmt.Errorf("delta from %d to %d", d.From, d.To)
	case len(d.Sightings) > MaxSightings:
		return fmt.Errorf("delta of %d sightings; the limit is %d", len(d.Sightings), MaxSightings)
	}
	for i, s := range d.Sightings {
		if err := s.Check(); err != nil {
			return fmt.Errorf("sighting %d: %w", i, err)
		}
	}
	return nil
}

// Check says what of a sighting is out of bounds.
func (s Sighting) Check() error {
	if err := CheckIdentifier(s.Device); err != nil {
		return err
	}
	for _, word := range []string{s.Site, s.Record, s.Outcome, s.Proof} {
		if len(word) > maxWord {
			return fmt.Errorf("a text of %d bytes; the limit is %d", len(word), maxWord)
		}
	}
	if len(s.Traces) == 0 || len(s.Traces) > maxTraces || len(s.Pseudonym) != hashSize || len(s.SODMark) > maxMark || len(s.KeyMark) > maxMark || len(s.Corrected) > 2*maxWord {
		return fmt.Errorf("%d traces, a pseudonym of %d bytes, marks of %d and %d or a correction of %d are out of bounds",
			len(s.Traces), len(s.Pseudonym), len(s.SODMark), len(s.KeyMark), len(s.Corrected))
	}
	for _, t := range s.Traces {
		if len(t.Key) != 4 || len(t.Hash) != hashSize {
			return fmt.Errorf("a trace of %d and %d bytes; it has 4 and %d", len(t.Key), len(t.Hash), hashSize)
		}
	}
	return nil
}
