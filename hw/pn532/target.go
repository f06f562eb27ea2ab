package pn532

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxPiece is the most payload one InDataExchange carries in either direction (UM0701-02, 7.3.8).
const maxPiece = 262

// The longest APDUs of ISO/IEC 7816-4, extended length: header, three bytes of
// Lc, 65535 of data and two of Le; 65536 of data and the status word.
const (
	maxCommand  = 4 + 3 + 65535 + 2
	maxResponse = 65536 + 2
)

// Target is a card that Poll selected. It stays usable until it leaves the
// field, is released, or Poll is called again.
type Target struct {
	r    *Reader
	info Info
}

// pollPause lies between two rounds of looking for both types; the card's
// arrival is seen that much later at worst.
const pollPause = 20 * time.Millisecond

// Poll looks for a card of type A and type B in turn for at most wait, at
// least once, and selects it at the fastest bit rate it bears. It returns
// ErrNoCard when none came, ErrNotISO14443_4 when the last one seen was of no
// use. A target selected before is given up.
func (r *Reader) Poll(ctx context.Context, wait time.Duration) (*Target, error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.unlock()
	r.target = nil
	deadline := time.Now().Add(wait)
	for {
		none := ErrNoCard
		for _, t := range []Type{TypeA, TypeB} {
			info, err := r.list(ctx, t)
			switch {
			case err == nil:
				return r.selectRate(ctx, info)
			case errors.Is(err, errNoISODEP):
				none = ErrNotISO14443_4
			case !errors.Is(err, ErrNoCard):
				return nil, fmt.Errorf("cannot look for a card: %w", err)
			}
		}
		if !time.Now().Before(deadline) {
			return nil, none
		}
		if err := pause(ctx, min(pollPause, time.Until(deadline))); err != nil {
			return nil, err
		}
	}
}

// list selects one card of a type (7.3.5); the chip does RATS or ATTRIB itself.
func (r *Reader) list(ctx context.Context, t Type) (Info, error) {
	cmd, parse := []byte{cmdInListPassiveTarget, 0x01, 0x00}, parseTypeA
	if t == TypeB {
		cmd, parse = []byte{cmdInListPassiveTarget, 0x01, 0x03, 0x00}, parseTypeB
	}
	rsp, err := r.link.command(ctx, cmd, 2*time.Second)
	if err != nil {
		return Info{}, err
	}
	if len(rsp) == 0 || rsp[0] == 0 {
		return Info{}, ErrNoCard
	}
	return parse(rsp[1:])
}

// selectRate agrees on faster rates where the card bears them. PPS is there for
// type A; a type B card got its rates with ATTRIB, which the chip sends for 106.
// A card that falls silent at PPS is selected again and left at 106.
func (r *Reader) selectRate(ctx context.Context, info Info) (*Target, error) {
	toCard, fromCard := info.rateCodes(r.opt.MaxBitRate)
	if info.Type == TypeA && toCard|fromCard != 0 {
		rsp, err := r.link.command(ctx, []byte{cmdInPSL, 0x01, toCard, fromCard}, 2*time.Second)
		if err != nil {
			return nil, fmt.Errorf("cannot agree on a bit rate with the card: %w", err)
		}
		if err := status(cmdInPSL, rsp); err != nil {
			r.opt.Log.Info("card refuses a faster bit rate", "err", err)
			if info, err = r.list(ctx, TypeA); err != nil {
				return nil, fmt.Errorf("cannot select the card again at 106 kbit/s: %w", err)
			}
		} else {
			info.ToCard, info.FromCard = 106_000<<toCard, 106_000<<fromCard
		}
	}
	r.target = &Target{r: r, info: info}
	return r.target, nil
}

func status(code byte, rsp []byte) error {
	if len(rsp) == 0 {
		return fmt.Errorf("%s: the response has no status byte", commandName(code))
	}
	if s := rsp[0] & 0x3F; s != 0 {
		return &StatusError{Command: code, Status: s}
	}
	return nil
}

// Info is what the card said of itself when it was selected.
func (t *Target) Info() Info { return t.info }

// Limits are the longest command and response APDU that Transmit carries, in
// bytes: longer payloads than the chip's 262 travel in pieces, so every
// extended-length APDU fits.
func (t *Target) Limits() (command, response int) { return maxCommand, maxResponse }

