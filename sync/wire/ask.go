package wire

import (
	"errors"
	"fmt"
	"log/slog"
)

// AskVersion is the version of asks and replies.
const AskVersion = 1

// Bounds of asks and replies. A reply fits the 16 KiB that a device takes in
// one packet.
const (
	PieceSize   = 12 << 10 // bytes of a piece, all but the last
	MaxRuns     = 32       // sets of one report
	MaxOffers   = 5        // of one reply: the device asks again
	MaxCommands = 5        // of one reply
	MaxTraces   = 3        // of one question
	MaxSeen     = 50       // checks in an answer
	idSize      = 16
)

// Ask is a device's question to the centre. It has just one of its questions.
type Ask struct {
	Version int    `cbor:"1,keyasint"`
	Kind    Kind   `cbor:"2,keyasint"`
	Device  string `cbor:"3,keyasint"`
	ID      []byte `cbor:"4,keyasint"` // 16 random bytes, repeated in the reply

	Sets     *SetsAsk     `cbor:"5,keyasint,omitempty"`
	Piece    *PieceAsk    `cbor:"6,keyasint,omitempty"`
	Commands *CommandsAsk `cbor:"7,keyasint,omitempty"`
	Index    *IndexAsk    `cbor:"8,keyasint,omitempty"`
	Seen     *SeenAsk     `cbor:"9,keyasint,omitempty"`
}

// LogValue redacts.
func (a Ask) LogValue() slog.Value { return slog.StringValue("[ask of " + a.Device + "]") }

// SetsAsk says which versions of sets a device runs, and asks for others.
type SetsAsk struct {
	Site string `cbor:"1,keyasint"`
	Runs []Runs `cbor:"2,keyasint,omitempty"`
}

// Runs is a set as a device runs it, and what it last refused.
type Runs struct {
	Name    string `cbor:"1,keyasint"`
	Number  uint64 `cbor:"2,keyasint"` // 0: none
	Refused uint64 `cbor:"3,keyasint,omitempty"`
	Why     string `cbor:"4,keyasint,omitempty"`
}

// PieceAsk asks for a piece of a set's packed form.
type PieceAsk struct {
	Name   string `cbor:"1,keyasint"`
	Number uint64 `cbor:"2,keyasint"`
	Base   uint64 `cbor:"3,keyasint"` // of the delta; 0: the full form
	Piece  uint64 `cbor:"4,keyasint"`
}

// CommandsAsk tells how far a device has taken its commands, and asks for more.
type CommandsAsk struct {
	Taken uint64   `cbor:"1,keyasint"` // number of the last
	Done  []Result `cbor:"2,keyasint,omitempty"`
}

// Result is what became of a command.
type Result struct {
	Number uint64 `cbor:"1,keyasint"`
	Result string `cbor:"2,keyasint"` // "done", "failed", or why it was refused
	Detail string `cbor:"3,keyasint,omitempty"`
}

// IndexAsk asks for the part of a region's index that follows number After.
type IndexAsk struct {
	Site  string `cbor:"1,keyasint"`
	After uint64 `cbor:"2,keyasint"`
}

// SeenAsk asks where a document was checked; it is named by its traces.
type SeenAsk struct {
	Traces [][]byte `cbor:"1,keyasint"` // key name, 4 bytes, and hash, 32
	Since  int64    `cbor:"2,keyasint"` // milliseconds since 1970
}

// Reply is the centre's word to an ask.
type Reply struct {
	Version int    `cbor:"1,keyasint"`
	Kind    Kind   `cbor:"2,keyasint"`
	Device  string `cbor:"3,keyasint"`
	ID      []byte `cbor:"4,keyasint"`

	Error    string   `cbor:"5,keyasint,omitempty"` // there is no other word
	Offers   []Offer  `cbor:"6,keyasint,omitempty"`
	Piece    []byte   `cbor:"7,keyasint,omitempty"`
	Commands [][]byte `cbor:"8,keyasint,omitempty"`  // sealed
	Index    []byte   `cbor:"9,keyasint,omitempty"`  // sealed: the next segment; none when there is none
	Seen     []byte   `cbor:"10,keyasint,omitempty"` // CBOR, an array of sightings
	Word     []byte   `cbor:"11,keyasint,omitempty"` // sealed: the centre's word for Seen
}

// Offer is a set a device is to have, and the form in which it may fetch it.
type Offer struct {
	Manifest []byte `cbor:"1,keyasint"` // sealed
	Base     uint64 `cbor:"2,keyasint,omitempty"`
	Size     uint64 `cbor:"3,keyasint"` // bytes of the packed form
}

