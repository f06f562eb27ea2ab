package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"limen"
	"limen/internal/repotest"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// trace is what a document's hash would be.
func trace(document uint64) limen.Trace {
	r := rand.New(rand.NewPCG(document, 1))
	t := limen.Trace{Key: [4]byte{'k', 'e', 'y', '1'}}
	for i := 0; i < len(t.Hash); i += 8 {
		binary.BigEndian.PutUint64(t.Hash[i:], r.Uint64())
	}
	return t
}

func handle(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n*0x9E3779B97F4A7C15) }

// row is check n, of a document.
func row(n, document uint64, at time.Time) Row {
	t := trace(document)
	return Row{
		Keys: [][]byte{DocumentKey(t.Hash[:])}, Handle: handle(n), At: uint32(at.Unix()), Flags: flagAdmitted | flagSOD,
		Pseudonym: bytes.Repeat([]byte{byte(n)}, 32), SODMark: bytes.Repeat([]byte{byte(document)}, limen.MarkSize), Record: RecordName(fmt.Sprint(n)),
	}
}

func delta(rows ...Row) Delta {
	return Delta{Places: []string{"north/gate-1", "south/gate-2"}, Proofs: []string{"", "active_authentication"}, Rows: rows}
}

func after(n uint64) Next {
	return Next{Site: "north", Region: "all", After: n, Number: n + 1, AsOf: now.Add(time.Duration(n) * time.Minute).UnixMilli()}
}

func open(t testing.TB, dir string, key []byte) *Index {
	t.Helper()
	x, err := Open(dir, key, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// Whatever deltas bring and take away, in whichever segments it lies: what is
// found is what a map would find, also after a restart.
func TestIndexIsAMap(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{7}, 32)
	x := open(t, dir, key)
	r := rand.New(rand.NewPCG(1, 1))
	checks := map[uint64]uint64{} // documents by check
	check := func(when string) {
		t.Helper()
		want := map[uint64]int{}
		for _, document := range checks {
			want[document]++
		}
		for document := range uint64(520) {
			got, _, err := x.Seen([]limen.Trace{trace(document)}, time.Time{}, 1000)
			if err != nil || len(got) != want[document] {
				t.Fatalf("%s: document %d seen %d times, %v; want %d", when, document, len(got), err, want[document])
			}
			for _, e := range got {
				if e.SODMark[0] != byte(document) || e.Site != "north" || e.Device != "gate-1" || e.Outcome != limen.Admit {
					t.Fatalf("%s: document %d: got %+v", when, document, e)
				}
			}
		}
	}
	n := uint64(0)
	for number := range uint64(60) {
		var d Delta
		if number%7 == 6 {
			for check := range checks {
				d.Removed = append(d.Removed, handle(check))
				delete(checks, check)
				if len(d.Removed) == 30 {
					break
				}
			}
		}
		d = Delta{Removed: d.Removed}
		for range r.IntN(400) {
			n++
			document := r.Uint64N(500)
			d = Delta{Places: delta().Places, Proofs: delta().Proofs, Removed: d.Removed, Rows: append(d.Rows, row(n, document, now.Add(-time.Duration(n)*time.Second)))}
			checks[n] = document
		}
		if err := x.Apply(after(number), d); err != nil {
			t.Fatal(err)
		}
		if number%20 == 19 {
			check(fmt.Sprint("after ", number))
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			x = open(t, dir, key)
			check(fmt.Sprint("reopened after ", number))
		}
	}
	if len(x.segments) > 3*fanout {
		t.Errorf("there are %d segments of %d entries", len(x.segments), x.Entries())
	}
	if err := x.Apply(after(30), Delta{}); !errors.Is(err, ErrAfter) {
		t.Errorf("a delta again: got %v", err)
	}
	if err := x.Apply(after(90), Delta{}); !errors.Is(err, ErrAfter) {
		t.Errorf("a delta too far: got %v", err)
	}
	if _, number, asOf := x.Fresh(); number != 60 || !asOf.Equal(now.Add(59*time.Minute)) {
		t.Errorf("fresh: got %d, %v", number, asOf)
	}
}

// An officer's word and a second fleet key are joined with the check they are about.
func TestSightings(t *testing.T) {
	x := open(t, t.TempDir(), nil)
	inspection := limen.Record{Kind: limen.KindInspection, ID: "one", Started: limen.MomentOf(now.Add(-time.Hour)), Document: limen.Document{Pseudonym: limen.Pseudonym{1}},
		Decision: limen.Decision{Outcome: limen.Refer}, Checks: []limen.Check{{Name: limen.CheckLookup, Reasons: []limen.Reason{{Code: limen.ReportedLost}}}}}
	officer := inspection
	officer.Kind, officer.ID, officer.Started, officer.Checks = limen.KindOfficer, "two", limen.MomentOf(now), nil
	officer.Officer, officer.Decision.Outcome = &limen.OfficerDecision{Inspection: "one"}, limen.Refuse
	one, two := trace(1), trace(2)
	keys := [][]byte{DocumentKey(one.Hash[:]), DocumentKey(two.Hash[:])}
	a, ok := RowOf(inspection, keys, handle(1))
	b, ok2 := RowOf(officer, keys, handle(2))
	if !ok || !ok2 {
		t.Fatal("no rows")
	}
	if _, ok := RowOf(limen.Record{Kind: limen.KindQuestion}, keys, handle(3)); ok {
		t.Error("a question is in the index")
	}
	a.Place, a.Proof = 1, 1
	if err := x.Apply(after(0), delta(a, b)); err != nil {
		t.Fatal(err)
	}
	got, _, err := x.Seen([]limen.Trace{one, two}, time.Time{}, 10)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v; want one check", got, err)
	}
	if e := got[0]; e.Officer != limen.Refuse || e.Outcome != limen.Refer || !e.Lost || e.Site != "south" || e.Proof != "active_authentication" {
		t.Errorf("got %+v", e)
	}
	if got, _, err := x.Seen([]limen.Trace{one}, now.Add(-time.Minute), 10); err != nil || len(got) != 0 {
		t.Errorf("since a minute ago: got %+v, %v", got, err)
	}
}

