package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"limen/internal/repotest"
)

// secret is a needle that no other entry has a part of.
func secret(what string, i int) []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %d", what, i))
	return h[:]
}

// found tells in which of the files below dir a needle lies.
func found(t *testing.T, dir string, needle []byte) (in []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, needle) {
			in = append(in, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// After an erasure no byte of what was erased is in any file of the store, in
// any version, and nothing tells which leaves went together.
func TestErasedBytesAreGoneFromEveryFile(t *testing.T) {
	for _, c := range []struct {
		name string
		opts func(*Options)
	}{
		{"in the clear", func(o *Options) { o.Key, o.Clear = nil, true }},
		{"encrypted", func(*Options) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, opts := t.TempDir(), testOptions()
			c.opts(&opts)
			j := openTest(t, dir, opts)
			const n, every = 400, 7
			document := secret("document", 0)
			var mine []uint64
			for i := range n {
				d := Draft{Body: slices.Concat([]byte("body "), secret("body", i)), Keys: [][]byte{secret("key", i)}}
				if i%every == 3 {
					d.Keys = append(d.Keys, document)
					d.Beside = []Pair{{Name: slices.Concat([]byte("ask"), document), Indexed: true}}
					mine = append(mine, uint64(i))
				}
				if _, err := j.AppendDraft(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				if i == n/2 { // half lies in tables, half in memory and its log
					j.Close()
					j = openTest(t, dir, opts)
				}
			}
			mapping := slices.Concat([]byte("map"), secret("trace", 0))
			for range 3 { // several versions
				if err := j.PutBeside(t.Context(), Pair{Name: mapping, Value: document}); err != nil {
					t.Fatal(err)
				}
			}
			needles := map[string][]byte{"mapping's value": document, "mapping's name": mapping[8:]}
			for _, i := range mine {
				e, err := j.Entry(i)
				if err != nil {
					t.Fatal(err)
				}
				needles[fmt.Sprint("body ", i)], needles[fmt.Sprint("salt ", i)] = e.Body[5:], e.Salt
				needles[fmt.Sprint("key ", i)] = e.Keys[0][8:]
			}
			if opts.Clear {
				for what, needle := range needles {
					if found(t, dir, needle) == nil {
						t.Fatalf("%s is not in the files before the erasure: the search finds nothing", what)
					}
				}
			}
			root := j.Root()
			if err := j.Forget(t.Context(), Erasure{Entries: mine, Beside: [][]byte{mapping, slices.Concat([]byte("ask"), document)}}); err != nil {
				t.Fatal(err)
			}
			absent := func(when string) {
				t.Helper()
				for what, needle := range needles {
					if in := found(t, dir, needle); in != nil {
						t.Errorf("%s: %s is still in %v", when, what, in)
					}
				}
			}
			absent("while open")
			versions := noTraces(t, j, mine, needles)
			if len(versions) != 1 {
				t.Errorf("tombstones have the versions %v, which tell which came together", versions)
			}
			for name, err := range map[string]error{"mapping": second(j.Beside(mapping)), "question": second(j.Beside(slices.Concat([]byte("ask"), document)))} {
				if !errors.Is(err, ErrNoEntry) {
					t.Errorf("%s: got %v, want ErrNoEntry", name, err)
				}
			}
			for range j.Find(document, time.Time{}) {
				t.Error("the document is still found")
			}
			if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil || v.Erased != uint64(len(mine)) || v.Root != root {
				t.Errorf("Verify: got %+v, %v; want %d erased under the same root", v, err, len(mine))
			}
			for i := range uint64(n) {
				e, err := j.Entry(i)
				if err != nil {
					t.Fatal(err)
				}
				p, err := j.ProveInclusion(i, n)
				if err != nil {
					t.Fatal(err)
				}
				if err := tlog.CheckRecord(p, n, root, int64(i), tlog.RecordHash(e.Leaf[:])); err != nil {
					t.Fatalf("entry %d: its proof: %v", i, err)
				}
			}
			j.Close()
			absent("after closing")
			j = openTest(t, dir, opts)
			if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil || v.Root != root {
				t.Errorf("reopened: got %+v, %v", v, err)
			}
		})
	}
}

func second(_ []byte, err error) error { return err }

// noTraces looks through every version of every key of the store, decrypted,
// and returns the versions that tombstones have.
func noTraces(t *testing.T, j *Journal, erased []uint64, needles map[string][]byte) map[uint64]bool {
	t.Helper()
	versions := map[uint64]bool{}
	txn := j.db.NewTransactionAt(1<<63, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	tombs := 0
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			t.Fatal(err)
		}
		if key[0] == 't' {
			tombs++
			versions[it.Item().Version()] = true
		}
		if key[0] == 'x' {
			t.Error("the note of what was erased is still there")
		}
		if len(key) == 9 && slices.Contains([]byte("bse"), key[0]) && slices.Contains(erased, binary.BigEndian.Uint64(key[1:])) {
			t.Errorf("a version of %q of entry %d is still there", key[0], binary.BigEndian.Uint64(key[1:]))
		}
		for what, needle := range needles {
			if bytes.Contains(key, needle) || bytes.Contains(value, needle) {
				t.Errorf("%s is still under a key of kind %q", what, key[0])
			}
		}
	}
	if tombs != len(erased) {
		t.Errorf("got %d tombstones, want %d", tombs, len(erased))
	}
	return versions
}

// An erasure that a power cut ended is finished when the journal opens: here
// only the note of it was written, or half of the work was done as well.
func TestErasureIsTakenUpAgain(t *testing.T) {
	for _, buried := range []int{0, 2} {
		dir := t.TempDir()
		j := openTest(t, dir, testOptions())
		appendN(t, j, 9)
		name := []byte("map of a document")
		if err := j.PutBeside(t.Context(), Pair{Name: name, Value: []byte("it")}); err != nil {
			t.Fatal(err)
		}
		e := Erasure{Entries: []uint64{2, 5, 7}, Beside: [][]byte{name}}
		if err := j.intend(e); err != nil {
			t.Fatal(err)
		}
		if err := j.bury(e.Entries[:buried]); err != nil {
			t.Fatal(err)
		}
		j.Close()
		j = openTest(t, dir, testOptions())
		v, err := j.Verify(t.Context(), Check{})
		if err != nil || v.Fault != nil || v.Erased != 3 {
			t.Errorf("%d buried: got %+v, %v; want 3 erased", buried, v, err)
		}
		if _, err := j.Beside(name); !errors.Is(err, ErrNoEntry) {
			t.Errorf("%d buried: what lay beside: %v, want ErrNoEntry", buried, err)
		}
	}
}

// Reading, proving and appending go on while entries are erased.
func TestErasureBesideReaders(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 200)
	done := make(chan error, 1)
	go func() {
		var err error
		for i := uint64(0); i < 100 && err == nil; i += 20 {
			err = j.Erase(bg, i, i+1, i+2, i+3)
		}
		done <- err
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Error(err)
			}
		default:
		}
		for i := range uint64(100) {
			if _, err := j.Entry(i); err != nil {
				t.Fatal(err)
			}
		}
		appendN(t, j, 1)
		if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil {
			t.Fatalf("while erasing: %+v, %v", v, err)
		}
	}
	if v, err := j.Verify(t.Context(), Check{}); err != nil || v.Fault != nil || v.Erased != 20 {
		t.Errorf("got %+v, %v; want 20 erased", v, err)
	}
}

