package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"limen/internal/repotest"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/tamper.md")

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

// tamperSize entries, the first tamperSeen of which a witness cosigned.
const (
	tamperSize = 11
	tamperSeen = 8
)

// tamperMeaning is what a body that appendN wrote says of its own entry.
func tamperMeaning(body []byte) (Meaning, bool) {
	var i int
	if _, err := fmt.Sscanf(string(body), "record %d of a check", &i); err != nil {
		return Meaning{}, false
	}
	return Meaning{Keys: [][]byte{[]byte("doc" + string(rune('a'+i%3))), []byte("all")}, At: start.Add(time.Duration(i+1) * time.Second)}, true
}

// tamperable is a journal to be changed, closed, and how it is verified.
func tamperable(t *testing.T) (dir string, check Check) {
	t.Helper()
	dir = t.TempDir()
	j := openTest(t, dir, testOptions())
	appendN(t, j, tamperSeen)
	w, err := NewCosigner("limen/gate-2", newSigner("gate-2"), func() time.Time { return start.Add(time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	signed, err := j.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	lines, err := w.Lines(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.AddCosignatures(t.Context(), append(signed, lines...)); err != nil {
		t.Fatal(err)
	}
	appendN(t, j, tamperSize-tamperSeen)
	j.Close()
	return dir, Check{Meaning: tamperMeaning, Witnesses: []*CosignatureVerifier{w.CosignatureVerifier}, Quorum: 1}
}

// rewrite gives entry 3 another body and makes the tree anew.
func rewrite(txn *badger.Txn) error {
	if err := txn.Set(bodyKey(3), []byte("another story")); err != nil {
		return err
	}
	for i := uint64(0); i < tamperSize; i++ {
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
}

// signAnew signs the checkpoint of size entries with a key.
func signAnew(txn *badger.Txn, size uint64, signer *testSigner) error {
	root, err := tlog.TreeHash(int64(size), hashReader(txn))
	if err != nil {
		return err
	}
	key, _, err := noteKeys("limen/gate-1", signer)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: Checkpoint{"limen/gate-1", size, root}.Text()}, key)
	if err != nil {
		return err
	}
	return txn.Set(checkpointKey(size), signed)
}

// relist changes the index keys and the time that are listed of entry i, and
// the index with them.
func relist(i uint64, change func(keys [][]byte, at time.Time) ([][]byte, time.Time)) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		e, err := readEntry(txn, i)
		if err != nil {
			return err
		}
		var errs []error
		for _, k := range e.Keys {
			errs = append(errs, txn.Delete(indexKey(k, e.At, i)))
		}
		keys, at := change(e.Keys, e.At)
		for _, k := range keys {
			errs = append(errs, txn.Set(indexKey(k, at, i), nil))
		}
		return errors.Join(append(errs, txn.Set(metaKey(i), formatMeta(at, keys)))...)
	}
}

// cut takes away entries from size on, with all that belongs to them.
func cut(txn *badger.Txn, size uint64) error {
	errs := []error{txn.Set(keySize, binary.BigEndian.AppendUint64(nil, size))}
	for i := size; i < tamperSize; i++ {
		e, err := readEntry(txn, i)
		if err != nil {
			return err
		}
		for _, k := range e.Keys {
			errs = append(errs, txn.Delete(indexKey(k, e.At, i)))
		}
		errs = append(errs, txn.Delete(leafKey(i)), txn.Delete(bodyKey(i)), txn.Delete(saltKey(i)), txn.Delete(metaKey(i)), txn.Delete(checkpointKey(i+1)))
	}
	return errors.Join(errs...)
}

// respell puts another letter in the place of one in base64, counted from the
// end where at is negative.
func respell(key []byte, at int) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		b, err := get(txn, key)
		if err != nil {
			return err
		}
		if at < 0 {
			at += len(b)
		}
		if b[at]++; !strings.ContainsRune("BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz123456789", rune(b[at])) {
			b[at] = 'A'
		}
		return txn.Set(key, b)
	}
}

// Who can do it: the store's key opens the store, the device's key signs.
const (
	storeKey  = "store's key"
	deviceKey = "store's and device's keys"
)

