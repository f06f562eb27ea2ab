package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// Fault is the first thing found wrong.
type Fault struct {
	Index uint64 `json:"index"` // the entry; of a checkpoint the last entry it covers
	Part  string `json:"part"`  // "leaf", "content", "index", "time", "tombstone", "tree", "checkpoint", "cosignature"
	What  string `json:"what"`
}

// String names entry, part and fault in one line.
func (f Fault) String() string { return fmt.Sprintf("entry %d, %s: %s", f.Index, f.Part, f.What) }

// Verdict is what Verify found.
type Verdict struct {
	Size        uint64    `json:"size"`
	Root        Hash      `json:"root"`
	Erased      uint64    `json:"erased"`
	Checkpoints int       `json:"checkpoints"` // whose signature and root hold
	Signed      uint64    `json:"signed"`      // entries that the newest of them covers
	Witnessed   Witnessed `json:"witnessed"`
	// Misdated are entries whose dates contradict those of their neighbors or
	// of a cosignature, and Clock the first of them: the device's clock was
	// wrong or was set. Nothing stored was changed for it, so it is no fault.
	Misdated uint64  `json:"misdated"`
	Clock    []Fault `json:"clock,omitempty"`
	Fault    *Fault  `json:"fault,omitempty"`
}

// Meaning is what a body says of its own entry.
type Meaning struct {
	Keys [][]byte  // its index keys, all of them
	At   time.Time // when it was made; zero where it does not say
}

// Check is what Verify is told. All of it may be left out.
type Check struct {
	// Report is told now and then how many entries are done.
	Report func(done, size uint64)
	// Meaning reads a body; false where it cannot. The tree commits to bodies
	// and not to index keys and times, which lie beside it to be found by: what
	// the body says, they must say too.
	Meaning func(body []byte) (Meaning, bool)
	// Witnesses are those whose cosignatures count, Quorum how many of them a
	// checkpoint needs.
	Witnesses []*CosignatureVerifier
	Quorum    int
}

// Verify recomputes everything from what is stored: every leaf from body and
// salt, every hash of the tree from the leaves, every kept checkpoint's root
// from the tree; checks the signatures and cosignatures, and index and times
// against the bodies. It stops at the first fault. An error means that it
// could not find out.
func (j *Journal) Verify(ctx context.Context, check Check) (Verdict, error) {
	var v Verdict
	err := j.view(func(txn *badger.Txn) error {
		b, err := get(txn, keySize)
		switch {
		case errors.Is(err, badger.ErrKeyNotFound) && j.Size() == 0:
		case err != nil:
			return fmt.Errorf("cannot read the journal's size: %w", err)
		default:
			if v.Size, err = parseUint64(b); err != nil {
				return corrupt(j.dir, "its size is unreadable", err)
			}
		}
		w := &walk{Journal: j, txn: txn, verdict: &v, check: check, seen: map[string]*Witness{}}
		return w.run(ctx)
	})
	return v, err
}

// walk is one verification.
type walk struct {
	*Journal
	txn     *badger.Txn
	verdict *Verdict
	check   Check
	peaks   Peaks
	seen    map[string]*Witness
	keys    uint64    // index keys that entries list
	latest  time.Time // of the entries so far
	shown   time.Time // when a witness was last shown the log
	ahead   dated     // the latest entry since the last cosigned checkpoint
}

func (w *walk) run(ctx context.Context) error {
	v := w.verdict
	for i := range v.Size {
		if i%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if w.check.Report != nil {
				w.check.Report(i, v.Size)
			}
		}
		leaf, err := w.content(i)
		if err == nil && v.Fault == nil {
			err = w.tree(i, leaf)
		}
		if err == nil && v.Fault == nil {
			err = w.checkpoint(i + 1)
		}
		if err == nil && v.Fault == nil {
			err = w.cosigned(i + 1)
		}
		if err != nil || v.Fault != nil {
			return err
		}
	}
	v.Root = w.peaks.Root()
	if w.check.Report != nil {
		w.check.Report(v.Size, v.Size)
	}
	w.witnesses()
	if err := w.beyond(); err != nil || v.Fault != nil {
		return err
	}
	return w.strayKeys()
}

func (w *walk) fault(i uint64, part, what string, args ...any) {
	w.verdict.Fault = &Fault{Index: i, Part: part, What: fmt.Sprintf(what, args...)}
}

// missing turns a key that is not there into a fault and passes on the rest.
func (w *walk) missing(err error, i uint64, part, what string) error {
	if errors.Is(err, badger.ErrKeyNotFound) {
		w.fault(i, part, "%s is missing", what)
		return nil
	}
	return fmt.Errorf("cannot read entry %d: %s: %w", i, what, err)
}

