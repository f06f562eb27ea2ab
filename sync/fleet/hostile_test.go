package fleet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/sync/history"
	"limen/sync/index"
	"limen/sync/wire"
)

// claim records a check under any pseudonym, and sends it with any trace: what
// a device does that is no longer its owner's.
func (s *seer) claim(p limen.Pseudonym, t limen.Trace) {
	s.t.Helper()
	now := limen.MomentOf(time.Now())
	r := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: "claimed", Site: "s", Device: s.name, Started: now, Ended: now,
		Document: limen.Document{Issuer: "UTO", Pseudonym: p}, Decision: limen.Decision{Outcome: limen.Admit}}
	if _, err := s.history.Append(s.t.Context(), r, limen.Subject{}); err != nil {
		s.t.Fatal(err)
	}
	batch, err := s.outbox.Next(s.t.Context(), 100)
	if err != nil {
		s.t.Fatal(err)
	}
	batch.Mappings = []wire.Mapping{{Pseudonym: p[:], Key: t.Key[:], Hash: t.Hash[:]}}
	if batch.Mapped, err = s.journal.Word(wire.MappedHead, wire.Spoken(batch.Mappings)); err != nil {
		s.t.Fatal(err)
	}
	if a := s.send(s.name, batch); a.Refusal != "" {
		s.t.Fatalf("refused: %s: %s", a.Refusal, a.Detail)
	}
}

// A device knows other devices' pseudonyms from the index. What it says leads
// to one joins its own entries alone.
func TestNoDeviceJoinsAnothersEntries(t *testing.T) { onBoth(t, testNoDeviceJoinsAnothersEntries) }

func testNoDeviceJoinsAnothersEntries(t *testing.T, at place) {
	b := newBare(t, at)
	one, two, hostile := b.seer("gate-11", 11), b.seer("gate-12", 12), b.seer("gate-13", 13)
	p := one.see("L898902C3", "one document")
	other := two.see("OTHER", "another document")
	one.deliver()
	two.deliver()
	hostile.claim(p, fleetKey{}.Traces("UTO", "OTHER")[0])
	for asked, want := range map[limen.Pseudonym]string{p: "gate-13 gate-11", other: "gate-13 gate-12"} {
		checks, err := b.records.History(t.Context(), fmt.Sprintf("%x", asked[:]))
		var from []string
		for _, c := range checks {
			from = append(from, c.Device)
		}
		if got := strings.Join(from, " "); err != nil || got != want {
			t.Errorf("got checks of %s, %v; want %s: each device's document and what gate-13 claims", got, err, want)
		}
	}
	// Nor does it have another document erased with the one that is ordered.
	traces, devices, err := b.records.TracesOf(t.Context(), fmt.Sprintf("%x", p[:]))
	trace := fleetKey{}.Traces("UTO", "L898902C3")[0]
	if err != nil || len(traces) != 1 || string(traces[0]) != string(append(trace.Key[:], trace.Hash[:]...)) || len(devices) != 1 || devices[0] != one.name {
		t.Errorf("to be erased: got %d documents known by %v, %v; want the one gate-11 knows", len(traces), devices, err)
	}
}

