package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"
)

// Bounds of what lies beside the log.
const (
	MaxName  = 200      // bytes of one name
	maxValue = 64 << 10 // bytes of one value
	maxPairs = 256      // of one change
)

// Pair is a named value beside the log: in no leaf, covered by no checkpoint,
// and gone without a trace once it is erased.
type Pair struct {
	Name, Value []byte
	Indexed     bool // the entry's index, 8 bytes big-endian, is added to the name
}

func (p Pair) nameAt(i uint64) []byte {
	if !p.Indexed {
		return p.Name
	}
	return binary.BigEndian.AppendUint64(append([]byte(nil), p.Name...), i)
}

func checkPairs(pairs []Pair) error {
	if len(pairs) > maxPairs {
		return fmt.Errorf("%d values beside the log at once; the limit is %d", len(pairs), maxPairs)
	}
	for _, p := range pairs {
		if len(p.Name) == 0 || len(p.Name)+8 > MaxName || len(p.Value) > maxValue {
			return fmt.Errorf("a name of %d and a value of %d bytes beside the log; the limits are %d and %d", len(p.Name), len(p.Value), MaxName-8, maxValue)
		}
	}
	return nil
}

// Beside is the value of a name; ErrNoEntry where there is none.
func (j *Journal) Beside(name []byte) (value []byte, err error) {
	err = j.view(func(txn *badger.Txn) error {
		value, err = get(txn, besideKey(name))
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, ErrNoEntry
	}
	return value, err
}

// BesideUnder yields the pairs whose names begin with prefix, in order. It
// ends after the first error.
func (j *Journal) BesideUnder(prefix []byte) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		stopped := false
		err := j.view(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: besideKey(prefix)})
			defer it.Close()
			for it.Rewind(); it.Valid(); it.Next() {
				value, err := it.Item().ValueCopy(nil)
				if err != nil {
					return err
				}
				if !yield(Pair{Name: it.Item().KeyCopy(nil)[1:], Value: value}, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(Pair{}, fmt.Errorf("cannot read what lies beside the log: %w", err))
		}
	}
}

// PutBeside stores pairs; Remove takes names away. What is removed lies in the
// store's files until they are next compacted; Forget makes sure.
func (j *Journal) PutBeside(ctx context.Context, pairs ...Pair) error {
	if err := checkPairs(pairs); err != nil {
		return err
	}
	return j.beside(ctx, func(txn *badger.Txn) error {
		for _, p := range pairs {
			if err := txn.Set(besideKey(p.Name), p.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Remove takes names away; one that is not there is no error.
func (j *Journal) Remove(ctx context.Context, names ...[]byte) error {
	return j.beside(ctx, func(txn *badger.Txn) error {
		for _, n := range names {
			if err := txn.Delete(besideKey(n)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (j *Journal) beside(ctx context.Context, f func(*badger.Txn) error) error {
	if err := errors.Join(ctx.Err(), j.room(j.opts.Reserve)); err != nil {
		return err
	}
	j.write.Lock()
	defer j.write.Unlock()
	if err := j.update(f); err != nil {
		return fmt.Errorf("cannot change what lies beside the log in %s: %w", j.dir, err)
	}
	return nil
}
