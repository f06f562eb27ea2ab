package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// edit changes the store behind the journal's back, as one who holds the
// storage key but not the device's signing key could.
func edit(t *testing.T, dir string, change func(txn *badger.Txn) error) {
	t.Helper()
	o := testOptions()
	db, err := badger.Open(storeOptions(dir, o.Key, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// flip inverts one bit of a stored value.
func flip(key []byte, at int) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		b, err := get(txn, key)
		if err != nil {
			return err
		}
		b[at] ^= 1
		return txn.Set(key, b)
	}
}

func TestTamper(t *testing.T) {
	const n = 11
	for _, c := range []struct {
		name   string
		change func(*badger.Txn) error
		index  uint64
		part   string
	}{
		{"body", flip(bodyKey(6), 3), 6, "content"},
		{"salt", flip(saltKey(2), 31), 2, "content"},
		{"leaf", flip(leafKey(9), 0), 9, "content"},
		{"leaf hash", flip(hashKey(tlog.StoredHashIndex(0, 5)), 8), 5, "tree"},
		{"inner hash", flip(hashKey(tlog.StoredHashIndex(2, 1)), 8), 7, "tree"}, // complete with entry 7
		{"checkpoint root", flip(checkpointKey(n), len("limen/gate-1\n11\n")+4), 10, "checkpoint"},
		{"checkpoint signature", func(txn *badger.Txn) error {
			b, err := get(txn, checkpointKey(n))
			if err != nil {
				return err
			}
			return flip(checkpointKey(n), len(b)-10)(txn)
		}, 10, "checkpoint"},
		{"body removed", func(txn *badger.Txn) error { return txn.Delete(bodyKey(4)) }, 4, "content"},
		{"leaf removed", func(txn *badger.Txn) error { return txn.Delete(leafKey(0)) }, 0, "leaf"},
		{"index key removed", func(txn *badger.Txn) error {
			e, err := readEntry(txn, 7)
			if err != nil {
				return err
			}
			return txn.Delete(indexKey(e.Keys[1], e.At, 7))
		}, 7, "index"},
		{"body replaced with its leaf and leaf hash", func(txn *badger.Txn) error {
			leaf := Commitment(make([]byte, SaltSize), []byte("another story"))
			h := tlog.RecordHash(leaf[:])
			return errors.Join(txn.Set(bodyKey(3), []byte("another story")), txn.Set(saltKey(3), make([]byte, SaltSize)),
				txn.Set(leafKey(3), leaf[:]), txn.Set(hashKey(tlog.StoredHashIndex(0, 3)), h[:]))
		}, 3, "tree"},
		{"whole tree rewritten, checkpoint kept", func(txn *badger.Txn) error {
			if err := txn.Set(bodyKey(3), []byte("another story")); err != nil {
				return err
			}
			for i := uint64(0); i < n; i++ {
				e, err := readEntry(txn, i)
				if err != nil {
					return err
				}
				leaf := Commitment(e.Salt, e.Body)
				hashes, err := tlog.StoredHashes(int64(i), leaf[:], hashReader(txn))
				if err != nil {
					return err
				}
				errs := []error{txn.Set(leafKey(i), leaf[:])}
				for k := range hashes {
					errs = append(errs, txn.Set(hashKey(tlog.StoredHashIndex(0, int64(i))+int64(k)), hashes[k][:]))
				}
				if err := errors.Join(errs...); err != nil {
					return err
				}
			}
			return nil
		}, 10, "checkpoint"},
		{"erased without the device's key", func(txn *badger.Txn) error {
			return errors.Join(txn.Set(tombKey(5), []byte("limen tombstone v1")), txn.Delete(bodyKey(5)), txn.Delete(saltKey(5)), txn.Delete(metaKey(5)))
		}, 5, "tombstone"},
		{"cut", func(txn *badger.Txn) error { return txn.Set(keySize, []byte{0, 0, 0, 0, 0, 0, 0, 8}) }, 8, "checkpoint"},
		{"cut with its checkpoint", func(txn *badger.Txn) error {
			return errors.Join(txn.Set(keySize, []byte{0, 0, 0, 0, 0, 0, 0, 8}), txn.Delete(checkpointKey(n)))
		}, 8, "leaf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			j := openTest(t, dir, testOptions())
			appendN(t, j, n)
			j.Close()
			edit(t, dir, c.change)
			j = openTest(t, dir, testOptions())
			v, err := j.Verify(t.Context(), Check{})
			if err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if v.Fault == nil || v.Fault.Index != c.index || v.Fault.Part != c.part {
				t.Errorf("got fault %v, want entry %d, %s", v.Fault, c.index, c.part)
			}
		})
	}
}

// A byte that changed on the disk itself never passes: the store opens with an
// error, or reading fails, or the verdict names the entry.
func TestDiskByteFlips(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, testOptions())
	appendN(t, j, 40)
	j.Close()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no table in %s: %v", dir, err)
	}
	whole, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(whole, []byte("record 5 of a check")) {
		t.Fatal("a body lies on the disk in the clear")
	}
	unseen := 0
	const flips = 24
	for k := range flips {
		bent := bytes.Clone(whole)
		bent[k*len(bent)/flips] ^= 0x10
		if err := os.WriteFile(tables[0], bent, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(dir, testOptions())
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("flip %d: opening says %v, want ErrCorrupt", k, err)
			}
			continue
		}
		v, err := j.Verify(t.Context(), Check{})
		if err == nil && v.Fault == nil {
			unseen++ // bytes nobody reads: the bloom filter
		}
		j.Close()
		if err := os.WriteFile(tables[0], whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if unseen > flips/4 {
		t.Errorf("%d of %d flips went unseen", unseen, flips)
	}
}
