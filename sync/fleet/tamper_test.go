package fleet

import (
	"context"
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/witness"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/tamper.md")

// Every way of changing the centre's rows is found by limen-fleet verify.
func TestTamperWithTheCentre(t *testing.T) {
	rows := [][]string{{"what is done", "found at entry", "as", "what `limen-fleet verify` says"}}
	for _, c := range []struct {
		name   string
		tamper []string
		index  uint64
		part   string
	}{
		{"a body edited", []string{"UPDATE entries SET body = x'00' WHERE number = 7"}, 7, "content"},
		{"a salt edited", []string{"UPDATE entries SET salt = zeroblob(32) WHERE number = 0"}, 0, "content"},
		{"a leaf edited", []string{"UPDATE entries SET leaf = zeroblob(32) WHERE number = 3"}, 3, "content"},
		{"a hash of the tree edited", []string{"UPDATE hashes SET hash = zeroblob(32) WHERE number = 5"}, 3, "tree"},
		{"two entries swapped", []string{"UPDATE entries SET number = -1 WHERE number = 4", "UPDATE entries SET number = 4 WHERE number = 5", "UPDATE entries SET number = 5 WHERE number = -1"}, 4, "tree"},
		{"an entry dropped", []string{"DELETE FROM entries WHERE number = 9"}, 9, "leaf"},
		{"the last entry dropped", []string{"DELETE FROM entries WHERE number = 19"}, 19, "leaf"},
		{"an entry dropped, those after it moved up", []string{"DELETE FROM entries WHERE number = 9", "UPDATE entries SET number = -number WHERE number > 9", "UPDATE entries SET number = -number - 1 WHERE number < 0"}, 9, "tree"},
		{"an entry added", []string{"INSERT INTO entries (device, number, leaf, received) SELECT 'gate-1', 20, zeroblob(32), max(received) FROM entries"}, 20, "leaf"},
		{"a content taken away as though erased", []string{"UPDATE entries SET salt = NULL, body = NULL, document = NULL WHERE number = 3"}, 3, "tombstone"},
		{"the same, and a tombstone planted", []string{"UPDATE entries SET salt = NULL, body = NULL, document = NULL WHERE number = 3", "INSERT INTO erased (device, number, note) VALUES ('gate-1', 3, x'00')"}, 3, "tombstone"},
		{"the same, with another entry's tombstone", []string{"UPDATE entries SET salt = NULL, body = NULL, document = NULL WHERE number = 3", "INSERT INTO erased (device, number, note) SELECT device, 3, note FROM erased WHERE number = 12"}, 3, "tombstone"},
		{"a tombstone taken away", []string{"DELETE FROM erased"}, 12, "tombstone"},
		{"a tombstone planted beside a content", []string{"INSERT INTO erased (device, number, note) VALUES ('gate-1', 3, x'00')"}, 3, "tombstone"},
		{"an entry put under another document", []string{"UPDATE entries SET document = zeroblob(32) WHERE number = 6"}, 6, "index"},
		{"an entry put under no document", []string{"UPDATE entries SET document = NULL WHERE number = 6"}, 6, "index"},
		{"a checkpoint edited", []string{"UPDATE checkpoints SET note = x'00'"}, 19, "checkpoint"},
		{"the checkpoints taken away", []string{"DELETE FROM checkpoints"}, 0, "checkpoint"},
		{"the root edited", []string{"UPDATE devices SET root = zeroblob(32)"}, 20, "tree"},
		{"the last entries dropped, and the size set back", []string{"DELETE FROM entries WHERE number >= 15", "UPDATE devices SET size = 15"}, 0, "tree"},
		{"the device's key exchanged", []string{"UPDATE devices SET public_key = zeroblob(32)"}, 12, "tombstone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBare(t, inSQLite)
			b.append(20)
			if err := b.journal.Erase(t.Context(), 12); err != nil {
				t.Fatal(err)
			}
			b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 20)), 20)
			for _, statement := range c.tamper {
				b.tamper(statement)
			}
			v, err := b.records.Verify(t.Context())
			if err != nil || len(v) != 1 || v[0].Fault == nil || v[0].Fault.Index != c.index || v[0].Fault.Part != c.part {
				t.Fatalf("got %+v, %v; want entry %d, %s", v, err, c.index, c.part)
			}
			rows = append(rows, []string{c.name, strconv.FormatUint(v[0].Fault.Index, 10), v[0].Fault.Part, v[0].Fault.What})
		})
	}
	repotest.DocTable(t, "tamper.md", "centre", rows, *update)
}

