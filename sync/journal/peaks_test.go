package journal

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Roots and hashes are those of the library that keeps whole trees.
func TestPeaksAgreeWithStoredTree(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	var p Peaks
	for i := range uint64(70) {
		if want, err := tlog.TreeHash(int64(i), reader); err != nil || p.Root() != want {
			t.Fatalf("root of %d leaves: got %v, want %v (%v)", i, p.Root(), want, err)
		}
		leaf := Hash{byte(i), 1}
		hashes, err := tlog.StoredHashes(int64(i), leaf[:], reader)
		if err != nil {
			t.Fatal(err)
		}
		first, shown := int64(len(stored)), 0
		stored = append(stored, hashes...)
		err = p.Add(i, leaf, func(level int, n int64, h Hash) (bool, error) {
			if at := tlog.StoredHashIndex(level, n); at != first+int64(shown) || h != stored[at] {
				t.Errorf("entry %d: got hash %d %v, want number %d", i, at, h, first+int64(shown))
			}
			shown++
			return true, nil
		})
		if err != nil || shown != len(hashes) {
			t.Errorf("entry %d: got %d hashes and %v, want %d", i, shown, err, len(hashes))
		}
	}
}

func TestPeaksStopWhenTold(t *testing.T) {
	wrong := errors.New("wrong")
	for _, want := range []error{nil, wrong} {
		var p Peaks
		calls := 0
		err := p.Add(0, Hash{}, func(int, int64, Hash) (bool, error) { calls++; return false, want })
		if err != want || calls != 1 || len(p) != 0 {
			t.Errorf("got %v after %d calls with %d peaks, want %v after one, with none", err, calls, len(p), want)
		}
	}
}
