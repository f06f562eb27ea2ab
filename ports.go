package limen

import (
	"context"
	"image"
	"log/slog"
	"strings"
	"time"

	"limen/mrtd/apdu"
)

// Presented is a document a traveller has put down: the printed MRZ as the
// reader saw it and, where known, the card access number.
type Presented struct {
	Lines []string
	CAN   string
	At    time.Time
}

// LogValue redacts.
func (Presented) LogValue() slog.Value { return slog.StringValue("[document]") }

// ChipReader is the contactless reader.
type ChipReader interface {
	// Connect waits for a chip in the field. It fails with an Unable whose
	// reason is ChipNoAnswer when none answered until ctx ended, and
	// ChipReaderAway when the reader itself is not to be had.
	Connect(ctx context.Context) (Chip, error)
}

// Chip is a chip in the reader's field. A Transmit that fails because the chip
// left returns an error with a method CardGone() bool that says true.
type Chip interface {
	apdu.Card
	Close() error
}

// FaceCamera looks for the traveller's face.
type FaceCamera interface {
	// Capture gathers frames until the best is good enough or ctx ends. That
	// no usable face was seen is a LiveFace with reasons, not an error; an
	// Unable says that nobody could look (CameraAway, ModelMissing, ModelChanged).
	Capture(ctx context.Context) (LiveFace, error)
}

// PortraitDescriber is a FaceCamera that can do its part of a comparison which
// concerns the portrait alone before there is a face to compare it with.
type PortraitDescriber interface {
	// Describe returns the portrait for Compare, with its description, which
	// forget erases. That no face is in it is for Compare to say.
	Describe(ctx context.Context, portrait image.Image) (described image.Image, forget func())
}

// LiveFace is what a camera saw of one traveller. It lives as long as the
// inspection; neither picture nor template is ever stored.
type LiveFace interface {
	// Best is the best frame's picture; nil when no face was seen.
	Best() image.Image
	// Reasons say why no frame is usable; none when the best one is.
	Reasons() []Reason
	// Compare compares the best frames with a portrait; while that is not clear
	// and there is time left for the face, it may look for better ones. An Unable
	// says why a comparison would mean nothing: PortraitNoFace, PortraitSmall,
	// PortraitSeveral, or FaceSeveral when the frames show different people.
	Compare(ctx context.Context, portrait image.Image) (Comparison, error)
	// Close gives up frames and erases templates; Best's picture stays.
	Close()
}

// PresentationJudge is a LiveFace that was also watched for a presentation
// attack (ISO/IEC 30107-3).
type PresentationJudge interface {
	// Presentation is Passed, Failed or NotPerformed, with why it did not pass.
	// It speaks of every frame that was compared so far.
	Presentation() (Status, []Reason)
}

// MorphJudge is a LiveFace that can also tell whether a portrait it matches is
// a morph, which would match somebody else as well (ISO/IEC 20059).
type MorphJudge interface {
	// Morph is Passed, Failed or NotPerformed, with why it did not pass.
	Morph(ctx context.Context, portrait image.Image) (Status, []Reason)
}

// Comparison is a similarity with what is needed to judge it.
type Comparison struct {
	Score     float64 `json:"score" cbor:"1,keyasint"`
	Threshold float64 `json:"threshold" cbor:"2,keyasint"` // of this very model, at the policy's FMR
	Model     string  `json:"model" cbor:"3,keyasint"`     // catalog name and short hash of the model that judged
	Grade     string  `json:"grade" cbor:"4,keyasint"`     // "demo" or "operational"
	FMR       float64 `json:"fmr" cbor:"5,keyasint"`       // false match rate the threshold was calibrated for
}

// PortraitDecoder decodes the chip's portrait, outside this process.
type PortraitDecoder interface {
	// Decode fails with an Unable (PortraitUnreadable, PortraitDecoderAway).
	Decode(ctx context.Context, encoded []byte) (image.Image, error)
}

// LookupQuery is what databases are asked.
type LookupQuery struct {
	DocumentCode string // "P", "ID"
	Issuer       string // "UTO"
	Number       string
	Nationality  string
	Person       string // the holder as Person writes them; "" where the MRZ does not say
}

