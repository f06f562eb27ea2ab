package fleet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"limen/sync/wire"
)

// contents is how many entries of the device the centre holds with content.
func (b *bare) contents() (n int) {
	b.t.Helper()
	if err := b.records.read.QueryRow("SELECT count(*) FROM entries WHERE device = $1 AND salt IS NOT NULL AND body IS NOT NULL AND document IS NOT NULL", b.name).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// rawBatch writes a batch as it is, without the checks of Encode.
func rawBatch(t *testing.T, b wire.Batch) []byte {
	t.Helper()
	b.Version, b.Kind = wire.BatchVersion, wire.KindEntries
	raw, err := cbor.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func strip(b *wire.Batch, k int) { b.Entries[k].Salt, b.Entries[k].Body = nil, nil }

// Who stands between device and centre takes content away: it earns no
// receipt, and so destroys nothing.
func TestStrippedContentEarnsNoReceipt(t *testing.T) { onBoth(t, testStrippedContentEarnsNoReceipt) }

func testStrippedContentEarnsNoReceipt(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(10)
	refused := func(what string, batch wire.Batch, says string) {
		t.Helper()
		held, _ := b.records.Stored(t.Context(), b.name)
		a := b.sendRaw(b.name, rawBatch(t, batch))
		if a.Refusal != wire.RefusedMalformed || !strings.Contains(a.Detail, says) {
			t.Errorf("%s: got %q %q, receipt %d bytes; want malformed, ... %s", what, a.Refusal, a.Detail, len(a.Receipt), says)
		}
		if n, err := b.records.Stored(t.Context(), b.name); n != held || err != nil {
			t.Errorf("%s: got %d stored, %v; want %d", what, n, err, held)
		}
		if v, err := b.records.Devices(t.Context()); err != nil || v[0].Rewritten != 0 {
			t.Errorf("%s: got %+v, %v; want the device blamed for nothing", what, v, err)
		}
	}
	all, whole := b.batch(b.journal, 0, 10), b.batch(b.journal, 0, 10)
	strip(&all, 3)
	refused("one stripped", all, "1 entries without content")
	for k := range all.Entries {
		strip(&all, k)
	}
	refused("all stripped", all, "10 entries without content")

	// The device's word for one entry is none for another, and no other's word counts.
	if err := b.journal.Erase(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	honest := b.batch(b.journal, 0, 10)
	more := b.batch(b.journal, 0, 10)
	strip(&more, 3)
	refused("one more stripped", more, "2 entries without content and 1 tombstones")
	other := b.batch(b.journal, 0, 7)
	other.Tombstones = honest.Tombstones
	strip(&other, 3)
	refused("with the tombstone of another", other, "a tombstone of entry 7 comes with a batch that ends at 7")
	other = b.batch(b.journal, 0, 8)
	if other.Entries[7] = all.Entries[7]; !other.Entries[7].Erased() {
		t.Fatal("entry 7 is not stripped")
	}
	strip(&other, 3)
	other.Entries[7] = whole.Entries[7]
	refused("with the tombstone of another here", other, "entry 3 comes without content and without the device's tombstone")
	forger := newBare(t, at)
	forger.key = newKey(2)
	forger.journal = forger.openJournal("forged")
	forger.append(10)
	if err := forger.journal.Erase(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	other.Tombstones = forger.batch(forger.journal, 0, 10).Tombstones
	refused("with another's tombstone", other, "not signed by limen/gate-1")
	other.Tombstones = [][]byte{other.Checkpoint}
	refused("with the checkpoint for a tombstone", other, "not a tombstone")

	b.wantReceipt("what the device sent", b.send(b.name, honest), 10)
	if n := b.contents(); n != 9 {
		t.Errorf("with content: got %d, want 9", n)
	}
	refused("sent again, stripped", all, "10 entries without content")
	if n := b.contents(); n != 9 {
		t.Errorf("with content, after that: got %d, want 9", n)
	}
}

// What the device erased stays erased at the centre, whenever it was erased and
// whatever comes later; what it did not erase is never lost.
func TestErasedStaysErased(t *testing.T) { onBoth(t, testErasedStaysErased) }

func testErasedStaysErased(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(10)
	whole := b.batch(b.journal, 0, 10)
	erase := func(entries ...uint64) {
		t.Helper()
		if err := b.journal.Erase(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
	}
	held := func(what string, contents int) {
		t.Helper()
		v, err := b.records.Verify(t.Context())
		if n := b.contents(); n != contents || err != nil || v[0].Fault != nil || v[0].Erased != v[0].Size-uint64(contents) {
			t.Errorf("%s: got %d with content, %+v, %v; want %d, and all others erased", what, n, v, err, contents)
		}
	}
	erase(2, 8)
	b.wantReceipt("two erased before they were sent", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	held("two erased before they were sent", 8)
	b.wantReceipt("an older sending, which has them", b.send(b.name, whole), 10)
	held("an older sending, which has them", 8)

	erase(3, 9)
	b.append(2)
	later := b.batch(b.journal, 10, 12)
	for _, i := range []uint64{9, 3} {
		signed, err := b.journal.Tombstone(i)
		if err != nil {
			t.Fatal(err)
		}
		later.Tombstones = append(later.Tombstones, signed)
	}
	a := b.send(b.name, later)
	b.wantReceipt("two erased since, with new ones", a, 12)
	held("two erased since, with new ones", 8)
	if err := wire.CheckForgotten(a.Forgotten, b.name, later.Tombstones, b.trust); err != nil {
		t.Errorf("the centre's word that it erased them: %v", err)
	}
	b.wantReceipt("an older sending again", b.send(b.name, whole), 12)
	held("an older sending again", 8)

	// A tombstone that the device's key signed over another leaf erases nothing.
	other := b.openJournal("another")
	kept := b.journal
	b.journal = other
	b.append(12)
	erase(5)
	b.journal = kept
	forged, err := other.Tombstone(5)
	if err != nil {
		t.Fatal(err)
	}
	for what, batch := range map[string]wire.Batch{"of what is held": b.batch(b.journal, 10, 12), "of what is here": b.batch(b.journal, 4, 12)} {
		batch.Tombstones = append(batch.Tombstones, forged)
		if a := b.send(b.name, batch); a.Refusal != wire.RefusedMalformed || !strings.Contains(a.Detail, "the tombstone of entry 5 is of another leaf") {
			t.Errorf("another history's tombstone, %s: got %q %q", what, a.Refusal, a.Detail)
		}
	}
	held("after that", 8)
}

// What was erased is not in any of the database's files.
func TestErasedIsNotInTheFiles(t *testing.T) {
	b := newBare(t, inSQLite)
	const trace = "a trace of the traveller"
	for _, body := range []string{"before", trace, "after"} {
		if _, err := b.journal.Append(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (n int) {
		files, err := filepath.Glob(b.records.at + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of %s: %v", b.records.at, err)
		}
		for _, f := range files {
			content, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(content, []byte(trace))
		}
		return n
	}
	b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 3)), 3)
	if found() == 0 {
		t.Fatal("the search does not find what is there")
	}
	if err := b.journal.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	b.wantReceipt("erased", b.send(b.name, b.batch(b.journal, 0, 3)), 3)
	if n := found(); n != 0 {
		t.Errorf("found %d times after it was erased", n)
	}
}