// Transmit sends a raw command APDU and returns the response with SW1 SW2. An
// error with CardGone() true means that the card left the field. When ctx ends
// the exchange is aborted; the card's session is then in an unknown state.
func (t *Target) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) < 4 || len(command) > maxCommand {
		return nil, fmt.Errorf("a command APDU has 4 to %d bytes, not %d", maxCommand, len(command))
	}
	if err := t.r.lock(ctx); err != nil {
		return nil, err
	}
	defer t.r.unlock()
	if err := t.current(); err != nil {
		return nil, err
	}
	rsp, err := t.exchange(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("cannot exchange an APDU of %d bytes: %w", len(command), t.diagnose(ctx, err))
	}
	return rsp, nil
}

// current refuses a target that is no longer selected.
func (t *Target) current() error {
	if t.r.target != t {
		return &GoneError{errors.New("this card was released, or another was selected since")}
	}
	return nil
}

// exchange sends the command in pieces and gathers the response's (7.3.8, MI).
func (t *Target) exchange(ctx context.Context, command []byte) ([]byte, error) {
	const tg, moreInfo = 0x01, 0x40
	for len(command) > maxPiece {
		if _, more, err := t.piece(ctx, tg|moreInfo, command[:maxPiece]); err != nil {
			return nil, err
		} else if more {
			return nil, errors.New("the chip has a response to half a command")
		}
		command = command[maxPiece:]
	}
	out, more, err := t.piece(ctx, tg, command)
	for err == nil && more {
		var p []byte
		if p, more, err = t.piece(ctx, tg, nil); err == nil && (len(p) == 0 || len(out)+len(p) > maxResponse) {
			return nil, fmt.Errorf("the response has no end after %d bytes", len(out))
		}
		out = append(out, p...)
	}
	if err != nil {
		return nil, err
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("the card's response has %d bytes, at least the two of a status word are wanted", len(out))
	}
	return out, nil
}

func (t *Target) piece(ctx context.Context, tg byte, data []byte) (out []byte, more bool, err error) {
	rsp, err := t.r.link.command(ctx, append([]byte{cmdInDataExchange, tg}, data...), t.r.opt.ExchangeTimeout)
	if err != nil {
		return nil, false, err
	}
	if err := status(cmdInDataExchange, rsp); err != nil {
		return nil, false, err
	}
	return rsp[1:], rsp[0]&0x40 != 0, nil
}

// diagnose tells a card that left from one that was slow or garbled: after a
// fault in the air it asks whether a card still answers.
func (t *Target) diagnose(ctx context.Context, err error) error {
	var s *StatusError
	if !errors.As(err, &s) {
		return err
	}
	if s.CardGone() {
		t.r.target = nil
		return &GoneError{err}
	}
	if s.radio() {
		if here, perr := t.present(ctx); perr == nil && !here {
			t.r.target = nil
			return &GoneError{err}
		}
	}
	return err
}

// Present asks whether the card is still there: Diagnose 06, a presence check
// that leaves the card's session as it is (7.2.1).
func (t *Target) Present(ctx context.Context) (bool, error) {
	if err := t.r.lock(ctx); err != nil {
		return false, err
	}
	defer t.r.unlock()
	if t.current() != nil {
		return false, nil
	}
	here, err := t.present(ctx)
	if err != nil {
		return false, fmt.Errorf("cannot look whether the card is there: %w", err)
	}
	if !here {
		t.r.target = nil
	}
	return here, nil
}

func (t *Target) present(ctx context.Context) (bool, error) {
	// A card that left costs the chip its waiting time before it can tell.
	rsp, err := t.r.link.command(ctx, []byte{cmdDiagnose, 0x06}, shortTimeout+4*t.info.FrameWait)
	if err != nil {
		return false, err
	}
	return len(rsp) > 0 && rsp[0]&0x3F == 0, nil
}

// Release lets the card go; it may be selected again by Poll.
func (t *Target) Release(ctx context.Context) error {
	if err := t.r.lock(ctx); err != nil {
		return err
	}
	defer t.r.unlock()
	if t.r.target != t {
		return nil
	}
	t.r.target = nil
	if _, err := t.r.link.command(ctx, []byte{cmdInRelease, 0x01}, shortTimeout+t.info.FrameWait); err != nil {
		return fmt.Errorf("cannot release the card: %w", err)
	}
	return nil
}