// Every way of changing the store is found, by the check that docs/tamper.md
// names.
func TestTamper(t *testing.T) {
	rows := [][]string{{"what is done", "with", "found at entry", "as", "what `limen history verify` says"}}
	for _, c := range []struct {
		name, with string
		change     func(*badger.Txn) error
		index      uint64
		part       string
	}{
		{"a body edited", storeKey, flip(bodyKey(6), 3), 6, "content"},
		{"a salt edited", storeKey, flip(saltKey(2), 31), 2, "content"},
		{"a leaf edited", storeKey, flip(leafKey(9), 0), 9, "content"},
		{"a leaf's hash edited", storeKey, flip(hashKey(tlog.StoredHashIndex(0, 5)), 8), 5, "tree"},
		{"a hash of the tree edited", storeKey, flip(hashKey(tlog.StoredHashIndex(2, 1)), 8), 7, "tree"}, // complete with entry 7
		{"a body taken away", storeKey, func(txn *badger.Txn) error { return txn.Delete(bodyKey(4)) }, 4, "content"},
		{"a leaf taken away", storeKey, func(txn *badger.Txn) error { return txn.Delete(leafKey(0)) }, 0, "leaf"},
		{"body, salt, leaf and leaf's hash exchanged", storeKey, func(txn *badger.Txn) error {
			leaf := Commitment(make([]byte, SaltSize), []byte("another story"))
			h := tlog.RecordHash(leaf[:])
			return errors.Join(txn.Set(bodyKey(3), []byte("another story")), txn.Set(saltKey(3), make([]byte, SaltSize)),
				txn.Set(leafKey(3), leaf[:]), txn.Set(hashKey(tlog.StoredHashIndex(0, 3)), h[:]))
		}, 3, "tree"},
		{"two entries swapped, with salts and leaves", storeKey, func(txn *badger.Txn) error {
			a, errA := readEntry(txn, 4)
			b, errB := readEntry(txn, 7)
			errs := []error{errA, errB}
			for i, e := range map[uint64]Entry{4: b, 7: a} {
				errs = append(errs, txn.Set(bodyKey(i), e.Body), txn.Set(saltKey(i), e.Salt), txn.Set(leafKey(i), e.Leaf[:]))
			}
			return errors.Join(errs...)
		}, 4, "tree"},
		{"the whole tree made anew", storeKey, rewrite, 7, "cosignature"},
		{"the whole tree made anew, cosignatures taken away", storeKey, func(txn *badger.Txn) error {
			return errors.Join(rewrite(txn), txn.Delete(cosignedKey(tamperSeen)))
		}, 10, "checkpoint"},
		{"the whole tree made anew and signed anew", deviceKey, func(txn *badger.Txn) error {
			return errors.Join(rewrite(txn), signAnew(txn, tamperSize, newSigner("gate-1")))
		}, 7, "cosignature"},
		{"a checkpoint's root edited", storeKey, respell(checkpointKey(tamperSize), len("limen/gate-1\n11\n")+4), 10, "checkpoint"},
		{"a checkpoint's signature edited", storeKey, respell(checkpointKey(tamperSize), -10), 10, "checkpoint"},
		{"a checkpoint signed with another key", storeKey, func(txn *badger.Txn) error { return signAnew(txn, tamperSize, newSigner("somebody")) }, 10, "checkpoint"},
		{"a cosignature edited", storeKey, respell(cosignedKey(tamperSeen), -10), 7, "cosignature"},
		{"an index key taken away", storeKey, func(txn *badger.Txn) error {
			e, err := readEntry(txn, 7)
			if err != nil {
				return err
			}
			return txn.Delete(indexKey(e.Keys[1], e.At, 7))
		}, 7, "index"},
		{"an index key taken away, with the entry's own list", storeKey, relist(7, func(keys [][]byte, at time.Time) ([][]byte, time.Time) { return keys[1:], at }), 7, "index"},
		{"an entry put under another document", storeKey, relist(7, func(keys [][]byte, at time.Time) ([][]byte, time.Time) {
			return [][]byte{[]byte("docz"), keys[1]}, at
		}), 7, "index"},
		{"an index key planted", storeKey, func(txn *badger.Txn) error { return txn.Set(indexKey([]byte("docz"), start, 5), nil) }, 5, "index"},
		{"an entry's time edited", storeKey, relist(7, func(keys [][]byte, at time.Time) ([][]byte, time.Time) { return keys, at.Add(-time.Hour) }), 7, "time"},
		{"a tombstone planted", storeKey, func(txn *badger.Txn) error { return txn.Set(tombKey(5), []byte("limen tombstone v1")) }, 5, "tombstone"},
		{"a tombstone planted, the content taken away", storeKey, func(txn *badger.Txn) error {
			return errors.Join(txn.Set(tombKey(5), []byte("limen tombstone v1")), txn.Delete(bodyKey(5)), txn.Delete(saltKey(5)), txn.Delete(metaKey(5)))
		}, 5, "tombstone"},
		{"an erased entry's tombstone used for another", storeKey, func(txn *badger.Txn) error {
			key, _, err := noteKeys("limen/gate-1", newSigner("gate-1"))
			if err != nil {
				return err
			}
			leaf, err := getHash(txn, leafKey(2))
			if err != nil {
				return err
			}
			signed, err := note.Sign(&note.Note{Text: tombText("limen/gate-1", Stub{2, leaf})}, key) // as erasing entry 2 leaves it
			return errors.Join(err, txn.Set(tombKey(5), signed), txn.Delete(bodyKey(5)), txn.Delete(saltKey(5)), txn.Delete(metaKey(5)))
		}, 5, "tombstone"},
		{"a tombstone and the content left behind", deviceKey, func(txn *badger.Txn) error {
			key, _, err := noteKeys("limen/gate-1", newSigner("gate-1"))
			if err != nil {
				return err
			}
			leaf, err := getHash(txn, leafKey(5))
			if err != nil {
				return err
			}
			signed, err := note.Sign(&note.Note{Text: tombText("limen/gate-1", Stub{5, leaf})}, key)
			return errors.Join(err, txn.Set(tombKey(5), signed))
		}, 5, "content"},
		{"the size set back", storeKey, func(txn *badger.Txn) error { return txn.Set(keySize, []byte{0, 0, 0, 0, 0, 0, 0, 8}) }, 8, "checkpoint"},
		{"the size set back, the last checkpoint taken away", storeKey, func(txn *badger.Txn) error {
			return errors.Join(txn.Set(keySize, []byte{0, 0, 0, 0, 0, 0, 0, 8}), txn.Delete(checkpointKey(tamperSize)))
		}, 8, "leaf"},
		{"the last entries dropped, and signed anew", deviceKey, func(txn *badger.Txn) error {
			return errors.Join(cut(txn, 6), signAnew(txn, 6, newSigner("gate-1")))
		}, 6, "checkpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, check := tamperable(t)
			edit(t, dir, c.change)
			j := openTest(t, dir, testOptions())
			v, err := j.Verify(t.Context(), check)
			if err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if v.Fault == nil || v.Fault.Index != c.index || v.Fault.Part != c.part {
				t.Fatalf("got fault %v, want entry %d, %s", v.Fault, c.index, c.part)
			}
			rows = append(rows, []string{c.name, c.with, strconv.FormatUint(v.Fault.Index, 10), v.Fault.Part, v.Fault.What})
		})
	}
	repotest.DocTable(t, "tamper.md", "device", rows, *update)
}

