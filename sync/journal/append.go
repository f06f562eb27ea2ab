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

type pending struct {
	ctx     context.Context
	body    []byte
	keys    [][]byte
	receipt Receipt
	err     error
	done    chan struct{}
}

// Append stores body, to be found by each of the index keys. When it returns
// without error the entry is on disk and a leaf of the tree. When ctx ends
// first the entry may or may not be stored. A full disk is ErrFull: nothing
// was stored, and a later Append may succeed.
func (j *Journal) Append(ctx context.Context, body []byte, index ...[]byte) (Receipt, error) {
	switch {
	case len(body) == 0:
		return Receipt{}, errors.New("an entry needs a body")
	case len(body) > MaxBody:
		return Receipt{}, fmt.Errorf("a body of %d bytes is over the journal's limit of %d", len(body), MaxBody)
	case len(index) > MaxKeys:
		return Receipt{}, fmt.Errorf("%d index keys are over the journal's limit of %d", len(index), MaxKeys)
	}
	for _, k := range index {
		if len(k) == 0 || len(k) > MaxIndexKey {
			return Receipt{}, fmt.Errorf("an index key of %d bytes; it has 1 to %d", len(k), MaxIndexKey)
		}
	}
	p := &pending{ctx: ctx, body: body, keys: index, done: make(chan struct{})}
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
		bytes := len(group[0].body)
	gather:
		for len(group) < maxGroup {
			select {
			case p := <-j.queue:
				if bytes += len(p.body); bytes > maxGroupBytes {
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
	txn := j.db.NewTransaction(true)
	defer txn.Discard()
	before, now := size, j.opts.Now().UTC()
	for _, p := range group {
		if err := put(txn, size, now, p); err != nil {
			return fmt.Errorf("cannot append entry %d: %w", size, err)
		}
		p.receipt.Index = size
		size++
	}
	root, err := tlog.TreeHash(int64(size), hashReader(txn))
	if err != nil {
		return corrupt(j.dir, "its tree cannot be read", err)
	}
	if err := j.putHead(txn, before, size, root); err != nil {
		return fmt.Errorf("cannot append entry %d: %w", before, err)
	}
	if err := txn.Commit(); err != nil {
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

// put writes one entry and the hashes its leaf completes.
func put(txn *badger.Txn, i uint64, now time.Time, p *pending) error {
	salt := newSalt()
	leaf := Commitment(salt, p.body)
	hashes, err := tlog.StoredHashes(int64(i), leaf[:], hashReader(txn))
	if err != nil {
		return err
	}
	type pair struct{ key, value []byte }
	pairs := []pair{{leafKey(i), leaf[:]}, {bodyKey(i), p.body}, {saltKey(i), salt}, {metaKey(i), formatMeta(now, p.keys)}}
	first := tlog.StoredHashIndex(0, int64(i))
	for k := range hashes {
		pairs = append(pairs, pair{hashKey(first + int64(k)), hashes[k][:]})
	}
	for _, key := range p.keys {
		pairs = append(pairs, pair{indexKey(key, now, i), nil})
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
