package fleet

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/history"
	"limen/sync/wire"
)

// A device learns from the centre what others recorded of a document, asks it
// on the line, and forgets it when others erased it or it hears nothing more.
func TestDevicesLearnOfEachOther(t *testing.T) { onBoth(t, testDevicesLearnOfEachOther) }

func testDevicesLearnOfEachOther(t *testing.T, at place) {
	b := newBare(t, at)
	keyFile := filepath.Join(t.TempDir(), "receipt.key")
	_, public, err := receiptKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	centre, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	one, two := b.seer("gate-11", 11), b.seer("gate-12", 12)
	now := time.Now()
	two.history = history.New(two.journal, history.Options{Pseudonyms: fleetKey{}, Centre: centre, Site: "s", Device: two.name, Now: func() time.Time { return now }})
	one.see("L898902C3", "seen at one")
	one.see("OTHER", "other")
	first := one.deliver()
	two.see("L898902C3", "seen at two")
	two.deliver()

	index := func(from uint64, at time.Time) ([]byte, wire.Delta) {
		t.Helper()
		sealed, d, err := b.records.SealedIndex(t.Context(), keyFile, two.name, from, now.AddDate(0, 0, -90), at)
		if err != nil {
			t.Fatal(err)
		}
		return sealed, d
	}
	all, d := index(0, now)
	if len(d.Sightings) != 2 || d.More {
		t.Fatalf("got %d sightings, more %v; want gate-11's two and none of the device's own", len(d.Sightings), d.More)
	}
	region, err := two.history.Learn(t.Context(), all)
	if err != nil || region.To != d.To || !region.Whole {
		t.Fatalf("Learn: %+v, %v", region, err)
	}
	about, err := two.history.Subject(t.Context(), fleetKey{}.Traces("UTO", "L898902C3"))
	if err != nil {
		t.Fatal(err)
	}
	seen := func(want int, refused bool) {
		t.Helper()
		earlier, err := two.history.Earlier(t.Context(), about, time.Time{})
		if err != nil || len(earlier) != want {
			t.Fatalf("seen %d times, %v; want %d", len(earlier), err, want)
		}
		for _, e := range earlier {
			if e.Record == "seen at one" && (e.Officer == limen.Refuse) != refused {
				t.Errorf("an officer at gate-11 decided %q, want refused %v", e.Officer, refused)
			}
		}
	}
	seen(2, false)
	f, err := two.history.Find(t.Context(), history.Document{Issuer: "UTO", Number: "L898902C3"}, history.Asker{Who: "1", Why: "x"})
	if err != nil || f.Times != 2 || len(f.Devices) != 2 || len(f.Sources) != 2 || !f.Sources[1].AsOf.Equal(now.UTC().Truncate(time.Millisecond)) {
		t.Errorf("Find: got %+v, %v; want two devices, and how fresh each is", f, err)
	}

	// What follows: an officer's word there, about a check known here.
	shown, err := one.history.Show(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	word, err := limen.NewOfficerRecord(*shown[0].Record, limen.Receipt{}, limen.Refuse, "4711", "refuse_h_alert", "o", now, newKey(11))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.history.Append(t.Context(), word, limen.Subject{}); err != nil {
		t.Fatal(err)
	}
	one.deliver()
	later, _ := index(d.To, now)
	if _, err := two.history.Learn(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	seen(2, true)
	if _, err := two.history.Learn(t.Context(), later); !errors.Is(err, history.ErrGap) {
		t.Errorf("a delta that does not follow: got %v, want ErrGap", err)
	}
	if _, err := one.history.Learn(t.Context(), all); err == nil {
		t.Error("a device took another's delta, or one without the centre's key")
	}
	forged, err := d.Seal(b.signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.history.Learn(t.Context(), forged); err == nil {
		t.Error("a delta under another key was taken")
	}
	changed := append([]byte{}, all...)
	changed[len(changed)/2] ^= 1
	if _, err := two.history.Learn(t.Context(), changed); err == nil {
		t.Error("a changed delta was taken")
	}

	// What was erased there goes with the next whole index.
	one.forget("L898902C3")
	whole, _ := index(0, now.Add(time.Second))
	if _, err := two.history.Learn(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	seen(1, false)
	if _, err := two.history.Learn(t.Context(), all); err == nil {
		t.Error("an older whole index took the place of a newer one")
	}
	one.see("L898902C3", "seen and erased")
	one.deliver()
	upTo, err := two.history.Region()
	if err != nil {
		t.Fatal(err)
	}
	old, _ := index(upTo.To, now)
	one.forget("L898902C3")
	if _, err := two.history.Learn(t.Context(), old); err == nil {
		t.Error("an older delta that follows brought back what was erased")
	}
	if a := b.send(one.name, first); a.Refusal != "" {
		t.Errorf("an old batch: %s %s", a.Refusal, a.Detail)
	}
	// Without word from the centre it goes altogether.
	policy := limen.Policy{Name: "p", History: limen.HistoryPolicy{IndexExpires: time.Hour}}
	for _, c := range []struct {
		after time.Duration
		known bool
	}{{30 * time.Minute, true}, {2 * time.Hour, false}} {
		now = now.Add(c.after)
		if _, err := two.history.Retain(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
		if r, err := two.history.Region(); err != nil || r.AsOf.IsZero() == c.known {
			t.Errorf("after %v without word: %+v, %v; want it known %v", c.after, r, err, c.known)
		}
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