// A clock that was set shows, though nothing stored was changed.
func TestClockThatWasSet(t *testing.T) {
	rows := [][]string{{"what is done", "found at entry", "what `limen history verify` says"}}
	for _, c := range []struct {
		name    string
		at      func(i int) time.Duration // of entry i, after start
		seen    time.Duration             // when a witness cosigned the first 4 of 8
		entries string                    // misdated
	}{
		{"nothing", func(i int) time.Duration { return time.Duration(i) * time.Minute }, 4 * time.Minute, "[]"},
		{"clock set right by minutes", func(i int) time.Duration { return time.Duration(i)*time.Minute - time.Duration(i/3)*3*time.Minute }, 4 * time.Minute, "[]"},
		{"the clock set back, between entries", func(i int) time.Duration {
			return time.Duration(i)*time.Minute - time.Duration(i/6)*24*time.Hour
		}, 4 * time.Minute, "[6 7]"},
		{"the clock set back, at an entry a witness had not seen", func(i int) time.Duration { return time.Duration(i) * time.Minute }, 10 * time.Hour, "[4 5 6 7]"},
		{"the clock set forward", func(i int) time.Duration { return time.Duration(i) * 24 * time.Hour }, 4 * time.Minute, "[3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, i := testOptions(), 0
			o.Now = func() time.Time { i++; return start.Add(c.at(i - 1)) }
			j := openTest(t, t.TempDir(), o)
			appendN(t, j, 4)
			w, err := NewCosigner("limen/gate-2", newSigner("gate-2"), func() time.Time { return start.Add(c.seen) })
			if err != nil {
				t.Fatal(err)
			}
			signed, err := j.Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			text, _, _ := strings.Cut(string(signed), "\n\n")
			lines, err := w.Lines(text + "\n")
			if err != nil {
				t.Fatal(err)
			}
			if err := j.AddCosignatures(t.Context(), append(signed, lines...)); err != nil {
				t.Fatal(err)
			}
			appendN(t, j, 4)
			v, err := j.Verify(t.Context(), Check{Witnesses: []*CosignatureVerifier{w.CosignatureVerifier}})
			if err != nil || v.Fault != nil {
				t.Fatalf("Verify: got %v, %v", v.Fault, err)
			}
			misdated := []uint64{}
			for _, f := range v.Clock {
				misdated = append(misdated, f.Index)
			}
			if got := fmt.Sprint(misdated); got != c.entries || v.Misdated != uint64(len(misdated)) {
				t.Fatalf("got %s misdated (%d): %v; want %s", got, v.Misdated, v.Clock, c.entries)
			}
			if len(v.Clock) > 0 {
				rows = append(rows, []string{c.name, strconv.FormatUint(v.Clock[0].Index, 10), v.Clock[0].What})
			}
		})
	}
	repotest.DocTable(t, "tamper.md", "clock", rows, *update)
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
