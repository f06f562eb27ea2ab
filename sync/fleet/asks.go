package fleet

import (
	"context"
	"errors"
	"fmt"

	"limen/sync/index"
	"limen/sync/wire"
)

// respond answers what a device asks. An ask that cannot be read, or is another
// device's, gets no reply; where the database fails it is to be asked again.
func (c *Centre) respond(ctx context.Context, m message) error {
	a, err := wire.DecodeAsk(m.payload)
	if err == nil && a.Device != m.device {
		err = fmt.Errorf("it is of %s", a.Device)
	}
	if err != nil {
		c.cfg.Log.Warn("ask not read", "device", m.device, "error", err)
		return nil
	}
	answer := wire.Reply{Device: m.device, ID: a.ID}
	_, err = c.records.Stored(ctx, m.device)
	switch {
	case errors.Is(err, ErrNotEnrolled):
		answer.Error = "the centre knows no such device; have it enrolled"
	case err != nil:
		return err
	default:
		if err := c.fillReply(ctx, m, a, &answer); err != nil {
			return err
		}
	}
	b, err := answer.Encode()
	if err != nil {
		return fmt.Errorf("cannot reply to %s: %w", m.device, err)
	}
	return c.link.answer(m.device, wire.KindReply, b)
}

func (c *Centre) fillReply(ctx context.Context, m message, a wire.Ask, answer *wire.Reply) (err error) {
	switch {
	case a.Sets != nil:
		if err := c.records.report(ctx, m.device, a.Sets, m.at); err != nil {
			return err
		}
		answer.Offers, err = c.records.offers(ctx, m.device, a.Sets, m.at)
	case a.Piece != nil:
		answer.Piece, err = c.records.piece(ctx, a.Piece)
	case a.Commands != nil:
		answer.Commands, err = c.records.taken(ctx, m.device, a.Commands, m.at)
	case a.Index != nil:
		answer.Index, err = c.records.nextPart(ctx, a.Index, c.cfg.Regions, c.signer)
	case a.Seen != nil:
		seen, err := c.records.seen(ctx, a.Seen)
		if err != nil {
			return err
		}
		answer.Seen, answer.Word, err = index.Answer(m.device, a.ID, m.at, seen, c.signer)
		return err
	default:
		answer.Error = "this centre does not answer that: update it"
	}
	return err
}
