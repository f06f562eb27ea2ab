package fleet

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// grave is a device's signed word that one entry is erased. It is the only
// thing that takes content away here, and stays in its place: without it a row
// without content is one that somebody emptied.
type grave struct {
	journal.Stub
	note []byte
}

// graves reads a batch's tombstones, by entry: of the entries it brings without
// content, and of those held that were erased since.
func graves(b wire.Batch, device note.Verifier) (map[uint64]grave, *refused) {
	out := map[uint64]grave{}
	end := b.First + uint64(len(b.Entries))
	for _, signed := range b.Tombstones {
		s, err := journal.ParseTombstone(signed, device)
		if err != nil {
			return nil, refuse(wire.RefusedMalformed, "%v", err)
		}
		if s.Index >= end {
			return nil, refuse(wire.RefusedMalformed, "a tombstone of entry %d comes with a batch that ends at %d", s.Index, end)
		}
		if s.Index >= b.First && journal.Hash(b.Entries[s.Index-b.First].Leaf) != s.Leaf {
			return nil, refuse(wire.RefusedMalformed, "the tombstone of entry %d is of another leaf", s.Index)
		}
		out[s.Index] = grave{s, signed}
	}
	return out, nil
}

// known refuses tombstones of other leaves than those held.
func known(ctx context.Context, tx *sql.Tx, device string, before uint64, all map[uint64]grave) (*refused, error) {
	for i, g := range all {
		if i >= before {
			continue
		}
		var leaf []byte
		if err := tx.QueryRowContext(ctx, "SELECT leaf FROM entries WHERE device = $1 AND number = $2", device, i).Scan(&leaf); err != nil {
			return nil, fmt.Errorf("cannot read entry %d of %s: %w", i, device, err)
		}
		if string(leaf) != string(g.Leaf[:]) {
			return refuse(wire.RefusedMalformed, "the tombstone of entry %d is of another leaf", i), nil
		}
	}
	return nil, nil
}

// bury takes away what erased entries said, and keeps the device's word for it.
func bury(ctx context.Context, tx *sql.Tx, device string, all map[uint64]grave) error {
	for i, g := range all {
		if _, err := tx.ExecContext(ctx, "UPDATE entries SET salt = NULL, body = NULL, document = NULL WHERE device = $1 AND number = $2 AND body IS NOT NULL", device, i); err != nil {
			return fmt.Errorf("cannot erase entry %d of %s: %w", i, device, err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO erased (device, number, note) VALUES ($1, $2, $3) ON CONFLICT (device, number) DO NOTHING", device, i, g.note); err != nil {
			return fmt.Errorf("cannot keep the tombstone of entry %d of %s: %w", i, device, err)
		}
	}
	return nil
}

// tombstone checks that an entry is without content exactly where the device
// said so.
func (w *walk) tombstone(i uint64, leaf []byte, erased bool) error {
	if !w.peeked {
		var err error
		if w.grave, w.more, err = w.graves.next(); err != nil {
			return err
		}
		w.peeked = true
	}
	has := w.more && w.grave.number == int64(i)
	switch {
	case w.more && w.grave.number < int64(i):
		w.fault(i, "tombstone", "a tombstone is of entry %d, which is none", w.grave.number)
	case erased && !has:
		w.fault(i, "tombstone", "its content is gone, and the device did not erase it")
	case has && !erased:
		w.fault(i, "tombstone", "the device erased it, and its content is here")
	case has:
		if err := journal.CheckTombstone(w.grave.note, w.verifier, journal.Stub{Index: i, Leaf: journal.Hash(leaf)}); err != nil {
			w.fault(i, "tombstone", "%v", err)
		}
		w.peeked = false
	}
	return nil
}

type heldGrave struct {
	number int64
	note   []byte
}

func gravesOf(ctx context.Context, tx *sql.Tx, device string) pages[heldGrave] {
	return pages[heldGrave]{after: before, key: func(g heldGrave) int64 { return g.number }, read: func(after int64) ([]heldGrave, error) {
		return query(ctx, tx, func(r *sql.Rows, g *heldGrave) error { return r.Scan(&g.number, &g.note) },
			"SELECT number, note FROM erased WHERE device = $1 AND number > $2 ORDER BY number LIMIT $3", device, after, hashesPage)
	}}
}
