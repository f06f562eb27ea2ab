//go:build cgo

package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ebfe/scard"
)

// Card is a connected card, until it leaves the reader or another is waited for.
type Card struct {
	r                       *Reader
	card                    *scard.Card
	atr                     []byte
	maxCommand, maxResponse int
}

// ATR is the answer to reset, which a contactless reader makes up from the ATS.
func (c *Card) ATR() []byte { return c.atr }

// Limits are the longest command and response APDU the reader says it
// carries, in bytes: those of extended length, or of short length where it
// says nothing.
func (c *Card) Limits() (command, response int) { return c.maxCommand, c.maxResponse }

// Transmit sends a raw command APDU and returns the response with SW1 SW2. An
// error with CardGone() true means that the card left or was reset. When ctx
// ends, the exchange goes on unseen and the card's session is in an unknown state.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) < 4 || len(command) > extendedCommand {
		return nil, fmt.Errorf("a command APDU has 4 to %d bytes, not %d", extendedCommand, len(command))
	}
	command = append([]byte(nil), command...) // the call may outlive the caller's use of it
	return do(ctx, c.r.w, func() ([]byte, error) {
		doing := fmt.Sprintf("exchange an APDU of %d bytes with the card", len(command))
		if c.r.card != c.card {
			return nil, &Error{Reason: CardGone, Doing: doing, Reader: c.r.name, Detail: "it was given back here"}
		}
		rsp, err := c.card.Transmit(command)
		if err == nil && len(rsp) >= 2 {
			return rsp, nil
		}
		// A card that is pulled in the middle of an exchange shows as a
		// transmission fault, and in some drivers as an empty success: pcscd
		// itself learns of it at its next look at the reader.
		var code scard.Error
		if err == nil || errors.As(err, &code) && (code == scard.ErrNotTransacted || code == scard.ErrCommError) {
			if c.left() {
				return nil, &Error{Reason: CardGone, Doing: doing, Reader: c.r.name}
			}
		}
		if err == nil {
			return nil, &Error{Reason: Failed, Doing: doing, Reader: c.r.name, Detail: fmt.Sprintf("the response has %d bytes, a status word has 2", len(rsp))}
		}
		return nil, translate(doing, c.r.name, err)
	})
}

// notice is twice the period at which pcscd looks whether a card is there.
const notice = 800 * time.Millisecond

// left tells whether the card is gone, giving pcscd time to notice.
func (c *Card) left() bool {
	state := []scard.ReaderState{{Reader: c.r.name, CurrentState: scard.StateUnaware}}
	for deadline := time.Now().Add(notice); ; {
		if err := c.r.sc.GetStatusChange(state, max(time.Until(deadline), 0)); err != nil {
			return false
		}
		now := state[0].EventState
		if now&scard.StatePresent == 0 {
			return true
		}
		state[0].CurrentState = now &^ scard.StateChanged
		if !time.Now().Before(deadline) {
			return false
		}
	}
}

// Present asks whether the card still lies in the reader.
func (c *Card) Present(ctx context.Context) (bool, error) {
	return do(ctx, c.r.w, func() (bool, error) {
		if c.r.card != c.card {
			return false, nil
		}
		_, err := c.card.Status()
		if err == nil {
			return true, nil
		}
		e := translate("look for the card", c.r.name, err)
		if e.Reason == CardGone {
			return false, nil
		}
		return false, e
	})
}

// Close gives the card back, reset.
func (c *Card) Close(ctx context.Context) error {
	_, err := do(ctx, c.r.w, func() (struct{}, error) {
		if c.r.card == c.card {
			c.r.drop()
		}
		return struct{}{}, nil
	})
	return err
}

// translate turns PC/SC's codes into reasons, once.
func translate(doing, reader string, err error) *Error {
	e := &Error{Reason: Failed, Doing: doing, Reader: reader, Detail: err.Error()}
	var code scard.Error
	if !errors.As(err, &code) {
		return e
	}
	switch code {
	case scard.ErrNoService, scard.ErrServiceStopped:
		e.Reason = NoService
	case scard.ErrNoReadersAvailable, scard.ErrUnknownReader, scard.ErrReaderUnavailable:
		e.Reason = NoReader
	case scard.ErrSharingViolation:
		e.Reason = ReaderInUse
	case scard.ErrNoSmartcard, scard.ErrRemovedCard, scard.ErrResetCard, scard.ErrUnpoweredCard:
		e.Reason = CardGone
	case scard.ErrUnresponsiveCard, scard.ErrUnsupportedCard:
		e.Reason = CardMute
	}
	return e
}