// outside is a device whose first 12 entries the centre and a witness have,
// and what it looked like when it had 8.
type outside struct {
	*bare
	witness *witness.Witness
	url     string
	key     *journal.CosignatureVerifier
	receipt string // where the last receipt lies
	old     string // folder of the copies
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{bare: newBare(t, inSQLite), old: t.TempDir()}
	o.receipt = filepath.Join(o.dir, "receipt")
	var err error
	o.witness, err = witness.Open(witness.Options{Dir: t.TempDir(), Name: "limen/gate-2", Key: newKey(2), Logs: []note.Verifier{o.journal.Verifier()}, Rate: 1e6, Burst: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.witness.Close() })
	server := httptest.NewServer(o.witness.Handler())
	t.Cleanup(server.Close)
	o.url = server.URL
	if o.key, err = journal.ParseCosignatureKey(o.witness.Key()); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{8, 4} {
		o.append(n)
		if said := o.sends(); said != "" {
			t.Fatalf("the centre does not take the first %d entries: %s", o.journal.Size(), said)
		}
		if said := o.asks(); said != "" {
			t.Fatalf("the witness does not cosign the first %d entries: %s", o.journal.Size(), said)
		}
		if n == 8 {
			o.journal.Close()
			o.copy(filepath.Join(o.dir, "journal"), filepath.Join(o.old, "journal"))
			o.copyFile(o.receipt, filepath.Join(o.old, "receipt"))
			o.journal = o.openJournal("journal")
			o.reopen()
		}
	}
	return o
}

func (o *outside) copy(from, to string) {
	o.t.Helper()
	if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from))); err != nil {
		o.t.Fatal(err)
	}
}

