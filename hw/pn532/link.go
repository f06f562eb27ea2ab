package pn532

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"limen/hw/pn532/hsu"
)

// Waiting times. The chip acknowledges within a millisecond; USB bridges and a
// busy host add theirs. A lost frame costs one of these, a good one nothing.
const (
	ackTimeout   = 120 * time.Millisecond
	shortTimeout = 600 * time.Millisecond // for commands that do not reach a card
	attempts     = 3                      // of sending a command, and of asking for a response again
	lastLook     = 5 * time.Millisecond   // at what came while this process was held up

	// An APDU that is sent twice costs the card's session, and a piece of a
	// response that is asked for twice is lost: before that, wait longer.
	exchangeACKTimeout = time.Second
)

// link runs one command at a time over the port: command, ACK, response (UM0701-02, 6.2.2).
type link struct {
	port Port
	log  *slog.Logger
	baud int
	scan hsu.Scanner
	buf  [512]byte
}

// errSilence: nothing at all came in time.
var errSilence = errors.New("the PN532 does not answer: check cable, power and the board's HSU switches")

// command sends body, its first byte the command code, and returns the response after its code.
func (l *link) command(ctx context.Context, body []byte, timeout time.Duration) ([]byte, error) {
	rsp, err := l.try(ctx, body, timeout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandName(body[0]), err)
	}
	return rsp, nil
}

func (l *link) try(ctx context.Context, body []byte, timeout time.Duration) ([]byte, error) {
	frame := hsu.AppendData(nil, hsu.FromHost, body)
	for n := 1; ; n++ {
		l.scan.Reset()
		if err := l.write(ctx, frame); err != nil {
			return nil, err
		}
		wait := l.wire(len(frame)) + ackTimeout
		if body[0] == cmdInDataExchange {
			wait = l.wire(len(frame)) + exchangeACKTimeout
		}
		f, heard, err := l.await(ctx, body[0], wait, true)
		switch {
		case err == nil && f.Kind == hsu.ACK:
			return l.response(ctx, body[0], timeout)
		case err == nil && (f.Kind == hsu.Data || f.Kind == hsu.Error):
			return answer(f) // the ACK was lost, the response was not
		case err != nil && !errors.Is(err, errSilence):
			return nil, err
		case heard && body[0] == cmdInDataExchange:
			// Something came where the ACK was due: the chip may be carrying the
			// APDU already, and a second one would cost the card's session.
			return l.response(ctx, body[0], timeout)
		case n == attempts:
			return nil, errSilence
		}
		l.log.Debug("no ACK, sending again", "command", commandName(body[0]), "attempt", n)
	}
}

// response waits for the response frame; one that came damaged is asked for again.
func (l *link) response(ctx context.Context, code byte, timeout time.Duration) ([]byte, error) {
	for n := 1; ; n++ {
		f, _, err := l.await(ctx, code, timeout, false)
		switch {
		case errors.Is(err, errSilence):
			l.abort(ctx)
			return nil, &TimeoutError{Command: code, After: timeout}
		case err != nil:
			return nil, err
		case f.Kind != hsu.Corrupt:
			return answer(f)
		case n == attempts:
			return nil, errors.New("the response came damaged three times: check the cable, or lower the baud rate")
		}
		l.log.Debug("damaged response, asking again", "command", commandName(code), "attempt", n)
		if err := l.write(ctx, hsu.AppendNACK(nil)); err != nil {
			return nil, err
		}
	}
}

func answer(f hsu.Frame) ([]byte, error) {
	if f.Kind == hsu.Error {
		return nil, errSyntax
	}
	return f.Body[1:], nil
}

// await returns the next frame that concerns the command: its ACK (when one is
// due), its response, an error frame, or a damaged frame in place of a
// response. Late answers to earlier commands are passed over. heard tells
// whether bytes came that are no frame.
func (l *link) await(ctx context.Context, code byte, timeout time.Duration, ack bool) (f hsu.Frame, heard bool, err error) {
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		for {
			f, ok := l.scan.Next()
			heard = l.scan.Skipped() > 0 || heard
			if !ok {
				break
			}
			switch {
			case f.Kind == hsu.ACK && ack, f.Kind == hsu.Error:
				return f, heard, nil
			case f.Kind == hsu.Corrupt && !ack:
				return f, heard, nil
			case f.Kind == hsu.Data && f.TFI == hsu.FromChip && len(f.Body) > 0 && f.Body[0] == code+1:
				return f, heard, nil
			case f.Kind == hsu.Corrupt:
				heard = true
			}
		}
		n, err := l.port.Read(limit, l.buf[:])
		if n == 0 && limit.Err() != nil && ctx.Err() == nil {
			n, err = l.lookAgain(ctx)
		}
		l.scan.Feed(l.buf[:n])
		switch {
		case n > 0:
		case ctx.Err() != nil:
			// UM0701-02, 6.2.2.2: an ACK from the host ends the command.
			l.abort(context.WithoutCancel(ctx))
			return f, heard, ctx.Err()
		case limit.Err() != nil:
			return f, heard, errSilence
		case err != nil:
			return f, heard, fmt.Errorf("the serial line failed: %w", err)
		}
	}
}

// lookAgain reads what waits in the port when the time is up: not the chip may
// have been late but this process.
func (l *link) lookAgain(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	return l.port.Read(ctx, l.buf[:])
}

// abort tells the chip to give up its command. What it still sends is passed
// over by the next one, which resets the scanner.
func (l *link) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if err := l.write(ctx, hsu.AppendACK(nil)); err != nil {
		l.log.Debug("cannot abort", "err", err)
	}
}

func (l *link) write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		n, err := l.port.Write(ctx, p)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the serial line failed: %w", err)
		}
		p = p[n:]
	}
	return nil
}

// wire is how long n bytes take at the present rate.
func (l *link) wire(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(l.baud)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