// What was erased is in no file, whichever segment it lay in; nor is anything of it
// when segments are encrypted.
func TestRemovedIsInNoFile(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
		t.Run(fmt.Sprint("encrypted ", key != nil), func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir, key)
			one := trace(99999)
			needles := [][]byte{one.Hash[:KeySize], handle(70_000)}
			defer func() {
				if in(t, dir, []byte("gate-1")) != (key == nil) {
					t.Error("places are in the clear where the segments are not, or the other way round")
				}
			}()
			for number := range uint64(9) {
				var rows []Row
				for k := range uint64(100) {
					rows = append(rows, row(number*100+k+1, k, now))
				}
				if number == 2 {
					rows = append(rows, row(70_000, 99999, now))
				}
				if err := x.Apply(after(number), delta(rows...)); err != nil {
					t.Fatal(err)
				}
			}
			if in(t, dir, needles[0]) != (key == nil) {
				t.Fatal("before: the search finds other than it should")
			}
			if err := x.Apply(after(9), Delta{Removed: [][]byte{handle(70_000)}}); err != nil {
				t.Fatal(err)
			}
			for k, needle := range needles {
				if in(t, dir, needle) {
					t.Errorf("needle %d is still in a file", k)
				}
			}
			if got, _, err := x.Seen([]limen.Trace{one}, time.Time{}, 10); err != nil || len(got) != 0 {
				t.Errorf("got %+v, %v", got, err)
			}
			if x.Entries() != 900 {
				t.Errorf("%d entries are left, want 900", x.Entries())
			}
		})
	}
}

func in(t *testing.T, dir string, needle []byte) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, needle) {
			return true
		}
	}
	return false
}

// After 90 days a check is not found, and goes with the daily tidying.
func TestOldChecksGo(t *testing.T) {
	today := now
	x, err := Open(t.TempDir(), nil, func() time.Time { return today })
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Apply(after(0), delta(row(1, 1, now.Add(-80*24*time.Hour)), row(2, 1, now))); err != nil {
		t.Fatal(err)
	}
	today = now.Add(11 * 24 * time.Hour)
	if got, _, err := x.Seen([]limen.Trace{trace(1)}, time.Time{}, 10); err != nil || len(got) != 1 {
		t.Errorf("got %d, %v; want the newer one", len(got), err)
	}
	if err := x.Tidy(); err != nil || x.Entries() != 1 {
		t.Errorf("tidied to %d entries, %v; want 1", x.Entries(), err)
	}
}

