package outbox

import (
	"context"

	"limen/sync/wire"
)

// Ahead is a batch of at most limit entries from one on, to be sent before
// those that the centre does not hold yet: while a long backlog is caught up,
// what happens now is known there at once. It holds no erased entry. It is
// empty where there is nothing to send so.
func (o *Outbox) Ahead(ctx context.Context, from uint64, limit int) (wire.Batch, error) {
	b := wire.Batch{Device: o.opts.Device, First: from}
	j := o.opts.Journal
	bytes := 0
	for i := from; i < j.Size() && len(b.Entries) < min(limit, wire.MaxEntries); i++ {
		e, err := j.Entry(i)
		if err != nil {
			return b, err
		}
		if bytes += len(e.Body); e.Erased || bytes > wire.MaxBatchBytes && len(b.Entries) > 0 {
			break
		}
		b.Entries = append(b.Entries, wire.Entry{Leaf: e.Leaf[:], Salt: e.Salt, Body: e.Body})
	}
	o.mu.Lock()
	cursor := o.cursor
	o.mu.Unlock()
	if len(b.Entries) == 0 || from <= cursor {
		return wire.Batch{}, nil
	}
	peaks, err := j.PeaksAt(from)
	if err != nil {
		return b, err
	}
	for _, p := range peaks {
		b.Peaks = append(b.Peaks, p[:]...)
	}
	b.Checkpoint, err = j.CheckpointAt(ctx, from+uint64(len(b.Entries)))
	return b, err
}

// Waiting is how many entries lie between what the centre holds and entry i.
func (o *Outbox) Waiting(i uint64) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return i - min(i, o.cursor)
}
