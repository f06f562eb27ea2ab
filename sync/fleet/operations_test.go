package fleet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"limen"
	"limen/sync/journal"
	"limen/sync/wire"
)

// says sends a status as the device would.
func (b *bare) says(s wire.Status, at time.Time) {
	b.t.Helper()
	s.Device = b.name
	payload, err := s.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.records.take(b.t.Context(), []message{{b.name, wire.KindStatus, payload, at}}, b.signer); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bare) view() DeviceView {
	b.t.Helper()
	d, err := b.records.Device(b.t.Context(), b.name)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func kindsOf(troubles []Trouble) (out []string) {
	for _, t := range troubles {
		out = append(out, t.Kind)
	}
	return out
}

func TestStatusTellsHealth(t *testing.T) { onBoth(t, testStatusTellsHealth) }

func testStatusTellsHealth(t *testing.T, at place) {
	b := newBare(t, at)
	well := func() *wire.Health {
		return &wire.Health{At: day.UnixMilli(), Site: "utopia-airport", Parts: []wire.Part{{Name: "camera", State: wire.PartWorking}}, DiskFree: 50 << 30, DiskSize: 100 << 30,
			TrustList: day.Add(-time.Hour).UnixMilli(), StopList: day.Add(-time.Minute).UnixMilli()}
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Software: "limen 1", Size: 3, Health: well()}, day)
	d := b.view()
	if d.Site != "utopia-airport" || d.Since != limen.MomentOf(day) || d.Journal != 3 || d.Health == nil || d.Health.DiskFree != 50<<30 || len(d.Troubles(day)) != 0 {
		t.Fatalf("got %+v", d)
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Health: well()}, day.Add(time.Minute))
	if d := b.view(); d.Since != limen.MomentOf(day) || d.Seen != limen.MomentOf(day.Add(time.Minute)) || d.Skew != -60_000 {
		t.Errorf("again: got since %v, seen %v, skew %d", d.Since, d.Seen, d.Skew)
	}
	for want, bend := range map[string]func(*wire.Health){
		TroubleDisk: func(h *wire.Health) { h.DiskFree = 4 << 30 }, TroubleFull: func(h *wire.Health) { h.Full = true }, TroublePart: func(h *wire.Health) { h.Parts[0].State = wire.PartAway },
		TroubleTrustList: func(h *wire.Health) { h.TrustList = day.Add(-61 * 24 * time.Hour).UnixMilli() }, TroubleStopList: func(h *wire.Health) { h.StopList = day.Add(-25 * time.Hour).UnixMilli() },
		TroubleClock: func(h *wire.Health) { h.At += 3 * 60_000 },
	} {
		h := well()
		bend(h)
		b.says(wire.Status{Session: "a", State: wire.StateRunning, Health: h}, day)
		if got := kindsOf(b.view().Troubles(day)); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Size: 9, Health: well()}, day)
	for after, want := range map[time.Duration]string{0: "", unheardAfter + time.Second: TroubleSilent} {
		if got := strings.Join(kindsOf(b.view().Troubles(day.Add(after))), " "); got != want {
			t.Errorf("unheard for %v: got %q, want %q", after, got, want)
		}
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Size: 9, Health: well()}, day.Add(time.Minute))
	if got := kindsOf(b.view().Troubles(day.Add(gapAfter + time.Second))); !slices.Contains(got, TroubleGap) {
		t.Errorf("9 entries and none here: got %v, want a gap", got)
	}
	b.says(wire.Status{Session: "old", State: wire.StateLost}, day.Add(2*time.Minute)) // of an earlier session
	if d := b.view(); d.State != "running" {
		t.Errorf("an old will: got %s", d.State)
	}
	b.says(wire.Status{Session: "a", State: wire.StateLost}, day.Add(2*time.Minute))
	if d := b.view(); d.State != "lost" || d.Since != limen.MomentOf(day.Add(2*time.Minute)) || d.Health == nil || len(d.Troubles(day.Add(3*time.Minute))) != 0 {
		t.Errorf("its will: got %+v, %v", d, d.Troubles(day.Add(3*time.Minute)))
	}
	if got := kindsOf(b.view().Troubles(day.Add(8 * time.Minute))); !slices.Contains(got, TroubleSilent) {
		t.Errorf("lost for long: got %v", got)
	}
}

