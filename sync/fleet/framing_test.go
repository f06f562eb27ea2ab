package fleet

import (
	"bytes"
	"strings"
	"testing"

	"limen/sync/journal"
	"limen/sync/wire"
)

// forge puts an entry that is sound in itself in the place of the device's.
func forge(b *wire.Batch, k int) {
	e := wire.Entry{Salt: bytes.Repeat([]byte{5}, journal.SaltSize), Body: []byte("what the device never said")}
	leaf := journal.Commitment(e.Salt, e.Body)
	e.Leaf = leaf[:]
	b.Entries[k] = e
}

func (b *bare) blamed() (rewritten int64, evidence []byte) {
	b.t.Helper()
	if err := b.records.read.QueryRow("SELECT rewritten, evidence FROM devices WHERE name = $1", b.name).Scan(&rewritten, &evidence); err != nil {
		b.t.Fatal(err)
	}
	return rewritten, evidence
}

// Who stands between device and centre changes leaves under the device's
// genuine checkpoints: that is not the device's doing.
func TestNobodyElseMakesADeviceARewriter(t *testing.T) {
	onBoth(t, testNobodyElseMakesADeviceARewriter)
}

func testNobodyElseMakesADeviceARewriter(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(20)
	b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	for name, test := range map[string]struct{ first, end, forged uint64 }{
		"what is held":             {0, 10, 3},
		"a part of what is held":   {2, 6, 5},
		"held, before new entries": {5, 15, 5},
		"new, after held ones":     {5, 15, 12},
		"new":                      {10, 15, 10},
		"all from the beginning":   {0, 20, 0},
	} {
		batch := b.batch(b.journal, test.first, test.end)
		forge(&batch, int(test.forged-test.first))
		a := b.send(b.name, batch)
		if a.Refusal != wire.RefusedMalformed || a.Have != 10 || !strings.Contains(a.Detail, "do not have the root the device signed") {
			t.Errorf("%s: got %q, have %d, %q; want malformed, 10, ... do not have the root the device signed", name, a.Refusal, a.Have, a.Detail)
		}
		if at, evidence := b.blamed(); at != 0 || evidence != nil {
			t.Fatalf("%s: the device is blamed at %d, by %q; want it blamed for nothing", name, at, evidence)
		}
	}
	b.wantReceipt("the truth", b.send(b.name, b.batch(b.journal, 0, 20)), 20)
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault != nil {
		t.Errorf("Verify: got %+v, %v; want no fault", v, err)
	}
}

// The device's own signature is what proves that it has another history.
func TestRewriterIsShownByItsOwnSignature(t *testing.T) {
	onBoth(t, testRewriterIsShownByItsOwnSignature)
}

func testRewriterIsShownByItsOwnSignature(t *testing.T, at place) {
	for name, test := range map[string]struct {
		first, end uint64
		want       wire.Refusal
		says       string
	}{
		"of the same size":               {0, 10, wire.RefusedHistory, "another root for the first 10"},
		"of a smaller size":              {2, 4, wire.RefusedHistory, "another root for the first 4"},
		"of a larger size, shown":        {0, 15, wire.RefusedHistory, "entry 0 is not the one the centre stored"},
		"of a larger size, not shown":    {5, 15, wire.RefusedMalformed, "do not have the root the device signed"},
		"of a larger size, nothing held": {10, 15, wire.RefusedMalformed, "do not have the root the device signed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBare(t, at)
			b.append(10)
			b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
			b.journal = b.openJournal("another") // same device, same key, other salts
			b.append(15)
			batch := b.batch(b.journal, test.first, test.end)
			a := b.send(b.name, batch)
			if a.Refusal != test.want || !strings.Contains(a.Detail, test.says) {
				t.Errorf("got %q, %q; want %s, ... %s", a.Refusal, a.Detail, test.want, test.says)
			}
			at, evidence := b.blamed()
			if proven := test.want == wire.RefusedHistory; (at != 0) != proven || proven && !bytes.Equal(evidence, batch.Checkpoint) {
				t.Errorf("blamed at %d by %q; want it blamed: %t, by the checkpoint it signed", at, evidence, proven)
			}
			if n, err := b.records.Stored(t.Context(), b.name); n != 10 || err != nil {
				t.Errorf("got %d stored, %v; want 10", n, err)
			}
		})
	}
}
