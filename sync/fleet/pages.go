package fleet

import (
	"context"
	"database/sql"
)

// pages reads rows in order of a number, some at a time: one connection of
// PostgreSQL answers one question at a time, and a walk reads two tables.
type pages[T any] struct {
	read  func(after int64) ([]T, error) // the rows that follow, none at the end
	key   func(T) int64
	have  []T
	after int64
	ended bool
}

// next is the next row; more is false after the last.
func (p *pages[T]) next() (row T, more bool, err error) {
	if len(p.have) == 0 && !p.ended {
		if p.have, err = p.read(p.after); err != nil {
			return row, false, err
		}
		p.ended = len(p.have) == 0
	}
	if p.ended {
		return row, false, nil
	}
	row, p.have = p.have[0], p.have[1:]
	p.after = p.key(row)
	return row, true, nil
}

// Rows read at once. A body has up to 128 KiB.
const (
	entriesPage = 64
	hashesPage  = 1024
)

// before is a number before every row's own, also before those that somebody
// put there by hand.
const before = -1 << 62

type heldEntry struct {
	number           uint64
	leaf, salt, body []byte
	received         int64
	document         []byte
}

func entriesOf(ctx context.Context, tx *sql.Tx, device string) pages[heldEntry] {
	return rowsOf(ctx, tx, "entries", device)
}

// aheadOf are those that were sent ahead.
func aheadOf(ctx context.Context, tx *sql.Tx, device string) pages[heldEntry] {
	return rowsOf(ctx, tx, "ahead", device)
}

func rowsOf(ctx context.Context, tx *sql.Tx, table, device string) pages[heldEntry] {
	return pages[heldEntry]{after: before, key: func(e heldEntry) int64 { return int64(e.number) }, read: func(after int64) ([]heldEntry, error) {
		return query(ctx, tx, func(r *sql.Rows, e *heldEntry) error {
			var n int64
			err := r.Scan(&n, &e.leaf, &e.salt, &e.body, &e.received, &e.document)
			e.number = uint64(n)
			return err
		}, "SELECT number, leaf, salt, body, received, document FROM "+table+" WHERE device = $1 AND number > $2 ORDER BY number LIMIT $3", device, after, entriesPage)
	}}
}

type heldHash struct {
	number int64
	hash   []byte
}

func hashesOf(ctx context.Context, tx *sql.Tx, device string) pages[heldHash] {
	return pages[heldHash]{after: before, key: func(h heldHash) int64 { return h.number }, read: func(after int64) ([]heldHash, error) {
		return query(ctx, tx, func(r *sql.Rows, h *heldHash) error { return r.Scan(&h.number, &h.hash) },
			"SELECT number, hash FROM hashes WHERE device = $1 AND number > $2 ORDER BY number LIMIT $3", device, after, hashesPage)
	}}
}

// query is all rows of an answer.
func query[T any](ctx context.Context, tx *sql.Tx, scan func(*sql.Rows, *T) error, statement string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