// content checks one entry's leaf against body and salt, and its index keys.
func (w *walk) content(i uint64) (Hash, error) {
	leaf, err := getHash(w.txn, leafKey(i))
	if err != nil {
		return leaf, w.missing(err, i, "leaf", "the leaf")
	}
	e, err := readEntry(w.txn, i)
	if err != nil {
		return leaf, w.missing(err, i, "content", "its body, salt or time")
	}
	if e.Erased {
		w.verdict.Erased++
		signed, err := get(w.txn, tombKey(i))
		if err != nil {
			return leaf, w.missing(err, i, "tombstone", "the tombstone")
		}
		if err := CheckTombstone(signed, w.verifier, Stub{i, leaf}); err != nil {
			w.fault(i, "tombstone", "%v", err)
			return leaf, nil
		}
		if rest(w.txn, i) {
			// It may be going just now; what this verification sees is older.
			return leaf, w.view(func(now *badger.Txn) error {
				if rest(now, i) && !underway(now) {
					w.fault(i, "content", "it was erased and something of it is still there")
				}
				return nil
			})
		}
		return leaf, nil
	}
	if Commitment(e.Salt, e.Body) != leaf {
		w.fault(i, "content", "body and salt are not what the leaf commits to")
		return leaf, nil
	}
	for _, k := range e.Keys {
		if _, err := w.txn.Get(indexKey(k, e.At, i)); err != nil {
			if w.erasedNow(i) {
				break
			}
			return leaf, w.missing(err, i, "index", "an index key")
		}
	}
	w.meaning(e)
	return leaf, nil
}

// rest tells whether something of an erased entry is still there.
func rest(txn *badger.Txn, i uint64) bool {
	for _, key := range [][]byte{bodyKey(i), saltKey(i), metaKey(i)} {
		if _, err := txn.Get(key); !errors.Is(err, badger.ErrKeyNotFound) {
			return true
		}
	}
	return false
}

// erasedNow tells whether an entry has been erased meanwhile.
func (w *walk) erasedNow(i uint64) bool {
	e, err := w.Entry(i)
	return err == nil && e.Erased
}

// underway tells whether something is being erased.
func underway(txn *badger.Txn) bool {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'x'}})
	defer it.Close()
	it.Rewind()
	return it.Valid()
}

// tree adds a leaf and compares every hash it completes with the stored one.
func (w *walk) tree(i uint64, leaf Hash) error {
	return w.peaks.Add(i, leaf, func(level int, n int64, h Hash) (bool, error) {
		stored, err := getHash(w.txn, hashKey(tlog.StoredHashIndex(level, n)))
		if err != nil {
			return false, w.missing(err, i, "tree", fmt.Sprintf("hash %d of level %d", n, level))
		}
		if stored != h {
			w.fault(i, "tree", "hash %d of level %d is not the one that follows from the leaves", n, level)
			return false, nil
		}
		return true, nil
	})
}

// checkpoint checks the checkpoint of the first size entries, where kept.
func (w *walk) checkpoint(size uint64) error {
	signed, err := get(w.txn, checkpointKey(size))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the checkpoint of size %d: %w", size, err)
	}
	c, err := OpenCheckpoint(signed, w.verifier)
	switch {
	case err != nil:
		w.fault(size-1, "checkpoint", "%v", err)
	case c.Size != size:
		w.fault(size-1, "checkpoint", "it speaks of %d entries where %d belong", c.Size, size)
	case c.Root != w.peaks.Root():
		w.fault(size-1, "checkpoint", "the device signed another root for the first %d entries", size)
	default:
		w.verdict.Checkpoints++
		w.verdict.Signed = size
	}
	return nil
}

// beyond looks for what only a log that was cut could still hold.
func (w *walk) beyond() error {
	v := w.verdict
	for _, kind := range []byte{'p', 'c', 'l', 'b', 's', 'e', 't'} {
		from := v.Size
		if kind == 'p' || kind == 'c' {
			from++
		}
		it := w.txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		it.Seek(numbered(kind, from))
		found := it.ValidForPrefix([]byte{kind})
		it.Close()
		switch {
		case !found:
		case kind == 'p' || kind == 'c':
			w.fault(v.Size, "checkpoint", "a checkpoint covers more than the %d entries there are: the log was cut", v.Size)
			return nil
		default:
			w.fault(v.Size, "leaf", "something lies beyond the last of %d entries: the log was cut", v.Size)
			return nil
		}
	}
	return nil
}
