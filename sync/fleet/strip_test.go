package fleet

import (
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
	all := b.batch(b.journal, 0, 10)
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
	refused("one more stripped", more, "vouched for other erased entries")
	other := b.batch(b.journal, 0, 7)
	other.Vouched = honest.Vouched
	strip(&other, 3)
	refused("with the word for another", other, "vouched for other erased entries")
	forger := newBare(t, at)
	forger.key = newKey(2)
	forger.journal = forger.openJournal("forged")
	forger.append(10)
	if err := forger.journal.Erase(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	other.Vouched = forger.batch(forger.journal, 0, 10).Vouched
	refused("with another's word", other, "not signed by limen/gate-1")
	other.Vouched = other.Checkpoint
	refused("with the checkpoint for a word", other, "vouched for other erased entries")

	b.wantReceipt("what the device sent", b.send(b.name, honest), 10)
	if n := b.contents(); n != 9 {
		t.Errorf("with content: got %d, want 9", n)
	}
	refused("sent again, stripped", all, "10 entries without content")
	if n := b.contents(); n != 9 {
		t.Errorf("with content, after that: got %d, want 9", n)
	}
}

// What is held without content is filled in by a sending that has it, and
// what is held with content never loses it.
func TestContentIsFilledInAndNeverLost(t *testing.T) { onBoth(t, testContentIsFilledInAndNeverLost) }

func testContentIsFilledInAndNeverLost(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(10)
	whole := b.batch(b.journal, 0, 10)
	for _, i := range []uint64{2, 8} {
		if err := b.journal.Erase(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	b.wantReceipt("two erased", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	if n := b.contents(); n != 8 {
		t.Fatalf("with content: got %d, want 8", n)
	}
	wrong := whole
	wrong.Entries = append([]wire.Entry{}, whole.Entries...)
	wrong.Entries[2].Body = []byte("what the leaf does not commit to")
	if a := b.send(b.name, wrong); a.Refusal != wire.RefusedMalformed || b.contents() != 8 {
		t.Errorf("a body that is not the entry's: got %q, %d with content; want malformed, 8", a.Refusal, b.contents())
	}
	b.wantReceipt("a resend with content", b.send(b.name, whole), 10)
	if n := b.contents(); n != 10 {
		t.Errorf("with content, after a resend that has it: got %d, want 10", n)
	}
	b.wantReceipt("a resend without", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	b.append(2)
	b.wantReceipt("and with new ones", b.send(b.name, b.batch(b.journal, 0, 12)), 12)
	if n := b.contents(); n != 12 {
		t.Errorf("with content, after a resend without: got %d, want 12", n)
	}
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault != nil || v[0].Erased != 0 {
		t.Errorf("Verify: got %+v, %v; want no fault, nothing erased", v, err)
	}
}
