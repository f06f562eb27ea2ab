package fleet

import (
	"context"
	"database/sql"
	"errors"
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
	tx, err := r.read.BeginTx(ctx, nil) // one state, while a centre goes on writing
	if err != nil {
		return nil, fmt.Errorf("cannot read the records: %w", err)
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, "SELECT name FROM devices ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("cannot read the devices: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, err
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

// walk is the verification of one device.
type walk struct {
	Verdict
	holding
	verifier note.Verifier
	notes    map[uint64][]byte
	hashes   *sql.Rows
	peaks    journal.Peaks
}

func (w *walk) run(ctx context.Context, tx *sql.Tx) (err error) {
	if w.verifier, err = journal.Verifier(wire.Origin(w.Device), w.key); err != nil {
		return err
	}
	if w.notes, err = readNotes(ctx, tx, w.Device); err != nil {
		return err
	}
	if w.hashes, err = tx.QueryContext(ctx, "SELECT number, hash FROM hashes WHERE device = ? ORDER BY number", w.Device); err != nil {
		return err
	}
	defer w.hashes.Close()
	entries, err := tx.QueryContext(ctx, "SELECT number, leaf, salt, body, document FROM entries WHERE device = ? ORDER BY number", w.Device)
	if err != nil {
		return err
	}
	defer entries.Close()
	i := uint64(0)
	for ; entries.Next() && w.Fault == nil; i++ {
		var number uint64
		var leaf, salt, body, found []byte
		if err := entries.Scan(&number, &leaf, &salt, &body, &found); err != nil {
			return err
		}
		if err := w.entry(i, number, leaf, salt, body); err != nil {
			return err
		}
		w.index(i, body, found)
	}
	if err := errors.Join(entries.Err(), w.hashes.Err()); err != nil {
		return err
	}
	if w.Fault == nil {
		w.end(i)
	}
	return nil
}

func readNotes(ctx context.Context, tx *sql.Tx, device string) (map[uint64][]byte, error) {
	rows, err := tx.QueryContext(ctx, "SELECT size, note FROM checkpoints WHERE device = ?", device)
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
	w.checkpoint(i + 1)
	return nil
}

// tree adds a leaf and compares every hash it completes with the stored one.
func (w *walk) tree(i uint64, leaf journal.Hash) error {
	return w.peaks.Add(i, leaf, func(level int, n int64, h journal.Hash) (bool, error) {
		var number int64
		var stored []byte
		if w.hashes.Next() {
			if err := w.hashes.Scan(&number, &stored); err != nil {
				return false, err
			}
		}
		if number != tlog.StoredHashIndex(level, n) || string(stored) != string(h[:]) {
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
func (w *walk) end(entries uint64) {
	switch {
	case entries < w.size:
		w.fault(entries, "leaf", "the entry is missing: the centre gave a receipt for %d", w.size)
	case w.peaks.Root() != w.root:
		w.fault(w.Signed, "tree", "the root the centre gave a receipt for is not that of its entries")
	case w.Signed != w.size:
		w.fault(w.Signed, "checkpoint", "no checkpoint of the device covers it")
	case len(w.notes) > 0:
		w.fault(w.size, "checkpoint", "a checkpoint covers more than the %d entries held", w.size)
	case w.hashes.Next():
		w.fault(w.size, "tree", "the tree goes on beyond the last of %d entries", w.size)
	}
}
