// Package wire is what devices and the centre say to each other over MQTT:
// the topics and the payloads. wire.cddl is its schema.
//
//	limen/v1/<device>/entries   device → centre   Batch: journal entries, and the device's checkpoint over them
//	limen/v1/<device>/status    device → centre   Status: retained birth and health, last will
//	limen/v1/<device>/receipt   centre → device   Answer: a signed receipt, or why there is none
//	limen/v1/<device>/ask       device → centre   Ask: for sets, commands, the index, where a document was seen
//	limen/v1/<device>/reply     centre → device   Reply: to just that ask
//	limen/v1/<device>/command   centre → device   a sealed command, package command
//
// Payloads are deterministic CBOR (RFC 8949, 4.2.1), versioned and strictly
// read: unknown keys, indefinite lengths and anything over its bound are
// refused before it is allocated.
package wire

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Versions of the payloads; a reader takes no other. In version 1 batches had
// none of the device's word about erased entries, in version 2 one word for all
// of a batch's instead of tombstones, and no mappings; in version 1 answers had
// no cosignature and no word on tombstones. A status of version 1, which had no
// health, is still read: a centre is updated before its devices.
const (
	BatchVersion  = 3
	AnswerVersion = 2
	StatusVersion = 2
)

// Bounds. A message fits a broker's usual limit of 1 MiB.
const (
	MaxMessage    = 768 << 10 // bytes of one payload
	MaxEntries    = 256       // entries of one batch
	MaxBatchBytes = 512 << 10 // bytes of bodies in one batch, unless it has a single entry
	MaxBody       = 128 << 10 // bytes of one body
	MaxMappings   = 768       // of one batch: each of its entries under three fleet keys
	MaxTombstones = 256       // of one batch
	maxTombstone  = 512       // bytes of one
	maxNote       = 4 << 10   // bytes of a signed note
	maxWord       = 200       // bytes of a text
	hashSize      = 32        // bytes of a leaf
	maxPeaks      = 63        // of a tree
)

// Kind is what a payload, and the last part of its topic, is.
type Kind string

// The kinds.
const (
	KindEntries Kind = "entries"
	KindStatus  Kind = "status"
	KindReceipt Kind = "receipt"
	KindAsk     Kind = "ask"
	KindReply   Kind = "reply"
	KindCommand Kind = "command"
)

// CheckIdentifier says why s is no name for a device: 1 to 40 of a-z, 0-9 and
// inner hyphens. Neither MQTT nor NATS gives any of these a meaning.
func CheckIdentifier(s string) error {
	if len(s) == 0 || len(s) > 40 {
		return fmt.Errorf("a device name of %d characters; it has 1 to 40", len(s))
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		return fmt.Errorf("device name %q: use a-z, 0-9 and hyphens inside", s)
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return fmt.Errorf("device name %q: use a-z, 0-9 and hyphens inside", s)
		}
	}
	return nil
}

// Topic is the device's topic of one kind.
func Topic(device string, kind Kind) string { return "limen/v1/" + device + "/" + string(kind) }

// ParseTopic takes a topic apart.
func ParseTopic(topic string) (device string, kind Kind, err error) {
	parts := strings.Split(topic, "/")
	if len(parts) != 4 || parts[0] != "limen" || parts[1] != "v1" {
		return "", "", errors.New("the topic is not limen/v1/<device>/<kind>")
	}
	kind = Kind(parts[3])
	switch kind {
	case KindEntries, KindStatus, KindReceipt, KindAsk, KindReply, KindCommand:
	default:
		return "", "", errors.New("the topic's kind is none of entries, status, receipt, ask, reply, command")
	}
	return parts[2], kind, CheckIdentifier(parts[2])
}

// Origin is the name of a device's journal and of the key that signs its
// checkpoints.
func Origin(device string) string { return "limen/" + device }

// Entry is a journal entry. An erased one is its leaf alone, which a batch
// carries only with the device's word for it: else whoever stands in between
// could erase.
type Entry struct {
	Leaf []byte `cbor:"1,keyasint"`           // the commitment, 32 bytes
	Salt []byte `cbor:"2,keyasint,omitempty"` // 32 bytes
	Body []byte `cbor:"3,keyasint,omitempty"`
}

