package lookup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
UTO,740812 ERIKSSON<<ANNA<MARIA,person
end,5
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
	s := NewStopList("stop_list", path, underKey("key1"), nil)
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
	s := NewStopList("stop_list", path, underKey("key1"), nil)
	if n, _, err := s.State(t.Context()); err != nil || n != 5 {
		t.Fatalf("list has %d entries (%v), want 5", n, err)
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
		_, err := NewStopList("stop_list", path, underKey("key1"), nil).Ask(t.Context(), specimen)
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
	s := NewStopList("stop_list", path, underKey("key1"), nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Ask(ctx, specimen); err == nil {
		t.Error("canceled: got an answer from a list not read, want an error")
	}
	if a, err := s.Ask(t.Context(), specimen); err != nil || !a.Hit {
		t.Errorf("again: got %+v (%v), want the hit", a, err)
	}
}

// underKey is a keyed hash under a fleet key of that name.
func underKey(name string) Hasher {
	return func(value []byte) []limen.Mark {
		mac := hmac.New(sha256.New, []byte(name))
		mac.Write(value)
		return []limen.Mark{append(limen.Mark(name), mac.Sum(nil)[:16]...)}
	}
}

// What devices are sent holds no number and no name, and finds both.
func TestCompiledListMatches(t *testing.T) {
	b, err := Compile(t.Context(), strings.NewReader(goodList), underKey("key1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"L898902C3", "ERIKSSON", "740812", "UTO"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("the compiled list says %s", secret)
		}
	}
	s := NewStopList("stop_list", "", underKey("key1"), nil)
	if _, err := s.Ask(t.Context(), specimen); err == nil || !strings.Contains(err.Error(), "has not come") {
		t.Errorf("before it came: got %v", err)
	}
	if err := s.Load(b); err != nil {
		t.Fatal(err)
	}
	holder := query("UTO", "ANOTHER1")
	holder.Person = limen.Person("UTO", "740812", "Eriksson", "Anna Maria")
	other := query("UTO", "ANOTHER1")
	other.Person = limen.Person("UTO", "740813", "Eriksson", "Anna Maria")
	for _, test := range []struct {
		query limen.LookupQuery
		hit   bool
		kind  limen.HitKind
	}{{specimen, true, limen.HitLost}, {query("UTO", "TWICE"), true, limen.HitStopList}, {holder, true, limen.HitStopList}, {other, false, ""}, {query("UTO", "FREE"), false, ""}} {
		if got, err := s.Ask(t.Context(), test.query); err != nil || got.Hit != test.hit || got.Hit && got.Kind != test.kind {
			t.Errorf("got %+v (%v), want hit %v, %s", got, err, test.hit, test.kind)
		}
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "cut": b[:len(b)-1], "more": append(bytes.Clone(b), 0), "CSV": []byte(goodList),
		"out of order": slices.Concat(b[:headerSize], b[headerSize+hashSize:headerSize+2*hashSize], b[headerSize:headerSize+hashSize], b[headerSize+2*hashSize:]),
	} {
		if name == "out of order" { // two lost ones are needed for an order
			c, _ := parseCompiled(b)
			c.sections[sectionLost] = []byte(strings.Repeat("b", hashSize) + strings.Repeat("a", hashSize))
			bad = c.encode()
		}
		if err := s.Load(bad); err == nil {
			t.Errorf("%s: was loaded", name)
		}
	}
	if got, err := s.Ask(t.Context(), specimen); err != nil || !got.Hit {
		t.Errorf("after bad lists: got %+v (%v), want the good one to stand", got, err)
	}
	if err := NewStopList("stop_list", "", underKey("key2"), nil).Load(b); err == nil || !strings.Contains(err.Error(), "fleet key") {
		t.Errorf("another fleet key: got %v", err)
	}
}

func FuzzCompiled(f *testing.F) {
	b, err := Compile(f.Context(), strings.NewReader(goodList), underKey("key1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, parseCompiled)
		if err == nil && !bytes.Equal(c.encode(), b) {
			t.Error("a list that was read is written otherwise")
		}
	})
}

// BenchmarkMillion is what one question costs of a list of a million entries,
// with its keyed hashes; p99 is that of single questions.
func BenchmarkMillion(b *testing.B) {
	const entries = 1_000_000
	r := rand.New(rand.NewPCG(1, 2))
	hashes := make([][hashSize]byte, entries)
	for i := range hashes {
		binary.BigEndian.PutUint64(hashes[i][:], r.Uint64())
		binary.BigEndian.PutUint16(hashes[i][8:], uint16(i))
	}
	c := compiled{asOf: time.Unix(1, 0), key: [4]byte([]byte("key1"))}
	c.sections[sectionLost] = ordered(hashes)
	list := c.encode()
	s := NewStopList("stop_list", "", underKey("key1"), nil)
	if err := s.Load(list); err != nil {
		b.Fatal(err)
	}
	var spent []time.Duration
	for i := 0; b.Loop(); i++ {
		begun := time.Now()
		if a, err := s.Ask(b.Context(), query("UTO", strconv.Itoa(i))); err != nil || a.Hit {
			b.Fatal(a, err)
		}
		spent = append(spent, time.Since(begun))
	}
	slices.Sort(spent)
	b.ReportMetric(float64(spent[len(spent)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(len(list))/1e6, "MB")
}

func FuzzReadList(f *testing.F) {
	f.Add(goodList)
	f.Add("as_of,2026-01-31T06:00:00Z\nissuer,number,kind\nend,0\n")
	constant := func([]byte) []limen.Mark { return []limen.Mark{make(limen.Mark, limen.MarkSize)} } // the hash allocates, the parser does not
	f.Fuzz(func(t *testing.T, s string) {
		repotest.Bounded(t, len(s), func() {
			list, err := readList(t.Context(), strings.NewReader(s), constant)
			if err == nil && (list.asOf.IsZero() || !strings.Contains(s, "end")) {
				t.Errorf("%q was taken for a whole list", s)
			}
		})
	})
}
