// Package mrzsim is the other end of the wire to a serial MRZ reader: it
// speaks the real bytes of each protocol over a link, and goes wrong in the
// ways readers do in the field.
//
//	Present(lines) -> message of the protocol -> fault, if any -> link
package mrzsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"limen/hw/mrzreader"
	"limen/hw/sim/link"
)

// Fault is one way in which a message goes wrong.
type Fault string

const (
	HalfMessage   Fault = "half message"   // only the first half is sent
	DoubledLine   Fault = "doubled line"   // the first line is sent twice
	MissingFiller Fault = "missing filler" // the first line lacks its last filler
	SevenBits     Fault = "seven bits"     // 7E1 from now on: every byte bears an even parity bit
	Garbage       Fault = "garbage"        // noise before the message
	WrongCheck    Fault = "wrong check"    // 3M: the check byte is wrong
	EmptyRead     Fault = "empty read"     // Elyctis: an answer without an MRZ
	Deaf          Fault = "deaf"           // Elyctis: the next command is not answered
)

// Reader is a simulated MRZ reader. Run must be running for a reader that is
// told what to do (Elyctis, and lines with a trigger).
type Reader struct {
	link     *link.Link
	protocol mrzreader.Protocol
	s        mrzreader.Settings

	mu         sync.Mutex
	doc        []string // in the slot
	read       bool     // doc was read in this arming
	continuous bool     // Elyctis: armed
	presence   bool     // Elyctis: card state asked for
	triggered  bool     // Honeywell
	faults     []Fault  // for the next message
	armed      chan struct{}
	watched    chan struct{} // Elyctis: like armed, for card states
}

// New makes a reader on the link. Of the settings those of the protocol count.
func New(l *link.Link, p mrzreader.Protocol, s mrzreader.Settings) *Reader {
	return &Reader{link: l, protocol: p, s: s, armed: make(chan struct{}, 1), watched: make(chan struct{}, 1)}
}

// Run answers the host until ctx ends or the link is closed; it closes the
// link when ctx ends. An unplugged reader forgets its state, as one that is
// powered over USB does.
func (r *Reader) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.link.Close() })
	defer stop()
	var pending []byte
	b := make([]byte, 64)
	for {
		n, err := r.link.Read(b)
		switch {
		case errors.Is(err, link.ErrUnplugged):
			pending = nil
			r.mu.Lock()
			r.continuous, r.presence, r.triggered, r.read = false, false, false, false
			r.mu.Unlock()
			continue
		case errors.Is(err, io.EOF):
			return ctx.Err()
		case err != nil:
			return err
		}
		pending = append(pending, b[:n]...)
		if len(pending) > 1024 {
			pending = nil
		}
		if pending, err = r.obey(pending); err != nil && !errors.Is(err, link.ErrUnplugged) {
			return err
		}
	}
}

// Present puts a document into the slot; the reader reads it, at once or when
// it is told to.
func (r *Reader) Present(lines []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doc, r.read = lines, false
	if err := r.cardState(true); err != nil {
		return err
	}
	return r.look()
}

// Remove takes the document out.
func (r *Reader) Remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doc, r.read = nil, false
	err := r.cardState(false)
	r.presence = false // it turns itself off
	return err
}

// Fault makes the next message, or for Deaf the next command, go wrong; a
// reader set to SevenBits stays so. Several add up.
func (r *Reader) Fault(f ...Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f...)
}

// Armed receives whenever a host has told the reader to look.
func (r *Reader) Armed() <-chan struct{} { return r.armed }

// look reads the document if the protocol's state allows. mu is held.
func (r *Reader) look() error {
	if r.doc == nil || r.read {
		return nil
	}
	switch r.protocol {
	case mrzreader.Elyctis:
		if !r.continuous {
			return nil
		}
		r.read = true
		lines := r.doc
		if r.take(EmptyRead) {
			lines = nil
		} else {
			r.continuous = false // one good read, then it must be asked again
		}
		return r.write(r.inquireAnswer(lines))
	case mrzreader.RTE:
		r.read = true
		return r.write(r.block(r.doc))
	default:
		if r.s.Lines.Trigger == mrzreader.TriggerHoneywell && !r.triggered {
			return nil
		}
		r.read, r.triggered = true, false
		return r.write(r.text(r.doc))
	}
}

// obey handles whole commands and returns what is left.
func (r *Reader) obey(b []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.protocol {
	case mrzreader.Elyctis:
		return r.obeyElyctis(b)
	case mrzreader.Lines:
		for {
			i := strings.IndexByte(string(b), '\r')
			if i < 0 {
				return b, nil
			}
			command := string(b[:i])
			b = b[i+1:]
			switch command {
			case "\x16T":
				r.triggered = true
				tell(r.armed)
				if err := r.look(); err != nil {
					return nil, err
				}
			case "\x16U":
				r.triggered = false
			}
		}
	}
	return nil, nil // RTE Native takes no commands
}

func (r *Reader) obeyElyctis(b []byte) ([]byte, error) {
	for len(b) >= 3 {
		if card := r.s.Elyctis.CardState; card != nil && len(card.Ask) > 0 && strings.HasPrefix(string(b), string(card.Ask)) {
			b = b[len(card.Ask):]
			r.presence = true
			tell(r.watched)
			continue
		}
		length := int(b[1])<<8 | int(b[2])
		if length > 16 {
			return nil, nil // not a command of this reader: wait for the next
		}
		if len(b) < 3+length {
			return b, nil
		}
		code, data := b[0], b[3:3+length]
		b = b[3+length:]
		if err := r.command(code, data); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (r *Reader) command(code byte, data []byte) error {
	if r.take(Deaf) {
		return nil
	}
	switch {
	case code == 'C' && len(data) == 1:
		r.continuous = data[0] == 1
		if !r.continuous {
			r.read = false // the reset after which the same document is read again
		}
		if err := r.write([]byte{'C', 0, 1, data[0]}); err != nil {
			return err
		}
		if r.continuous {
			tell(r.armed)
		}
		return r.look()
	case code == 'I' && len(data) == 0:
		return r.write(r.inquireAnswer(r.doc))
	}
	return nil
}

// Watched receives whenever a host has asked for card states.
func (r *Reader) Watched() <-chan struct{} { return r.watched }

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// cardState tells of insertion and removal where the host asked for it.
func (r *Reader) cardState(inserted bool) error {
	card := r.s.Elyctis.CardState
	if r.protocol != mrzreader.Elyctis || card == nil || !r.presence {
		return nil
	}
	state := card.Removed
	if inserted {
		state = card.Inserted
	}
	return r.write([]byte{card.Code, 0, 1, state})
}

func (r *Reader) write(b []byte) error {
	if slices.Contains(r.faults, SevenBits) {
		b = evenParity(b)
	}
	if _, err := r.link.Write(b); err != nil {
		return fmt.Errorf("simulated MRZ reader: %w", err)
	}
	return nil
}