// Batch is consecutive entries and the device's checkpoint of the tree that
// ends with the last of them.
type Batch struct {
	Version    int     `cbor:"1,keyasint"`
	Kind       Kind    `cbor:"2,keyasint"`
	Device     string  `cbor:"3,keyasint"`
	First      uint64  `cbor:"4,keyasint"`
	Entries    []Entry `cbor:"5,keyasint"`
	Checkpoint []byte  `cbor:"6,keyasint"` // signed note

	// Mappings lead from documents to the pseudonyms in this batch's records, so
	// that the centre can join what devices know of one document, each by a
	// pseudonym of its own. They are in no leaf, and go when the entries do.
	Mappings []Mapping `cbor:"8,keyasint,omitempty"`
	Mapped   []byte    `cbor:"9,keyasint,omitempty"` // signed note: the device's word for Mappings
	// Tombstones are signed notes, in no order: of each entry of this batch
	// without content, and of entries the centre holds that are erased since.
	Tombstones [][]byte `cbor:"10,keyasint,omitempty"`

	// Peaks mark a batch sent ahead of entries that the centre does not hold
	// yet: the roots of the complete subtrees of all entries before it, left to
	// right, 32 bytes each. With them the batch leads to the checkpoint's root.
	Peaks []byte `cbor:"11,keyasint,omitempty"`
}

// Mapping leads from a document's keyed hash to its pseudonym on one device.
type Mapping struct {
	Pseudonym []byte `cbor:"1,keyasint"` // 32 bytes, random
	Key       []byte `cbor:"2,keyasint"` // names the fleet key, 4 bytes
	Hash      []byte `cbor:"3,keyasint"` // 32 bytes
}

// MappedHead begins the device's word for mappings.
const MappedHead = "limen mappings v1"

// Spoken is what the device's word for mappings is about.
func Spoken(mappings []Mapping) (b []byte) {
	for _, m := range mappings {
		b = append(append(append(b, m.Pseudonym...), m.Key...), m.Hash...)
	}
	return b
}

// Erased reports that the entry is its leaf alone.
func (e Entry) Erased() bool { return len(e.Salt) == 0 && len(e.Body) == 0 }

// LogValue redacts the bodies.
func (b Batch) LogValue() slog.Value {
	return slog.GroupValue(slog.String("device", b.Device), slog.Uint64("first", b.First), slog.Int("entries", len(b.Entries)))
}

// State is what a device says of itself.
type State string

// The states. A broker announces Lost, as the device's last will.
const (
	StateRunning State = "running"
	StateStopped State = "stopped"
	StateLost    State = "lost"
)

// Status is a device's birth, its health since, farewell or last will.
type Status struct {
	Version  int     `cbor:"1,keyasint"`
	Kind     Kind    `cbor:"2,keyasint"`
	Device   string  `cbor:"3,keyasint"`
	Session  string  `cbor:"4,keyasint"` // fresh at each start of the device: a will of an older session says nothing of this one
	State    State   `cbor:"5,keyasint"`
	Software string  `cbor:"6,keyasint,omitempty"`
	Size     uint64  `cbor:"7,keyasint,omitempty"` // entries in the journal
	Health   *Health `cbor:"8,keyasint,omitempty"` // of a device that runs
}

// Refusal is why there is no receipt.
type Refusal string

// The refusals. Only a gap is mended by the device: it sends from where the
// centre is. The others need a person, and the device keeps everything.
const (
	RefusedGap       Refusal = "gap"       // the batch begins beyond what the centre holds
	RefusedHistory   Refusal = "history"   // what the centre holds was rewritten
	RefusedSignature Refusal = "signature" // the checkpoint is not signed by the key the centre knows
	RefusedMalformed Refusal = "malformed"
	RefusedUnknown   Refusal = "unknown" // no such device is enrolled
)

