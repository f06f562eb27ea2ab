package fleet

import (
	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// contents checks that each entry is what its leaf commits to or, where it is
// the leaf alone, that the device erased it: else whoever stands between
// device and centre could take content away, and the receipt would seal it.
func contents(b wire.Batch, erased map[uint64]grave) *refused {
	for k, e := range b.Entries {
		i := b.First + uint64(k)
		switch {
		case e.Erased():
			if _, ok := erased[i]; !ok {
				return refuse(wire.RefusedMalformed, "entry %d comes without content and without the device's tombstone", i)
			}
		case journal.Commitment(e.Salt, e.Body) != journal.Hash(e.Leaf):
			return refuse(wire.RefusedMalformed, "the leaf of entry %d does not commit to its salt and body", i)
		}
	}
	return nil
}

// extension is the tree that a batch makes of what is held before it and its
// own leaves.
type extension struct {
	root    tlog.Hash
	changed *uint64    // the first entry that is not the one held
	hashes  []numbered // of entries beyond those held
}

type numbered struct {
	number int64
	hash   tlog.Hash
}

// extend computes the tree that ends with the batch, and does not store it.
// Every hash its leaves complete takes the place of the one held: a leaf
// completes those that follow it in number, up to the next leaf.
func (t *tree) extend(held uint64, b wire.Batch) (x extension, err error) {
	sent := &tree{t.ctx, t.tx, t.device, map[int64]tlog.Hash{}}
	for k, e := range b.Entries {
		i := b.First + uint64(k)
		first := tlog.StoredHashIndex(0, int64(i))
		hashes, err := tlog.StoredHashes(int64(i), e.Leaf, sent)
		if err != nil {
			return x, err
		}
		if i < held && x.changed == nil {
			stored, err := t.ReadHashes([]int64{first})
			if err != nil {
				return x, err
			}
			if stored[0] != hashes[0] {
				x.changed = &i
			}
		}
		for n, h := range hashes {
			sent.cached[first+int64(n)] = h
			if i >= held {
				x.hashes = append(x.hashes, numbered{first + int64(n), h})
			}
		}
	}
	x.root, err = tlog.TreeHash(int64(b.First)+int64(len(b.Entries)), sent)
	return x, err
}