func TestAlarmsAreRaisedOnceAndAcknowledged(t *testing.T) { onBoth(t, testAlarms) }

func testAlarms(t *testing.T, at place) {
	b := newBare(t, at)
	r, ctx := b.records, t.Context()
	full := &wire.Health{At: day.UnixMilli(), Full: true}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Health: full}, day)
	for k, want := range []int{1, 0} {
		opened, err := r.Watch(ctx, day)
		if err != nil || len(opened) != want {
			t.Fatalf("look %d: got %+v, %v; want %d alarms", k, opened, err, want)
		}
	}
	alarms, err := r.Alarms(ctx)
	if err != nil || len(alarms) != 1 || alarms[0].Kind != TroubleFull || alarms[0].Cleared != 0 {
		t.Fatalf("got %+v, %v", alarms, err)
	}
	a := alarms[0]
	a.Note = "a technician is on the way"
	ana := Person{Name: "ana", Roles: Roles{Operator}}
	if err := r.Acknowledge(ctx, a, ana, day); err != nil {
		t.Fatal(err)
	}
	if err := r.Acknowledge(ctx, a, ana, day); !errors.Is(err, ErrNoAlarm) {
		t.Errorf("twice: got %v", err)
	}
	if lines, err := r.Audit(ctx, 0, 9); err != nil || len(lines) != 1 || lines[0].Action != ActionAcknowledge || lines[0].Reason != a.Note {
		t.Errorf("the audit: got %+v, %v; want one line", lines, err)
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Health: &wire.Health{At: day.UnixMilli()}}, day)
	if _, err := r.Watch(ctx, day.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if alarms, err := r.AlarmsOf(ctx, b.name); err != nil || alarms[0].Cleared != limen.MomentOf(day.Add(time.Minute)) || alarms[0].AnsweredBy != "ana" {
		t.Errorf("got %+v, %v; want it over and acknowledged", alarms, err)
	}
	b.says(wire.Status{Session: "a", State: wire.StateRunning, Health: full}, day) // again: another alarm
	if opened, err := r.Watch(ctx, day.Add(2*time.Minute)); err != nil || len(opened) != 1 {
		t.Errorf("again: got %+v, %v", opened, err)
	}
	if n, err := r.Unanswered(ctx); err != nil || n[TroubleFull] != 1 || len(n) != 1 {
		t.Errorf("unanswered: got %v, %v", n, err)
	}
}

func TestTallyCountsEachEntryOnce(t *testing.T) { onBoth(t, testTally) }

