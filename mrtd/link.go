package mrtd

import (
	"context"
	"errors"
	"fmt"

	"limen/mrtd/apdu"
)

// link is the card as the reader holds it: it counts, and remembers the first
// failure of the transport, which no protocol above may paper over.
type link struct {
	apdu.Counter
	err error
}

// Transmit passes the command on unless the transport has failed before.
func (l *link) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	response, err := l.Counter.Transmit(ctx, command)
	if err == nil && len(response) == 0 {
		err = errSilent
	}
	l.err = err
	return response, err
}

var errSilent = errors.New("mrtd: the card returned an empty response")

// failure returns why no further command can be sent, or nil: the context's
// end, ErrChipLost, or the transport's own error.
func (l *link) failure(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.err == nil {
		return nil
	}
	var gone interface{ CardGone() bool }
	var late interface{ Timeout() bool }
	switch {
	case l.err == errSilent, errors.As(l.err, &gone) && gone.CardGone(), errors.As(l.err, &late) && late.Timeout():
		return fmt.Errorf("%w: %w", ErrChipLost, l.err)
	}
	return l.err
}
