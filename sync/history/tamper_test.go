package history

import (
	"flag"
	"strconv"
	"testing"

	"limen"
	"limen/internal/repotest"
	"limen/sync/journal"
)

var update = flag.Bool("update", false, "rewrite the table of docs/tamper.md")

// What leads to documents lies beside the log. Changing it hides a past check
// as well as changing the check would.
func TestTamperWithTheMapping(t *testing.T) {
	rows := [][]string{{"what is done", "with", "found as", "what `limen history verify` says"}}
	for _, c := range []struct {
		name   string
		change func(s *site, mine, other limen.Trace, p, q limen.Pseudonym) error
		fault  bool
		count  uint64 // unmapped
	}{
		{"nothing", func(*site, limen.Trace, limen.Trace, limen.Pseudonym, limen.Pseudonym) error { return nil }, false, 0},
		{"the way to a pseudonym taken away", func(s *site, mine, _ limen.Trace, _, _ limen.Pseudonym) error {
			return s.journal.Remove(s.t.Context(), mapName(mine))
		}, true, 0},
		{"the way to a pseudonym led elsewhere", func(s *site, mine, _ limen.Trace, _, q limen.Pseudonym) error {
			return s.journal.PutBeside(s.t.Context(), journal.Pair{Name: mapName(mine), Value: q[:]})
		}, true, 0},
		{"a document led to another's pseudonym", func(s *site, _, _ limen.Trace, p, _ limen.Pseudonym) error {
			return s.journal.PutBeside(s.t.Context(), journal.Pair{Name: mapName(limen.Trace{Hash: [32]byte{9}}), Value: p[:]})
		}, true, 0},
		{"the way back taken away", func(s *site, mine, _ limen.Trace, p, _ limen.Pseudonym) error {
			return s.journal.Remove(s.t.Context(), revName(p, mine))
		}, true, 2},
		{"both ways taken away", func(s *site, mine, _ limen.Trace, p, _ limen.Pseudonym) error {
			return s.journal.Remove(s.t.Context(), mapName(mine), revName(p, mine))
		}, false, 2},
		{"both ways led to another's pseudonym", func(s *site, mine, _ limen.Trace, p, q limen.Pseudonym) error {
			if err := s.journal.Remove(s.t.Context(), revName(p, mine)); err != nil {
				return err
			}
			return s.journal.PutBeside(s.t.Context(), journal.Pair{Name: mapName(mine), Value: q[:]}, journal.Pair{Name: revName(q, mine)})
		}, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.see("L898902C3", "a")
			s.see("D23145890", "b")
			s.see("L898902C3", "c")
			mine, other := s.keys.Traces("UTO", "L898902C3"), s.keys.Traces("UTO", "D23145890")
			known, err := s.known(append(mine[:1:1], other[0]))
			if err != nil || len(known) != 2 {
				t.Fatalf("got %d pseudonyms, %v; want 2", len(known), err)
			}
			for k := range mine { // under each fleet key
				if err := c.change(s, mine[k], other[k], known[0], known[1]); err != nil {
					t.Fatal(err)
				}
			}
			v, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (v.Fault != nil) != c.fault || c.fault && v.Fault.Part != "mapping" || v.Unmapped != c.count {
				t.Fatalf("got fault %v, %d unmapped; want a fault: %v, %d unmapped", v.Fault, v.Unmapped, c.fault, c.count)
			}
			switch {
			case c.fault:
				rows = append(rows, []string{c.name, "store's key", "mapping", v.Fault.What})
			case c.count > 0:
				rows = append(rows, []string{c.name, "store's key", "a remark", strconv.FormatUint(v.Unmapped, 10) + " records no document leads to"})
			}
		})
	}
	repotest.DocTable(t, "tamper.md", "mapping", rows, *update)
}
