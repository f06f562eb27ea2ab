package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"limen"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/wire"
)

var _ outbox.Beside = (*History)(nil)

// Mappings implements outbox.Beside: they join, at the centre, what devices
// know of one document, each by a pseudonym of its own.
func (h *History) Mappings(e journal.Entry) (out []wire.Mapping, err error) {
	for _, key := range e.Keys {
		p, ok := bytes.CutPrefix(key, documentPrefix)
		if !ok || len(p) != len(limen.Pseudonym{}) {
			continue
		}
		traces, err := h.traces(limen.Pseudonym(p))
		if err != nil {
			return nil, err
		}
		for _, t := range traces {
			out = append(out, wire.Mapping{Pseudonym: p, Key: t.Key[:], Hash: t.Hash[:]})
		}
	}
	return out, nil
}

// Gone implements outbox.Beside. The names are random, and so is the order. An
// entry whose erasure did not begin, because the power went first, is none.
func (h *History) Gone(limit int) (names [][]byte, entries []uint64, err error) {
	for pair, err := range h.journal.BesideUnder(nameGone) {
		if err != nil {
			return nil, nil, err
		}
		if len(names) == limit {
			break
		}
		if len(pair.Value) != 8 {
			continue
		}
		i := binary.BigEndian.Uint64(pair.Value)
		if _, err := h.journal.Tombstone(i); errors.Is(err, journal.ErrNoEntry) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		names, entries = append(names, pair.Name), append(entries, i)
	}
	return names, entries, nil
}

// Retell implements outbox.Beside.
func (h *History) Retell(ctx context.Context, before uint64) error {
	erased, err := h.journal.Tombstones(before)
	if err != nil {
		return err
	}
	listed := map[uint64]bool{}
	for pair, err := range h.journal.BesideUnder(nameGone) {
		if err != nil {
			return err
		}
		if len(pair.Value) == 8 {
			listed[binary.BigEndian.Uint64(pair.Value)] = true
		}
	}
	return h.tellCentre(ctx, slices.DeleteFunc(erased, func(i uint64) bool { return listed[i] }))
}

// Told implements outbox.Beside. The list tells which leaves went together; once
// nothing of it is left it goes from the store's files too.
func (h *History) Told(ctx context.Context, names [][]byte) error {
	left, _, err := h.Gone(len(names) + 1)
	if err != nil {
		return err
	}
	if len(left) > len(names) {
		return h.journal.Remove(ctx, names...)
	}
	return h.journal.Forget(ctx, journal.Erasure{Beside: names})
}