// Person is a holder as lists of persons have them: nationality, date of birth
// as YYMMDD, and names, letters alone. Two spellings are two persons.
func Person(nationality, birth, primary, secondary string) string {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, strings.ToUpper(s))
	}
	return nationality + "<" + birth + "<" + letters(primary) + "<" + letters(secondary)
}

// LogValue redacts.
func (LookupQuery) LogValue() slog.Value { return slog.StringValue("[query]") }

// LookupAnswer is what a database said.
type LookupAnswer struct {
	Hit  bool
	Kind HitKind   // what the hit is about
	AsOf time.Time // how fresh the database's own data is; now for a live one
}

// HitKind is what a database holds against a document.
type HitKind string

// The kinds of hits.
const (
	HitStopList HitKind = "stop_list"      // an officer must deal with the holder
	HitLost     HitKind = "lost_or_stolen" // the document was reported lost or stolen
)

// Lookup is one database: the national system, the lost-and-stolen list, a stop list.
type Lookup interface {
	// Name is the database's name in policy and evidence: "national", "stop_list".
	Name() string
	// Ask answers before ctx ends or fails; any error means "not answered".
	Ask(ctx context.Context, q LookupQuery) (LookupAnswer, error)
}

// Pseudonym stands for a document in the records of one history: a random
// identifier. What leads to it from the document lies apart and can be deleted;
// then nothing does.
type Pseudonym [32]byte

// Trace is the first step of a pseudonym: a keyed hash of issuer and number
// under one fleet key, which devices of a fleet share.
type Trace struct {
	Key  [4]byte // names the fleet key
	Hash [32]byte
}

// Mark stands for something of a document's chip within one history, so that
// another chip is noticed: the name of the fleet key, 4 bytes, and a keyed hash.
type Mark []byte

// MarkSize is the size of a mark.
const MarkSize = 20

// Pseudonymizer has the fleet keys.
type Pseudonymizer interface {
	// Traces are a document's under each fleet key, the current one first.
	Traces(issuer, number string) []Trace
	// Marks are those of a value under each fleet key, the current one first.
	Marks(what string, p Pseudonym, value []byte) []Mark
}

// Subject is a document as a history knows it. The zero Subject is none: what
// is recorded without one is not found again by document.
type Subject struct {
	Pseudonym Pseudonym
	Traces    []Trace
}

// LogValue redacts.
func (Subject) LogValue() slog.Value { return slog.StringValue("[subject]") }

// Earlier is an earlier inspection of the same document.
type Earlier struct {
	Record     string    `json:"record"` // its ID
	At         time.Time `json:"at"`
	Site       string    `json:"site"`
	Device     string    `json:"device"`
	Outcome    Outcome   `json:"outcome"`
	Officer    Outcome   `json:"officer,omitempty"`    // what an officer decided afterwards
	Lost       bool      `json:"lost,omitempty"`       // a database had the document as lost or stolen
	Correction string    `json:"correction,omitempty"` // what a correction says of it

	Pseudonym Pseudonym `json:"-"` // under which the marks were made
	Proof     string    `json:"-"` // what KeyMark's key proved with
	SODMark   Mark      `json:"-"`
	KeyMark   Mark      `json:"-"`
}

// Receipt says that a record is durable: its leaf, and the tree that holds it.
type Receipt struct {
	Index uint64   `json:"index"`
	Size  uint64   `json:"size"`
	Root  [32]byte `json:"-"`
}

// History is the device's journal of checks.
type History interface {
	// Subject is what a document is known by: the pseudonym its traces lead to
	// or, where none does, a fresh one, which the first Append keeps.
	Subject(ctx context.Context, about []Trace) (Subject, error)
	// Append stores a record; when it returns without error the record is
	// durable and a leaf of the tree. It is found again by the record's pseudonym,
	// and that by about's traces.
	Append(ctx context.Context, r Record, about Subject) (Receipt, error)
	// Earlier returns the document's inspections since a time, newest first.
	Earlier(ctx context.Context, about Subject, since time.Time) ([]Earlier, error)
}

// Signer signs as the device or as an officer (Ed25519).
type Signer interface {
	Sign(message []byte) ([]byte, error)
	PublicKey() []byte
}

// Observer watches an inspection: the officer's screen. Observe must not block.
type Observer interface {
	Observe(Event)
}
