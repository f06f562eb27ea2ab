package fleet

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/sync/wire"
)

// backedUp are records with two devices and an erased entry, and their backup.
func backedUp(t testing.TB, at place) (*bare, string) {
	t.Helper()
	b := newBare(t, at)
	if err := b.records.Enrol(t.Context(), "gate-2", newKey(2).PublicKey(), day); err != nil {
		t.Fatal(err)
	}
	b.append(300)
	if err := b.journal.Erase(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	for first := uint64(0); first < 300; first += 100 {
		b.wantReceipt("batch", b.send(b.name, b.batch(b.journal, first, first+100)), first+100)
	}
	return b, b.backup()
}

func (b *bare) backup() string {
	b.t.Helper()
	f, err := os.Create(filepath.Join(b.t.TempDir(), "backup"))
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := b.records.Backup(b.t.Context(), f, day)
	if err := errors.Join(err, f.Close()); err != nil {
		b.t.Fatal(err)
	}
	if s.Rows["entries"] != int64(b.journal.Size()) {
		b.t.Errorf("the backup holds %d entries, want %d", s.Rows["entries"], b.journal.Size())
	}
	return f.Name()
}

func restore(t testing.TB, at place, path string, keepFaults bool) (*Records, BackupSummary, error) {
	t.Helper()
	r, err := CreateRecords(at(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := r.Restore(t.Context(), f, keepFaults)
	return r, s, err
}

// A backup of either database fills either, whole, and the centre goes on there.
func TestBackupAndRestore(t *testing.T) {
	places := map[string]place{"SQLite": inSQLite, "PostgreSQL": inPostgres}
	for from, at := range places {
		for to, there := range places {
			t.Run(from+" to "+to, func(t *testing.T) {
				b, path := backedUp(t, at)
				r, s, err := restore(t, there, path, false)
				if err != nil || len(s.Verdict) != 2 || s.Verdict[0].Size != 300 || s.Verdict[0].Erased != 1 || s.Verdict[0].Signed != 300 || !s.Made.Equal(day) {
					t.Fatalf("got %+v, %v; want 300 entries of gate-1 that hold", s, err)
				}
				was, err := b.records.Checks(t.Context(), 1000)
				if err != nil {
					t.Fatal(err)
				}
				is, err := r.Checks(t.Context(), 1000)
				if err != nil || len(is) != 300 || !slices.EqualFunc(was, is, func(a, b CheckView) bool {
					return a.Index == b.Index && a.Received == b.Received && a.Document == b.Document
				}) {
					t.Errorf("the restored checks are %d, %v, or others", len(is), err)
				}
				b.records = r
				b.append(5)
				b.wantReceipt("after the restore", b.send(b.name, b.batch(b.journal, 300, 305)), 305)
				if newest, err := r.Checks(t.Context(), 1); err != nil || newest[0].Index != 304 {
					t.Errorf("newest: got %+v, %v; want entry 304", newest, err)
				}
			})
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	b, path := backedUp(t, inSQLite)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) string {
		p := filepath.Join(t.TempDir(), "bent")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, test := range map[string]struct {
		path string
		says string
	}{
		"something else": {put([]byte("PGDMP and so on")), "is no backup of a centre"},
		"nothing":        {put(nil), "is no backup of a centre"},
		"a head alone":   {put([]byte(backupMagic)), "cannot read the backup"},
		"cut":            {put(whole[:len(whole)-100]), "was cut or changed"},
		"a bit flipped":  {put(func() []byte { c := bytes.Clone(whole); c[len(c)/2] ^= 1; return c }()), "was cut or changed"},
	} {
		r, _, err := restore(t, inSQLite, test.path, true)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want ... %s", name, err, test.says)
		}
		if d, err := r.Devices(t.Context()); err != nil || len(d) != 0 {
			t.Errorf("%s: got %d devices, %v; want none restored", name, len(d), err)
		}
	}
	f, _ := os.Open(path)
	defer f.Close()
	if _, err := b.records.Restore(t.Context(), f, true); err == nil || !strings.Contains(err.Error(), "restore into an empty folder or database") {
		t.Errorf("over other records: got %v", err)
	}
}

// A backup of records that somebody changed says so when it is restored.
func TestRestoreVerifies(t *testing.T) { onBoth(t, testRestoreVerifies) }

func testRestoreVerifies(t *testing.T, at place) {
	b, _ := backedUp(t, inSQLite)
	b.tamper("UPDATE entries SET body = x'00' WHERE number = 7 OR number = 9")
	path := b.backup()
	r, s, err := restore(t, at, path, false)
	if !errors.Is(err, ErrFaults) || s.Verdict[0].Fault == nil || s.Verdict[0].Fault.Index != 7 {
		t.Errorf("got %+v, %v; want entry 7 named", s.Verdict, err)
	}
	if d, err := r.Devices(t.Context()); err != nil || len(d) != 0 {
		t.Errorf("got %d devices, %v; want none restored", len(d), err)
	}
	if _, s, err = restore(t, at, path, true); err != nil || s.Verdict[0].Fault == nil || s.Rows["entries"] != 300 {
		t.Errorf("with faults kept: got %+v, %v", s, err)
	}
}

// A backup taken while devices send is of one moment.
func TestBackupIsOfOneMoment(t *testing.T) { onBoth(t, testBackupIsOfOneMoment) }

func testBackupIsOfOneMoment(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(200)
	var messages []message
	for first := uint64(0); first < 200; first += 2 {
		payload, err := b.batch(b.journal, first, first+2).Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, message{b.name, wire.KindEntries, payload, day})
	}
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if _, err := b.records.take(context.Background(), []message{m}, b.signer); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for more := true; more; {
		select {
		case err := <-sent:
			if err != nil {
				t.Fatal(err)
			}
			more = false
		default:
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.records.Backup(t.Context(), f, day); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, s, err := restore(t, inSQLite, f.Name(), false); err != nil {
			t.Fatalf("of %d entries: %v", s.Rows["entries"], err)
		}
	}
}

// Every table is in the backup, or follows from one that is.
func TestBackupHoldsEveryTable(t *testing.T) {
	var want []string
	for _, table := range tables {
		want = append(want, table.name)
	}
	slices.Sort(want)
	for question, at := range map[string]place{
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'sessions' ORDER BY name": inSQLite,
		`SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition AND c.relname NOT IN ('migrations', 'entry_numbers', 'sessions') ORDER BY 1`: inPostgres,
	} {
		r, err := CreateRecords(at(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		rows, err := r.read.Query(question)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		if err := rows.Err(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: there are the tables %v (%v), and a backup holds %v", r.database.name(), got, err, want)
		}
	}
}

// Whatever a file says of its items, reading them is bounded.
func FuzzBackupItems(f *testing.F) {
	var b bytes.Buffer
	for _, item := range []any{backupHead{Version: 1, Schema: 1, Tables: []string{"devices"}}, backupRows{Table: "hashes", Rows: [][]any{{"gate-1", int64(3), make([]byte, 32)}}}} {
		if err := writeItem(&b, item); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		repotest.Bounded(t, len(b), func() {
			items := bytes.NewReader(b)
			var head backupHead
			if readItem(items, &head) != nil {
				return
			}
			for {
				var item backupRows
				if err := readItem(items, &item); err != nil {
					return
				}
			}
		})
	})
}
