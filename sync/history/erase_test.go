package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"limen"
)

// in are the files of a store in which a needle lies.
func in(t *testing.T, dir string, needle []byte) (out []string) {
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
			out = append(out, f.Name())
		}
	}
	return out
}

// After a document is erased no file of the store has a byte of its records, its
// salts, its pseudonym or what led to it; the questions about it stay, and lead
// nowhere.
func TestErasedDocumentIsInNoFile(t *testing.T) {
	for _, plain := range []bool{true, false} {
		t.Run(fmt.Sprint("in the clear: ", plain), func(t *testing.T) {
			s := &site{t: t, dir: t.TempDir(), keys: fleet{"k2", "k1"}, now: day, plain: plain}
			s.open()
			defer func() { s.Close() }()
			id := func(i int) string { return fmt.Sprintf("inspection of the one %04d", i) }
			for i := range 60 {
				s.see(fmt.Sprint("OTHER", i), fmt.Sprint("other ", i))
				if i%10 == 0 {
					s.see("L898902C3", id(i))
				}
				if i == 30 {
					s.reopen()
				}
			}
			if _, err := s.Find(t.Context(), utopian("L898902C3"), officer); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Correct(t.Context(), 1, "words of a correction", officer); err != nil {
				t.Fatal(err)
			}
			subject, err := s.Subject(t.Context(), s.keys.Traces("UTO", "L898902C3"))
			if err != nil {
				t.Fatal(err)
			}
			needles := map[string][]byte{"pseudonym": subject.Pseudonym[8:], "correction": []byte("words of a correction")}
			for i, trace := range subject.Traces {
				needles[fmt.Sprint("trace ", i)] = trace.Hash[8:]
			}
			entries, err := s.entriesOf(subject.Pseudonym)
			if err != nil || len(entries) != 7 {
				t.Fatalf("got %d entries, %v; want 6 inspections and a correction", len(entries), err)
			}
			for _, i := range entries {
				e, err := s.journal.Entry(i)
				if err != nil {
					t.Fatal(err)
				}
				needles[fmt.Sprint("salt of ", i)] = e.Salt
			}
			for i := 0; i < 60; i += 10 {
				needles[id(i)] = []byte(id(i))
			}
			s.reopen()
			for what, needle := range needles {
				if plain && in(t, s.dir, needle) == nil {
					t.Fatalf("%s is in no file before: the search finds nothing", what)
				}
			}
			d := utopian("L898902C3")
			if e, err := s.Erase(t.Context(), Selection{Document: &d}, Asker{"4711", "order 7 K 12/26"}); err != nil || e.Entries != 7 || e.Documents != 1 {
				t.Fatalf("got %+v, %v; want 7 entries of 1 document", e, err)
			}
			s.verified(7)
			for pass := range 2 {
				for what, needle := range needles {
					if files := in(t, s.dir, needle); files != nil {
						t.Errorf("pass %d: %s is still in %v", pass, what, files)
					}
				}
				s.reopen()
			}
			shown, err := s.Show(-1, 3)
			if err != nil || shown[0].Record.Question.What != "erase" || shown[0].Record.Question.Found != 7 || shown[0].Document != "" {
				t.Errorf("the erasure: got %+v, %v; want it recorded, and of no document", shown[0].Record, err)
			}
			if !shown[1].Erased || shown[2].Record.Question.What != "find" || shown[2].Document != "" {
				t.Errorf("before it: got %+v; want the erased correction and a question about nobody", shown[1:])
			}
			if f, err := s.Find(t.Context(), utopian("L898902C3"), officer); err != nil || f.Times != 0 {
				t.Errorf("found %d times, %v", f.Times, err)
			}
			if f, err := s.Find(t.Context(), utopian("OTHER7"), officer); err != nil || f.Times != 1 {
				t.Errorf("another document: found %d times, %v", f.Times, err)
			}
		})
	}
}

