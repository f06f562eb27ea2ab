package journal

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// view reads one state of the store.
func (j *Journal) view(f func(*badger.Txn) error) error {
	if j.db.IsClosed() {
		return ErrClosed
	}
	txn := j.db.NewTransactionAt(j.version.Load(), false)
	defer txn.Discard()
	err := f(txn)
	if errors.Is(err, badger.ErrDBClosed) {
		return ErrClosed
	}
	return err
}

// update makes one durable change of the store. The caller holds j.write.
func (j *Journal) update(f func(*badger.Txn) error) error {
	return j.updateAt(j.version.Load()+1, f)
}

func (j *Journal) updateAt(version uint64, f func(*badger.Txn) error) error {
	if j.db.IsClosed() {
		return ErrClosed
	}
	txn := j.db.NewTransactionAt(j.version.Load(), true)
	defer txn.Discard()
	if err := f(txn); err != nil {
		return err
	}
	if err := txn.CommitAt(version, nil); err != nil {
		return err
	}
	if version > j.version.Load() {
		j.version.Store(version)
		j.db.SetDiscardTs(version)
	}
	return nil
}

// Entry reads entry i; ErrNoEntry when the journal is shorter.
func (j *Journal) Entry(i uint64) (e Entry, err error) {
	if size := j.Size(); i >= size {
		return Entry{}, fmt.Errorf("entry %d of %d: %w", i, size, ErrNoEntry)
	}
	err = j.view(func(txn *badger.Txn) error {
		e, err = readEntry(txn, i)
		return err
	})
	if err != nil {
		return Entry{}, fmt.Errorf("cannot read entry %d: %w", i, err)
	}
	return e, nil
}

// readEntry reads an entry. One that is erased meanwhile is an erased one: its
// tombstone is there before anything else goes.
func readEntry(txn *badger.Txn, i uint64) (Entry, error) {
	e, err := readParts(txn, i)
	if errors.Is(err, badger.ErrKeyNotFound) {
		if _, terr := txn.Get(tombKey(i)); terr == nil {
			return Entry{Index: i, Leaf: e.Leaf, Erased: true}, nil
		}
	}
	return e, err
}

func readParts(txn *badger.Txn, i uint64) (Entry, error) {
	e := Entry{Index: i}
	var err error
	if e.Leaf, err = getHash(txn, leafKey(i)); err != nil {
		return e, fmt.Errorf("its leaf: %w", err)
	}
	switch _, err := txn.Get(tombKey(i)); {
	case err == nil:
		e.Erased = true
		return e, nil
	case !errors.Is(err, badger.ErrKeyNotFound):
		return e, fmt.Errorf("its tombstone: %w", err)
	}
	if e.Body, err = get(txn, bodyKey(i)); err != nil {
		return e, fmt.Errorf("its body: %w", err)
	}
	if e.Salt, err = get(txn, saltKey(i)); err != nil {
		return e, fmt.Errorf("its salt: %w", err)
	}
	meta, err := get(txn, metaKey(i))
	if err == nil {
		e.At, e.Keys, err = parseMeta(meta)
	}
	if err != nil {
		return e, fmt.Errorf("its time and keys: %w", err)
	}
	return e, nil
}

// Find yields the entries appended under key since a time, newest first. It
// ends after the first error.
func (j *Journal) Find(key []byte, since time.Time) iter.Seq2[Entry, error] {
	return j.find(key, since, readEntry)
}

// FindBodies is Find for who needs index and body alone: it reads a fifth as much.
func (j *Journal) FindBodies(key []byte, since time.Time) iter.Seq2[Entry, error] {
	return j.find(key, since, func(txn *badger.Txn, i uint64) (Entry, error) {
		body, err := get(txn, bodyKey(i))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return readEntry(txn, i) // erased meanwhile, or damaged: it says
		}
		return Entry{Index: i, Body: body}, err
	})
}

func (j *Journal) find(key []byte, since time.Time, read func(*badger.Txn, uint64) (Entry, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if since.Before(time.UnixMilli(0)) {
			since = time.UnixMilli(0) // the zero time would not sort first
		}
		stopped := false
		err := j.view(func(txn *badger.Txn) error {
			prefix := indexPrefix(key)
			o := badger.IteratorOptions{Reverse: true, Prefix: prefix}
			it := txn.NewIterator(o)
			defer it.Close()
			from := string(indexKey(key, since, 0))
			end := append([]byte(prefix), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
			for it.Seek(end); it.ValidForPrefix(prefix); it.Next() {
				k := it.Item().Key()
				if len(k) != len(prefix)+16 || string(k) < from {
					return nil
				}
				i, _ := parseUint64(k[len(k)-8:])
				e, err := read(txn, i)
				if err != nil {
					return fmt.Errorf("cannot read entry %d: %w", i, err)
				}
				if !yield(e, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(Entry{}, err)
		}
	}
}

// RootAt is the root of the first size entries.
func (j *Journal) RootAt(size uint64) (root Hash, err error) {
	if have := j.Size(); size > have {
		return Hash{}, fmt.Errorf("no root of %d entries: the journal has %d", size, have)
	}
	err = j.view(func(txn *badger.Txn) error {
		root, err = tlog.TreeHash(int64(size), hashReader(txn))
		return err
	})
	return root, err
}

// ProveInclusion proves that entry i is in the tree of the first size entries
// (RFC 6962, 2.1.1).
func (j *Journal) ProveInclusion(i, size uint64) (proof tlog.RecordProof, err error) {
	if have := j.Size(); i >= size || size > have {
		return nil, fmt.Errorf("no proof of entry %d in a tree of %d: the journal has %d entries", i, size, have)
	}
	err = j.view(func(txn *badger.Txn) error {
		proof, err = tlog.ProveRecord(int64(size), int64(i), hashReader(txn))
		return err
	})
	return proof, err
}

// ProveConsistency proves that the tree of newer entries begins with that of
// older ones (RFC 6962, 2.1.2). Both are at least 1.
func (j *Journal) ProveConsistency(older, newer uint64) (proof tlog.TreeProof, err error) {
	if have := j.Size(); older == 0 || older > newer || newer > have {
		return nil, fmt.Errorf("no proof from %d to %d entries: the journal has %d", older, newer, have)
	}
	err = j.view(func(txn *badger.Txn) error {
		proof, err = tlog.ProveTree(int64(newer), int64(older), hashReader(txn))
		return err
	})
	return proof, err
}
