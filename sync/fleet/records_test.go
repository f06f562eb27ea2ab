package fleet

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"limen/sync/wire"
)

// Records of another version than the program's are refused, and say what to do.
func TestRecordsOfAnotherVersion(t *testing.T) { onBoth(t, testRecordsOfAnotherVersion) }

func testRecordsOfAnotherVersion(t *testing.T, at place) {
	where := at(t)
	r, from, err := MigrateRecords(where)
	if err != nil || from != 0 {
		t.Fatalf("in an empty place: got version %d, %v; want 0", from, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = OpenRecords(where); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	known, err := r.Version(t.Context())
	if err != nil || known < 1 {
		t.Fatalf("got version %d, %v", known, err)
	}
	for _, test := range []struct {
		version int
		says    string
	}{{known + 1, "use the newer program"}, {known - 1, "run `limen-fleet migrate`"}} {
		tx, err := r.write.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if r.database.name() == "postgres" {
			if _, err := tx.Exec("DELETE FROM migrations"); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.database.setVersion(t.Context(), tx, test.version); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRecords(where); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("opening version %d: got %v; want ... %s", test.version, err, test.says)
		}
	}
	tx, _ := r.write.Begin()
	if err := r.database.setVersion(t.Context(), tx, known+1); err != nil || tx.Commit() != nil {
		t.Fatal(err)
	}
	if _, _, err := MigrateRecords(where); err == nil || !strings.Contains(err.Error(), "use the newer program") {
		t.Errorf("migrating a newer version: got %v", err)
	}
}

// Migrations are done in order, once, each whole or not at all.
func TestMigrations(t *testing.T) { onBoth(t, testMigrations) }

func testMigrations(t *testing.T, at place) {
	r, err := CreateRecords(at(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	known, err := r.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := func(more ...string) []string { return append(make([]string, known), more...) }
	const one, two = "CREATE TABLE one (n INTEGER)", "INSERT INTO one (n) VALUES (2)"
	if _, err := migrate(t.Context(), r.write, r.database, own(one, two+"; INSERT INTO nowhere VALUES (1)")); err == nil {
		t.Error("a migration that fails was taken for done")
	}
	count := func() (n int) {
		if err := r.read.QueryRow("SELECT count(*) FROM one").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if v, err := r.Version(t.Context()); err != nil || v != known+1 || count() != 0 {
		t.Errorf("after it failed half-way: got version %d, %v, %d rows; want %d and none", v, err, count(), known+1)
	}
	var done sync.WaitGroup
	for range 4 { // several programs start at once
		done.Go(func() {
			if _, err := migrate(t.Context(), r.write, r.database, own(one, two)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if v, err := r.Version(t.Context()); err != nil || v != known+2 || count() != 1 {
		t.Errorf("got version %d, %v, %d rows; want %d and 1", v, err, count(), known+2)
	}
}

func TestMigrationsAreNumbered(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		if s, err := steps(migrations, database); err != nil || len(s) == 0 {
			t.Errorf("%s: got %d steps, %v", database, len(s), err)
		}
	}
	lite, _ := steps(migrations, "sqlite")
	if server, _ := steps(migrations, "postgres"); len(lite) != len(server) {
		t.Errorf("got %d migrations of SQLite and %d of PostgreSQL; want as many", len(lite), len(server))
	}
	gap := fstest.MapFS{"migrations/x/0001_a.sql": {}, "migrations/x/0003_b.sql": {}}
	if _, err := steps(gap, "x"); err == nil || !strings.Contains(err.Error(), "number 2 belongs") {
		t.Errorf("a gap: got %v", err)
	}
}

// Entries lie in the partition of their month, the next ones are there
// already, and a number is taken once whatever the month.
func TestPartitionsByMonth(t *testing.T) {
	b := newBare(t, inPostgres)
	b.append(30)
	months := []time.Time{day, day.AddDate(0, 1, 0), day.AddDate(0, 7, 0)} // the last beyond those made ahead
	for k, at := range months {
		payload, err := b.batch(b.journal, uint64(10*k), uint64(10*k+10)).Encode()
		if err != nil {
			t.Fatal(err)
		}
		answers, err := b.records.take(t.Context(), []message{{b.name, wire.KindEntries, payload, at}}, b.signer)
		if err != nil {
			t.Fatal(err)
		}
		b.wantReceipt(at.Month().String(), answers[0], uint64(10*k+10))
	}
	rows, err := b.records.read.Query("SELECT tableoid::regclass::text, count(*) FROM entries GROUP BY 1 ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if want := []string{"entries_2026_11", "entries_2026_12", "entries_2027_06"}; !slices.Equal(got, want) {
		t.Errorf("entries lie in %v, want %v", got, want)
	}
	var ahead bool
	if err := b.records.read.QueryRow("SELECT to_regclass('entries_2027_09') IS NOT NULL").Scan(&ahead); err != nil || !ahead {
		t.Errorf("three months ahead: got %t, %v; want a partition", ahead, err)
	}
	_, err = b.records.write.Exec("INSERT INTO entries (device, number, leaf, received) SELECT device, number, leaf, $1 FROM entries WHERE number = 3", months[2].UnixMilli())
	if err == nil || !strings.Contains(err.Error(), "entry_numbers_pkey") {
		t.Errorf("a number again in another month: got %v; want it refused", err)
	}
	if v, err := b.records.Verify(t.Context()); err != nil || v[0].Fault != nil || v[0].Size != 30 {
		t.Errorf("Verify over three partitions: got %+v, %v", v, err)
	}
}

// Many workers take the batches of few devices at once, again and out of
// order: nothing is stored twice or lost, and each receipt is true.
func TestManyWorkersOneDevice(t *testing.T) { onBoth(t, testManyWorkersOneDevice) }

func testManyWorkersOneDevice(t *testing.T, at place) {
	where := at(t)
	b := newBare(t, func(testing.TB) string { return where })
	const devices, entries, each, workers = 3, 96, 8, 4
	all := []*bare{b}
	for k := 1; k < devices; k++ {
		d := &bare{records: b.records, signer: b.signer, trust: b.trust, device: &device{t: t, name: "gate-" + string(rune('1'+k)), key: newKey(byte(1 + k)), dir: t.TempDir()}}
		d.journal = d.openJournal("journal")
		if err := b.records.Enrol(t.Context(), d.name, d.key.PublicKey(), day); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	var messages []message
	for _, d := range all {
		d.append(entries)
		for first := uint64(0); first < entries; first += each {
			payload, err := d.batch(d.journal, first, first+each).Encode()
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, message{d.name, wire.KindEntries, payload, day})
		}
	}
	var done sync.WaitGroup
	for w := range workers {
		r, err := OpenRecords(where) // as a process of its own would
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		order := rand.New(rand.NewPCG(7, uint64(w)))
		done.Go(func() {
			// Refused for a gap it comes again, as from a device.
			waiting := slices.Clone(messages)
			for round := 0; len(waiting) > 0; round++ {
				order.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
				var again []message
				for group := range slices.Chunk(waiting, 4) {
					answers, err := r.take(t.Context(), group, b.signer)
					if err != nil {
						t.Errorf("worker %d: %v", w, err)
						return
					}
					for _, a := range answers {
						if a.Refusal != "" && a.Refusal != wire.RefusedGap {
							t.Errorf("worker %d: %s: %s", w, a.Refusal, a.Detail)
							return
						}
					}
					if slices.ContainsFunc(answers, func(a wire.Answer) bool { return a.Refusal != "" }) {
						again = append(again, group...)
					}
				}
				waiting = again
			}
		})
	}
	done.Wait()
	s := &site{t: t, Centre: &Centre{records: b.records}}
	for _, d := range all {
		s.exactlyOnce(d.device)
	}
	v, err := b.records.Verify(t.Context())
	if err != nil || len(v) != devices {
		t.Fatalf("Verify: got %d devices, %v", len(v), err)
	}
	for _, d := range v {
		if d.Fault != nil || d.Size != entries {
			t.Errorf("%s: got %d entries, %v", d.Device, d.Size, d.Fault)
		}
	}
}
