package fleet

import (
	"strings"
	"testing"

	"limen/sync/wire"
)

func TestHistoryFindsADocumentEverywhere(t *testing.T) {
	b := newBare(t, inSQLite)
	b.append(3)
	b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 3)), 3)
	for digits, want := range map[string]int{"abcd01" + "00": 1, "ABCD0000": 1, "abcd0500": 0, "abcd01" + strings.Repeat("0", 58): 1} {
		got, err := b.records.History(t.Context(), digits)
		if err != nil || len(got) != want {
			t.Errorf("%s: got %d, %v; want %d", digits, len(got), err, want)
		}
	}
	for _, bad := range []string{"", "abcd", "abcd010g", strings.Repeat("a", 65), "%"} {
		if _, err := b.records.History(t.Context(), bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestSubjectsAreTopics(t *testing.T) {
	if got := subject("gate-1", wire.KindReceipt); got != "limen.v1.gate-1.receipt" {
		t.Errorf("got %s", got)
	}
	if d, k, err := deviceOf("limen.v1.gate-1.entries"); d != "gate-1" || k != wire.KindEntries || err != nil {
		t.Errorf("got %s, %s, %v", d, k, err)
	}
}
