package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// Appends that arrive together share one transaction and its one fsync: at
// most maxGroup of them, and maxGroupBytes of bodies beyond the first.
const (
	maxGroup      = 64
	maxGroupBytes = 256 << 10
)

// Draft is an entry to be: its body, the index keys it is found by, and what
// is stored beside the log with it, in the same instant.
type Draft struct {
	Body   []byte
	Keys   [][]byte
	Beside []Pair
}

type pending struct {
	ctx context.Context
	Draft
	receipt Receipt
	err     error
	done    chan struct{}
}

// Append stores body, to be found by each of the index keys; see AppendDraft.
func (j *Journal) Append(ctx context.Context, body []byte, index ...[]byte) (Receipt, error) {
	return j.AppendDraft(ctx, Draft{Body: body, Keys: index})
}

// AppendDraft stores an entry. When it returns
// without error the entry is on disk and a leaf of the tree. When ctx ends
// first the entry may or may not be stored. A full disk is ErrFull: nothing
// was stored, and a later Append may succeed.
func (j *Journal) AppendDraft(ctx context.Context, d Draft) (Receipt, error) {
	if err := d.check(); err != nil {
		return Receipt{}, err
	}
	p := &pending{ctx: ctx, Draft: d, done: make(chan struct{})}
	select {
	case <-j.quit:
		return Receipt{}, ErrClosed
	default:
	}
	select {
	case j.queue <- p:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	case <-j.quit:
		return Receipt{}, ErrClosed
	}
	select {
	case <-p.done:
		return p.receipt, p.err
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("appending was cut short, and the entry may still be stored: %w", ctx.Err())
	case <-j.done:
		select { // the committer may have taken it just before it ended
		case <-p.done:
			return p.receipt, p.err
		default:
			return Receipt{}, ErrClosed
		}
	}
}

func (d Draft) check() error {
	switch {
	case len(d.Body) == 0:
		return errors.New("an entry needs a body")
	case len(d.Body) > MaxBody:
		return fmt.Errorf("a body of %d bytes is over the journal's limit of %d", len(d.Body), MaxBody)
	case len(d.Keys) > MaxKeys:
		return fmt.Errorf("%d index keys are over the journal's limit of %d", len(d.Keys), MaxKeys)
	}
	for _, k := range d.Keys {
		if len(k) == 0 || len(k) > MaxIndexKey {
			return fmt.Errorf("an index key of %d bytes; it has 1 to %d", len(k), MaxIndexKey)
		}
	}
	return checkPairs(d.Beside)
}

// commitLoop is the journal's one writer.
func (j *Journal) commitLoop() {
	defer close(j.done)
	var held *pending // one too many for the last group
	for {
		var group []*pending
		if held != nil {
			group, held = append(group, held), nil
		} else {
			select {
			case p := <-j.queue:
				group = append(group, p)
			case <-j.quit:
				return
			}
		}
		bytes := len(group[0].Body)
	gather:
		for len(group) < maxGroup {
			select {
			case p := <-j.queue:
				if bytes += len(p.Body); bytes > maxGroupBytes {
					held = p
					break gather
				}
				group = append(group, p)
			default:
				break gather
			}
		}
		j.commitGroup(group)
	}
}

// commitGroup commits those who still wait and tells them.
func (j *Journal) commitGroup(group []*pending) {
	waiting := group[:0:0]
	for _, p := range group {
		if p.err = p.ctx.Err(); p.err == nil {
			waiting = append(waiting, p)
		}
	}
	if len(waiting) > 0 {
		if err := j.commit(waiting); err != nil {
			for _, p := range waiting {
				p.err = err
			}
		}
	}
	for _, p := range group {
		close(p.done)
	}
}

// commit appends the group in one transaction: leaves, hashes, bodies, salts,
// index keys, size and the checkpoint over all of it.
func (j *Journal) commit(group []*pending) error {
	j.mu.Lock()
	size, broken := j.size, j.broken
	j.mu.Unlock()
	if broken != nil {
		return broken
	}
	if err := j.room(j.opts.Reserve); err != nil {
		return err
	}
	j.write.Lock()
	defer j.write.Unlock()
	before, now := size, j.opts.Now().UTC()
	var root Hash
	err := j.update(func(txn *badger.Txn) (err error) {
		for _, p := range group {
			if err := put(txn, size, now, p.Draft); err != nil {
				return &unchanged{fmt.Errorf("cannot append entry %d: %w", size, err)}
			}
			p.receipt.Index = size
			size++
		}
		if root, err = tlog.TreeHash(int64(size), hashReader(txn)); err != nil {
			return &unchanged{corrupt(j.dir, "its tree cannot be read", err)}
		}
		if err := j.putHead(txn, before, size, root); err != nil {
			return &unchanged{fmt.Errorf("cannot append entry %d: %w", before, err)}
		}
		return nil
	})
	if u, ok := errors.AsType[*unchanged](err); ok {
		return u.error
	}
	if err != nil {
		// After a write that failed half-way nobody knows what the disk holds
		// until it is read again.
		err = fmt.Errorf("cannot store entry %d in %s; close and open the journal to go on: %w", before, j.dir, err)
		j.mu.Lock()
		j.broken = err
		j.mu.Unlock()
		return err
	}
	for _, p := range group {
		p.receipt.Size, p.receipt.Root = size, root
	}
	j.mu.Lock()
	j.size, j.root = size, root
	close(j.grown)
	j.grown = make(chan struct{})
	j.mu.Unlock()
	return nil
}

// unchanged is an error before anything was written.
type unchanged struct{ error }

// put writes one entry and the hashes its leaf completes.
func put(txn *badger.Txn, i uint64, now time.Time, d Draft) error {
	salt := newSalt()
	leaf := Commitment(salt, d.Body)
	hashes, err := tlog.StoredHashes(int64(i), leaf[:], hashReader(txn))
	if err != nil {
		return err
	}
	type pair struct{ key, value []byte }
	pairs := []pair{{leafKey(i), leaf[:]}, {bodyKey(i), d.Body}, {saltKey(i), salt}, {metaKey(i), formatMeta(now, d.Keys)}}
	first := tlog.StoredHashIndex(0, int64(i))
	for k := range hashes {
		pairs = append(pairs, pair{hashKey(first + int64(k)), hashes[k][:]})
	}
	for _, key := range d.Keys {
		pairs = append(pairs, pair{indexKey(key, now, i), nil})
	}
	for _, b := range d.Beside {
		pairs = append(pairs, pair{besideKey(b.nameAt(i)), b.Value})
	}
	for _, kv := range pairs {
		if err := txn.Set(kv.key, kv.value); err != nil {
			return err
		}
	}
	return nil
}

// putHead writes the new size, and the checkpoint where the device's key can
// sign: a key that is away does not stop the line, and Verify tells how far
// the signatures reach.
func (j *Journal) putHead(txn *badger.Txn, before, size uint64, root Hash) error {
	if before == 0 {
		if err := txn.Set(keyOrigin, []byte(j.opts.Name)); err != nil {
			return err
		}
	}
	if err := txn.Set(keySize, binary.BigEndian.AppendUint64(nil, size)); err != nil {
		return err
	}
	signed, err := j.sign(size, root)
	if err != nil {
		if j.opts.Log != nil {
			j.opts.Log.Warn("journal checkpoint not signed", "size", size, "error", err)
		}
		return nil
	}
	return j.putCheckpoint(txn, before, size, signed)
}