func testTally(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(3) // referred, for one reason
	for _, r := range []limen.Record{
		{Kind: limen.KindInspection, Site: "utopia-airport", Started: limen.MomentOf(day.Add(time.Hour)), Decision: limen.Decision{Outcome: limen.Admit}, Spent: limen.Spent{Total: limen.SpanOf(4 * time.Second)}},
		{Kind: limen.KindInspection, Site: "utopia-airport", Started: limen.MomentOf(day), Decision: limen.Decision{Outcome: limen.Refer, Reasons: []limen.Reason{{Code: "face_mismatch"}, {Code: "dg_hash_mismatch", Subject: "DG1"}, {Code: "dg_hash_mismatch", Subject: "DG2"}}}},
		{Kind: limen.KindOfficer, Site: "utopia-airport", Started: limen.MomentOf(day), Decision: limen.Decision{Outcome: limen.Admit}},
		{Kind: limen.KindInspection, Site: strings.Repeat("é", 60), Started: limen.MomentOf(day), Decision: limen.Decision{Outcome: limen.Refer}}, // cut inside a letter
	} {
		r.Version = limen.RecordVersion
		body, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.journal.Append(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	b.wantReceipt("some", b.send(b.name, b.batch(b.journal, 0, 4)), 4)
	for k, want := range []int{4, 0} {
		if n, err := b.records.Tally(t.Context()); n != want || err != nil {
			t.Fatalf("count %d: got %d, %v; want %d", k, n, err, want)
		}
	}
	b.wantReceipt("the rest", b.send(b.name, b.batch(b.journal, 4, 7)), 7)
	if n, err := b.records.Tally(t.Context()); n != 3 || err != nil {
		t.Fatalf("got %d, %v; want the 3 new ones", n, err)
	}
	figures, err := b.records.Figures(t.Context(), day.Add(-time.Hour), day.Add(2*time.Hour), "utopia-airport")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, f := range figures {
		got[fmt.Sprintf("%d %s %s", (f.Hour-day.UnixMilli())/3_600_000, f.What, f.Code)] += f.Count
	}
	want := map[string]int64{"0 outcome refer": 4, "0 reason dg_hash_mismatch": 4, "0 reason face_mismatch": 1, "0 officer admit": 1, "0 milliseconds total": 0, "1 outcome admit": 1, "1 milliseconds total": 4000}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if all, err := b.records.Figures(t.Context(), day, day.Add(time.Hour), ""); err != nil || len(all) != 5+2 {
		t.Errorf("all sites: got %+v, %v", all, err)
	}
	if d := b.view(); d.LastCheck != limen.MomentOf(day.Add(time.Hour)) {
		t.Errorf("last check: got %v", d.LastCheck)
	}
	totals, err := b.records.totals(t.Context())
	if err != nil || !slices.ContainsFunc(totals, func(f Figure) bool { return f.What == CountReason && f.Code == "dg_hash_mismatch" && f.Count == 4 }) {
		t.Errorf("totals: got %+v, %v", totals, err)
	}
}

func TestEntriesAreProven(t *testing.T) { onBoth(t, testEntriesAreProven) }

func testEntriesAreProven(t *testing.T, at place) {
	b := newBare(t, at)
	b.append(20)
	b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 20)), 20)
	p, err := b.records.Prove(t.Context(), b.name, 7)
	if err != nil || p.Size != 20 {
		t.Fatalf("got %+v, %v", p, err)
	}
	checkBundle(t, p.Bundle, b.key.PublicKey(), b.name)
	if _, err := b.records.Prove(t.Context(), b.name, 20); !errors.Is(err, ErrNoEntry) {
		t.Errorf("beyond the end: got %v", err)
	}
	if _, err := b.records.Prove(t.Context(), "gate-9", 0); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("no device: got %v", err)
	}
	for _, tamper := range []string{"UPDATE entries SET body = x'00' WHERE number = 7", "UPDATE entries SET leaf = zeroblob(32) WHERE number = 8",
		"UPDATE hashes SET hash = zeroblob(32) WHERE number = 16", "UPDATE checkpoints SET note = x'00'"} {
		b.tamper(tamper)
	}
	for _, n := range []uint64{7, 8, 9} {
		if _, err := b.records.Prove(t.Context(), b.name, n); !errors.Is(err, ErrProof) {
			t.Errorf("entry %d of changed records: got %v, want no proof", n, err)
		}
	}
	b.tamper("UPDATE entries SET salt = NULL, body = NULL WHERE number = 3")
	if _, err := b.records.Prove(t.Context(), b.name, 3); !errors.Is(err, ErrErased) {
		t.Errorf("an erased entry: got %v", err)
	}
}

// checkBundle checks a proof with nothing but the device's key.
func checkBundle(t *testing.T, b, key []byte, device string) {
	t.Helper()
	head, signed, _ := bytes.Cut(b, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		t.Fatalf("it begins with %q", lines[0])
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		t.Fatal(err)
	}
	extra = bytes.TrimPrefix(extra, []byte("limen entry v1\n"))
	var index int64
	if _, err := fmt.Sscanf(lines[2], "index %d", &index); err != nil {
		t.Fatal(err)
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			t.Fatal(err)
		}
		path = append(path, h)
	}
	verifier, err := journal.Verifier(wire.Origin(device), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := journal.OpenCheckpoint(signed, verifier)
	if err != nil {
		t.Fatal(err)
	}
	leaf := journal.Commitment(extra[:32], extra[32:])
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, index, tlog.RecordHash(leaf[:])); err != nil {
		t.Error(err)
	}
}
