package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// Erase forgets what entry i said: body, salt, time and index keys. Its leaf
// stays, and a tombstone that shares nothing with any other. Erasing twice is
// no error.
//
// The bytes are gone for every reader at once; the encrypted tables they lay
// in are rewritten when the store next compacts them.
func (j *Journal) Erase(ctx context.Context, i uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if size := j.Size(); i >= size {
		return fmt.Errorf("cannot erase entry %d of %d: %w", i, size, ErrNoEntry)
	}
	if err := j.room(j.opts.Reserve); err != nil {
		return err
	}
	err := j.db.Update(func(txn *badger.Txn) error {
		e, err := readEntry(txn, i)
		if err != nil || e.Erased {
			return err
		}
		errs := []error{txn.Set(tombKey(i), nil), txn.Delete(bodyKey(i)), txn.Delete(saltKey(i)), txn.Delete(metaKey(i))}
		for _, k := range e.Keys {
			errs = append(errs, txn.Delete(indexKey(k, e.At, i)))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return fmt.Errorf("cannot erase entry %d: %w", i, err)
	}
	return nil
}
