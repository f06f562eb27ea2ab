package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// tombVersion is the version of every tombstone; other writes come after it.
const tombVersion = 1

// Sizes of the steps of an erasure: well inside what one transaction takes.
const (
	eraseIntent = 8 << 10 // entries of one note of what is being erased
	eraseNames  = 512     // names of one, and of one transaction
	eraseStep   = 128     // entries of one transaction
	eraseLook   = 1024    // entries looked for afterwards, in every version
)

// Erasure is what is to be forgotten together.
type Erasure struct {
	Entries []uint64
	Beside  [][]byte // names beside the log, with all that begin with them
}

// Erase forgets what entries said: see Forget.
func (j *Journal) Erase(ctx context.Context, entries ...uint64) error {
	return j.Forget(ctx, Erasure{Entries: entries})
}

// Forget forgets entries and what lies beside the log: bodies, salts, times,
// index keys, names and values. The leaves stay, and a signed tombstone for
// each that shares nothing with any other. What is erased already is no error.
//
// The bytes are gone for every reader at once. When Forget returns they are gone
// from the store's files too, in every version, with whatever told that those
// leaves belong together; an erasure that was cut short is taken up when the
// journal is next opened. It rewrites the tables it touches, for which there
// must be room, while appending goes on.
func (j *Journal) Forget(ctx context.Context, e Erasure) error {
	size := j.Size()
	for _, i := range e.Entries {
		if i >= size {
			return fmt.Errorf("cannot erase entry %d of %d: %w", i, size, ErrNoEntry)
		}
	}
	if err := errors.Join(ctx.Err(), j.room(j.opts.Reserve)); err != nil {
		return err
	}
	for _, n := range e.Beside {
		if len(n) == 0 || len(n) > MaxName {
			return fmt.Errorf("a name of %d bytes beside the log; it has 1 to %d", len(n), MaxName)
		}
	}
	j.erasing.Lock()
	defer j.erasing.Unlock()
	if err := j.intend(e); err != nil {
		return fmt.Errorf("cannot begin to erase: %w", err)
	}
	return j.carryOut(e)
}

// intend notes what will be erased, so that it is even after a power cut.
func (j *Journal) intend(e Erasure) error {
	j.write.Lock()
	defer j.write.Unlock()
	n := uint64(0)
	note := func(value []byte) error {
		n++
		return j.update(func(txn *badger.Txn) error { return txn.Set(numbered('x', n), value) })
	}
	for some := range slices.Chunk(e.Entries, eraseIntent) {
		value := []byte{'e'}
		for _, i := range some {
			value = binary.BigEndian.AppendUint64(value, i)
		}
		if err := note(value); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(e.Beside, eraseNames) {
		value := []byte{'n'}
		for _, name := range some {
			value = append(append(value, byte(len(name))), name...)
		}
		if err := note(value); err != nil {
			return err
		}
	}
	return nil
}

// resume finishes an erasure that was cut short.
func (j *Journal) resume() error {
	var e Erasure
	found := false
	err := j.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'x'}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			found = true
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if len(value) == 0 {
				continue
			}
			switch kind, rest := value[0], value[1:]; kind {
			case 'n':
				for len(rest) > 0 && len(rest) > int(rest[0]) {
					e.Beside = append(e.Beside, rest[1:1+rest[0]])
					rest = rest[1+rest[0]:]
				}
			case 'e':
				for ; len(rest) >= 8; rest = rest[8:] {
					e.Entries = append(e.Entries, binary.BigEndian.Uint64(rest))
				}
			}
		}
		return nil
	})
	if err != nil || !found {
		return err
	}
	if err := j.carryOut(e); err != nil {
		return fmt.Errorf("the journal in %s was erasing when it ended, and cannot finish: %w", j.dir, err)
	}
	return nil
}

func (j *Journal) carryOut(e Erasure) error {
	shuffled := slices.Clone(e.Entries)
	rand.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	for some := range slices.Chunk(shuffled, eraseStep) {
		if err := j.bury(some); err != nil {
			return fmt.Errorf("cannot erase %d entries: %w", len(e.Entries), err)
		}
	}
	if err := j.removeUnder(e.Beside); err != nil {
		return fmt.Errorf("cannot erase what lies beside the log: %w", err)
	}
	if err := j.compact(); err != nil {
		return fmt.Errorf("%d entries are erased for every reader, but their bytes are still in the files of %s; open the journal anew to finish: %w", len(e.Entries), j.dir, err)
	}
	return j.lookForRest(shuffled)
}

