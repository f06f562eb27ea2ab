package outbox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

type key ed25519.PrivateKey

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(ed25519.PrivateKey(k), m), nil }
func (k key) PublicKey() []byte             { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

type bench struct {
	dir    string
	device key
	centre note.Signer
	trust  note.Verifier
}

func newBench(t *testing.T) *bench {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: t.TempDir(), device: key(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)))}
	b.centre, _ = note.NewSigner(skey)
	b.trust, _ = note.NewVerifier(vkey)
	return b
}

func (b *bench) journal(t *testing.T, name string, entries int) *journal.Journal {
	t.Helper()
	j, err := journal.Open(filepath.Join(b.dir, name), journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: b.device, Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	for i := range entries {
		if _, err := j.Append(t.Context(), fmt.Appendf(nil, "entry %d of %s", i, name)); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func (b *bench) open(j *journal.Journal) (*Outbox, error) {
	return Open(Options{Journal: j, Device: "gate-1", Centre: b.trust, Path: filepath.Join(b.dir, "receipt")})
}

func (b *bench) receipt(t *testing.T, j *journal.Journal, size uint64) []byte {
	t.Helper()
	root, err := j.RootAt(size)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := wire.Receipt{Device: "gate-1", Size: size, Root: root}.Sign(b.centre)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestMovesOnlyWithReceipts(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 10)
	o, err := b.open(j)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same until acknowledged
		batch, err := o.Next(t.Context(), 4)
		if err != nil || batch.First != 0 || len(batch.Entries) != 4 {
			t.Fatalf("Next: got first %d, %d entries, %v; want 0, 4", batch.First, len(batch.Entries), err)
		}
		c, err := journal.OpenCheckpoint(batch.Checkpoint, j.Verifier())
		if err != nil || c.Size != 4 {
			t.Errorf("checkpoint: got size %d, %v; want 4", c.Size, err)
		}
	}
	if at, err := o.Acknowledge(b.receipt(t, j, 4)); err != nil || at != 4 || o.Behind() != 6 {
		t.Errorf("Acknowledge: got %d, %v, behind %d; want 4, behind 6", at, err, o.Behind())
	}
	if at, err := o.Acknowledge(b.receipt(t, j, 2)); err != nil || at != 2 || o.Position() != 4 {
		t.Errorf("an older receipt: got %d, %v; want 4", at, err)
	}
	batch, err := o.Next(t.Context(), 100)
	if err != nil || batch.First != 4 || len(batch.Entries) != 6 {
		t.Errorf("Next: got first %d, %d entries, %v; want 4, 6", batch.First, len(batch.Entries), err)
	}
	o.Rewind(t.Context(), 1)
	for _, later := range []uint64{1, 3, 99} { // not without a receipt
		o.Rewind(t.Context(), later)
	}
	if batch, _ := o.Next(t.Context(), 2); batch.First != 1 || o.Position() != 4 || o.Behind() != 9 {
		t.Errorf("after Rewind: got first %d, position %d, behind %d; want 1, 4, 9", batch.First, o.Position(), o.Behind())
	}
	if o, err = b.open(j); err != nil || o.Position() != 4 {
		t.Errorf("opened again: got position %d, %v; want 4", o.Position(), err)
	}
}

func TestForgedReceiptsMoveNothing(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 5)
	o, err := b.open(j)
	if err != nil {
		t.Fatal(err)
	}
	root := j.Root()
	otherKey, _, _ := note.GenerateKey(rand.Reader, "centre")
	forger, _ := note.NewSigner(otherKey)
	sign := func(r wire.Receipt, s note.Signer) []byte {
		signed, err := r.Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for name, signed := range map[string][]byte{
		"another key":    sign(wire.Receipt{Device: "gate-1", Size: 5, Root: root}, forger),
		"another device": sign(wire.Receipt{Device: "gate-2", Size: 5, Root: root}, b.centre),
		"another root":   sign(wire.Receipt{Device: "gate-1", Size: 4, Root: root}, b.centre),
		"too many":       sign(wire.Receipt{Device: "gate-1", Size: 6, Root: root}, b.centre),
		"no signature":   []byte(wire.Receipt{Device: "gate-1", Size: 5, Root: root}.Text()),
		"nothing":        nil,
	} {
		if at, err := o.Acknowledge(signed); err == nil || at != 0 {
			t.Errorf("%s: got position %d, %v; want 0 and an error", name, at, err)
		}
	}
	if _, err := os.Stat(filepath.Join(b.dir, "receipt")); err == nil {
		t.Error("a refused receipt was stored")
	}
}

func TestOpenJudgesTheStoredReceipt(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 5)
	o, err := b.open(j)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Acknowledge(b.receipt(t, j, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(b.journal(t, "cut", 3)); !errors.Is(err, ErrRewritten) {
		t.Errorf("a cut journal: got %v, want ErrRewritten", err)
	}
	if _, err := b.open(b.journal(t, "another", 7)); !errors.Is(err, ErrRewritten) {
		t.Errorf("another journal: got %v, want ErrRewritten", err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "receipt"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err := b.open(j); err != nil || o.Position() != 0 {
		t.Errorf("a torn file: got %v; want to begin anew", err)
	}
}

func TestNextWakesOnAppend(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 0)
	o, err := b.open(j)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan wire.Batch, 1)
	go func() {
		batch, _ := o.Next(t.Context(), 10)
		got <- batch
	}()
	if _, err := j.Append(t.Context(), []byte("first")); err != nil {
		t.Fatal(err)
	}
	if batch := <-got; len(batch.Entries) != 1 || string(batch.Entries[0].Body) != "first" {
		t.Errorf("got %d entries, want the first", len(batch.Entries))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Acknowledge(b.receipt(t, j, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Next(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: got %v", err)
	}
}

// An erased entry is its leaf, and the device's word that it is erased.
func TestErasedEntriesTravelAsLeaves(t *testing.T) {
	b := newBench(t)
	j := b.journal(t, "journal", 3)
	if err := j.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	o, err := b.open(j)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := o.Next(t.Context(), 10)
	if err != nil || len(batch.Entries) != 3 || batch.Entries[1].Body != nil || batch.Entries[1].Salt != nil || len(batch.Entries[1].Leaf) != 32 {
		t.Errorf("got %+v, %v", batch.Entries, err)
	}
	if _, err := batch.Encode(); err != nil {
		t.Errorf("Encode: %v", err)
	}
	if len(batch.Tombstones) != 1 || journal.CheckTombstone(batch.Tombstones[0], j.Verifier(), journal.Stub{Index: 1, Leaf: journal.Hash(batch.Entries[1].Leaf)}) != nil {
		t.Errorf("got %d tombstones, want that of the erased entry", len(batch.Tombstones))
	}
}
