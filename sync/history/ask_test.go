package history

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/journal"
)

func utopian(number string) Document { return Document{"UTO", number} }

func TestFindTellsWhereAndHowOften(t *testing.T) {
	s := newSite(t)
	for i := range 3 {
		s.now = day.Add(time.Duration(i) * time.Hour)
		s.see("L898902C3", string(rune('a'+i)))
		s.see("UT0000001", string(rune('p'+i)))
	}
	s.now = day.Add(4 * time.Hour)
	f, err := s.Find(t.Context(), utopian("L898902C3"), officer)
	if err != nil || f.Times != 3 || !f.First.Equal(day) || !f.Last.Equal(day.Add(2*time.Hour)) || len(f.Checks) != 3 || f.Checks[0].Record != "c" || f.Checks[0].Index != 4 {
		t.Errorf("got %+v, %v; want the three checks, newest first", f, err)
	}
	if len(f.Devices) != 1 || f.Devices[0] != (DeviceCount{"utopia-airport", "gate-1", 3, day.Add(2 * time.Hour)}) {
		t.Errorf("devices: got %+v", f.Devices)
	}
	if len(f.Sources) != 1 || !f.Sources[0].AsOf.Equal(s.now) || f.Sources[0].Device != "gate-1" {
		t.Errorf("sources: got %+v; want this device, as of now", f.Sources)
	}
	if f, err := s.Find(t.Context(), utopian("X"), officer); err != nil || f.Times != 0 || f.First != nil {
		t.Errorf("a document never seen: got %+v, %v", f, err)
	}
}

// Every question about a person is an entry: who, when, why, and about whom, by
// a pseudonym that lies beside the log.
func TestQuestionsAreRecorded(t *testing.T) {
	s := newSite(t)
	s.see("L898902C3", "a")
	for _, d := range []string{"L898902C3", "NEVER", "NEVER"} {
		if _, err := s.Find(t.Context(), utopian(d), officer); err != nil {
			t.Fatal(err)
		}
	}
	shown, err := s.Show(-1, 4)
	if err != nil || len(shown) != 4 {
		t.Fatalf("got %d entries, %v; want an inspection and three questions", len(shown), err)
	}
	for i, want := range []int{0, 0, 1} {
		r := shown[i].Record
		if r.Kind != limen.KindQuestion || *r.Question != (limen.Question{Who: "4711", What: "find", Why: "request 12", Found: want}) || !r.Started.Time().Equal(day) {
			t.Errorf("entry %d: got %+v", shown[i].Index, r.Question)
		}
		if r.Document.Pseudonym != (limen.Pseudonym{}) {
			t.Error("a question's leaf holds a pseudonym")
		}
	}
	if shown[0].Document == "" || shown[0].Document != shown[1].Document || shown[2].Document != shown[3].Document || shown[0].Document == shown[2].Document {
		t.Errorf("questions are about %q %q %q; want the first two about one document", shown[0].Document, shown[1].Document, shown[2].Document)
	}
	for name, by := range map[string]Asker{"nobody": {"", "x"}, "no reason": {"x", ""}} {
		if _, err := s.Find(t.Context(), utopian("L898902C3"), by); err == nil {
			t.Errorf("%s: was answered", name)
		}
	}
	s.verified(0)
}

// A document is found under the current fleet key and those that overlap. What
// is mapped under one that is gone is forgotten.
func TestDocumentsAreFoundAcrossRotation(t *testing.T) {
	s := newSite(t)
	s.see("OLD", "a")
	s.see("RETURNS", "b")
	found := func(number string, want int) {
		t.Helper()
		f, err := s.Find(t.Context(), utopian(number), officer)
		if err != nil || f.Times != want {
			t.Errorf("%s: found %d times, %v; want %d", number, f.Times, err, want)
		}
	}
	rotate := func(keys ...string) {
		s.keys = keys
		s.reopen()
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rotate("k2", "k1")
	s.see("RETURNS", "c") // now mapped under both
	found("RETURNS", 2)
	rotate("k2")
	found("RETURNS", 2)
	found("OLD", 0)
	for pair, err := range s.journal.BesideUnder(nameMap) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(pair.Name[len(nameMap):]), "k1") {
			t.Error("something is still mapped under the key that is gone")
		}
	}
	s.verified(0)
}

