package fleet

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// mapped checks that what leads to documents is the device's word.
func mapped(b wire.Batch, device note.Verifier) *refused {
	if len(b.Mappings) == 0 {
		return nil
	}
	if err := journal.CheckWord(b.Mapped, device, wire.MappedHead, wire.Spoken(b.Mappings)); err != nil {
		return refuse(wire.RefusedMalformed, "%v", err)
	}
	return nil
}

// remap stores what leads to documents. Sent again, a mapping must not bring
// back what was erased meanwhile.
func remap(ctx context.Context, tx *sql.Tx, b wire.Batch) error {
	for _, m := range b.Mappings {
		_, err := tx.ExecContext(ctx, `INSERT INTO mappings (device, pseudonym, fleet_key, hash)
			SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM entries WHERE device = $1 AND document = $2)
			ON CONFLICT DO NOTHING`, b.Device, m.Pseudonym, m.Key, m.Hash)
		if err != nil {
			return fmt.Errorf("cannot store what leads to a document of %s: %w", b.Device, err)
		}
	}
	return nil
}

// unmap takes away what leads to a document that no entry of the device is
// about once those erased are gone.
func unmap(ctx context.Context, tx *sql.Tx, device string, erased map[uint64]grave) error {
	for i := range erased {
		if err := unindex(ctx, tx, device, i); err != nil {
			return fmt.Errorf("cannot take entry %d of %s out of the index: %w", i, device, err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM mappings WHERE device = $1
			AND pseudonym = (SELECT document FROM entries WHERE device = $1 AND number = $2)
			AND (SELECT count(*) FROM entries WHERE entries.device = $1 AND entries.document = mappings.pseudonym) = 1`, device, i)
		if err != nil {
			return fmt.Errorf("cannot erase what leads to the document of entry %d of %s: %w", i, device, err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE entries SET document = NULL WHERE device = $1 AND number = $2 AND document IS NOT NULL", device, i); err != nil {
			return fmt.Errorf("cannot erase the document of entry %d of %s: %w", i, device, err)
		}
	}
	return nil
}
