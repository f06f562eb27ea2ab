package gate

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/internal/repotest"
)

var update = flag.Bool("update", false, "rewrite docs/gate.md")

// docs/gate.md is drawn from what the exploration met, so it cannot show a
// transition that is not there nor leave one out.
func TestDiagram(t *testing.T) {
	path := filepath.Join(repotest.Root(t), "docs", "gate.md")
	want := document(explored())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/gate.md is not the code's: run go test ./device/gate -run TestDiagram -update")
	}
}

func document(f found) string {
	var b strings.Builder
	b.WriteString(`# The gate's states and transitions

Drawn from the code: the exhaustive exploration of ` + "`device/gate`" + ` tries every event in every state it can reach, and these are all the
changes of state it met. ` + "`go test ./device/gate -run TestDiagram -update`" + ` writes this file; the test fails when it is out of date. Why the machine
is as it is stands in [design/gate.md](design/gate.md). Left out of the picture: the emergency loop, which leads from every state to
emergency, and what blocks, which is in the second table.

` + "```mermaid\nstateDiagram-v2\n    [*] --> blocked\n")
	type pair struct{ from, to State }
	events, causes := map[pair][]string{}, map[pair][]string{}
	for e, names := range f.edges {
		k := pair{e.from, e.to}
		for _, n := range names {
			if !slices.Contains(events[k], n) {
				events[k] = append(events[k], n)
			}
		}
		if c := e.cause.String(); c != "" && !slices.Contains(causes[k], c) {
			causes[k] = append(causes[k], c)
		}
	}
	each := func(do func(k pair, events, causes string)) {
		for from := Blocked; from <= Emergency; from++ {
			for to := Blocked; to <= Emergency; to++ {
				k := pair{from, to}
				if slices.Sort(events[k]); len(events[k]) > 0 {
					slices.Sort(causes[k])
					do(k, strings.Join(events[k], ", "), strings.Join(causes[k], ", "))
				}
			}
		}
	}
	each(func(k pair, events, _ string) {
		if k.to != Emergency && (k.to != Blocked || k.from == Emergency) {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", k.from, k.to, events)
		}
	})
	b.WriteString("```\n\n| from | to | events | cause |\n| --- | --- | --- | --- |\n")
	each(func(k pair, events, causes string) {
		if k.to != Blocked {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", k.from, k.to, events, causes)
		}
	})
	b.WriteString("\n| from | blocked by | for one of the causes |\n| --- | --- | --- |\n")
	each(func(k pair, events, causes string) {
		if k.to == Blocked {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", k.from, events, causes)
		}
	})
	fmt.Fprintf(&b, "\n## What holds in every state and at every transition\n\n%d states of the machine (%d together with the test's own account of the traveler), %d events in each, %d transitions:\n\n",
		len(f.gates), f.states, len(alphabet), f.transitions)
	for _, p := range properties {
		fmt.Fprintf(&b, "- %s\n", p.name)
	}
	return b.String()
}
