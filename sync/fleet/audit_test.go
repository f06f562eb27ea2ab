package fleet

import (
	"encoding/hex"
	"strings"
	"sync"
	"testing"
)

func TestAuditIsAChain(t *testing.T) { onBoth(t, testAuditIsAChain) }

func testAuditIsAChain(t *testing.T, at place) {
	b := newBare(t, at)
	r := b.records
	if v, err := r.VerifyAudit(t.Context(), Access{}); err != nil || v.Lines != 0 || v.Fault != "" {
		t.Errorf("an empty audit: got %+v, %v", v, err)
	}
	var writing sync.WaitGroup
	for range 4 { // at once: each line has its own number
		writing.Go(func() {
			for range 5 {
				if _, err := r.Note(t.Context(), Access{Name: "ana", Action: ActionSearch, Subject: "document abcd0000", Reason: "case 7\x00"}, day); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	good, err := r.VerifyAudit(t.Context(), Access{})
	if err != nil || good.Lines != 20 || good.Fault != "" {
		t.Fatalf("got %+v, %v; want 20 good lines", good, err)
	}
	lines, err := r.Audit(t.Context(), 11, 4)
	if err != nil || len(lines) != 4 || lines[0].Number != 10 || lines[3].Number != 7 || lines[0].Reason != "case 7" {
		t.Errorf("a page of it: got %+v, %v", lines, err)
	}
	noted := Access{Number: lines[0].Number, Hash: lines[0].Hash}
	if v, err := r.VerifyAudit(t.Context(), noted); err != nil || v.Fault != "" {
		t.Errorf("against a noted line: got %+v, %v", v, err)
	}
	for _, statement := range []string{"UPDATE audit SET reason = 'none' WHERE number = 3", "DELETE FROM audit WHERE number = 20"} {
		if _, err := r.write.Exec(statement); err == nil || !strings.Contains(err.Error(), "only ever added to") {
			t.Errorf("%s: got %v, want it refused", statement, err)
		}
	}
	noted.Hash = append([]byte(nil), noted.Hash...)
	noted.Hash[0] ^= 1
	if v, err := r.VerifyAudit(t.Context(), noted); err != nil || v.Bad != 10 {
		t.Errorf("against another's line: got %+v, %v; want line 10", v, err)
	}
}

// Whoever owns the database can take its triggers away; what they do then is found.
func TestAuditTamperedWith(t *testing.T) {
	for name, c := range map[string]struct {
		statements []string
		bad        int64
	}{
		"a reason edited":         {[]string{"UPDATE audit SET reason = 'another' WHERE number = 3"}, 3},
		"a line dropped":          {[]string{"DELETE FROM audit WHERE number = 3"}, 3},
		"dropped and moved up":    {[]string{"DELETE FROM audit WHERE number = 3", "UPDATE audit SET number = number - 1 WHERE number > 3"}, 3},
		"the last dropped":        {[]string{"DELETE FROM audit WHERE number = 5"}, 5},
		"all dropped":             {[]string{"DELETE FROM audit"}, 1},
		"all, and the head":       {[]string{"DELETE FROM audit", "DELETE FROM audit_head"}, 1},
		"cut, and the head back":  {[]string{"DELETE FROM audit WHERE number > 3", "UPDATE audit_head SET number = 3, hash = (SELECT hash FROM audit WHERE number = 3)"}, 4},
		"a hash edited":           {[]string{"UPDATE audit SET hash = x'00' WHERE number = 2"}, 2},
		"a line with another day": {[]string{"UPDATE audit SET at = at - 1 WHERE number = 1"}, 1},
	} {
		b := newBare(t, inSQLite)
		for range 5 {
			if _, err := b.records.Note(t.Context(), Access{Name: "ana", Action: ActionSearch, Reason: "case 7"}, day); err != nil {
				t.Fatal(err)
			}
		}
		v, err := b.records.VerifyAudit(t.Context(), Access{})
		if err != nil || v.Fault != "" {
			t.Fatalf("before: got %+v, %v", v, err)
		}
		head, _ := hex.DecodeString(v.Head)
		for _, s := range append([]string{"DROP TRIGGER audit_stays", "DROP TRIGGER audit_kept"}, c.statements...) {
			b.tamper(s)
		}
		// The last line, noted elsewhere, is what finds a cut with the head set back.
		if v, err = b.records.VerifyAudit(t.Context(), Access{Number: 5, Hash: head}); err != nil || v.Bad != c.bad {
			t.Errorf("%s: got %+v, %v; want line %d", name, v, err, c.bad)
		}
	}
}
