package fleet

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"limen"
	"limen/sync/history"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/wire"
)

// fleetKey is the key that devices of these tests share.
type fleetKey struct{}

func (fleetKey) Traces(issuer, number string) []limen.Trace {
	mac := hmac.New(sha256.New, []byte("fleet key"))
	mac.Write([]byte(issuer + "\x00" + number))
	return []limen.Trace{{Key: [4]byte{'k', 'e', 'y', '1'}, Hash: [32]byte(mac.Sum(nil))}}
}

func (fleetKey) Marks(string, limen.Pseudonym, []byte) []limen.Mark { return nil }

// seer is a device with a history, and its way to bare records.
type seer struct {
	*bare
	name    string
	journal *journal.Journal
	history *history.History
	outbox  *outbox.Outbox
}

func (b *bare) seer(name string, seed byte) *seer {
	b.t.Helper()
	s := &seer{bare: b, name: name}
	d := &device{t: b.t, name: name, key: newKey(seed), dir: b.t.TempDir()}
	s.journal = d.openJournal("journal")
	s.history = history.New(s.journal, history.Options{Pseudonyms: fleetKey{}, Signer: d.key, Site: "s", Device: name, Sent: func() uint64 { return 1 << 60 }})
	var err error
	if s.outbox, err = outbox.Open(outbox.Options{Journal: s.journal, Device: name, Centre: b.trust, Path: filepath.Join(d.dir, "receipt"), Beside: s.history}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.records.Enrol(b.t.Context(), name, d.key.PublicKey(), day); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// see records an inspection, and returns the pseudonym this device has for the document.
func (s *seer) see(number, id string) limen.Pseudonym {
	s.t.Helper()
	about, err := s.history.Subject(s.t.Context(), fleetKey{}.Traces("UTO", number))
	if err != nil {
		s.t.Fatal(err)
	}
	now := limen.MomentOf(time.Now())
	r := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: id, Site: "s", Device: s.name, Started: now, Ended: now,
		Document: limen.Document{Issuer: "UTO", Pseudonym: about.Pseudonym}, Decision: limen.Decision{Outcome: limen.Admit}}
	if _, err := s.history.Append(s.t.Context(), r, about); err != nil {
		s.t.Fatal(err)
	}
	return about.Pseudonym
}

// deliver sends the next batch and takes the answer as the uplink does.
func (s *seer) deliver() wire.Batch {
	s.t.Helper()
	batch, err := s.outbox.Next(s.t.Context(), 100)
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.send(s.name, batch)
	if a.Refusal != "" {
		s.t.Fatalf("%s: refused: %s: %s", s.name, a.Refusal, a.Detail)
	}
	if len(a.Forgotten) > 0 {
		if err := s.outbox.Forgotten(s.t.Context(), a.Forgotten); err != nil {
			s.t.Error(err)
		}
	}
	if _, err := s.outbox.Acknowledge(a.Receipt); err != nil {
		s.t.Fatal(err)
	}
	return batch
}

// What devices know of one document, each by a pseudonym of its own, the centre
// joins; and what a device erases, the centre forgets, for good.
func TestTheCentreJoinsAndForgets(t *testing.T) { onBoth(t, testTheCentreJoinsAndForgets) }

func testTheCentreJoinsAndForgets(t *testing.T, at place) {
	var folder string
	b := newBare(t, func(t testing.TB) string { folder = at(t); return folder })
	one, two := b.seer("gate-11", 11), b.seer("gate-12", 12)
	needle := "an inspection of the one document"
	p := one.see("L898902C3", needle)
	one.see("OTHER", "other at one")
	other := two.see("L898902C3", "the same document at two")
	if p == other {
		t.Fatal("two devices have one pseudonym for a document")
	}
	old := one.deliver()
	two.deliver()
	joined := func(p limen.Pseudonym, want int) {
		t.Helper()
		checks, err := b.records.History(t.Context(), fmt.Sprintf("%x", p[:]))
		if err != nil || len(checks) != want {
			t.Errorf("got %d checks, %v; want %d", len(checks), err, want)
		}
	}
	joined(p, 2)
	joined(other, 2)

	// A correction stands beside what it corrects.
	if _, err := two.history.Correct(t.Context(), 0, "it was the afternoon", history.Asker{Who: "4711", Why: "x"}); err != nil {
		t.Fatal(err)
	}
	two.deliver()
	corrected, err := b.records.History(t.Context(), fmt.Sprintf("%x", other[:]))
	if err != nil || len(corrected) != 3 || corrected[0].Says != "it was the afternoon" || *corrected[0].About != 0 || corrected[1].Corrections[0] != "it was the afternoon" || corrected[2].Corrections != nil {
		t.Errorf("got %+v, %v; want the correction, and beside gate-12's check", corrected, err)
	}

	d := history.Document{Issuer: "UTO", Number: "L898902C3"}
	if _, err := one.history.Erase(t.Context(), history.Selection{Document: &d}, history.Asker{Who: "4711", Why: "order"}); err != nil {
		t.Fatal(err)
	}
	if batch := one.deliver(); len(batch.Tombstones) != 1 {
		t.Fatalf("got %d tombstones, want 1", len(batch.Tombstones))
	}
	if names, _, err := one.history.Gone(10); err != nil || len(names) != 0 {
		t.Errorf("the device still has %d to tell, %v; want none after the centre's word", len(names), err)
	}
	forgotten := func(when string) {
		t.Helper()
		joined(p, 0)
		joined(other, 2)
		verdicts, err := b.records.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range verdicts {
			if v.Fault != nil || v.Device == one.name && v.Erased != 1 {
				t.Errorf("%s: Verify: %+v", when, v)
			}
		}
		var mapped int
		if err := b.records.read.QueryRow("SELECT count(*) FROM mappings WHERE device = $1", one.name).Scan(&mapped); err != nil || mapped != 1 {
			t.Errorf("%s: %d documents are mapped, %v; want the other one alone", when, mapped, err)
		}
	}
	forgotten("erased")
	if a := b.send(one.name, old); a.Refusal != "" {
		t.Errorf("an old batch again: refused: %s %s", a.Refusal, a.Detail)
	}
	forgotten("after an old batch came again")
	if b.records.database.name() == "sqlite" {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			content, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for what, bytesOf := range map[string][]byte{"record": []byte(needle), "pseudonym": p[:]} {
				if bytes.Contains(content, bytesOf) {
					t.Errorf("%s is still in %s", what, filepath.Base(f))
				}
			}
		}
	}
	// Nor is it in a backup made after it.
	file, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := b.records.Backup(t.Context(), file, day); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	restored, err := CreateRecords(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if _, err := restored.Restore(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	gone, err := restored.History(t.Context(), fmt.Sprintf("%x", p[:]))
	there, err2 := restored.History(t.Context(), fmt.Sprintf("%x", other[:]))
	if err != nil || err2 != nil || len(gone) != 0 || len(there) != 2 {
		t.Errorf("restored: got %d and %d checks, %v, %v; want 0 of the erased and 2 of the other device's", len(gone), len(there), err, err2)
	}
}

// Mappings and tombstones count by the device's word alone.
func TestWhatTravelsBesideIsTheDevicesWord(t *testing.T) {
	b := newBare(t, inSQLite)
	one, two := b.seer("gate-11", 11), b.seer("gate-12", 12)
	one.see("L898902C3", "a")
	two.see("L898902C3", "b")
	refused := func(what string, batch wire.Batch) {
		t.Helper()
		if a := b.send(one.name, batch); a.Refusal != wire.RefusedMalformed {
			t.Errorf("%s: got %q, want it refused", what, a.Refusal)
		}
	}
	batch, err := one.outbox.Next(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	changed := batch
	changed.Mappings = append([]wire.Mapping{}, batch.Mappings...)
	changed.Mappings[0].Hash = make([]byte, 32)
	refused("a changed mapping", changed)
	changed = batch
	changed.Mapped = batch.Checkpoint
	refused("a checkpoint for the device's word", changed)
	if err := two.journal.Erase(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	grave, err := two.journal.Tombstone(0)
	if err != nil {
		t.Fatal(err)
	}
	changed = batch
	changed.Tombstones = [][]byte{grave}
	refused("another device's tombstone", changed)
	one.deliver()
	joinedOnce, err := b.records.Checks(t.Context(), 10)
	if err != nil || len(joinedOnce) != 1 || joinedOnce[0].Kind == kindErased {
		t.Errorf("got %+v, %v; want the entry with its content", joinedOnce, err)
	}
}