// A policy says how long records about documents are kept, and how long
// questions. What leads to a document goes with the last of either.
func TestRetention(t *testing.T) {
	s := newSite(t)
	policy := limen.Policy{Name: "test-1", History: limen.HistoryPolicy{Keep: 30 * 24 * time.Hour, KeepQuestions: 90 * 24 * time.Hour}}
	s.see("GONE", "a")
	s.see("STAYS", "b")
	if _, err := s.Find(t.Context(), utopian("GONE"), officer); err != nil {
		t.Fatal(err)
	}
	s.now = day.Add(20 * 24 * time.Hour)
	s.see("STAYS", "c")
	retain := func(after time.Duration, want Erased) {
		t.Helper()
		s.now = day.Add(after)
		got, err := s.Retain(t.Context(), policy)
		if err != nil || got != want {
			t.Errorf("after %v: got %+v, %v; want %+v", after, got, err, want)
		}
	}
	traces := func(number string) int {
		t.Helper()
		known, err := s.known(s.keys.Traces("UTO", number))
		if err != nil {
			t.Fatal(err)
		}
		return len(known)
	}
	retain(29*24*time.Hour, Erased{})
	retain(31*24*time.Hour, Erased{Entries: 2})
	if traces("GONE") != 1 {
		t.Error("who asked about the document can no longer be told, while the question is kept")
	}
	retain(31*24*time.Hour, Erased{})
	retain(51*24*time.Hour, Erased{Entries: 1, Documents: 1})
	if traces("STAYS") != 0 || traces("GONE") != 1 {
		t.Errorf("mapped: STAYS %d, GONE %d; want 0 and 1", traces("STAYS"), traces("GONE"))
	}
	retain(91*24*time.Hour, Erased{Entries: 1, Documents: 1})
	if traces("GONE") != 0 {
		t.Error("a document of which nothing is left is still mapped")
	}
	s.verified(4)
	shown, err := s.Show(-1, 1)
	if err != nil || shown[0].Record.Question.Who != "policy" {
		t.Errorf("got %+v, %v; want the policy's erasure recorded", shown, err)
	}
}

func TestEraseByAgeAndEntry(t *testing.T) {
	s := newSite(t)
	s.see("A", "a")
	s.now = day.Add(time.Hour)
	receipt := s.see("A", "b")
	s.see("B", "c")
	if _, err := s.Correct(t.Context(), receipt.Index, "something", officer); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Erase(t.Context(), Selection{Before: day.Add(time.Minute)}, officer); err != nil || e != (Erased{Entries: 1}) {
		t.Errorf("by age: got %+v, %v; want one entry, its document stays", e, err)
	}
	if e, err := s.Erase(t.Context(), Selection{Entries: []uint64{receipt.Index}}, officer); err != nil || e != (Erased{Entries: 2, Documents: 1}) {
		t.Errorf("by entry: got %+v, %v; want it and its correction", e, err)
	}
	for name, bad := range map[string]Selection{"nothing": {}, "no such entry": {Entries: []uint64{99}}} {
		if _, err := s.Erase(t.Context(), bad, officer); err == nil {
			t.Errorf("%s: was erased", name)
		}
	}
	d := utopian("B")
	if _, err := s.Erase(t.Context(), Selection{Document: &d}, Asker{Who: "4711"}); err == nil {
		t.Error("something was erased without a reason")
	}
	s.verified(3)
}

// Once the centre has been told, no file tells which leaves went together; and
// what the power kept from being erased keeps nothing else from being told.
func TestWhatTheCentreWasToldIsInNoFile(t *testing.T) {
	s := &site{t: t, dir: t.TempDir(), keys: fleet{"k1"}, now: day, plain: true, sent: func() uint64 { return 1 << 60 }}
	s.open()
	defer func() { s.Close() }()
	for i := range 6 {
		s.see("L898902C3", fmt.Sprint("of the one ", i))
	}
	s.see("OTHER", "of the other")
	if err := s.tellCentre(t.Context(), []uint64{6}); err != nil { // and then the power went
		t.Fatal(err)
	}
	d := utopian("L898902C3")
	if _, err := s.Erase(t.Context(), Selection{Document: &d}, officer); err != nil {
		t.Fatal(err)
	}
	names, entries, err := s.Gone(100)
	if err != nil || len(names) != 6 || slices.Contains(entries, 6) {
		t.Fatalf("got %d to tell, entries %v, %v; want the six that are erased", len(names), entries, err)
	}
	for _, some := range [][][]byte{names[:4], names[4:]} {
		if err := s.Told(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	s.reopen()
	for _, n := range names {
		if files := in(t, s.dir, n[len(nameGone):]); len(files) > 0 {
			t.Errorf("what was told is still in %v", files)
		}
	}
	s.verified(6)
}
