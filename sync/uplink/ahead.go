package uplink

import (
	"context"
	"fmt"
	"time"

	"limen/sync/wire"
)

// pace is how many entries a batch has: as many as the line carries in a
// fraction of the time after which a batch is sent again. A batch that a slow
// line cannot carry in that time would be sent again and again for nothing.
type pace struct {
	most, now int
	timeout   time.Duration
}

// fewEntries are too few to be why a receipt is slow.
const fewEntries = 8

func newPace(most int, timeout time.Duration) *pace {
	return &pace{most: most, now: most, timeout: timeout}
}

func (p *pace) entries() int { return p.now }

// took learns from a batch and how long its receipt took.
func (p *pace) took(entries int, t time.Duration, settled bool) {
	switch {
	case !settled:
		p.now = max(1, min(p.now, entries)/2)
	case t > p.timeout/2:
		p.now = min(p.now, max(fewEntries, entries/2))
	case t < p.timeout/4 && entries == p.now:
		p.now = min(p.most, p.now*2)
	}
}

// longBacklog is how many full batches are waited for without more ado.
const longBacklog = 4

// ahead sends a batch of what happened since the connection began, where a
// long backlog of earlier entries waits before it: so backlog and live
// entries take turns on the line, a batch each, and the centre shows the live
// ones at once. They are sent again in their place, where the receipt covers
// them. It returns where the next such batch begins.
//
// The answer is unsigned and moves nothing but that; without one this
// connection sends no more ahead.
func (u *Uplink) ahead(ctx context.Context, l *line, live uint64) (uint64, error) {
	if live == never || u.opts.Outbox.Waiting(live) <= uint64(longBacklog*u.opts.MaxEntries) {
		return live, nil
	}
	batch, err := u.opts.Outbox.Ahead(ctx, live, u.pace.entries())
	if err != nil || len(batch.Entries) == 0 {
		return live, err
	}
	payload, err := batch.Encode()
	if err != nil {
		return live, fmt.Errorf("cannot encode the batch from entry %d: %w", batch.First, err)
	}
	l.drain()
	if err := l.publish(wire.KindEntries, payload, false); err != nil {
		return live, err
	}
	end := batch.First + uint64(len(batch.Entries))
	timeout := time.NewTimer(u.opts.ReceiptTimeout)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return live, ctx.Err()
		case <-timeout.C:
			return never, nil
		case raw := <-l.answers:
			a, err := wire.DecodeAnswer(raw)
			switch {
			case err != nil || a.Device != u.opts.Device || len(a.Receipt) > 0:
				// A late receipt, or noise.
			case a.Ahead >= end:
				return end, nil
			case a.Refusal != "":
				u.opts.Log.Warn("the centre takes nothing ahead", "refusal", a.Refusal, "detail", a.Detail)
				return never, nil
			}
		}
	}
}

// never is where nothing is sent ahead from.
const never = 1<<64 - 1
