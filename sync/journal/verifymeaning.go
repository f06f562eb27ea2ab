package journal

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// How far times may lie apart that should agree: an entry's from its body's,
// which the same clock gave moments before, and the device's clock from a
// witness's or from itself after it was set right.
const (
	bodySlack  = 5 * time.Minute
	clockSlack = 10 * time.Minute
)

// maxClock is how many misdated entries a verdict names; the rest it counts.
const maxClock = 8

// dated is an entry and its time.
type dated struct {
	i  uint64
	at time.Time
}

// meaning compares an entry's index keys and time with its body, and its time
// with the entries before it.
func (w *walk) meaning(e Entry) {
	distinct := slices.Clone(e.Keys)
	slices.SortFunc(distinct, bytes.Compare)
	distinct = slices.CompactFunc(distinct, bytes.Equal)
	w.keys += uint64(len(distinct))
	if w.check.Meaning != nil {
		if m, ok := w.check.Meaning(e.Body); ok && !w.agrees(e, distinct, m) {
			return
		}
	}
	if e.At.Before(w.latest.Add(-clockSlack)) {
		w.misdated(e.Index, "it is dated %s, %v before an entry that precedes it: the clock was set back", stamp(e.At), w.latest.Sub(e.At).Round(time.Second))
	} else if e.At.Before(w.shown.Add(-clockSlack)) {
		w.misdated(e.Index, "it is dated %s, and at %s the device showed a witness a log without it: the clock was set back", stamp(e.At), stamp(w.shown))
	}
	if e.At.After(w.latest) {
		w.latest = e.At
	}
	if e.At.After(w.ahead.at) {
		w.ahead = dated{e.Index, e.At}
	}
}

func (w *walk) agrees(e Entry, keys [][]byte, m Meaning) bool {
	want := slices.Clone(m.Keys)
	slices.SortFunc(want, bytes.Compare)
	want = slices.CompactFunc(want, bytes.Equal)
	if !slices.EqualFunc(keys, want, bytes.Equal) {
		w.fault(e.Index, "index", "it is to be found by %d keys and its body says %d, or others", len(keys), len(want))
		return false
	}
	if apart := e.At.Sub(m.At).Abs(); !m.At.IsZero() && apart > bodySlack {
		w.fault(e.Index, "time", "it is dated %s and its body %v apart from that", stamp(e.At), apart.Round(time.Second))
		return false
	}
	return true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (w *walk) misdated(i uint64, what string, args ...any) {
	w.verdict.Misdated++
	if len(w.verdict.Clock) < maxClock {
		w.verdict.Clock = append(w.verdict.Clock, Fault{Index: i, Part: "time", What: fmt.Sprintf(what, args...)})
	}
}

// strayKeys finds what the index holds beyond what entries list. It counts
// first: a key that is there for every one that is listed leaves no room for
// another unless there are more.
func (w *walk) strayKeys() error {
	var found uint64
	it := w.txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'i'}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		found++
	}
	if found == w.keys {
		return nil
	}
	for it.Rewind(); it.Valid(); it.Next() {
		k := it.Item().Key()
		n := 0
		if len(k) > 1 {
			n = int(k[1])
		}
		if len(k) != 2+n+16 {
			w.fault(w.verdict.Size, "index", "the index holds a key that is none")
			return nil
		}
		i, _ := parseUint64(k[len(k)-8:])
		meta, err := get(w.txn, metaKey(i))
		var at time.Time
		var keys [][]byte
		if err == nil {
			at, keys, err = parseMeta(meta)
		}
		if err != nil || !slices.ContainsFunc(keys, func(own []byte) bool { return bytes.Equal(indexKey(own, at, i), k) }) {
			if i < w.verdict.Size && w.erasedNow(i) && w.view(func(now *badger.Txn) error { _, err := now.Get(k); return err }) != nil {
				continue // both went while this ran
			}
			w.fault(i, "index", "the index leads to it by a key that is not its own")
			return nil
		}
	}
	return nil
}
