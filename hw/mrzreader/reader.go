// Package mrzreader drives serial MRZ readers: the Elyctis IDBOX One, the 3M
// RTE6701 family, and readers that send plain lines (Access-IS OCR3xx,
// Honeywell imagers, wedge readers set to serial).
//
//	port -> parity bits masked -> frame decoder -> lines tidied -> Read
//
// It delivers lines as the reader read them. Whether their check digits are
// right, and what a misread character was, is not judged here.
package mrzreader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"time"
)

// Port is the wire to a reader. Read waits for at least one byte and returns
// ctx's error when ctx ends first, losing nothing; Write sends all of b. Both
// return an error for good once the device is unplugged.
type Port interface {
	Read(ctx context.Context, b []byte) (int, error)
	Write(ctx context.Context, b []byte) (int, error)
}

// Protocol is what a reader speaks.
type Protocol string

// The protocols.
const (
	Elyctis Protocol = "elyctis" // IDBOX One, scanner command set 1.7
	RTE     Protocol = "3m-rte"  // 3M RTE6701 family, RTE Native
	Lines   Protocol = "lines"   // lines ended by CR or CR LF, perhaps within STX and ETX
)

// Read is one document as the reader read it: one to three lines, top first.
// It prints and logs as redacted.
type Read struct {
	Lines []string
	At    time.Time // when the message was complete
	Notes []Note    // what had to be tolerated
}

// String, GoString, Format and LogValue tell how many lines were read and nothing else.
func (r Read) String() string             { return fmt.Sprintf("MRZ read(%d lines, redacted)", len(r.Lines)) }
func (r Read) GoString() string           { return r.String() }
func (r Read) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }
func (r Read) LogValue() slog.Value       { return slog.StringValue(r.String()) }

// Note names something odd on the wire. It holds no content.
type Note string

// The notes.
const (
	SevenBits   Note = "the reader sends 7 bits and even parity where 8 bits are expected; set it to 8N1, or the port to 7E1"
	DoubledLine Note = "the reader sent a line twice; the second was dropped"
	HalfMessage Note = "the reader sent part of a message and stopped; it was dropped, present the document again"
	Garbage     Note = "bytes that belong to no message were dropped; check speed, parity and cable"
	NotRearmed  Note = "the reader did not confirm continuous reading; it was asked again"
	UnknownCode Note = "the reader sent a message of unknown kind; it was dropped"
	Unread      Note = "the reader saw a document and could not read it; turn it over or present it again"
	WrongLength Note = "the message's length field disagrees with what came; its check byte was right and it was taken"
)

// Settings says which reader it is and how it is set. The zero value of each
// field but Protocol is the usual one.
type Settings struct {
	Protocol Protocol
	// Silence is how long a message may pause before what came of it is
	// dropped, or, for lines without an end mark, taken as whole; 250 ms where
	// zero: 240 characters at 9600 baud.
	Silence time.Duration
	// Answer is how long a reader may take to answer a command; 1 s where zero.
	Answer  time.Duration
	Elyctis ElyctisSettings
	RTE     RTESettings
	Lines   LinesSettings
	// Report hears notes that belong to no read. May be nil.
	Report func(Note)
	// Now gives the time of a read; time.Now where nil.
	Now func() time.Time
}

// Reader drives one reader.
type Reader struct{ s Settings }

