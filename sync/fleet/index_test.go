package fleet

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"limen/sync/history"
	"limen/sync/index"
)

// follower is a device that follows its region's index.
func (b *bare) follower(site, device string, dir string) *index.Client {
	b.t.Helper()
	x, err := index.Open(dir, nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { x.Close() })
	c := &Centre{records: b.records, cfg: Config{Regions: map[string]string{"far": "elsewhere"}}.withDefaults(), signer: b.signer}
	return &index.Client{Index: x, Centre: &directly{centre: c, device: device}, Site: site, Device: device, Receipts: b.trust, Patience: patience, Log: slog.New(slog.DiscardHandler)}
}

// What one device sees the others of its region know, as does the officer who
// asks the centre; and what it erases goes from the centre's segments and from
// the others' disks.
func TestIndexReachesTheRegionAndForgets(t *testing.T) {
	onBoth(t, testIndexReachesTheRegionAndForgets)
}

func testIndexReachesTheRegionAndForgets(t *testing.T, at place) {
	b := newBare(t, at)
	one, two := b.seer("gate-11", 11), b.seer("gate-12", 12)
	dir := t.TempDir()
	near, far := b.follower("s", two.name, dir), b.follower("far", "gate-12", t.TempDir())
	about := fleetKey{}.Traces("UTO", "L898902C3")
	one.see("L898902C3", "seen at one")
	one.see("OTHER", "another document")
	two.see("L898902C3", "seen at two")
	one.deliver()
	two.deliver()
	now := time.Now()
	cut := func(want int) {
		t.Helper()
		now = now.Add(time.Second)
		if n, err := b.records.cutIndex(t.Context(), regions{"far": "elsewhere"}, 0, now); err != nil || n != want {
			t.Fatalf("cut %d segments, %v; want %d", n, err, want)
		}
	}
	fetch := func(c *index.Client, want int) {
		t.Helper()
		if n, err := c.Fetch(t.Context()); err != nil || n != want {
			t.Fatalf("fetched %d, %v; want %d", n, err, want)
		}
	}
	seen := func(c *index.Client, want int) {
		t.Helper()
		got, _, err := c.Index.Seen(about, time.Time{}, 50)
		if err != nil || len(got) != want {
			t.Errorf("the index has %+v, %v; want %d", got, err, want)
		}
	}
	cut(1)
	cut(0)
	fetch(near, 1)
	seen(near, 2)
	fetch(near, 0)
	fetch(far, 0) // its region saw nothing
	if _, number, asOf := far.Index.Fresh(); number != 0 || asOf.UnixMilli() != now.UnixMilli() {
		t.Errorf("another region: number %d as of %v; want none as of the last cut, %v", number, asOf, now)
	}
	// The device's own question joins both, and says how fresh that is.
	asked := history.New(two.journal, history.Options{Pseudonyms: fleetKey{}, Site: "s", Device: two.name, Region: near.Index})
	d := history.Document{Issuer: "UTO", Number: "L898902C3"}
	officer := history.Asker{Who: "4711", Why: "second line"}
	f, err := asked.Find(t.Context(), d, officer)
	if err != nil || f.Times != 2 || len(f.Sources) != 2 || f.Sources[1].Device != "region" || f.Sources[1].AsOf.UnixMilli() != now.UnixMilli() {
		t.Errorf("found %+v, %v; want both checks and the region's freshness", f, err)
	}
	subject, err := asked.Subject(t.Context(), about)
	if err != nil {
		t.Fatal(err)
	}
	if earlier, err := asked.Earlier(t.Context(), subject, now.Add(-time.Hour)); err != nil || len(earlier) != 2 {
		t.Errorf("on the line: got %+v, %v; want both", earlier, err)
	}
	// And with a link, the centre answers.
	asked = history.New(two.journal, history.Options{Pseudonyms: fleetKey{}, Site: "s", Device: two.name, Region: near.Index, Online: near.Online})
	if f, err = asked.Find(t.Context(), d, officer); err != nil || f.Times != 2 || f.Sources[1].Device != "centre" {
		t.Errorf("online: found %+v, %v", f, err)
	}

	if _, err := one.history.Erase(t.Context(), history.Selection{Document: &d}, officer); err != nil {
		t.Fatal(err)
	}
	one.deliver()
	var kept int
	if err := b.records.read.QueryRow("SELECT count(*) FROM set_pieces WHERE name = $1", index.PieceName(wholeRegion)).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d pieces of the segment with the erased check are kept, %v", kept, err)
	}
	cut(1)
	fetch(near, 1)
	seen(near, 1)
	if got, _, err := near.Online(t.Context(), about, time.Time{}); err != nil || len(got) != 1 || got[0].Device != two.name {
		t.Errorf("online after the erasure: %+v, %v; want the other device's alone", got, err)
	}
	// Who begins now gets nothing of it either.
	late := b.follower("s", "gate-12", t.TempDir())
	fetch(late, 2)
	seen(late, 1)
	if _, err := two.history.Erase(t.Context(), history.Selection{Document: &d}, officer); err != nil {
		t.Fatal(err)
	}
	two.deliver()
	cut(1)
	fetch(near, 1)
	seen(near, 0)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil || bytes.Contains(content, index.DocumentKey(about[0].Hash[:])) {
			t.Errorf("%s has the erased document's key (%v)", file.Name(), err)
		}
	}
	if got, _, err := near.Index.Seen(fleetKey{}.Traces("UTO", "OTHER"), time.Time{}, 50); err != nil || len(got) != 1 {
		t.Errorf("another document: %+v, %v; want it to stay", got, err)
	}
}

// A false broker can change neither the index nor an answer.
func TestIndexOfAFalseBroker(t *testing.T) {
	b := newBare(t, inSQLite)
	one := b.seer("gate-11", 11)
	one.see("L898902C3", "seen at one")
	one.deliver()
	if _, err := b.records.cutIndex(t.Context(), nil, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	other := newBare(t, inSQLite) // has another receipt key
	c := b.follower("s", "gate-12", t.TempDir())
	c.Receipts = other.trust
	if _, err := c.Fetch(t.Context()); err == nil {
		t.Error("an index signed by another key was taken")
	}
	if _, _, err := c.Online(t.Context(), fleetKey{}.Traces("UTO", "L898902C3"), time.Time{}); err == nil {
		t.Error("an answer signed by another key was taken")
	}
	if _, err := b.records.write.Exec("UPDATE set_pieces SET bytes = x'00' WHERE name = 'index.all'"); err != nil {
		t.Fatal(err)
	}
	c.Receipts = b.trust
	if n, err := c.Fetch(t.Context()); err == nil || n != 0 {
		t.Errorf("a changed delta was taken: %d, %v", n, err)
	}
	if fmt.Sprint(c.Index.Entries()) != "0" {
		t.Errorf("%d entries", c.Index.Entries())
	}
}

var _ history.Online = (&index.Client{}).Online