func TestTombstones(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 4)
	if err := j.Erase(t.Context(), 1, 2); err != nil {
		t.Fatal(err)
	}
	signed, err := j.Tombstone(1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.Entry(1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTombstone(signed, j.Verifier()); err != nil || got != (Stub{1, e.Leaf}) {
		t.Errorf("got %+v, %v; want entry 1", got, err)
	}
	if err := CheckTombstone(signed, j.Verifier(), Stub{2, e.Leaf}); err == nil {
		t.Error("the tombstone was taken for another entry's")
	}
	if _, err := OpenCheckpoint(signed, j.Verifier()); err == nil {
		t.Error("a tombstone was taken for a checkpoint")
	}
	if _, err := j.Tombstone(3); !errors.Is(err, ErrNoEntry) {
		t.Errorf("an entry that is there: got %v, want ErrNoEntry", err)
	}
	checkpoint, err := j.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseTombstone(checkpoint, j.Verifier()); err == nil {
		t.Error("a checkpoint was taken for a tombstone")
	}
}

func FuzzTombstone(f *testing.F) {
	f.Add(tombText("limen/gate-1", Stub{7, Hash{1}}))
	f.Add(tombText("", Stub{}))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := repotest.Parsed(t, []byte(text), func(b []byte) (Stub, error) { return parseTombText(string(b)) })
		if err != nil {
			return
		}
		_, rest, _ := strings.Cut(text, "\n")
		origin, _, _ := strings.Cut(rest, "\n")
		if got := tombText(origin, s); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}