// What officers say of a check stands beside it everywhere.
func TestCorrectionsAndDecisionsStandBesideTheirEntry(t *testing.T) {
	s := newSite(t)
	receipt := s.see("L898902C3", "a")
	about, err := s.item(receipt.Index)
	if err != nil {
		t.Fatal(err)
	}
	refused, err := limen.NewOfficerRecord(about.Record, receipt, limen.Refuse, "4711", "refuse_h_alert", "o", day, signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), refused, limen.Subject{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Correct(t.Context(), receipt.Index, "the alert was about another document", officer); err != nil {
		t.Fatal(err)
	}
	subject, err := s.Subject(t.Context(), s.keys.Traces("UTO", "L898902C3"))
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := s.Earlier(t.Context(), subject, day.Add(-time.Hour))
	if err != nil || len(earlier) != 1 || earlier[0].Officer != limen.Refuse || earlier[0].Correction != "the alert was about another document" {
		t.Errorf("on the line: got %+v, %v", earlier, err)
	}
	shown, err := s.Show(int64(receipt.Index), 1)
	if err != nil || !slices.Equal(shown[0].Corrections, []string{"the alert was about another document"}) {
		t.Errorf("shown: got %+v, %v", shown, err)
	}
	f, err := s.Find(t.Context(), utopian("L898902C3"), officer)
	if err != nil || f.Checks[0].Correction == "" || f.Checks[0].Officer != limen.Refuse {
		t.Errorf("found: got %+v, %v", f.Checks, err)
	}
	newest, err := s.Show(2, 1)
	if err != nil || newest[0].Record.VerifyCorrection() != nil {
		t.Errorf("the correction's signature: %v, %v", newest[0].Record.VerifyCorrection(), err)
	}
	if _, err := s.Correct(t.Context(), 99, "x", officer); err == nil {
		t.Error("an entry that is not there was corrected")
	}
	s.verified(0)
}

// An export holds all about one document and nothing of any other, and each of
// its bundles holds by itself.
func TestExport(t *testing.T) {
	s := newSite(t)
	s.see("L898902C3", "a")
	s.see("OTHER", "b")
	s.see("L898902C3", "c")
	if _, err := s.Find(t.Context(), utopian("L898902C3"), Asker{"9", "curiosity"}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Export(t.Context(), utopian("L898902C3"), officer)
	if err != nil || len(e.Records) != 2 || e.Records[0].Record.ID != "c" || len(e.Questions) != 2 || e.Questions[0].Record.Question.Who != "9" {
		t.Fatalf("got %+v, %v; want two records and who asked", e, err)
	}
	for _, item := range e.Records {
		_, checkpoint, _ := strings.Cut(item.Bundle, "\n\n")
		if c, err := journal.OpenCheckpoint([]byte(checkpoint), s.journal.Verifier()); err != nil || c.Size != 5 {
			t.Errorf("record %d: its bundle ends with %q: %v", item.Index, checkpoint, err)
		}
		if _, err := note.Open([]byte(checkpoint), note.VerifierList(s.journal.Verifier())); err != nil {
			t.Error(err)
		}
	}
	b, err := json.Marshal(e)
	if err != nil || strings.Contains(string(b), "L898902C3") {
		t.Errorf("the export says the number, which the history does not know (%v)", err)
	}
}

// The same questions have the same answers over the socket.
func TestSocketAsks(t *testing.T) {
	s := newSite(t)
	s.see("L898902C3", "a")
	path := filepath.Join(t.TempDir(), "limen.sock")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, path) }()
	var c *Client
	for c == nil {
		var err error
		if c, err = Dial(ctx, path); err != nil {
			select {
			case err := <-served:
				t.Fatal(err)
			default:
			}
		}
	}
	defer func() {
		c.Close()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	if f, err := c.Find(ctx, utopian("L898902C3"), officer); err != nil || f.Times != 1 || f.Checks[0].Record != "a" {
		t.Errorf("find: got %+v, %v", f, err)
	}
	if _, err := c.Find(ctx, utopian("L898902C3"), Asker{}); err == nil || !strings.Contains(err.Error(), "who asks") {
		t.Errorf("find without a reason: got %v", err)
	}
	if _, err := c.Correct(ctx, 0, "nothing was wrong", officer); err != nil {
		t.Errorf("correct: %v", err)
	}
	if e, err := c.Export(ctx, utopian("L898902C3"), officer); err != nil || len(e.Records) != 2 || e.Records[0].Bundle == "" {
		t.Errorf("export: got %+v, %v", e, err)
	}
	d := utopian("L898902C3")
	if e, err := c.Erase(ctx, Selection{Document: &d}, officer); err != nil || e.Entries != 2 || e.Documents != 1 {
		t.Errorf("erase: got %+v, %v", e, err)
	}
	if f, err := c.Find(ctx, d, officer); err != nil || f.Times != 0 {
		t.Errorf("find after erasing: got %+v, %v", f, err)
	}
}
