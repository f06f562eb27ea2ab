package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/history"
	"limen/sync/index"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/wire"
)

// under are the files under a folder in which a needle lies.
func under(t testing.TB, dir string, needle []byte) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // of a store that works
		}
		if err == nil && bytes.Contains(b, needle) {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// unzipped is what a backup holds.
func unzipped(t *testing.T, backup []byte) []byte {
	t.Helper()
	_, packed, _ := bytes.Cut(backup, []byte("\n"))
	z, err := zstd.NewReader(bytes.NewReader(packed[:len(packed)-sha256.Size]))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil || len(b) < 1000 {
		t.Fatalf("a backup of %d bytes, %v", len(b), err)
	}
	return b
}

// searchSeesTheBroker puts something into the broker's store to find it there.
func (s *site) searchSeesTheBroker() {
	s.t.Helper()
	js, err := jetstream.New(s.link.(*natsLink).conn)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := js.CreateStream(s.t.Context(), jetstream.StreamConfig{Name: "PROBE", Subjects: []string{"probe"}, Storage: jetstream.FileStorage}); err != nil {
		s.t.Fatal(err)
	}
	needle := []byte("what lies in the broker's store is found")
	if _, err := js.Publish(s.t.Context(), "probe", needle); err != nil {
		s.t.Fatal(err)
	}
	until(s.t, "found in the broker's files", func() bool { return under(s.t, s.folder(), needle) != nil })
	if err := js.DeleteStream(s.t.Context(), "PROBE"); err != nil {
		s.t.Fatal(err)
	}
}

// A person's checks travel from a device over MQTT to the centre, into the
// region's index and to another device. After their document is erased no byte
// of its records, salts, pseudonym or keyed hash is in any file: not at the
// device, encrypted or not, nor in the broker's store, the centre's records with
// their log and free pages, a backup made then, or the other device's index. All
// proofs hold.
func TestErasedDocumentIsNowhere(t *testing.T) {
	for _, plain := range []bool{true, false} {
		t.Run(fmt.Sprint("in the clear: ", plain), func(t *testing.T) { erasedIsNowhere(t, plain) })
	}
}

func erasedIsNowhere(t *testing.T, plain bool) {
	s := newSite(t)
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, name: "gate-1", key: newKey(1), dir: t.TempDir()}
	files, err := s.authority.Device(d.name)
	if err != nil {
		t.Fatal(err)
	}
	d.tls = clientTLS(t, s.authority, files)
	store := filepath.Join(d.dir, "journal")
	storeKey := bytes.Repeat([]byte{7}, 32)
	if plain {
		storeKey = nil
	}
	if d.journal, err = journal.Open(store, journal.Options{Key: storeKey, Clear: plain, Name: wire.Origin(d.name), Signer: d.key, Reserve: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	defer func() { d.journal.Close() }()
	h := history.New(d.journal, history.Options{Pseudonyms: fleetKey{}, Site: "s", Device: d.name, Sent: func() uint64 { return 1 << 60 }})
	if d.outbox, err = outbox.Open(outbox.Options{Journal: d.journal, Device: d.name, Centre: trust, Path: filepath.Join(d.dir, "receipt"), Beside: h}); err != nil {
		t.Fatal(err)
	}
	s.start(d.enrolled())
	d.connect(s.addr)

	w := &seer{bare: &bare{device: d}, name: d.name, journal: d.journal, history: h, outbox: d.outbox}
	needles := map[string][]byte{}
	for i := range 40 {
		w.see(fmt.Sprint("OTHER", i), fmt.Sprint("of another document ", i))
		if i%10 == 0 {
			id := fmt.Sprintf("inspection of the one %04d", i)
			p := w.see("L898902C3", id)
			needles[id], needles["pseudonym"] = []byte(id), p[8:]
		}
	}
	trace := fleetKey{}.Traces("UTO", "L898902C3")[0]
	needles["keyed hash"] = trace.Hash[:index.KeySize]
	for i := range d.journal.Size() {
		e, err := d.journal.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Body, []byte("inspection of the one")) {
			needles[fmt.Sprint("salt of ", i)] = e.Salt
		}
	}
	until(t, "everything at the centre", func() bool {
		n, err := s.Stored(d.name)
		return err == nil && n == d.journal.Size() && d.outbox.Position() == n
	})
	region := &index.Client{Centre: &directly{centre: s.Centre, device: d.name}, Site: "s", Device: "gate-2", Receipts: trust, Patience: patience}
	other := t.TempDir()
	if region.Index, err = index.Open(other, nil, nil); err != nil {
		t.Fatal(err)
	}
	defer region.Index.Close()
	now := time.Now()
	follow := func() {
		t.Helper()
		now = now.Add(time.Second)
		_, err := s.records.cutIndex(t.Context(), nil, 0, now)
		if err == nil {
			_, err = region.Fetch(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	follow()
	if region.Index.Entries() != 44 || under(t, other, needles["keyed hash"]) == nil || under(t, s.folder(), needles["keyed hash"]) == nil {
		t.Fatalf("before: %d in the index; the search finds nothing that is there", region.Index.Entries())
	}

	s.searchSeesTheBroker()
	document := history.Document{Issuer: "UTO", Number: "L898902C3"}
	e, err := h.Erase(t.Context(), history.Selection{Document: &document}, history.Asker{Who: "4711", Why: "order 7 K 12/26"})
	if err != nil || e.Entries != 4 {
		t.Fatalf("erased %+v, %v; want 4 entries", e, err)
	}
	until(t, "the centre's word that it forgot", func() bool {
		names, _, err := h.Gone(10)
		return err == nil && len(names) == 0 && d.outbox.Position() == d.journal.Size()
	})
	follow()
	var backup bytes.Buffer
	if _, err := s.records.Backup(t.Context(), &backup, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "backup"), unzipped(t, backup.Bytes()), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := func(when string) {
		t.Helper()
		for what, needle := range needles {
			for where, dir := range map[string]string{"device and backup": d.dir, "centre and broker": s.folder(), "another device's index": other} {
				if files := under(t, dir, needle); files != nil {
					t.Errorf("%s: %s is still at the %s, in %v", when, what, where, files)
				}
			}
		}
	}
	nowhere("erased")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	nowhere("stopped")
	s.start()
	verdicts, err := s.records.Verify(t.Context())
	if err != nil || verdicts[0].Fault != nil || verdicts[0].Erased != 4 {
		t.Errorf("the centre verifies %+v, %v; want no fault and 4 erased", verdicts, err)
	}
	v, err := h.Verify(context.Background())
	if err != nil || v.Fault != nil {
		t.Errorf("the device verifies %+v, %v", v, err)
	}
	if seen, _, err := region.Index.Seen([]limen.Trace{trace}, time.Time{}, 10); err != nil || len(seen) != 0 {
		t.Errorf("the other device still knows %+v, %v", seen, err)
	}
}

// With PostgreSQL what was erased stays in pages until the tables are written
// anew; then it is in none of their files. (The write-ahead log is not searched:
// how long it is kept is the server's to say.)
func TestErasedIsInNoTableOfPostgres(t *testing.T) {
	b := newBare(t, inPostgres)
	one := b.seer("gate-11", 11)
	needles := map[string][]byte{"inspection": []byte("an inspection of the one"), "keyed hash": fleetKey{}.Traces("UTO", "L898902C3")[0].Hash[:index.KeySize]}
	p := one.see("L898902C3", "an inspection of the one")
	needles["pseudonym"] = p[8:]
	for i := range 20 {
		one.see(fmt.Sprint("OTHER", i), "another")
	}
	one.deliver()
	now := time.Now()
	cut := func() {
		t.Helper()
		now = now.Add(time.Second)
		if _, err := b.records.cutIndex(t.Context(), nil, 0, now); err != nil {
			t.Fatal(err)
		}
	}
	cut()
	var data string
	if err := b.records.read.QueryRow("SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database WHERE datname = current_database()").Scan(&data); err != nil {
		t.Fatal(err)
	}
	onDisk := func() {
		t.Helper()
		if _, err := b.records.write.Exec("CHECKPOINT"); err != nil {
			t.Fatal(err)
		}
	}
	onDisk()
	for what, needle := range needles {
		if under(t, data, needle) == nil {
			t.Fatalf("%s is in no file before: the search finds nothing", what)
		}
	}
	d := history.Document{Issuer: "UTO", Number: "L898902C3"}
	if _, err := one.history.Erase(t.Context(), history.Selection{Document: &d}, history.Asker{Who: "4711", Why: "order"}); err != nil {
		t.Fatal(err)
	}
	one.deliver()
	cut()
	if err := b.records.Rewrite(t.Context()); err != nil {
		t.Fatal(err)
	}
	onDisk()
	for what, needle := range needles {
		if files := under(t, data, needle); files != nil {
			t.Errorf("%s is still in %v", what, files)
		}
	}
	v, err := b.records.Verify(t.Context())
	if err != nil || v[1].Fault != nil || v[1].Erased != 1 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
}
