// Package command is what the centre has one device do: signed by the
// operations key, addressed, numbered and expiring.
//
//	Command ─Sign─▶ any broker ─▶ Taker: signature, address, number, age ─▶ do, keep the number, tell the centre
//
// Numbers of a device begin at 1 and leave none out, so that a broker can
// neither repeat nor reorder nor swap commands; what it can do is hold them
// back, which the centre sees because nothing is told of them. A command that
// came too late is refused, and its number is used up. A command may come
// twice where a device lost power while it did it: each is one that may be
// done twice.
package command

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// head begins what is signed of a command.
const head = "limen command v1"

// Bounds.
const (
	MaxLife    = 30 * 24 * time.Hour
	maxReason  = 200 // bytes
	maxKey     = 200
	maxTraces  = 3
	traceSize  = 4 + 32
	maxSignal  = 600
	clockSlack = 10 * time.Minute // the centre's clock before the device's
)

// What a device is told to do.
type What string

// The commands.
const (
	Lock          What = "lock"           // revoke the fleet keys and take no further traveler
	FetchSets     What = "fetch_sets"     // look for sets at once
	Erase         What = "erase"          // forget a document, by an order
	Health        What = "health"         // tell how the device is
	LiveView      What = "live_view"      // offer the camera's picture; the consent light goes on first
	OperationsKey What = "operations_key" // take another operations key
)

// Command is one command.
type Command struct {
	Device  string `cbor:"1,keyasint" json:"device"`
	Number  uint64 `cbor:"2,keyasint" json:"number"`
	What    What   `cbor:"3,keyasint" json:"what"`
	Issued  int64  `cbor:"4,keyasint" json:"issued"` // milliseconds since 1970
	Expires int64  `cbor:"5,keyasint" json:"expires"`
	By      string `cbor:"6,keyasint" json:"by"`  // identifier of who ordered it, not a name
	Why     string `cbor:"7,keyasint" json:"why"` // a reason, or the reference of an order

	Traces [][]byte `cbor:"8,keyasint,omitempty" json:"-"`                // of the document to erase: key name, 4 bytes, and hash, 32
	Key    string   `cbor:"9,keyasint,omitempty" json:"key,omitempty"`    // the new operations key, as note.NewVerifier reads it
	Until  int64    `cbor:"10,keyasint,omitempty" json:"until,omitempty"` // sets may be signed by the key before it until then
	Signal string   `cbor:"11,keyasint,omitempty" json:"-"`               // of a live view: the asker's session description
}

func (c Command) check() error {
	if err := wire.CheckIdentifier(c.Device); err != nil {
		return err
	}
	switch {
	case c.Number == 0 || c.Number > 1<<53:
		return fmt.Errorf("number %d; a device's commands begin at 1", c.Number)
	case c.Expires <= c.Issued || c.Expires-c.Issued > MaxLife.Milliseconds():
		return fmt.Errorf("it is to live %v; a command lives up to %v", time.Duration(c.Expires-c.Issued)*time.Millisecond, MaxLife)
	case len(c.By) == 0 || len(c.By) > maxReason || len(c.Why) == 0 || len(c.Why) > maxReason:
		return fmt.Errorf("who ordered it has %d bytes and why %d; each has 1 to %d", len(c.By), len(c.Why), maxReason)
	case (c.What == Erase) != (len(c.Traces) > 0) || len(c.Traces) > maxTraces:
		return fmt.Errorf("%d traces of a document; to erase takes 1 to %d", len(c.Traces), maxTraces)
	case (c.What == OperationsKey) != (c.Key != "") || len(c.Key) > maxKey:
		return errors.New("a new operations key comes with its own command, and only with that")
	case c.What != OperationsKey && c.Until != 0, c.What != LiveView && c.Signal != "", len(c.Signal) > maxSignal:
		return errors.New("it says what another command would")
	}
	for _, t := range c.Traces {
		if len(t) != traceSize {
			return fmt.Errorf("trace of %d bytes; it has %d", len(t), traceSize)
		}
	}
	switch c.What {
	case Lock, FetchSets, Erase, Health, LiveView:
	case OperationsKey:
		if _, err := note.NewVerifier(c.Key); err != nil {
			return errors.New("the new operations key is none")
		}
	default:
		return fmt.Errorf("there is no command %.40q", c.What)
	}
	return nil
}

// Sign signs as the centre's operations.
func (c Command) Sign(operations note.Signer) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("command %s: %w", c.What, err)
	}
	return wire.Seal(head, c, operations)
}

// Open reads a signed command; wire.ErrSignature when no key that counts
// signed it.
func Open(signed []byte, keys note.Verifiers) (Command, error) {
	var c Command
	if err := wire.Unseal(head, signed, keys, &c); err != nil {
		return Command{}, err
	}
	return c, c.check()
}

// Why is why a device refuses a command.
type Why string

// The reasons.
const (
	WhySignature Why = "signature" // not by the operations key
	WhyMalformed Why = "malformed"
	WhyForeign   Why = "foreign"   // for another device
	WhyReplayed  Why = "replayed"  // its number was used
	WhyReordered Why = "reordered" // one before it has not come
	WhyExpired   Why = "expired"
	WhyFuture    Why = "future" // issued later than now: one of the clocks is wrong
)

// Refusal is a command refused.
type Refusal struct {
	Number uint64
	Why    Why
	Detail string
	Times  int // as many as it: those in between were not told one by one
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("command %d refused: %s: %s", r.Number, r.Why, r.Detail)
}

func refuse(c Command, why Why, format string, args ...any) *Refusal {
	return &Refusal{Number: c.Number, Why: why, Detail: fmt.Sprintf(format, args...), Times: 1}
}

// judge says why a device that has done commands up to last does not do this one.
func judge(signed []byte, keys note.Verifiers, device string, last uint64, now time.Time) (Command, *Refusal) {
	c, err := Open(signed, keys)
	switch {
	case errors.Is(err, wire.ErrSignature):
		return c, refuse(c, WhySignature, "%v", err)
	case err != nil:
		return c, refuse(c, WhyMalformed, "%v", err)
	case c.Device != device:
		return c, refuse(c, WhyForeign, "it is for %s and this is %s", c.Device, device)
	case c.Number <= last:
		return c, refuse(c, WhyReplayed, "commands up to %d were taken", last)
	case c.Number != last+1:
		return c, refuse(c, WhyReordered, "command %d has not come", last+1)
	case now.UnixMilli() >= c.Expires:
		return c, refuse(c, WhyExpired, "it expired at %s", time.UnixMilli(c.Expires).UTC().Format(time.RFC3339))
	case now.Add(clockSlack).UnixMilli() < c.Issued:
		return c, refuse(c, WhyFuture, "it is issued at %s: check both clocks", time.UnixMilli(c.Issued).UTC().Format(time.RFC3339))
	}
	return c, nil
}