// bury sets the tombstones of some entries, then takes away what they said.
func (j *Journal) bury(some []uint64) error {
	j.write.Lock()
	defer j.write.Unlock()
	err := j.updateAt(tombVersion, func(txn *badger.Txn) error {
		for _, i := range some {
			switch _, err := txn.Get(tombKey(i)); {
			case err == nil:
				continue
			case !errors.Is(err, badger.ErrKeyNotFound):
				return err
			}
			leaf, err := getHash(txn, leafKey(i))
			if err != nil {
				return err
			}
			signed, err := j.tombstone(Stub{i, leaf})
			if err != nil {
				return err
			}
			if err := txn.Set(tombKey(i), signed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return j.update(func(txn *badger.Txn) error {
		for _, i := range some {
			meta, err := get(txn, metaKey(i))
			if errors.Is(err, badger.ErrKeyNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			at, keys, err := parseMeta(meta)
			if err != nil {
				return fmt.Errorf("entry %d: its time and keys: %w", i, err)
			}
			errs := []error{txn.Delete(bodyKey(i)), txn.Delete(saltKey(i)), txn.Delete(metaKey(i))}
			for _, k := range keys {
				errs = append(errs, txn.Delete(indexKey(k, at, i)))
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeUnder takes away the names that begin with any of prefixes.
func (j *Journal) removeUnder(prefixes [][]byte) error {
	var names [][]byte
	flush := func() error {
		j.write.Lock()
		defer j.write.Unlock()
		err := j.update(func(txn *badger.Txn) error {
			for _, n := range names {
				if err := txn.Delete(n); err != nil {
					return err
				}
			}
			return nil
		})
		names = names[:0]
		return err
	}
	for _, prefix := range prefixes {
		for full := true; full; {
			full = false
			err := j.view(func(txn *badger.Txn) error {
				it := txn.NewIterator(badger.IteratorOptions{Prefix: besideKey(prefix)})
				defer it.Close()
				for it.Rewind(); it.Valid() && !full; it.Next() {
					names = append(names, it.Item().KeyCopy(nil))
					full = len(names) >= eraseNames
				}
				return nil
			})
			if err == nil && full {
				err = flush()
			}
			if err != nil {
				return err
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return flush()
}

// compact makes the store's files forget: it writes out what is in memory and
// its log, merges all tables into one level, where nothing shadows anything and
// so neither old versions nor marks of deletion are kept, and takes away the
// note of what was erased.
//
// Badger flushes its memory only where a prefix is dropped, and drops only one
// under which something lies; that is what 0 is for.
func (j *Journal) compact() error {
	drop := func(prefix []byte) error {
		j.write.Lock()
		defer j.write.Unlock()
		return j.db.DropPrefix(prefix)
	}
	if err := j.room(j.opts.Reserve); err != nil { // also of one that is taken up again
		return err
	}
	j.write.Lock()
	err := j.update(func(txn *badger.Txn) error { return txn.Set(numbered('x', 0), nil) })
	j.write.Unlock()
	if err == nil {
		err = drop(numbered('x', 0))
	}
	if err == nil {
		err = j.db.Flatten(1)
	}
	if err == nil {
		err = drop([]byte{'x'})
	}
	return err
}

// lookForRest fails when a version of an erased entry's parts is still there.
func (j *Journal) lookForRest(erased []uint64) error {
	return j.view(func(txn *badger.Txn) error {
		for _, i := range erased[:min(len(erased), eraseLook)] {
			for _, key := range [][]byte{bodyKey(i), saltKey(i), metaKey(i)} {
				it := txn.NewIterator(badger.IteratorOptions{Prefix: key, AllVersions: true})
				it.Rewind()
				rest := it.Valid()
				it.Close()
				if rest {
					return fmt.Errorf("entry %d is erased, but the store still has a version of it: close and open the journal, and erase it again", i)
				}
			}
		}
		return nil
	})
}
