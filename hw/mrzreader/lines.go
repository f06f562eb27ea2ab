package mrzreader

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Trigger is how a reader is told to look.
type Trigger string

// The triggers.
const (
	TriggerNone      Trigger = "none"      // it looks by itself
	TriggerHoneywell Trigger = "honeywell" // SYN T CR starts, SYN U CR stops
)

// LinesSettings is how a plain line reader is set.
type LinesSettings struct {
	Trigger Trigger // TriggerNone where empty
	// Every is how often the trigger is pressed again: an imager gives up
	// after a while without a read. 10 s where zero.
	Every time.Duration
}

func (s *LinesSettings) check() error {
	if s.Trigger == "" {
		s.Trigger = TriggerNone
	}
	if s.Every <= 0 {
		s.Every = 10 * time.Second
	}
	if s.Trigger != TriggerNone && s.Trigger != TriggerHoneywell {
		return fmt.Errorf("MRZ reader: trigger %q is neither %q nor %q", s.Trigger, TriggerNone, TriggerHoneywell)
	}
	return nil
}

var (
	honeywellOn  = []byte("\x16T\r")
	honeywellOff = []byte("\x16U\r")
)

// lineMessage looks for a whole MRZ in b. n is how many bytes it takes,
// including what stood before it; 0 where none is whole yet. silent says that
// nothing more will come: lines that are about an MRZ's are taken then, and
// without lines n is 0.
//
// The end of a message is ETX where there is one; else the line that completes
// two of 36 or 44 or three of 30 characters; else silence. skipped tells that
// lines before the MRZ were dropped, the tail of a broken-off message.
func lineMessage(b []byte, silent bool) (lines []string, n int, skipped bool) {
	start := 0
	var all []string
	for i, c := range b {
		switch c {
		case stx:
			all, start = nil, i+1
		case '\r', '\n', etx:
			all = append(all, textLines(b[start:i])...)
			start = i + 1
		default:
			continue
		}
		if lines := tail(all, isExact); lines != nil {
			return lines, throughEnd(b, i+1), len(lines) < len(distinct(all))
		}
		if c == etx {
			if lines := tail(all, isNear); lines != nil {
				return lines, throughEnd(b, i+1), len(lines) < len(distinct(all))
			}
			all = nil
		}
	}
	if !silent {
		return nil, 0, false
	}
	if all = append(all, textLines(b[start:])...); len(all) == 0 {
		return nil, 0, false
	}
	if lines := tail(all, isNear); lines != nil {
		return lines, len(b), len(lines) < len(distinct(all))
	}
	return nil, 0, false
}

// throughEnd takes the line end and end mark that follow a whole message.
func throughEnd(b []byte, n int) int {
	for n < len(b) && (b[n] == '\r' || b[n] == '\n' || b[n] == etx) {
		n++
	}
	return n
}

// tail returns the last two or three lines if they make an MRZ, doubled lines
// between them included (give drops those).
func tail(all []string, fits func(line string, width int) bool) []string {
	once := distinct(all)
	for _, shape := range []struct{ lines, width int }{{3, 30}, {2, 36}, {2, 44}} {
		if len(once) < shape.lines {
			continue
		}
		ok := true
		for _, line := range once[len(once)-shape.lines:] {
			ok = ok && fits(line, shape.width)
		}
		if !ok {
			continue
		}
		// Back in all to the first of these lines, so that doubles are told.
		from, left := len(all), shape.lines
		for from > 0 && left >= 0 {
			if from == len(all) || all[from-1] != all[from] {
				left--
			}
			if left < 0 {
				break
			}
			from--
		}
		return all[from:]
	}
	return nil
}

func distinct(lines []string) []string {
	once, _ := dropDoubled(lines)
	return once
}

func isExact(line string, width int) bool { return len(line) == width }

// isNear allows for a lost filler or a surplus one; check digits decide elsewhere.
func isNear(line string, width int) bool { return len(line) >= width-1 && len(line) <= width+1 }

// lines drives a plain line reader.
func (w *wire) lines(ctx context.Context) error {
	if w.s.Lines.Trigger == TriggerNone {
		return w.pump(ctx, func(silent bool) { w.takeLines(silent) })
	}
	if err := w.send(ctx, honeywellOn); err != nil {
		return err
	}
	defer w.farewell(ctx, honeywellOff)
	for {
		wait := w.s.Lines.Every
		if len(w.buf) > 0 {
			wait = w.s.Silence
		}
		err := w.receive(ctx, wait)
		if err != nil && err != errSilence {
			return err
		}
		read := w.takeLines(err == errSilence)
		if err == errSilence {
			w.drop(len(w.buf))
		}
		if read || err == errSilence { // an imager stops after a read, a bad one too, and when it saw none for long
			if err := w.send(ctx, honeywellOn); err != nil {
				return err
			}
		}
	}
}

// takeLines takes the messages in buf and tells whether there was one.
func (w *wire) takeLines(silent bool) (read bool) {
	for {
		lines, n, skipped := lineMessage(w.buf, silent)
		if n == 0 {
			if left := bytes.Trim(w.buf, "\r\n\x03"); len(left) == 0 {
				w.drop(len(w.buf))
			} else if silent {
				w.s.Report(HalfMessage)
			}
			return read
		}
		w.drop(n)
		if skipped {
			w.give(lines, HalfMessage)
		} else {
			w.give(lines)
		}
		read = true
	}
}