// What one device records, however odd and however much, does not keep the
// index from the others, and is nobody's but its own.
func TestNoDeviceKeepsTheIndexFromOthers(t *testing.T) {
	b := newBare(t, inSQLite)
	one, two, hostile := b.seer("gate-11", 11), b.seer("gate-12", 12), b.seer("gate-13", 13)
	p := hostile.see("L898902C3", strings.Repeat("x", 60<<10))
	hostile.deliver()
	const many = index.MaxPlaces + 100
	now := limen.MomentOf(time.Now())
	into := rows{into: "entries (device, number, leaf, salt, body, received, document)", columns: 7}
	for n := range many {
		body, err := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: fmt.Sprint(n), Site: fmt.Sprint("site-", n), Device: "gate-12", Started: now, Ended: now,
			Document: limen.Document{Pseudonym: p}, Chip: limen.ChipFacts{Proof: fmt.Sprint("proof ", n)}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		into.add(hostile.name, 1+n, make([]byte, 32), make([]byte, 32), body, 1, p[:])
	}
	tx, err := b.records.write.Begin()
	if err == nil {
		err = into.insert(t.Context(), tx)
	}
	if err == nil {
		_, err = tx.Exec("UPDATE devices SET size = $1 WHERE name = $2", many+1, hostile.name)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	one.see("OTHER", "the last")
	one.see("L898902C3", "seen at gate-11 too")
	one.deliver()
	if n, err := b.records.cutIndex(t.Context(), nil, 0, time.Now()); err != nil || n != 1 {
		t.Fatalf("cut %d segments, %v; want one", n, err)
	}
	near := b.follower("s", two.name, t.TempDir())
	if n, err := near.Fetch(t.Context()); err != nil || n != 1 {
		t.Fatalf("fetched %d, %v; want the segment", n, err)
	}
	if seen, _, err := near.Index.Seen(fleetKey{}.Traces("UTO", "OTHER"), time.Time{}, 50); err != nil || len(seen) != 1 || seen[0].Device != one.name {
		t.Errorf("got %+v, %v; want what gate-11 saw", seen, err)
	}
	seen, _, err := near.Index.Seen(fleetKey{}.Traces("UTO", "L898902C3"), time.Time{}, 5)
	for _, e := range seen {
		if e.Device != one.name && e.Device != hostile.name {
			t.Errorf("a check of %s passes for one of %s", hostile.name, e.Device)
		}
	}
	if err != nil || len(seen) == 0 {
		t.Errorf("got %d checks, %v", len(seen), err)
	}
	trace := fleetKey{}.Traces("UTO", "L898902C3")[0]
	asked, err := b.records.seen(t.Context(), &wire.SeenAsk{Traces: [][]byte{append(trace.Key[:], trace.Hash[:]...)}})
	if err != nil || !slices.ContainsFunc(asked, func(s index.Sighting) bool { return s.Device == one.name }) || slices.ContainsFunc(asked, func(s index.Sighting) bool { return len(s.Record) > maxTold || s.Device == "gate-12" }) {
		t.Errorf("asked: got %d, %v; want what gate-11 saw among them, nothing over a bound and nothing of gate-12", len(asked), err)
	}
}

// A correction that was sent ahead stands beside the check that it overtook.
func TestCorrectionAheadOfItsCheck(t *testing.T) {
	b := newBare(t, inSQLite)
	s := b.seer("gate-11", 11)
	p := s.see("L898902C3", "checked")
	if _, err := s.history.Correct(t.Context(), 0, "it was the afternoon", history.Asker{Who: "4711", Why: "x"}); err != nil {
		t.Fatal(err)
	}
	d := &bare{device: &device{t: t, name: s.name}, records: b.records, signer: b.signer, trust: b.trust}
	if a := d.send(s.name, d.aheadBatch(s.journal, 1, 2)); a.Ahead != 2 {
		t.Fatalf("sent ahead: got %+v", a)
	}
	if a := d.send(s.name, d.batch(s.journal, 0, 1)); a.Refusal != "" {
		t.Fatalf("in its place: got %+v", a)
	}
	checks, err := b.records.History(t.Context(), fmt.Sprintf("%x", p[:]))
	if err != nil || len(checks) != 2 {
		t.Fatalf("got %d checks, %v; want the check and its correction", len(checks), err)
	}
	for _, c := range checks {
		if c.Index == 0 && (len(c.Corrections) != 1 || c.Corrections[0] != "it was the afternoon") {
			t.Errorf("got %q beside the check, want what was sent ahead", c.Corrections)
		}
	}
}

// What was sent ahead is found by what its body names, or the verifier says so.
func TestVerifyFindsAheadUnderAnotherDocument(t *testing.T) {
	b := newBare(t, inSQLite)
	b.append(10)
	if a := b.send(b.name, b.aheadBatch(b.journal, 5, 10)); a.Ahead != 10 {
		t.Fatalf("sent ahead: got %+v", a)
	}
	b.tamper("UPDATE ahead SET document = zeroblob(32) WHERE number = 7")
	v, err := b.records.Verify(t.Context())
	if err != nil || v[0].Fault == nil || v[0].Fault.Index != 7 || v[0].Fault.Part != "index" {
		t.Errorf("got %+v, %v; want entry 7 found by another document", v, err)
	}
}

// While somebody reads what was, the centre gives no word that it is gone; it
// does when the tombstones come again.
func TestNothingIsForgottenWhileItIsRead(t *testing.T) {
	b := newBare(t, inSQLite)
	s := b.seer("gate-11", 11)
	s.see("L898902C3", "to be erased")
	s.deliver()
	reading, err := b.records.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRow("SELECT count(*) FROM entries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	gone := func() int {
		names, _, err := s.history.Gone(10)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	s.forget("L898902C3")
	if gone() != 1 {
		t.Error("the centre said it has forgotten, and its files still hold what a reader reads")
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.see("OTHER", "another")
	s.deliver()
	if gone() != 0 {
		t.Error("nobody reads any more, and the centre gave no word")
	}
}

// A centre that was restored from a backup holds what was erased since then:
// the device erases it again.
func TestARestoredCentreForgetsAgain(t *testing.T) {
	b := newBare(t, inSQLite)
	s := b.seer("gate-11", 11)
	p := s.see("L898902C3", "to be erased")
	s.deliver()
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
	s.forget("L898902C3")
	restored, err := CreateRecords(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if _, err := restored.Restore(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	held := func() int {
		checks, err := restored.History(t.Context(), fmt.Sprintf("%x", p[:]))
		if err != nil {
			t.Fatal(err)
		}
		return len(checks)
	}
	if held() != 1 {
		t.Fatalf("the backup holds %d checks, want the one erased later", held())
	}
	before := b.records
	b.records = restored
	defer func() { b.records = before }()
	s.see("OTHER", "after the restore")
	batch, err := s.outbox.Next(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	a := s.send(s.name, batch)
	if a.Refusal != wire.RefusedGap {
		t.Fatalf("got %q, want a gap", a.Refusal)
	}
	s.outbox.Rewind(t.Context(), a.Have)
	s.deliver()
	if names, _, err := s.history.Gone(10); err != nil || len(names) != 0 || held() != 0 {
		t.Errorf("the centre holds %d checks of the erased document, and %d are to be told, %v; want none", held(), len(names), err)
	}
}

// forget erases a document at the device and brings the centre word of it.
func (s *seer) forget(number string) {
	s.t.Helper()
	d := history.Document{Issuer: "UTO", Number: number}
	if _, err := s.history.Erase(s.t.Context(), history.Selection{Document: &d}, history.Asker{Who: "1", Why: "x"}); err != nil {
		s.t.Fatal(err)
	}
	s.deliver()
}