func (o *outside) copyFile(from, to string) {
	o.t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// reopen opens the outbox as the appliance does when it starts, and says why
// it cannot.
func (o *outside) reopen() string {
	var err error
	o.outbox, err = outbox.Open(outbox.Options{Journal: o.journal, Device: o.name, Centre: o.trust, Path: o.receipt})
	if err != nil {
		return err.Error()
	}
	return ""
}

// sends carries everything to the centre and says what is wrong with it.
func (o *outside) sends() string {
	o.t.Helper()
	for o.outbox.Behind() > 0 {
		batch, err := o.outbox.Next(o.t.Context(), 5)
		if err != nil {
			o.t.Fatal(err)
		}
		a := o.send(o.name, batch)
		if a.Refusal != "" {
			return string(a.Refusal) + ": " + a.Detail
		}
		if _, err := o.outbox.Acknowledge(a.Receipt); err != nil {
			return err.Error()
		}
	}
	return ""
}

// asks has the newest checkpoint cosigned and says why it is not.
func (o *outside) asks() string {
	o.t.Helper()
	ctx, stop := context.WithCancel(o.t.Context())
	defer stop()
	said := make(chan error, 1)
	c, err := witness.NewCollector(witness.CollectOptions{
		Journal: o.journal, Peers: []witness.Peer{{URL: o.url, Key: o.key}}, Gather: time.Hour, BackoffMin: time.Hour,
		OnState: func(s witness.PeerState) { said <- s.Err },
	})
	if err != nil {
		o.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	err = <-said
	stop()
	<-done
	switch {
	case errors.Is(err, witness.ErrForked):
		return "cosigned another history"
	case errors.Is(err, witness.ErrRolledBack):
		return "cosigned more entries than there are"
	case err != nil:
		return err.Error()
	}
	return ""
}

// Whoever has both of a device's keys can make everything on it agree. Then
// what left the device tells.
func TestTamperSeenFromOutside(t *testing.T) {
	rows := [][]string{{"what is done", "the device's last receipt", "a witness", "the centre"}}
	short := func(s string) string {
		if first, _, ok := strings.Cut(s, ": "); ok && strings.HasPrefix(first, "receipt for") {
			return first
		}
		return s
	}
	anew := func(o *outside) { // same device, same key, other salts
		o.journal.Close()
		if err := os.RemoveAll(filepath.Join(o.dir, "journal")); err != nil {
			o.t.Fatal(err)
		}
		o.journal = o.openJournal("journal")
	}
	back := func(o *outside) {
		o.journal.Close()
		o.copy(filepath.Join(o.old, "journal"), filepath.Join(o.dir, "journal"))
		o.journal = o.openJournal("journal")
	}
	receiptBack := func(o *outside) { o.copyFile(filepath.Join(o.old, "receipt"), o.receipt) }
	receiptGone := func(o *outside) {
		if err := os.Remove(o.receipt); err != nil {
			o.t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		do      func(o *outside)
		receipt string // "" where it says nothing; then the device goes on
		witness string
		centre  string
	}{
		{"nothing", func(*outside) {}, "", "", ""},
		{"nothing, and the receipt lost", receiptGone, "", "", ""},
		{"store set back to an old copy", back, "receipt for 12 entries", "cosigned more", ""},
		{"store and receipt set back", func(o *outside) { back(o); receiptBack(o) }, "", "cosigned more", ""},
		{"store and receipt set back, then other entries", func(o *outside) { back(o); receiptBack(o); o.append(6) }, "", "cosigned another", "history: entry 8 is not the one"},
		{"store set back, receipt taken away", func(o *outside) { back(o); receiptGone(o) }, "", "cosigned more", "receipt for 12 entries"},
		{"log forked after the last receipt", func(o *outside) {
			o.journal.Close()
			o.copy(filepath.Join(o.dir, "journal"), filepath.Join(o.old, "twelve"))
			o.journal = o.openJournal("journal")
			o.append(3)
			if said := o.asks(); said != "" { // the witness saw the first branch, the centre did not yet
				o.t.Fatal(said)
			}
			o.journal.Close()
			o.copy(filepath.Join(o.old, "twelve"), filepath.Join(o.dir, "journal"))
			o.journal = o.openJournal("journal")
			o.append(4)
		}, "", "cosigned another", ""},
		{"everything made anew and signed anew", func(o *outside) { anew(o); o.append(14); receiptGone(o) }, "", "cosigned another", "history: the device signed another root for the first 5"},
		{"everything made anew, receipt kept", func(o *outside) { anew(o); o.append(14) }, "receipt for 12 entries", "cosigned another", ""},
		{"everything made anew, signed with another key", func(o *outside) { o.key2(); anew(o); o.append(14); receiptGone(o) }, "", "403", "signature: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOutside(t)
			c.do(o)
			receipt, seen := o.reopen(), o.asks()
			sent := ""
			if receipt == "" {
				sent = o.sends()
			}
			for what, x := range map[string][2]string{"receipt": {receipt, c.receipt}, "witness": {seen, c.witness}, "centre": {sent, c.centre}} {
				if got, want := x[0], x[1]; !strings.Contains(got, want) || (got == "") != (want == "") {
					t.Errorf("the %s says %q, want %q", what, got, want)
				}
			}
			if c.witness+c.centre+c.receipt == "" {
				return
			}
			if receipt != "" {
				sent = "nothing is sent"
			}
			row := []string{c.name, short(receipt), seen, short(sent)}
			for k := range row {
				if row[k] == "" {
					row[k] = "–"
				}
			}
			rows = append(rows, row)
		})
	}
	repotest.DocTable(t, "tamper.md", "outside", rows, *update)
}

// key2 gives the device another signing key.
func (o *outside) key2() { o.bare.key = newKey(7) }
