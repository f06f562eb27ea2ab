package lookup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen"

	"limen/internal/repotest"
)

const goodList = `as_of,2026-01-31T06:00:00Z
issuer,number,kind
UTO,L898902C3,lost_or_stolen
D,c01x 00t47,stop_list
UTO,TWICE,stop_list
UTO,TWICE,lost_or_stolen
end,4
`

// replace puts a new file in the list's place as an operator should.
func replace(t *testing.T, path, content string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "next")
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func query(issuer, number string) limen.LookupQuery {
	return limen.LookupQuery{DocumentCode: "P", Issuer: issuer, Number: number}
}

func TestStopListAnswersAndFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stop.csv")
	s := NewStopList("stop_list", path, nil)
	if _, err := s.Ask(t.Context(), specimen); err == nil {
		t.Error("no file: got an answer, want an error")
	}
	replace(t, path, goodList)
	asOf := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		query limen.LookupQuery
		want  limen.LookupAnswer
	}{
		{specimen, limen.LookupAnswer{Hit: true, Kind: limen.HitLost, AsOf: asOf}},
		{query("DEU", "C01X00T47"), limen.LookupAnswer{Hit: true, Kind: limen.HitStopList, AsOf: asOf}},
		{query("UTO", "TWICE"), limen.LookupAnswer{Hit: true, Kind: limen.HitStopList, AsOf: asOf}},
		{query("UTO", "L898902C"), limen.LookupAnswer{AsOf: asOf}},
		{query("UTOL", "898902C3"), limen.LookupAnswer{AsOf: asOf}},
	} {
		if got, err := s.Ask(t.Context(), test.query); err != nil || got != test.want {
			t.Errorf("got %+v (%v), want %+v", got, err, test.want)
		}
	}
	replace(t, path, "as_of,2026-02-01T06:00:00Z\nissuer,number,kind\nend,0\n")
	if got, err := s.Ask(t.Context(), specimen); err != nil || got.Hit || !got.AsOf.Equal(asOf.AddDate(0, 0, 1)) {
		t.Errorf("replaced file: got %+v (%v), want no hit as of a day later", got, err)
	}
}

// A damaged update must neither hide what the good list held nor clear anybody.
func TestDamagedUpdateKeepsHitsAndClearsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stop.csv")
	replace(t, path, goodList)
	s := NewStopList("stop_list", path, nil)
	if n, _, err := s.State(t.Context()); err != nil || n != 3 {
		t.Fatalf("list has %d entries (%v), want 3", n, err)
	}
	replace(t, path, goodList[:len(goodList)-8])
	for range 2 {
		if a, err := s.Ask(t.Context(), specimen); err != nil || !a.Hit {
			t.Errorf("known entry: got %+v (%v), want the hit", a, err)
		}
		if a, err := s.Ask(t.Context(), query("UTO", "FREE")); err == nil {
			t.Errorf("other document: got %+v, want an error", a)
		}
	}
	if _, _, err := s.State(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("state: got %v, want an error that names the file", err)
	}
	replace(t, path, goodList)
	if _, err := s.Ask(t.Context(), query("UTO", "FREE")); err != nil {
		t.Errorf("mended file: %v", err)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	head := "as_of,2026-01-31T06:00:00Z\nissuer,number,kind\n"
	for name, test := range map[string]struct{ list, want string }{
		"empty":          {"", "line 1"},
		"no date":        {"issuer,number,kind\nend,0\n", "line 1"},
		"bad date":       {"as_of,yesterday\nissuer,number,kind\nend,0\n", "line 1"},
		"no header":      {"as_of,2026-01-31T06:00:00Z\nUTO,SECRET1,stop_list\nend,1\n", "line 2"},
		"bad kind":       {head + "UTO,SECRET1,wanted\nend,1\n", "line 3"},
		"no number":      {head + "UTO, <,stop_list\nend,1\n", "line 3"},
		"quote":          {head + "UTO,\"SECRET1,stop_list\nend,1\n", "line"},
		"too few":        {head + "UTO,SECRET1,stop_list\nend,2\n", "end,1"},
		"no end":         {head + "UTO,SECRET1,stop_list\n", "cut short"},
		"more after end": {head + "end,0\nUTO,SECRET1,stop_list\n", "follows"},
		"from future":    {strings.Replace(head, "2026", "2999", 1) + "end,0\n", "future"},
	} {
		path := filepath.Join(t.TempDir(), "stop.csv")
		replace(t, path, test.list)
		_, err := NewStopList("stop_list", path, nil).Ask(t.Context(), specimen)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		} else if strings.Contains(err.Error(), "SECRET1") {
			t.Errorf("%s: the error quotes the list: %v", name, err)
		}
	}
}

func TestInterruptedReadingIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stop.csv")
	replace(t, path, goodList)
	s := NewStopList("stop_list", path, nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Ask(ctx, specimen); err == nil {
		t.Error("canceled: got an answer from a list not read, want an error")
	}
	if a, err := s.Ask(t.Context(), specimen); err != nil || !a.Hit {
		t.Errorf("again: got %+v (%v), want the hit", a, err)
	}
}

func FuzzReadList(f *testing.F) {
	f.Add(goodList)
	f.Add("as_of,2026-01-31T06:00:00Z\nissuer,number,kind\nend,0\n")
	f.Fuzz(func(t *testing.T, s string) {
		repotest.Bounded(t, len(s), func() {
			list, asOf, err := readList(t.Context(), strings.NewReader(s))
			if err == nil && (list == nil || asOf.IsZero() || !strings.Contains(s, "end")) {
				t.Errorf("%q was taken for a whole list", s)
			}
		})
	})
}