// Answer is the centre's word about a batch: a receipt or a refusal.
type Answer struct {
	Version int     `cbor:"1,keyasint"`
	Kind    Kind    `cbor:"2,keyasint"`
	Device  string  `cbor:"3,keyasint"`
	Receipt []byte  `cbor:"4,keyasint,omitempty"` // signed note
	Refusal Refusal `cbor:"5,keyasint,omitempty"`
	Have    uint64  `cbor:"6,keyasint,omitempty"` // entries the centre holds, with a refusal
	Detail  string  `cbor:"7,keyasint,omitempty"`
	// Cosignature is the centre's word as a witness, with a receipt: the note
	// signature lines it adds to the checkpoint of what the receipt is for.
	Cosignature []byte `cbor:"8,keyasint,omitempty"`
	// Forgotten is the centre's signed word, with a receipt, that it has erased
	// what the batch's tombstones name.
	Forgotten []byte `cbor:"9,keyasint,omitempty"`
	// Ahead answers a batch sent ahead: the centre has what lies before this
	// index, and gives no receipt for it yet.
	Ahead uint64 `cbor:"10,keyasint,omitempty"`
}

var encoding, decoding = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("wire: CBOR encoding options: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxArrayElements: MaxMappings, MaxMapPairs: 16, MaxNestedLevels: 5,
	}.DecMode()
	if err != nil {
		panic("wire: CBOR decoding options: " + err.Error())
	}
	return enc, dec
}()

// Encode writes a batch.
func (b Batch) Encode() ([]byte, error) {
	b.Version, b.Kind = BatchVersion, KindEntries
	if err := b.check(); err != nil {
		return nil, err
	}
	raw, err := encoding.Marshal(b)
	return squeeze(raw), err
}

// Encode writes a status.
func (s Status) Encode() ([]byte, error) {
	s.Version, s.Kind = StatusVersion, KindStatus
	if err := s.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(s)
}

// Encode writes an answer.
func (a Answer) Encode() ([]byte, error) {
	a.Version, a.Kind = AnswerVersion, KindReceipt
	if err := a.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(a)
}

// DecodeBatch reads a batch and checks every bound.
func DecodeBatch(b []byte) (Batch, error) {
	raw, err := unsqueeze(b)
	if err != nil {
		return Batch{}, err
	}
	return decode[Batch](raw)
}

// DecodeStatus reads a status.
func DecodeStatus(b []byte) (Status, error) { return decode[Status](b) }

// DecodeAnswer reads an answer.
func DecodeAnswer(b []byte) (Answer, error) { return decode[Answer](b) }

func decode[T interface{ check() error }](b []byte) (T, error) {
	var v, none T
	if len(b) > MaxMessage {
		return none, fmt.Errorf("payload of %d bytes is over the limit of %d", len(b), MaxMessage)
	}
	if err := decoding.Unmarshal(b, &v); err != nil {
		return none, fmt.Errorf("cannot read payload: %w", err)
	}
	return v, v.check()
}

func checkHead(version, wantVersion int, kind, want Kind, device string) error {
	if version != wantVersion {
		return fmt.Errorf("payload of version %d where %d belongs: update the older side", version, wantVersion)
	}
	if kind != want {
		return fmt.Errorf("payload of kind %.20q where %q belongs", kind, want)
	}
	return CheckIdentifier(device)
}

func (b Batch) check() error {
	if err := checkHead(b.Version, BatchVersion, b.Kind, KindEntries, b.Device); err != nil {
		return err
	}
	if len(b.Entries) == 0 || len(b.Entries) > MaxEntries {
		return fmt.Errorf("batch of %d entries; it has 1 to %d", len(b.Entries), MaxEntries)
	}
	if b.First > 1<<62 {
		return fmt.Errorf("batch begins at %d, beyond any journal", b.First)
	}
	if len(b.Checkpoint) == 0 || len(b.Checkpoint) > maxNote {
		return fmt.Errorf("checkpoint of %d bytes; it has 1 to %d", len(b.Checkpoint), maxNote)
	}
	if len(b.Peaks)%hashSize != 0 || len(b.Peaks) > maxPeaks*hashSize {
		return fmt.Errorf("peaks of %d bytes; they have %d each, and are at most %d", len(b.Peaks), hashSize, maxPeaks)
	}
	without := 0
	for i, e := range b.Entries {
		erased := e.Erased()
		if erased {
			without++
		}
		switch {
		case len(e.Leaf) != hashSize:
			return fmt.Errorf("entry %d: leaf of %d bytes; it has %d", b.First+uint64(i), len(e.Leaf), hashSize)
		case !erased && len(e.Salt) != hashSize:
			return fmt.Errorf("entry %d: salt of %d bytes; it has %d", b.First+uint64(i), len(e.Salt), hashSize)
		case !erased && len(e.Body) == 0, len(e.Body) > MaxBody:
			return fmt.Errorf("entry %d: body of %d bytes; it has 1 to %d", b.First+uint64(i), len(e.Body), MaxBody)
		}
	}
	if without > len(b.Tombstones) {
		return fmt.Errorf("%d entries without content and %d tombstones; each needs its own", without, len(b.Tombstones))
	}
	return b.checkBeside()
}

