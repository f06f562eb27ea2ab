package mrzreader

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ElyctisSettings is what the published command set leaves open.
type ElyctisSettings struct {
	// CardState describes the presence messages; none are expected where nil.
	CardState *CardState
}

// CardState is how a reader reports that a document lies in its slot. The
// published command set names the messages and not their bytes, so they are
// settings: read them off the reader at hand.
type CardState struct {
	Ask      []byte // sent to turn presence detection on; again after each removal
	Code     byte   // first byte of the reader's message
	Inserted byte   // its one data byte
	Removed  byte
	// Changed hears of insertion and removal. May be nil.
	Changed func(inserted bool)
}

// Codes of the scanner command set, version 1.7. Command and answer have the
// same frame: code, length in two bytes, high byte first, data.
const (
	codeInquire    = 0x49
	codeInquire1   = 0x4C // one line, as on driver's licenses
	codeContinuous = 0x43
)

var (
	continuousOn  = []byte{codeContinuous, 0, 1, 1}
	continuousOff = []byte{codeContinuous, 0, 1, 0}
)

// maxElyctis bounds a frame's data: an MRZ has 90 characters and line ends.
const maxElyctis = 512

// frame is one message of the reader.
type frame struct {
	code byte
	data []byte
}

// elyctisFrame reads one frame from the start of b. n is how many bytes to
// drop: the frame, or bytes that begin no frame (f.code is 0 then). n is 0
// where more bytes are needed. data is part of b.
func elyctisFrame(b []byte) (f frame, n int) {
	for n < len(b) && (b[n] < 'A' || b[n] > 'Z') {
		n++
	}
	if n > 0 || len(b) < 3 {
		return frame{}, n
	}
	length := int(b[1])<<8 | int(b[2])
	if length > maxElyctis {
		return frame{}, 1 // a letter of a broken-off message's text
	}
	if len(b) < 3+length {
		return frame{}, 0
	}
	return frame{b[0], b[3 : 3+length]}, 3 + length
}

// maxAsks is how often continuous reading is asked for without an answer.
const maxAsks = 3

// elyctis keeps continuous reading on: the reader turns it off after each
// good read, and does not read a document twice that stays in the slot.
func (w *wire) elyctis(ctx context.Context) error {
	if state := w.s.Elyctis.CardState; state != nil && len(state.Ask) > 0 {
		if err := w.send(ctx, state.Ask); err != nil {
			return err
		}
	}
	if err := w.ask(ctx); err != nil {
		return err
	}
	defer w.farewell(ctx, continuousOff)
	for {
		wait := time.Duration(0)
		if len(w.buf) > 0 {
			wait = w.s.Silence
		} else if w.asked > 0 {
			wait = w.s.Answer
		}
		switch err := w.receive(ctx, wait); {
		case err == errSilence && len(w.buf) > 0:
			w.drop(len(w.buf))
			w.s.Report(HalfMessage)
			// It may have been a good read, which turned the reader off.
			if err := w.ask(ctx); err != nil {
				return err
			}
		case err == errSilence:
			w.s.Report(NotRearmed)
			if err := w.ask(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if err := w.takeFrames(ctx); err != nil {
				return err
			}
		}
	}
}

// ask turns continuous reading on; the reader's answer sets asked to 0.
func (w *wire) ask(ctx context.Context) error {
	if w.asked++; w.asked > maxAsks {
		return fmt.Errorf("the MRZ reader did not answer %d times: check that it is an Elyctis IDBOX in serial mode, and its speed (9600 or 115200; any over USB)", maxAsks)
	}
	return w.send(ctx, continuousOn)
}

// takeFrames handles the whole frames in buf.
func (w *wire) takeFrames(ctx context.Context) error {
	for {
		f, n := elyctisFrame(w.buf)
		if n == 0 {
			return nil
		}
		f.data = append([]byte(nil), f.data...)
		w.drop(n)
		if err := w.handle(ctx, f); err != nil {
			return err
		}
	}
}

// handle does what a frame calls for; a frame without a code is garbage.
func (w *wire) handle(ctx context.Context, f frame) error {
	state := w.s.Elyctis.CardState
	switch {
	case f.code == 0:
		w.s.Report(Garbage)
	case f.code == codeInquire, f.code == codeInquire1:
		lines := textLines(f.data)
		if len(lines) == 0 {
			w.s.Report(Unread) // not a good read: the reader stays on
			return nil
		}
		w.give(lines)
		w.asked = 0
		return w.ask(ctx)
	case f.code == codeContinuous:
		if len(f.data) != 1 || f.data[0] != 1 {
			w.s.Report(NotRearmed)
			return w.ask(ctx)
		}
		w.asked = 0
	case state != nil && f.code == state.Code && len(f.data) == 1 && f.data[0] == state.Inserted:
		if state.Changed != nil {
			state.Changed(true)
		}
	case state != nil && f.code == state.Code && len(f.data) == 1 && f.data[0] == state.Removed:
		if state.Changed != nil {
			state.Changed(false)
		}
		if len(state.Ask) > 0 { // detection turned itself off
			return w.send(ctx, state.Ask)
		}
	default:
		w.s.Report(UnknownCode)
	}
	return nil
}

// textLines splits text at line ends, which any control character and any
// byte that is not ASCII counts as, and drops padding and empty lines.
func textLines(data []byte) []string {
	var lines []string
	for _, line := range strings.FieldsFunc(string(data), func(r rune) bool { return r < ' ' || r > '~' }) {
		if line = strings.Trim(line, "_ "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
