package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// Entries sent ahead lie in a table of their own until the device has caught
// up to them. They are shown among the checks, and no receipt covers them:
// they come again in their place, and leave this table in that transaction.

// takeAhead verifies and stores a batch sent ahead: leaves against content,
// and leaves and what is said to be before them against the checkpoint.
func takeAhead(ctx context.Context, tx *sql.Tx, h holding, b wire.Batch, now time.Time) (*refused, error) {
	verifier, err := journal.Verifier(wire.Origin(b.Device), h.key)
	if err != nil {
		return nil, err
	}
	end := b.First + uint64(len(b.Entries))
	c, err := journal.OpenCheckpoint(b.Checkpoint, verifier)
	switch {
	case err != nil:
		return refuse(wire.RefusedSignature, "%v", err), nil
	case c.Size != end:
		return refuse(wire.RefusedMalformed, "the checkpoint is of %d entries and the batch ends at %d", c.Size, end), nil
	}
	var peaks journal.Peaks
	for p := range slices.Chunk(b.Peaks, tlog.HashSize) {
		peaks = append(peaks, journal.Hash(p))
	}
	if want := ones(b.First); len(peaks) != want {
		return refuse(wire.RefusedMalformed, "%d peaks before entry %d, where there are %d", len(peaks), b.First, want), nil
	}
	into := rows{into: "ahead (device, number, leaf, salt, body, received, document)", columns: 7, also: " ON CONFLICT (device, number) DO NOTHING"}
	for k, e := range b.Entries {
		i := b.First + uint64(k)
		if e.Erased() || journal.Commitment(e.Salt, e.Body) != journal.Hash(e.Leaf) {
			return refuse(wire.RefusedMalformed, "the leaf of entry %d does not commit to its salt and body", i), nil
		}
		if err := peaks.Add(i, journal.Hash(e.Leaf), func(int, int64, journal.Hash) (bool, error) { return true, nil }); err != nil {
			return nil, err
		}
		into.add(b.Device, i, e.Leaf, e.Salt, e.Body, now.UnixMilli(), document(e.Body))
	}
	if peaks.Root() != c.Root {
		return refuse(wire.RefusedMalformed, "the entries sent ahead do not have the root the device signed for the first %d", end), nil
	}
	if err := into.insert(ctx, tx); err != nil {
		return nil, fmt.Errorf("cannot store entries %d to %d of %s ahead: %w", b.First, end-1, b.Device, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE devices SET state = 'running' WHERE name = $1", b.Device)
	return nil, err
}

func ones(n uint64) (count int) {
	for ; n > 0; n &= n - 1 {
		count++
	}
	return count
}

// storeUpToAhead stores a batch in its place, and what was sent ahead and has
// its place now leaves. Where the two differ the device has signed both: that
// is another history.
func storeUpToAhead(ctx context.Context, tx *sql.Tx, h holding, b wire.Batch, now time.Time) (holding, *refused, error) {
	sent, differs, err := metAhead(ctx, tx, b)
	if err != nil {
		return h, nil, err
	}
	if differs != nil {
		if _, err := tx.ExecContext(ctx, "SAVEPOINT ahead"); err != nil {
			return h, nil, err
		}
	}
	after, no, err := store(ctx, tx, h, b, now)
	switch {
	case err != nil:
		return h, nil, err
	case differs != nil:
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT ahead"); err != nil {
			return h, nil, err
		}
		if no == nil {
			no = refuse(wire.RefusedHistory, "entry %d is not the one it sent ahead, and the device signed both: its history was changed", *differs)
		}
		return h, no, nil
	case no != nil || sent == 0:
		return after, no, nil
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM ahead WHERE device = $1 AND number < $2", b.Device, after.size)
	return after, nil, err
}

// metAhead is how many entries of a batch were sent ahead, and the first that
// was sent ahead as another.
func metAhead(ctx context.Context, tx *sql.Tx, b wire.Batch) (sent int, differs *uint64, err error) {
	type row struct {
		number uint64
		leaf   []byte
	}
	held, err := query(ctx, tx, func(r *sql.Rows, v *row) error { return r.Scan(&v.number, &v.leaf) },
		"SELECT number, leaf FROM ahead WHERE device = $1 AND number >= $2 AND number < $3 ORDER BY number", b.Device, b.First, b.First+uint64(len(b.Entries)))
	if err != nil {
		return 0, nil, err
	}
	for _, v := range held {
		if string(b.Entries[v.number-b.First].Leaf) != string(v.leaf) {
			return len(held), &v.number, nil
		}
	}
	return len(held), nil, nil
}

// withAhead adds to checks, newest first, those sent ahead of others about
// documents from one pseudonym to another; of all documents where from is nil.
func (r *Records) withAhead(ctx context.Context, checks []CheckView, n int, from, to []byte) ([]CheckView, error) {
	question, args := "SELECT device, number, received, body FROM ahead ORDER BY received DESC, number DESC LIMIT $1", []any{n}
	if from != nil {
		question, args = joined+"SELECT e.device, e.number, e.received, e.body FROM ahead e WHERE "+aboutThem+" ORDER BY e.received DESC, e.number DESC LIMIT $3", []any{from, to, n}
	}
	ahead, err := r.checks(ctx, question, args...)
	if err != nil || len(ahead) == 0 {
		return checks, err
	}
	all := append(ahead, checks...)
	slices.SortStableFunc(all, func(a, b CheckView) int { return -int(min(max(a.Received-b.Received, -1), 1)) })
	all = all[:min(len(all), n)]
	correct(all)
	return all, nil
}

// checkAhead is the verification of what a device sent ahead.
func (w *walk) checkAhead(ctx context.Context, tx *sql.Tx) error {
	held := aheadOf(ctx, tx, w.Device)
	for w.Fault == nil {
		v, more, err := held.next()
		if err != nil || !more {
			return err
		}
		switch {
		case v.number < w.size:
			w.fault(v.number, "leaf", "it was sent ahead and is held in its place too")
		case len(v.leaf) != tlog.HashSize || journal.Commitment(v.salt, v.body) != journal.Hash(v.leaf):
			w.fault(v.number, "content", "it was sent ahead, and body and salt are not what the leaf commits to")
		}
		w.index(v.number, v.body, v.document)
	}
	return nil
}
