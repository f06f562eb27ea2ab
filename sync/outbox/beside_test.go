package outbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"limen/sync/journal"
	"limen/sync/wire"
)

// besides is what a history would have beside its journal.
type besides struct{ gone map[string]uint64 }

func (b besides) Mappings(e journal.Entry) ([]wire.Mapping, error) {
	p := make([]byte, 32)
	p[0] = byte(e.Index / 2) // two entries a document
	return []wire.Mapping{{Pseudonym: p, Key: []byte("key1"), Hash: make([]byte, 32)}}, nil
}

func (b besides) Gone(limit int) (names [][]byte, entries []uint64, err error) {
	for _, name := range slices.Sorted(maps.Keys(b.gone)) {
		names, entries = append(names, []byte(name)), append(entries, b.gone[name])
	}
	return names, entries, nil
}

func (b besides) Told(_ context.Context, names [][]byte) error {
	for _, n := range names {
		delete(b.gone, string(n))
	}
	return nil
}

func (b besides) Retell(_ context.Context, before uint64) error {
	b.gone["again"] = before
	return nil
}

// Mappings travel beside the entries, once for each document, under the
// device's word; tombstones until the centre gives its own.
func TestWhatTravelsBesideEntries(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 4)
	beside := besides{map[string]uint64{}}
	o, err := Open(Options{Journal: j, Device: "gate-1", Centre: b.trust, Path: b.dir + "/receipt", Beside: beside})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := o.Next(t.Context(), 10)
	if err != nil || len(batch.Mappings) != 2 || len(batch.Tombstones) != 0 {
		t.Fatalf("got %d mappings, %d tombstones, %v; want one for each of two documents", len(batch.Mappings), len(batch.Tombstones), err)
	}
	if err := journal.CheckWord(batch.Mapped, j.Verifier(), wire.MappedHead, wire.Spoken(batch.Mappings)); err != nil {
		t.Errorf("the device's word: %v", err)
	}
	if journal.CheckWord(batch.Mapped, j.Verifier(), wire.MappedHead, wire.Spoken(batch.Mappings[:1])) == nil {
		t.Error("the device's word was taken for fewer mappings")
	}
	if err := j.Erase(t.Context(), 0, 2); err != nil {
		t.Fatal(err)
	}
	beside.gone["a"], beside.gone["b"] = 2, 0
	if batch, err = o.Next(t.Context(), 10); err != nil || len(batch.Tombstones) != 2 || !batch.Entries[0].Erased() {
		t.Errorf("before the centre has them: got %d tombstones, %v; want them to travel as leaves, each with its tombstone", len(batch.Tombstones), err)
	}
	if _, err := o.Acknowledge(b.receipt(t, j, 4)); err != nil {
		t.Fatal(err)
	}
	if batch, err = o.Next(t.Context(), 10); err != nil || batch.First != 3 || len(batch.Tombstones) != 2 {
		t.Fatalf("got a batch from %d with %d tombstones, %v; want the last entry to carry two", batch.First, len(batch.Tombstones), err)
	}
	for _, signed := range batch.Tombstones {
		if s, err := journal.ParseTombstone(signed, j.Verifier()); err != nil || s.Index != 0 && s.Index != 2 {
			t.Errorf("got %+v, %v", s, err)
		}
	}
	if _, err := batch.Encode(); err != nil {
		t.Errorf("Encode: %v", err)
	}
	// A centre that says nothing of them gets them with the next entry, not at once.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if again, err := o.Next(ctx, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at once again: got a batch from %d, %v; want it to wait", again.First, err)
	}
	if _, err := j.Append(t.Context(), []byte("news")); err != nil {
		t.Fatal(err)
	}
	if batch, err = o.Next(t.Context(), 10); err != nil || batch.First != 4 || len(batch.Tombstones) != 2 {
		t.Fatalf("got a batch from %d with %d tombstones, %v; want the new entry to carry two", batch.First, len(batch.Tombstones), err)
	}
	forged, err := wire.SignForgotten("gate-1", batch.Tombstones[:1], b.centre)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Forgotten(t.Context(), forged); err == nil || len(beside.gone) != 2 {
		t.Errorf("a word about fewer: got %v, and %d are left; want it refused", err, len(beside.gone))
	}
	word, err := wire.SignForgotten("gate-1", batch.Tombstones, b.centre)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Forgotten(t.Context(), word); err != nil || len(beside.gone) != 0 {
		t.Errorf("got %v, and %d are left; want none", err, len(beside.gone))
	}
}
