package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"limen/hw/pcsc"
)

// runPCSC owns a PC/SC reader until ctx ends, over unplugging and restarts of
// pcscd.
func (r *chipReader) runPCSC(ctx context.Context, name string) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
		}
		if err := r.usePCSC(ctx, name); err != nil && ctx.Err() == nil {
			r.states.set(nameChipReader, Away, err.Error())
		}
		wait.Reset(time.Second)
	}
}

// usePCSC opens the reader and serves it until it fails or ctx ends.
func (r *chipReader) usePCSC(ctx context.Context, name string) error {
	reader, err := pcsc.Open(ctx, name)
	if err != nil {
		return err
	}
	r.states.set(nameChipReader, Working, fmt.Sprintf("%s (PC/SC)", reader.Name()))
	err = r.serve(ctx, pcscReader{reader})
	return errors.Join(err, reader.Close())
}

// pcscReader is a PC/SC reader as a contactless reader.
type pcscReader struct{ *pcsc.Reader }

// leastLook is how long one look for a card takes at least: PC/SC answers
// through a daemon.
const leastLook = 50 * time.Millisecond

func (r pcscReader) poll(ctx context.Context, wait time.Duration) (card, error) {
	limit, stop := context.WithTimeout(ctx, max(wait, leastLook))
	defer stop()
	c, err := r.WaitCard(limit)
	switch {
	case err == nil:
		return pcscCard{c}, nil
	case limit.Err() != nil:
		return nil, errNoCard
	}
	return nil, err
}

// pcscCard gives Close the name the session asks for.
type pcscCard struct{ *pcsc.Card }

func (c pcscCard) Release(ctx context.Context) error { return c.Close(ctx) }
