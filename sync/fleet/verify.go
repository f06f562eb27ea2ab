package fleet

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// Verdict is what verifying one device's entries found.
type Verdict struct {
	Device      string         `json:"device"`
	Size        uint64         `json:"size"` // entries held
	Erased      uint64         `json:"erased,omitempty"`
	Checkpoints int            `json:"checkpoints"` // signed by the device, whose roots hold
	Signed      uint64         `json:"signed"`      // entries the newest of those covers
	Fault       *journal.Fault `json:"fault,omitempty"`
}

// Verify recomputes every device's tree from the database: each leaf from
// salt and body, each hash from the leaves, each kept checkpoint's root from
// the hashes; and checks that the device signed it. Of each device it names
// the first bad entry. An error means that it could not find out.
func (r *Records) Verify(ctx context.Context) ([]Verdict, error) {
	tx, err := r.read.BeginTx(ctx, r.database.snapshot()) // one state, while a centre goes on writing
	if err != nil {
		return nil, fmt.Errorf("cannot read the records: %w", err)
	}
	defer tx.Rollback()
	return verifyAll(ctx, tx)
}

func verifyAll(ctx context.Context, tx *sql.Tx) ([]Verdict, error) {
	names, err := deviceNames(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the devices: %w", err)
	}
	out := []Verdict{}
	for _, name := range names {
		h, err := readHolding(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		w := walk{Verdict: Verdict{Device: name, Size: h.size}, holding: h}
		if err := w.run(ctx, tx); err != nil {
			return nil, fmt.Errorf("cannot verify %s: %w", name, err)
		}
		out = append(out, w.Verdict)
	}
	return out, nil
}

func deviceNames(ctx context.Context, tx *sql.Tx) (names []string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM devices ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// walk is the verification of one device.
type walk struct {
	Verdict
	holding
	verifier note.Verifier
	notes    map[uint64][]byte
	hashes   pages[heldHash]
	peaks    journal.Peaks
	graves   pages[heldGrave]
	grave    heldGrave // the next, where peeked and there are more
	peeked   bool
	more     bool
}

func (w *walk) run(ctx context.Context, tx *sql.Tx) (err error) {
	if w.verifier, err = journal.Verifier(wire.Origin(w.Device), w.key); err != nil {
		return err
	}
	if w.notes, err = readNotes(ctx, tx, w.Device); err != nil {
		return err
	}
	w.hashes, w.graves = hashesOf(ctx, tx, w.Device), gravesOf(ctx, tx, w.Device)
	entries := entriesOf(ctx, tx, w.Device)
	i := uint64(0)
	for ; w.Fault == nil; i++ {
		e, more, err := entries.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := w.entry(i, e.number, e.leaf, e.salt, e.body); err != nil {
			return err
		}
		w.index(i, e.body, e.document)
	}
	if w.Fault != nil {
		return nil
	}
	if err := w.end(i); err != nil || w.Fault != nil {
		return err
	}
	// A walk by number sees no second row of a number that ends a page.
	var rows uint64
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM entries WHERE device = $1", w.Device).Scan(&rows); err != nil {
		return err
	}
	if rows != w.size {
		w.fault(w.size, "leaf", "there are %d rows for %d entries", rows, w.size)
		return nil
	}
	return w.checkAhead(ctx, tx)
}

func readNotes(ctx context.Context, tx *sql.Tx, device string) (map[uint64][]byte, error) {
	rows, err := tx.QueryContext(ctx, "SELECT size, note FROM checkpoints WHERE device = $1", device)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	notes := map[uint64][]byte{}
	for rows.Next() {
		var size uint64
		var b []byte
		if err := rows.Scan(&size, &b); err != nil {
			return nil, err
		}
		notes[size] = b
	}
	return notes, rows.Err()
}

func (w *walk) fault(i uint64, part, what string, args ...any) {
	w.Fault = &journal.Fault{Index: i, Part: part, What: fmt.Sprintf(what, args...)}
}

// entry checks entry i and everything it completes.
func (w *walk) entry(i, number uint64, leaf, salt, body []byte) error {
	switch {
	case number != i:
		w.fault(i, "leaf", "the entry is missing")
		return nil
	case i >= w.size:
		w.fault(i, "leaf", "it lies beyond the %d entries the centre gave a receipt for", w.size)
		return nil
	case len(leaf) != tlog.HashSize:
		w.fault(i, "leaf", "it has %d bytes, a leaf has %d", len(leaf), tlog.HashSize)
		return nil
	case salt == nil && body == nil:
		w.Erased++
	case journal.Commitment(salt, body) != journal.Hash(leaf):
		w.fault(i, "content", "body and salt are not what the leaf commits to")
		return nil
	}
	if err := w.tree(i, journal.Hash(leaf)); err != nil || w.Fault != nil {
		return err
	}
	if err := w.tombstone(i, leaf, salt == nil && body == nil); err != nil || w.Fault != nil {
		return err
	}
	w.checkpoint(i + 1)
	return nil
}

// tree adds a leaf and compares every hash it completes with the stored one.
func (w *walk) tree(i uint64, leaf journal.Hash) error {
	return w.peaks.Add(i, leaf, func(level int, n int64, h journal.Hash) (bool, error) {
		stored, more, err := w.hashes.next()
		if err != nil {
			return false, err
		}
		if !more || stored.number != tlog.StoredHashIndex(level, n) || string(stored.hash) != string(h[:]) {
			w.fault(i, "tree", "hash %d of level %d is missing or not the one that follows from the leaves", n, level)
			return false, nil
		}
		return true, nil
	})
}

// checkpoint checks the checkpoint of the first size entries, where kept.
func (w *walk) checkpoint(size uint64) {
	signed, kept := w.notes[size]
	if !kept {
		return
	}
	delete(w.notes, size)
	c, err := journal.OpenCheckpoint(signed, w.verifier)
	switch {
	case err != nil:
		w.fault(size-1, "checkpoint", "%v", err)
	case c.Size != size:
		w.fault(size-1, "checkpoint", "it speaks of %d entries where %d belong", c.Size, size)
	case c.Root != w.peaks.Root():
		w.fault(w.Signed, "content", "it or an entry up to %d was changed: the device signed another root for the first %d", size-1, size)
	default:
		w.Checkpoints++
		w.Signed = size
	}
}

// end checks that nothing is missing at the end, and nothing is left over.
func (w *walk) end(entries uint64) error {
	_, more, err := w.hashes.next()
	switch {
	case err != nil:
		return err
	case entries < w.size:
		w.fault(entries, "leaf", "the entry is missing: the centre gave a receipt for %d", w.size)
	case w.peaks.Root() != w.root:
		w.fault(w.Signed, "tree", "the root the centre gave a receipt for is not that of its entries")
	case w.Signed != w.size:
		w.fault(w.Signed, "checkpoint", "no checkpoint of the device covers it")
	case len(w.notes) > 0:
		w.fault(w.size, "checkpoint", "a checkpoint covers more than the %d entries held", w.size)
	case more:
		w.fault(w.size, "tree", "the tree goes on beyond the last of %d entries", w.size)
	}
	return nil
}
