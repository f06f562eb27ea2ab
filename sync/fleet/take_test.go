package fleet

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// bare is records and a device without a broker in between.
type bare struct {
	*device
	records *Records
	signer  note.Signer
	trust   note.Verifier
}

func newBare(t testing.TB, at place) *bare {
	t.Helper()
	signer, public, err := receiptKey(filepath.Join(t.TempDir(), "receipt.key"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := CreateRecords(at(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bare{records: records, signer: signer, device: &device{t: t, name: "gate-1", key: newKey(1), dir: t.TempDir()}}
	b.trust, _ = note.NewVerifier(public)
	b.journal = b.openJournal("journal")
	b.open(public)
	if err := records.Enrol(t.Context(), b.name, b.key.PublicKey(), day); err != nil {
		t.Fatal(err)
	}
	return b
}

// batch is entries first to end of a journal, as the outbox would send them.
func (b *bare) batch(j *journal.Journal, first, end uint64) wire.Batch {
	b.t.Helper()
	batch := wire.Batch{Device: b.name, First: first}
	for i := first; i < end; i++ {
		e, err := j.Entry(i)
		if err != nil {
			b.t.Fatal(err)
		}
		batch.Entries = append(batch.Entries, wire.Entry{Leaf: e.Leaf[:], Salt: e.Salt, Body: e.Body})
		if e.Erased {
			signed, err := j.Tombstone(i)
			if err != nil {
				b.t.Fatal(err)
			}
			batch.Tombstones = append(batch.Tombstones, signed)
		}
	}
	var err error
	if batch.Checkpoint, err = j.CheckpointAt(b.t.Context(), end); err != nil {
		b.t.Fatal(err)
	}
	return batch
}

func (b *bare) send(from string, batch wire.Batch) wire.Answer {
	b.t.Helper()
	payload, err := batch.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.sendRaw(from, payload)
}

func (b *bare) sendRaw(from string, payload []byte) wire.Answer {
	b.t.Helper()
	answers, err := b.records.take(b.t.Context(), []message{{from, wire.KindEntries, payload, day}}, b.signer)
	if err != nil || len(answers) != 1 {
		b.t.Fatalf("take: got %d answers, %v", len(answers), err)
	}
	if _, err := answers[0].Encode(); err != nil {
		b.t.Errorf("the answer cannot be sent: %v", err)
	}
	return answers[0]
}

// wantReceipt checks an answer as the device would.
func (b *bare) wantReceipt(what string, a wire.Answer, size uint64) {
	b.t.Helper()
	if a.Refusal != "" {
		b.t.Fatalf("%s: refused: %s: %s; want a receipt", what, a.Refusal, a.Detail)
	}
	r, err := wire.OpenReceipt(a.Receipt, b.trust)
	root, rootErr := b.journal.RootAt(size)
	if err != nil || rootErr != nil || r.Size != size || r.Device != b.name || r.Root != root {
		b.t.Errorf("%s: got a receipt for %d of %s, %v; want %d entries and their root", what, r.Size, r.Device, err, size)
	}
}

func TestBatchesThatOverlapAreStoredOnce(t *testing.T) {
	onBoth(t, testBatchesThatOverlapAreStoredOnce)
}

func testBatchesThatOverlapAreStoredOnce(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(30)
	if err := b.journal.Erase(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	b.wantReceipt("sent again", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	b.wantReceipt("a part of it again", b.send(b.name, b.batch(b.journal, 3, 6)), 10)
	b.wantReceipt("old and new", b.send(b.name, b.batch(b.journal, 5, 20)), 20)
	b.wantReceipt("new", b.send(b.name, b.batch(b.journal, 20, 30)), 30)
	s := &site{t: t, Centre: &Centre{records: b.records}}
	s.exactlyOnce(b.device)
	v, err := b.records.Verify(t.Context())
	if err != nil || v[0].Fault != nil || v[0].Erased != 1 || v[0].Signed != 30 {
		t.Errorf("Verify: got %+v, %v; want 30 entries, one erased, no fault", v, err)
	}
	// Several messages in one transaction: each sees what the one before it stored.
	b.append(10)
	var messages []message
	for first := uint64(30); first < 40; first += 5 {
		payload, _ := b.batch(b.journal, first, first+5).Encode()
		messages = append(messages, message{b.name, wire.KindEntries, payload, day})
	}
	answers, err := b.records.take(t.Context(), messages, b.signer)
	if err != nil || len(answers) != 2 {
		t.Fatalf("got %d answers, %v", len(answers), err)
	}
	b.wantReceipt("first of a group", answers[0], 35)
	b.wantReceipt("second of a group", answers[1], 40)
}

func TestRefusedBatchesStoreNothing(t *testing.T) { onBoth(t, testRefusedBatchesStoreNothing) }

func testRefusedBatchesStoreNothing(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(20)
	b.wantReceipt("first", b.send(b.name, b.batch(b.journal, 0, 10)), 10)
	another := b.openJournal("another") // same device, same key, other salts
	held, j := b.journal, another
	b.journal = j
	b.append(20)
	b.journal = held

	good := func() wire.Batch { return b.batch(held, 10, 15) }
	unsigned := good()
	unsigned.Checkpoint = []byte("limen/gate-1\n15\nAAAA\n")
	wrongBody := good()
	wrongBody.Entries[2].Body = []byte("what the leaf does not commit to")
	longer := good()
	longer.Checkpoint = b.batch(held, 10, 16).Checkpoint
	foreign := good()
	foreign.Device = "gate-2"
	grafted := b.batch(another, 10, 15) // fits nowhere
	own := b.batch(another, 5, 15)
	short := b.batch(another, 2, 4)
	prefix := b.batch(held, 2, 4)
	prefix.Checkpoint = b.batch(another, 2, 4).Checkpoint
	for name, test := range map[string]struct {
		from   string
		batch  wire.Batch
		want   wire.Refusal
		have   uint64
		detail string
	}{
		"a gap":                        {b.name, b.batch(held, 12, 15), wire.RefusedGap, 10, "begins at entry 12 and 10 are held"},
		"no signature":                 {b.name, unsigned, wire.RefusedSignature, 10, "not signed by limen/gate-1"},
		"a body changed":               {b.name, wrongBody, wire.RefusedMalformed, 10, "entry 12 does not commit"},
		"a checkpoint of another size": {b.name, longer, wire.RefusedMalformed, 10, "of 16 entries and the batch ends at 15"},
		"another's batch":              {b.name, foreign, wire.RefusedMalformed, 10, "is of gate-2 and came from gate-1"},
		"nobody's":                     {"gate-9", good(), wire.RefusedUnknown, 0, "no key of this device"},
		"another history, appended":    {b.name, grafted, wire.RefusedMalformed, 10, "do not have the root"},
		"another history, overlapping": {b.name, own, wire.RefusedMalformed, 10, "do not have the root"},
		"another history, inside":      {b.name, short, wire.RefusedHistory, 10, "another root for the first 4"},
		"same entries, other prefix":   {b.name, prefix, wire.RefusedHistory, 10, "another root for the first 4"},
	} {
		a := b.send(test.from, test.batch)
		if a.Refusal != test.want || a.Have != test.have || !strings.Contains(a.Detail, test.detail) || len(a.Receipt) > 0 {
			t.Errorf("%s: got %s, have %d, %q; want %s, %d, ... %s", name, a.Refusal, a.Have, a.Detail, test.want, test.have, test.detail)
		}
		if n, err := b.records.Stored(t.Context(), b.name); n != 10 || err != nil {
			t.Fatalf("%s: got %d stored, %v; want 10", name, n, err)
		}
	}
	answers, err := b.records.take(t.Context(), []message{{b.name, wire.KindEntries, []byte("no batch"), day}}, b.signer)
	if err != nil || answers[0].Refusal != wire.RefusedMalformed {
		t.Errorf("no batch at all: got %+v, %v", answers, err)
	}
	// The truth still fits, and the remark about the other history stays.
	b.wantReceipt("after all that", b.send(b.name, b.batch(held, 10, 20)), 20)
	views, err := b.records.Devices(t.Context())
	if err != nil || views[0].Refusal != "" || views[0].Rewritten == 0 || views[0].Held != 20 {
		t.Errorf("shown: got %+v, %v", views, err)
	}
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault != nil {
		t.Errorf("Verify: got %+v, %v; want no fault", v, err)
	}
}

func TestStatusOfAnOlderSessionSaysNothing(t *testing.T) {
	onBoth(t, testStatusOfAnOlderSessionSaysNothing)
}

func testStatusOfAnOlderSessionSaysNothing(t *testing.T, at place) {
	b := newBare(t, at)
	say := func(device, session string, state wire.State) string {
		t.Helper()
		payload, err := wire.Status{Device: device, Session: session, State: state}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.records.take(t.Context(), []message{{b.name, wire.KindStatus, payload, day}}, b.signer); err != nil {
			t.Fatal(err)
		}
		views, err := b.records.Devices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return views[0].State
	}
	for _, step := range []struct {
		device, session string
		state           wire.State
		want            string
	}{
		{"gate-1", "a", wire.StateRunning, "running"},
		{"gate-1", "b", wire.StateRunning, "running"},
		{"gate-1", "a", wire.StateLost, "running"}, // the will of before the restart
		{"gate-2", "b", wire.StateLost, "running"}, // not of the one who sent it
		{"gate-1", "b", wire.StateLost, "lost"},
	} {
		if got := say(step.device, step.session, step.state); got != step.want {
			t.Errorf("%s of %s, session %s: got %s, want %s", step.state, step.device, step.session, got, step.want)
		}
	}
}

// Whatever is changed in the database, verify names it.
func TestVerifyNamesTheFirstBadEntry(t *testing.T) { onBoth(t, testVerifyNamesTheFirstBadEntry) }

func testVerifyNamesTheFirstBadEntry(t *testing.T, at place) {
	for name, test := range map[string]struct {
		tamper []string
		index  uint64
		part   string
	}{
		"a body":                           {[]string{"UPDATE entries SET body = x'00' WHERE number = 7"}, 7, "content"},
		"a salt":                           {[]string{"UPDATE entries SET salt = zeroblob(32) WHERE number = 0"}, 0, "content"},
		"a leaf":                           {[]string{"UPDATE entries SET leaf = zeroblob(32) WHERE number = 3"}, 3, "content"},
		"an entry erased behind our back":  {[]string{"UPDATE entries SET leaf = zeroblob(32), salt = NULL, body = NULL WHERE number = 3"}, 3, "tree"},
		"entries swapped":                  {[]string{"UPDATE entries SET number = -1 WHERE number = 4", "UPDATE entries SET number = 4 WHERE number = 5", "UPDATE entries SET number = 5 WHERE number = -1"}, 4, "tree"},
		"an entry gone":                    {[]string{"DELETE FROM entries WHERE number = 9"}, 9, "leaf"},
		"the last gone":                    {[]string{"DELETE FROM entries WHERE number = 19"}, 19, "leaf"},
		"one too many":                     {[]string{"INSERT INTO entries (device, number, leaf, received) SELECT 'gate-1', 20, zeroblob(32), max(received) FROM entries"}, 20, "leaf"},
		"a hash":                           {[]string{"UPDATE hashes SET hash = zeroblob(32) WHERE number = 5"}, 3, "tree"},
		"a checkpoint":                     {[]string{"UPDATE checkpoints SET note = x'00'"}, 19, "checkpoint"},
		"no checkpoint":                    {[]string{"DELETE FROM checkpoints"}, 0, "checkpoint"},
		"whom it is about":                 {[]string{"UPDATE entries SET document = zeroblob(32) WHERE number = 6"}, 6, "index"},
		"that it is about anybody":         {[]string{"UPDATE entries SET document = NULL WHERE number = 6"}, 6, "index"},
		"the root":                         {[]string{"UPDATE devices SET root = zeroblob(32)"}, 20, "tree"},
		"cut, and the size with it":        {[]string{"DELETE FROM entries WHERE number >= 15", "UPDATE devices SET size = 15"}, 0, "tree"},
		"another device's key, re-signing": {[]string{"UPDATE devices SET public_key = zeroblob(32)"}, 19, "checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBare(t, at)
			b.append(20)
			b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 20)), 20)
			for _, statement := range test.tamper {
				b.tamper(statement)
			}
			v, err := b.records.Verify(t.Context())
			if err != nil || len(v) != 1 || v[0].Fault == nil || v[0].Fault.Index != test.index || v[0].Fault.Part != test.part {
				t.Errorf("got %+v (%v), %v; want entry %d, %s", v, v[0].Fault, err, test.index, test.part)
			}
		})
	}
}

// A whole tree made anew, consistent in itself, is not what the device signed.
func TestVerifyNeedsTheDevicesWord(t *testing.T) {
	b, forger := newBare(t, inSQLite), newBare(t, inSQLite)
	for _, x := range []*bare{b, forger} {
		x.append(20)
		x.wantReceipt("all", x.send(x.name, x.batch(x.journal, 0, 20)), 20)
	}
	// Everything but the signed checkpoint comes from the other database.
	path := filepath.Join(t.TempDir(), "copy.db")
	if _, err := forger.records.write.Exec("VACUUM INTO ?", path); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"ATTACH '" + path + "' AS other", "DELETE FROM entries", "DELETE FROM hashes",
		"INSERT INTO entries SELECT * FROM other.entries", "INSERT INTO hashes SELECT * FROM other.hashes", "UPDATE devices SET root = (SELECT root FROM other.devices)"} {
		if _, err := b.records.write.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	v, err := b.records.Verify(t.Context())
	if err != nil || v[0].Fault == nil || !strings.Contains(v[0].Fault.What, "the device signed another root for the first 20") {
		t.Errorf("got %+v, %v; want the device's word against it", v[0].Fault, err)
	}
}

func TestRecordsOfNewerProgramsAreKept(t *testing.T) { onBoth(t, testRecordsOfNewerProgramsAreKept) }

func testRecordsOfNewerProgramsAreKept(t *testing.T, at place) {
	b := newBare(t, at)
	if _, err := b.journal.Append(t.Context(), []byte("a record of the year 2040")); err != nil {
		t.Fatal(err)
	}
	b.wantReceipt("unreadable", b.send(b.name, b.batch(b.journal, 0, 1)), 1)
	checks, err := b.records.Checks(t.Context(), 10)
	if err != nil || len(checks) != 1 || checks[0].Kind != kindUnreadable || checks[0].Received.Time() != day.Truncate(time.Millisecond) {
		t.Errorf("got %+v, %v; want one unreadable entry", checks, err)
	}
}
