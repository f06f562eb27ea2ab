package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/sync/journal"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// aheadBatch is what a device sends ahead of what the centre does not hold yet.
func (b *bare) aheadBatch(j *journal.Journal, first, end uint64) wire.Batch {
	b.t.Helper()
	batch := b.batch(j, first, end)
	peaks, err := j.PeaksAt(first)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range peaks {
		batch.Peaks = append(batch.Peaks, p[:]...)
	}
	return batch
}

func (b *bare) shown(n int) []CheckView {
	b.t.Helper()
	v, err := b.records.Checks(b.t.Context(), n)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// What is sent ahead is shown at once, earns no receipt, and is there once
// when the rest has come, in whatever pieces.
func TestSentAheadIsHeldOnce(t *testing.T) { onBoth(t, testSentAheadIsHeldOnce) }

func testSentAheadIsHeldOnce(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(60)
	b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	for _, part := range []struct{ first, end uint64 }{{50, 55}, {50, 55}, {53, 60}} {
		if a := b.send(b.name, b.aheadBatch(b.journal, part.first, part.end)); a.Ahead != part.end || len(a.Receipt) > 0 {
			t.Fatalf("sent ahead: got %+v; want word of %d and no receipt", a, part.end)
		}
	}
	if n, err := b.records.Stored(t.Context(), b.name); n != 10 || err != nil {
		t.Errorf("held: got %d, %v; want 10", n, err)
	}
	if v := b.shown(100); len(v) != 20 {
		t.Errorf("shown: got %d checks, want 10 held and 10 sent ahead", len(v))
	}
	found, err := b.records.History(t.Context(), fmt.Sprintf("abcd%02x00", 57))
	if err != nil || len(found) != 1 || found[0].Index != 57 {
		t.Errorf("found: got %+v, %v; want entry 57, which was sent ahead", found, err)
	}
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault != nil {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
	for first := uint64(10); first < 60; first += 25 {
		b.wantReceipt("the backlog", b.send(b.name, b.batch(b.journal, first, first+25)), first+25)
		if v, want := b.shown(100), map[uint64]int{10: 45, 35: 60}[first]; len(v) != want {
			t.Errorf("after entry %d: got %d checks, want %d", first+24, len(v), want)
		}
	}
	(&site{t: t, Centre: &Centre{records: b.records}}).exactlyOnce(b.device)
	var left int
	if err := b.records.read.QueryRow("SELECT count(*) FROM ahead").Scan(&left); err != nil || left != 0 {
		t.Errorf("left ahead: got %d, %v; want none", left, err)
	}
	// What was overtaken comes late: it is held already.
	b.wantReceipt("late", b.send(b.name, b.aheadBatch(b.journal, 50, 55)), 60)
}

func TestSentAheadIsJudged(t *testing.T) { onBoth(t, testSentAheadIsJudged) }

func testSentAheadIsJudged(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(40)
	b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	body := b.aheadBatch(b.journal, 30, 35)
	body.Entries[2].Body = []byte("what the leaf does not commit to")
	leaf := b.aheadBatch(b.journal, 30, 35)
	forge(&leaf, 1)
	peaks := b.aheadBatch(b.journal, 30, 35)
	peaks.Peaks[3] ^= 1
	fewer := b.aheadBatch(b.journal, 30, 35)
	fewer.Peaks = fewer.Peaks[:32]
	unsigned := b.aheadBatch(b.journal, 30, 35)
	unsigned.Checkpoint = []byte("limen/gate-1\n35\nAAAA\n")
	for name, test := range map[string]struct {
		batch wire.Batch
		want  wire.Refusal
		says  string
	}{
		"a body changed":    {body, wire.RefusedMalformed, "entry 32 does not commit"},
		"a leaf changed":    {leaf, wire.RefusedMalformed, "do not have the root"},
		"what is before":    {peaks, wire.RefusedMalformed, "do not have the root"},
		"peaks that lack":   {fewer, wire.RefusedMalformed, "where there are 4"},
		"signed by nobody":  {unsigned, wire.RefusedSignature, "not signed by limen/gate-1"},
		"and without peaks": {b.batch(b.journal, 30, 35), wire.RefusedGap, "begins at entry 30"},
	} {
		if a := b.send(b.name, test.batch); a.Refusal != test.want || !strings.Contains(a.Detail, test.says) {
			t.Errorf("%s: got %q %q; want %s, ... %s", name, a.Refusal, a.Detail, test.want, test.says)
		}
	}
	if v := b.shown(100); len(v) != 10 {
		t.Errorf("shown: got %d, want the 10 held", len(v))
	}
	// What was sent ahead is another than comes in its place, both signed.
	if a := b.send(b.name, b.aheadBatch(b.journal, 30, 35)); a.Ahead != 35 {
		t.Fatalf("got %+v", a)
	}
	b.tamper("UPDATE ahead SET leaf = zeroblob(32) WHERE number = 31")
	a := b.send(b.name, b.batch(b.journal, 10, 40))
	if a.Refusal != wire.RefusedHistory || !strings.Contains(a.Detail, "entry 31 is not the one it sent ahead") {
		t.Errorf("another than sent ahead: got %q %q; want history", a.Refusal, a.Detail)
	}
	if n, err := b.records.Stored(t.Context(), b.name); n != 10 || err != nil {
		t.Errorf("held: got %d, %v; want 10", n, err)
	}
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault == nil || v[0].Fault.Index != 31 {
		t.Errorf("Verify: got %+v, %v; want entry 31 named", v, err)
	}
}

// 64 kbit/s, 5 % of segments lost, and a backlog of many days: what happens
// meanwhile is at the centre long before the backlog is, and nothing twice.
func TestSlowLineCatchesUpWithoutStarvingLiveEntries(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	const backlog = 200
	d.append(backlog)
	c := newCable(t, s.MQTTAddr())
	c.Shape(repotest.Link{BitsPerSecond: 64_000, Delay: 20 * time.Millisecond, Loss: 0.05, Retransmit: 100 * time.Millisecond})
	u, err := uplink.New(uplink.Options{Broker: c.Addr(), Device: d.name, TLS: d.tls, Outbox: d.outbox, MaxEntries: 16, BackoffMin: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	background(t, "uplink", func(ctx context.Context) error { return u.Run(ctx) })
	until(t, "catching up", func() bool { return d.outbox.Position() >= 16 })
	d.append(1) // somebody crosses now
	until(t, "the live entry shown", func() bool {
		v, err := s.records.Checks(t.Context(), 1000)
		return err == nil && slices.ContainsFunc(v, func(c CheckView) bool { return c.Index == backlog })
	})
	held, err := s.Stored(d.name)
	if err != nil || held >= backlog {
		t.Errorf("when the live entry was there the centre held %d of %d earlier ones, %v; want it there before them", held, backlog, err)
	}
	t.Logf("a live entry was there after %d of %d earlier ones", held, backlog)
	s.settled(d)
	v, err := s.records.Verify(t.Context())
	if err != nil || v[0].Fault != nil || v[0].Size != backlog+1 {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}
