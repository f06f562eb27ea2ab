package history

import (
	"bytes"
	"context"
	"encoding/binary"

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

// Gone implements outbox.Beside. The names are random, and so is the order.
func (h *History) Gone(limit int) (names [][]byte, entries []uint64, err error) {
	for pair, err := range h.journal.BesideUnder(nameGone) {
		if err != nil {
			return nil, nil, err
		}
		if len(names) == limit {
			break
		}
		if len(pair.Value) == 8 {
			names, entries = append(names, pair.Name), append(entries, binary.BigEndian.Uint64(pair.Value))
		}
	}
	return names, entries, nil
}

// Told implements outbox.Beside.
func (h *History) Told(ctx context.Context, names [][]byte) error {
	return h.journal.Remove(ctx, names...)
}
