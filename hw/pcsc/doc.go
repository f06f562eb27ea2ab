// Package pcsc reads cards through PC/SC readers, which pcscd drives.
//
//	List -> Open -> Reader.WaitCard -> Card.Transmit ... -> Card.Close -> Reader.Close
//
// A call into PC/SC cannot be interrupted once it is on its way. Each Reader
// therefore has one goroutine that makes the calls; a caller whose context ends
// stops waiting at once, and Close waits for the goroutine.
//
// Built without cgo, the package compiles and every call says that it cannot work.
package pcsc

import "fmt"

// Reason sorts errors by what there is to do about them.
type Reason uint8

// The reasons.
const (
	Failed      Reason = iota + 1 // PC/SC reports something else
	NoService                     // pcscd does not run
	NoReader                      // no reader is plugged in, or not the one asked for
	ReaderInUse                   // another program holds the reader or its card
	CardGone                      // the card was taken away, reset or lost its power
	CardMute                      // a card that does not answer, or is in upside down
	NotBuilt                      // this program was built without PC/SC
)

// Error is what PC/SC said, with what to do next.
type Error struct {
	Reason Reason
	Doing  string // "connect to the card", "list the readers"
	Reader string // empty where no reader was concerned
	Detail string // PC/SC's own words, or names of readers; never card data
}

// Error says what failed, why, and what to do next.
func (e *Error) Error() string {
	s := "cannot " + e.Doing
	if e.Reader != "" {
		s += fmt.Sprintf(" in reader %q", e.Reader)
	}
	switch e.Reason {
	case NoService:
		s += ": pcscd is not running: start it with systemctl start pcscd"
	case NoReader:
		s += ": there is no such reader: plug it in, or correct its name in the configuration"
	case ReaderInUse:
		s += ": another program holds it: end that program (pcscd's clients: lsof /run/pcscd/pcscd.comm)"
	case CardGone:
		s += ": the card was taken away or lost its power: lay it on the reader again"
	case CardMute:
		s += ": the card does not answer: lay it flat on the reader, or try another"
	case NotBuilt:
		s += ": this program was built without PC/SC: build it with cgo and libpcsclite-dev"
	default:
		s += ": PC/SC reports a fault: unplug the reader and plug it in again"
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// CardGone tells whether the card left or was reset: its session is over.
func (e *Error) CardGone() bool { return e.Reason == CardGone }

// ReaderGone tells whether the reader, or pcscd with it, went away.
func (e *Error) ReaderGone() bool { return e.Reason == NoReader || e.Reason == NoService }

// The longest APDUs: short length, and extended length (ISO/IEC 7816-4).
const (
	shortCommand, shortResponse       = 4 + 1 + 255 + 1, 256 + 2
	extendedCommand, extendedResponse = 4 + 3 + 65535 + 2, 65536 + 2
)