// New checks the settings.
func New(s Settings) (*Reader, error) {
	if s.Silence <= 0 {
		s.Silence = 250 * time.Millisecond
	}
	if s.Answer <= 0 {
		s.Answer = time.Second
	}
	if s.Report == nil {
		s.Report = func(Note) {}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	var err error
	switch s.Protocol {
	case Elyctis:
	case RTE:
		err = s.RTE.check()
	case Lines:
		err = s.Lines.check()
	default:
		err = fmt.Errorf("MRZ reader: protocol %q is none of %q, %q and %q", s.Protocol, Elyctis, RTE, Lines)
	}
	if err != nil {
		return nil, err
	}
	return &Reader{s}, nil
}

// Run asks the reader for documents and calls deliver with each until ctx ends
// or the port fails. deliver must not block: the wire waits for it. Nothing of
// a broken-off message survives Run, so that after an unplugging the next Run
// begins clean.
func (r *Reader) Run(ctx context.Context, port Port, deliver func(Read)) error {
	w := &wire{s: r.s, port: port, deliver: deliver}
	switch r.s.Protocol {
	case Elyctis:
		return w.elyctis(ctx)
	case RTE:
		return w.pump(ctx, w.takeRTE)
	default:
		return w.lines(ctx)
	}
}

// wire is one run of a reader.
type wire struct {
	s       Settings
	port    Port
	deliver func(Read)
	buf     []byte // what came and was not taken yet
	seven   bool   // buf had parity bits, which are masked
	asked   int    // Elyctis: commands sent since the last answer
}

// maxPending bounds what is kept of a message that never ends.
const maxPending = 2048

// errSilence is receive's answer when nothing came in time.
var errSilence = errors.New("silence")

// receive adds what comes to buf, waiting at most wait; 0 waits for as long as ctx lives.
func (w *wire) receive(ctx context.Context, wait time.Duration) error {
	reading := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		reading, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	var b [256]byte
	n, err := w.port.Read(reading, b[:])
	switch {
	case n > 0:
		w.take(b[:n])
		if len(w.buf) > maxPending {
			w.buf = w.buf[:0]
			w.s.Report(Garbage)
		}
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return errSilence
	case err == nil:
		return nil
	}
	return fmt.Errorf("cannot read from the MRZ reader: %w", err)
}

// take adds bytes to buf, without parity bits where there are some. Once a
// message has been seen to have them, all of it has.
func (w *wire) take(b []byte) {
	if len(w.buf) == 0 {
		w.seven = false
	}
	w.buf = append(w.buf, b...)
	if w.seven {
		for i := len(w.buf) - len(b); i < len(w.buf); i++ {
			w.buf[i] &= 0x7F
		}
	} else if masked, ok := maskParity(w.buf); ok {
		w.buf, w.seven = masked, true
	}
}

func (w *wire) send(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, w.s.Answer)
	defer cancel()
	if _, err := w.port.Write(ctx, b); err != nil {
		return fmt.Errorf("cannot write to the MRZ reader: %w", err)
	}
	return nil
}

// farewell sends b after ctx ended, so that the reader's lamp goes off; a
// reader that is gone need not hear it.
func (w *wire) farewell(ctx context.Context, b []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 200*time.Millisecond)
	defer cancel()
	w.port.Write(ctx, b)
}

// pump receives and calls take until ctx ends. take takes what it can off buf;
// silent says that the message is over.
func (w *wire) pump(ctx context.Context, take func(silent bool)) error {
	for {
		wait := time.Duration(0)
		if len(w.buf) > 0 {
			wait = w.s.Silence
		}
		switch err := w.receive(ctx, wait); {
		case err == errSilence:
			take(true)
			w.drop(len(w.buf))
		case err != nil:
			return err
		default:
			take(false)
		}
	}
}

// drop takes n bytes off buf.
func (w *wire) drop(n int) { w.buf = append(w.buf[:0], w.buf[n:]...) }

// give delivers lines.
func (w *wire) give(lines []string, notes ...Note) {
	lines, doubled := dropDoubled(lines)
	if doubled {
		notes = append(notes, DoubledLine)
	}
	if w.seven {
		notes = append(notes, SevenBits)
	}
	w.deliver(Read{Lines: lines, At: w.s.Now(), Notes: notes})
}

// maskParity clears the eighth bit where it is even parity: some byte has it
// and all bytes have an even number of ones. ASCII text alone never has it.
func maskParity(b []byte) ([]byte, bool) {
	high := false
	for _, c := range b {
		high = high || c&0x80 != 0
		if bits.OnesCount8(c)%2 != 0 {
			return b, false
		}
	}
	if !high {
		return b, false
	}
	masked := make([]byte, len(b))
	for i, c := range b {
		masked[i] = c & 0x7F
	}
	return masked, true
}

// dropDoubled removes a line that follows its equal: no MRZ has two equal lines.
func dropDoubled(lines []string) ([]string, bool) {
	var kept []string
	for i, line := range lines {
		if i == 0 || line != lines[i-1] {
			kept = append(kept, line)
		}
	}
	return kept, len(kept) < len(lines)
}
