package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// besides checks what a batch carries beside entries, before anything of it is
// stored: mappings count by the device's word alone, as do tombstones.
func besides(b wire.Batch, device note.Verifier) (graves []journal.Stub, no *refused) {
	if len(b.Mappings) > 0 {
		if err := journal.CheckWord(b.Mapped, device, wire.MappedHead, wire.Spoken(b.Mappings)); err != nil {
			return nil, refuse(wire.RefusedMalformed, "%v", err)
		}
	}
	for _, t := range b.Tombstones {
		s, err := journal.ParseTombstone(t, device)
		if err != nil {
			return nil, refuse(wire.RefusedMalformed, "%v", err)
		}
		graves = append(graves, s)
	}
	return graves, nil
}

// takeBeside stores mappings and erases what tombstones name. It tells whether
// all of that is erased here; a tombstone of what is not held yet says no.
func takeBeside(ctx context.Context, tx *sql.Tx, b wire.Batch, graves []journal.Stub) (all bool, err error) {
	for _, m := range b.Mappings {
		// Sent again, it must not bring back what was erased meanwhile.
		_, err := tx.ExecContext(ctx, `INSERT INTO mappings (device, pseudonym, fleet_key, hash)
			SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM entries WHERE device = $1 AND document = $2)
			ON CONFLICT DO NOTHING`, b.Device, m.Pseudonym, m.Key, m.Hash)
		if err != nil {
			return false, fmt.Errorf("cannot store what leads to a document of %s: %w", b.Device, err)
		}
	}
	all = len(graves) > 0
	for k, s := range graves {
		done, err := forget(ctx, tx, b.Device, s, b.Tombstones[k])
		if err != nil {
			return false, fmt.Errorf("cannot erase entry %d of %s: %w", s.Index, b.Device, err)
		}
		all = all && done
	}
	return all, nil
}

// forget erases one entry, and what leads to its document where no other entry
// of the device is about it.
func forget(ctx context.Context, tx *sql.Tx, device string, s journal.Stub, tombstone []byte) (bool, error) {
	var document []byte
	err := tx.QueryRowContext(ctx, "SELECT document FROM entries WHERE device = $1 AND number = $2 AND leaf = $3", device, s.Index, s.Leaf[:]).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE entries SET salt = NULL, body = NULL, document = NULL, tombstone = $1 WHERE device = $2 AND number = $3", tombstone, device, s.Index); err != nil {
		return false, err
	}
	if document == nil {
		return true, nil
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM mappings WHERE device = $1 AND pseudonym = $2
		AND NOT EXISTS (SELECT 1 FROM entries WHERE device = $1 AND document = $2)`, device, document)
	return err == nil, err
}

// scrub makes the database's files forget what was erased; where it cannot do so
// now, the devices are not told that it is, and send their tombstones again.
func (r *Records) scrub(ctx context.Context, answers []wire.Answer) {
	erased := false
	for _, a := range answers {
		erased = erased || len(a.Forgotten) > 0
	}
	if !erased || r.database.scrub(ctx, r.write) == nil {
		return
	}
	for k := range answers {
		answers[k].Forgotten = nil
	}
}
