package journal

import (
	"fmt"
	"math/bits"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// PeaksAt are the peaks of the tree of the first size entries.
func (j *Journal) PeaksAt(size uint64) (p Peaks, err error) {
	if have := j.Size(); size > have {
		return nil, fmt.Errorf("no peaks of size %d: the journal has %d entries", size, have)
	}
	err = j.view(func(txn *badger.Txn) error {
		for done := uint64(0); done < size; {
			level := bits.Len64(size-done) - 1
			h, err := getHash(txn, hashKey(tlog.StoredHashIndex(level, int64(done>>level))))
			if err != nil {
				return corrupt(j.dir, "its tree cannot be read", err)
			}
			p = append(p, h)
			done += 1 << level
		}
		return nil
	})
	return p, err
}
