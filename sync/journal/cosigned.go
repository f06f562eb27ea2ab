package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxCosigned bounds a cosigned checkpoint, in bytes.
const MaxCosigned = 16 << 10

// cosignedKey is where a checkpoint lies together with its cosignatures: whole,
// so that it outlives the plain one that a newer append replaces.
func cosignedKey(size uint64) []byte { return numbered('c', size) }

// AddCosignatures keeps a checkpoint of this journal with the cosignatures on
// it, beside those it had. The caller has checked that witnesses it knows made
// them. It is on disk when AddCosignatures returns. Of each block of 256
// entries those checkpoints stay that carry a witness's word no newer one of
// the block carries.
func (j *Journal) AddCosignatures(ctx context.Context, signed []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(signed) > MaxCosigned {
		return fmt.Errorf("a cosigned checkpoint of %d bytes is over the limit of %d", len(signed), MaxCosigned)
	}
	c, err := OpenCheckpoint(signed, j.verifier)
	if err != nil {
		return err
	}
	if have := j.Size(); c.Size == 0 || c.Size > have {
		return fmt.Errorf("the cosigned checkpoint is of %d entries: the journal has %d", c.Size, have)
	}
	if err := j.room(j.opts.Reserve); err != nil {
		return err
	}
	j.write.Lock()
	defer j.write.Unlock()
	err = j.update(func(txn *badger.Txn) error {
		root, err := tlog.TreeHash(int64(c.Size), hashReader(txn))
		if err != nil {
			return err
		}
		if root != c.Root {
			return fmt.Errorf("it has another root than the journal's first %d entries", c.Size)
		}
		held, err := get(txn, cosignedKey(c.Size))
		if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
			return err
		}
		whole, err := mergeSignatures(signed, held)
		if err != nil {
			return err
		}
		if err := dropCovered(txn, c.Size, whole); err != nil {
			return err
		}
		return txn.Set(cosignedKey(c.Size), whole)
	})
	if errors.Is(err, badger.ErrDBClosed) {
		return ErrClosed
	}
	if err != nil {
		return fmt.Errorf("cannot store the cosigned checkpoint of size %d: %w", c.Size, err)
	}
	return nil
}

// signers are the names and key hashes of a note's signature lines, verified
// or not, each with its line.
func signers(signed []byte) (text string, order []string, lines map[string]string, err error) {
	_, err = note.Open(signed, nil)
	var n *note.UnverifiedNoteError
	if !errors.As(err, &n) {
		return "", nil, nil, err
	}
	lines = map[string]string{}
	for _, s := range n.Note.UnverifiedSigs {
		who := fmt.Sprintf("%s+%08x", s.Name, s.Hash)
		if lines[who] == "" {
			order = append(order, who)
			lines[who] = "— " + s.Name + " " + s.Base64 + "\n"
		}
	}
	return n.Note.Text, order, lines, nil
}

// mergeSignatures adds the lines of held that newer lacks.
func mergeSignatures(newer, held []byte) ([]byte, error) {
	text, order, lines, err := signers(newer)
	if err != nil {
		return nil, err
	}
	if held != nil {
		other, more, old, err := signers(held)
		if err != nil || other != text {
			return nil, errors.Join(err, errors.New("another text was cosigned for this size before"))
		}
		for _, who := range more {
			if lines[who] == "" {
				order, lines[who] = append(order, who), old[who]
			}
		}
	}
	var b strings.Builder
	b.WriteString(text + "\n")
	for _, who := range order {
		b.WriteString(lines[who])
	}
	if b.Len() > MaxCosigned {
		return nil, fmt.Errorf("with %d signatures it is over the limit of %d bytes", len(order), MaxCosigned)
	}
	return []byte(b.String()), nil
}

// dropCovered deletes the block's older cosigned checkpoints all of whose
// signers are also on whole.
func dropCovered(txn *badger.Txn, size uint64, whole []byte) error {
	_, _, lines, err := signers(whole)
	if err != nil {
		return err
	}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'c'}, PrefetchValues: true, PrefetchSize: 8})
	defer it.Close()
	var drop [][]byte
next:
	for it.Seek(cosignedKey(size / keepEvery * keepEvery)); it.ValidForPrefix([]byte{'c'}); it.Next() {
		k := it.Item().KeyCopy(nil)
		if bytes.Compare(k, cosignedKey(size)) >= 0 {
			break
		}
		b, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		_, order, _, err := signers(b)
		if err != nil {
			continue // Verify will name it
		}
		for _, who := range order {
			if lines[who] == "" {
				continue next
			}
		}
		drop = append(drop, k)
	}
	for _, k := range drop {
		if err := txn.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// Cosigned is the newest checkpoint of at least size entries that is kept with
// cosignatures, and nil where there is none.
func (j *Journal) Cosigned(size uint64) (signed []byte, err error) {
	err = j.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'c'}, Reverse: true, PrefetchValues: true, PrefetchSize: 1})
		defer it.Close()
		it.Seek(cosignedKey(1<<64 - 1))
		if !it.ValidForPrefix([]byte{'c'}) || bytes.Compare(it.Item().Key(), cosignedKey(size)) < 0 {
			return nil
		}
		signed, err = it.Item().ValueCopy(nil)
		return err
	})
	return signed, err
}