// Encode writes an ask.
func (a Ask) Encode() ([]byte, error) {
	a.Version, a.Kind = AskVersion, KindAsk
	if err := a.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(a)
}

// Encode writes a reply.
func (r Reply) Encode() ([]byte, error) {
	r.Version, r.Kind = AskVersion, KindReply
	if err := r.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(r)
}

// DecodeAsk reads an ask.
func DecodeAsk(b []byte) (Ask, error) { return decode[Ask](b) }

// DecodeReply reads a reply.
func DecodeReply(b []byte) (Reply, error) { return decode[Reply](b) }

func (a Ask) check() error {
	if err := checkHead(a.Version, AskVersion, a.Kind, KindAsk, a.Device); err != nil {
		return err
	}
	if len(a.ID) != idSize {
		return fmt.Errorf("ask with an id of %d bytes; it has %d", len(a.ID), idSize)
	}
	questions := 0
	for _, there := range []bool{a.Sets != nil, a.Piece != nil, a.Commands != nil, a.Index != nil, a.Seen != nil} {
		if there {
			questions++
		}
	}
	if questions != 1 {
		return fmt.Errorf("ask with %d questions; it has one", questions)
	}
	switch {
	case a.Sets != nil:
		return a.Sets.check()
	case a.Piece != nil:
		return checkPieceName(a.Piece.Name)
	case a.Commands != nil:
		return a.Commands.check()
	case a.Index != nil:
		return CheckIdentifier(a.Index.Site)
	}
	if n := len(a.Seen.Traces); n == 0 || n > MaxTraces {
		return fmt.Errorf("question with %d traces; it has 1 to %d", n, MaxTraces)
	}
	for _, t := range a.Seen.Traces {
		if len(t) != 4+hashSize {
			return fmt.Errorf("trace of %d bytes; it has %d", len(t), 4+hashSize)
		}
	}
	return nil
}

func (s SetsAsk) check() error {
	if len(s.Runs) > MaxRuns {
		return fmt.Errorf("report of %d sets; the limit is %d", len(s.Runs), MaxRuns)
	}
	for _, r := range s.Runs {
		if err := CheckIdentifier(r.Name); err != nil {
			return fmt.Errorf("set: %w", err)
		}
		if len(r.Why) > maxWord {
			return fmt.Errorf("reason of %d bytes; the limit is %d", len(r.Why), maxWord)
		}
	}
	return CheckIdentifier(s.Site)
}

func (c CommandsAsk) check() error {
	if len(c.Done) > MaxRuns {
		return fmt.Errorf("report of %d commands; the limit is %d", len(c.Done), MaxRuns)
	}
	for _, r := range c.Done {
		if len(r.Result) == 0 || len(r.Result) > maxWord || len(r.Detail) > maxWord {
			return fmt.Errorf("result of %d and %d bytes; the limit is %d", len(r.Result), len(r.Detail), maxWord)
		}
	}
	return nil
}

// checkPieceName takes a set's name and, with a dot that is in none, that of
// a region's index.
func checkPieceName(s string) error {
	if len(s) > len("index.") && s[:len("index.")] == "index." {
		s = s[len("index."):]
	}
	return CheckIdentifier(s)
}

func (r Reply) check() error {
	if err := checkHead(r.Version, AskVersion, r.Kind, KindReply, r.Device); err != nil {
		return err
	}
	if len(r.ID) != idSize {
		return fmt.Errorf("reply with an id of %d bytes; it has %d", len(r.ID), idSize)
	}
	if len(r.Offers) > MaxOffers || len(r.Commands) > MaxCommands || len(r.Piece) > PieceSize || len(r.Seen) > PieceSize || len(r.Error) > maxWord {
		return errors.New("reply over its limits")
	}
	for _, o := range r.Offers {
		if len(o.Manifest) == 0 || len(o.Manifest) > MaxSealed {
			return fmt.Errorf("manifest of %d bytes; it has 1 to %d", len(o.Manifest), MaxSealed)
		}
	}
	for _, c := range r.Commands {
		if len(c) == 0 || len(c) > MaxSealed {
			return fmt.Errorf("command of %d bytes; it has 1 to %d", len(c), MaxSealed)
		}
	}
	if len(r.Index) > MaxSealed || len(r.Word) > MaxSealed {
		return errors.New("reply with a statement over its limit")
	}
	return nil
}