// A document can be forgotten here alone, and everything where the centre is not
// heard of for long.
func TestForgetAndExpire(t *testing.T) {
	x := open(t, t.TempDir(), nil)
	if err := x.Apply(after(0), delta(row(1, 1, now), row(2, 2, now), row(3, 2, now))); err != nil {
		t.Fatal(err)
	}
	if err := x.Forget([]limen.Trace{trace(2), trace(7)}); err != nil || x.Entries() != 1 {
		t.Errorf("forgot: %d entries are left, %v; want 1", x.Entries(), err)
	}
	if err := x.Expire(now); err != nil || x.Entries() != 1 {
		t.Errorf("heard of since: %d entries are left, %v", x.Entries(), err)
	}
	if err := x.Expire(now.Add(time.Hour)); err != nil || x.Entries() != 0 {
		t.Errorf("not heard of since: %d entries are left, %v", x.Entries(), err)
	}
	if err := x.Apply(after(0), delta(row(1, 1, now))); err != nil {
		t.Errorf("after that it begins anew: %v", err)
	}
}

// A damaged index is begun anew.
func TestDamagedIndexIsBegunAnew(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"segment gone": func(dir string) error { return os.Remove(filepath.Join(dir, "segment-0")) },
		"segment cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, "segment-0"), 50) },
		"state":        func(dir string) error { return os.WriteFile(filepath.Join(dir, stateName), []byte("{"), 0o600) },
	} {
		dir := t.TempDir()
		x := open(t, dir, nil)
		if err := x.Apply(after(0), delta(row(1, 1, now))); err != nil {
			t.Fatal(err)
		}
		x.Close()
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		x = open(t, dir, nil)
		if _, number, _ := x.Fresh(); number != 0 || x.Entries() != 0 {
			t.Errorf("%s: number %d, %d entries; want it begun anew", name, number, x.Entries())
		}
		if err := x.Apply(after(0), delta(row(1, 1, now))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeDelta(f *testing.F) {
	b, err := delta(row(1, 1, now), row(2, 2, now)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := repotest.Parsed(t, b, DecodeDelta)
		if err == nil {
			if _, err := d.Encode(); err != nil {
				t.Fatalf("a delta that was read cannot be written: %v", err)
			}
		}
	})
}

var entries = flag.Uint64("entries", 100_000, "entries of BenchmarkSeen; 10 million take some minutes and 1.2 GB")

// BenchmarkSeen asks an index that grew by deltas of 20 000 rows, as a device's
// does, for documents it has and for others; each question's time is taken.
func BenchmarkSeen(b *testing.B) {
	dir := b.TempDir()
	x, err := Open(dir, bytes.Repeat([]byte{7}, 32), clock)
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	begun := time.Now()
	for number := uint64(0); number*MaxRows < *entries; number++ {
		rows := make([]Row, 0, MaxRows)
		for n := number * MaxRows; n < min(*entries, (number+1)*MaxRows); n++ {
			rows = append(rows, row(n, n, now))
		}
		if err := x.Apply(after(number), delta(rows...)); err != nil {
			b.Fatal(err)
		}
	}
	grew := time.Since(begun)
	var size int64
	for _, s := range x.segments {
		size += bodyAt + s.count*entrySize
	}
	r := rand.New(rand.NewPCG(3, 3))
	var spent []time.Duration
	for i := 0; b.Loop(); i++ {
		document, want := r.Uint64N(*entries), 1
		if i%2 == 1 {
			document, want = document+*entries, 0
		}
		about := []limen.Trace{trace(document)}
		begun := time.Now()
		got, _, err := x.Seen(about, time.Time{}, 50)
		spent = append(spent, time.Since(begun))
		if err != nil || len(got) != want {
			b.Fatalf("document %d seen %d times, %v; want %d", document, len(got), err, want)
		}
	}
	slices.Sort(spent)
	b.ReportMetric(float64(spent[len(spent)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(spent[len(spent)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(spent[len(spent)-1].Microseconds()), "max-µs")
	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportMetric(float64(len(x.segments)), "segments")
	b.ReportMetric(float64(*entries)/grew.Seconds(), "entries/s-grown")
}

// A device that makes up place after place takes no room from the checks.
func TestNamesBeyondTheLimitShareOne(t *testing.T) {
	have := []string{"a/1", "b/2"}
	got, err := numbered(&have, []string{"b/2", "c/3", "d/4", "a/1", "e/5"}, 4)
	if err != nil || !slices.Equal(got, []int{1, 2, 3, 0, 3}) || len(have) != 4 {
		t.Errorf("got %v of %v, %v; want the last two at one place", got, have, err)
	}
	if got, err = numbered(&have, []string{"f/6"}, 4); err != nil || !slices.Equal(got, []int{3}) || len(have) != 4 {
		t.Errorf("got %v of %v, %v; want it there too", got, have, err)
	}
	have = []string{"a", "b", "c", "d"} // full before there was such a place
	if _, err := numbered(&have, []string{"e"}, 4); err == nil {
		t.Error("a name got a number that is not there")
	}
}