// checkBeside checks what a batch carries beside entries.
func (b Batch) checkBeside() error {
	if len(b.Mappings) > MaxMappings || len(b.Tombstones) > MaxTombstones {
		return fmt.Errorf("batch with %d mappings and %d tombstones; the limits are %d and %d", len(b.Mappings), len(b.Tombstones), MaxMappings, MaxTombstones)
	}
	if (len(b.Mappings) > 0) != (len(b.Mapped) > 0) || len(b.Mapped) > maxNote {
		return fmt.Errorf("%d mappings and %d bytes of the device's word for them; one needs the other, which has at most %d", len(b.Mappings), len(b.Mapped), maxNote)
	}
	for i, m := range b.Mappings {
		if len(m.Pseudonym) != hashSize || len(m.Key) != 4 || len(m.Hash) != hashSize {
			return fmt.Errorf("mapping %d has %d, %d and %d bytes; it has %d, 4 and %d", i, len(m.Pseudonym), len(m.Key), len(m.Hash), hashSize, hashSize)
		}
	}
	for i, t := range b.Tombstones {
		if len(t) == 0 || len(t) > maxTombstone {
			return fmt.Errorf("tombstone %d of %d bytes; it has 1 to %d", i, len(t), maxTombstone)
		}
	}
	return nil
}

func (s Status) check() error {
	want := StatusVersion
	if s.Version == 1 && s.Health == nil {
		want = 1
	}
	if err := checkHead(s.Version, want, s.Kind, KindStatus, s.Device); err != nil {
		return err
	}
	if s.State != StateRunning && s.State != StateStopped && s.State != StateLost {
		return fmt.Errorf("status %.20q is none of %s, %s, %s", s.State, StateRunning, StateStopped, StateLost)
	}
	if len(s.Session) == 0 || len(s.Session) > maxWord || len(s.Software) > maxWord {
		return fmt.Errorf("status with a session of %d and a software of %d bytes; the limit is %d", len(s.Session), len(s.Software), maxWord)
	}
	return s.Health.check()
}

func (a Answer) check() error {
	if err := checkHead(a.Version, AnswerVersion, a.Kind, KindReceipt, a.Device); err != nil {
		return err
	}
	said := 0
	for _, is := range []bool{len(a.Receipt) > 0, a.Refusal != "", a.Ahead > 0} {
		if is {
			said++
		}
	}
	if said != 1 {
		return errors.New("an answer is either a receipt, a refusal, or word of a batch sent ahead")
	}
	if len(a.Cosignature) > 0 && len(a.Receipt) == 0 {
		return errors.New("a cosignature without a receipt")
	}
	if len(a.Forgotten) > maxNote || len(a.Forgotten) > 0 && len(a.Receipt) == 0 {
		return fmt.Errorf("word of %d bytes about tombstones; it has at most %d and comes with a receipt", len(a.Forgotten), maxNote)
	}
	if len(a.Cosignature) > maxNote {
		return fmt.Errorf("cosignature of %d bytes; the limit is %d", len(a.Cosignature), maxNote)
	}
	if len(a.Receipt) > maxNote || len(a.Refusal) > maxWord || len(a.Detail) > maxWord {
		return fmt.Errorf("answer over its limits: receipt %d, refusal %d, detail %d bytes", len(a.Receipt), len(a.Refusal), len(a.Detail))
	}
	return nil
}
