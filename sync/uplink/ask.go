package uplink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"limen/sync/wire"
)

// ErrAway means that there is no connection to ask over.
var ErrAway = errors.New("the centre is away")

// Ask asks the centre and waits for its reply until ctx ends. A reply is
// matched to its ask and otherwise believed nothing: what counts in it is
// signed, and for the asker to check.
func (u *Uplink) Ask(ctx context.Context, a wire.Ask) (wire.Reply, error) {
	a.Device, a.ID = u.opts.Device, make([]byte, 16)
	rand.Read(a.ID)
	payload, err := a.Encode()
	if err != nil {
		return wire.Reply{}, fmt.Errorf("cannot encode the ask: %w", err)
	}
	heard := make(chan wire.Reply, 1)
	u.mu.Lock()
	l := u.line
	if l != nil {
		u.asked[string(a.ID)] = heard
	}
	u.mu.Unlock()
	if l == nil {
		return wire.Reply{}, ErrAway
	}
	defer func() {
		u.mu.Lock()
		delete(u.asked, string(a.ID))
		u.mu.Unlock()
	}()
	if err := l.publish(wire.KindAsk, payload, false); err != nil {
		return wire.Reply{}, fmt.Errorf("%w: %w", ErrAway, err)
	}
	select {
	case r := <-heard:
		if r.Error != "" {
			return r, fmt.Errorf("the centre cannot answer: %s", r.Error)
		}
		return r, nil
	case <-l.ctx.Done():
		return wire.Reply{}, fmt.Errorf("%w: %w", ErrAway, context.Cause(l.ctx))
	case <-ctx.Done():
		return wire.Reply{}, ctx.Err()
	}
}

// hear hands a reply to who asked; any other is let be.
func (u *Uplink) hear(payload []byte) {
	r, err := wire.DecodeReply(payload)
	if err == nil && r.Device != u.opts.Device {
		err = fmt.Errorf("it is for device %s", r.Device)
	}
	if err != nil {
		u.opts.Log.Warn("uplink ignores a reply", "error", err)
		return
	}
	u.mu.Lock()
	heard := u.asked[string(r.ID)]
	delete(u.asked, string(r.ID))
	u.mu.Unlock()
	if heard != nil {
		heard <- r
	}
}

// use makes a line the one that is asked over; nil when it is lost.
func (u *Uplink) use(l *line) {
	u.mu.Lock()
	u.line = l
	u.mu.Unlock()
}
