package mrtd_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd"
	"limen/mrtd/chipsim"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/chips.md")

// The tables of docs/chips.md are the code's.
func TestChipsDocument(t *testing.T) {
	path := filepath.Join(repotest.Root(t), "docs", "chips.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, table := range map[string]string{"misbehaviors": misbehaviorTable(t), "tolerances": toleranceTable()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(text, begin)
		stands, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("docs/chips.md has no table between %q and %q", begin, end)
		}
		if stands != table && !*update {
			t.Errorf("the table of %s is not the code's: run go test ./mrtd -run TestChipsDocument -update\ngot:\n%s\nwant:\n%s", name, stands, table)
		}
		text = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func misbehaviorTable(t *testing.T) string {
	t.Helper()
	table := "| name | the chip sends or does | faults |\n| --- | --- | --- |\n"
	for _, m := range chipsim.Misbehaviors() {
		f, err := chipsim.Misbehave(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", m.Name, m.About, strings.Join(f.Fields(), ", "))
	}
	return table
}

func toleranceTable() string {
	table := "| quirk | where seen | sign | what is done | risk |\n| --- | --- | --- | --- | --- |\n"
	for _, row := range mrtd.Tolerances() {
		table += fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", row.Quirk, row.Seen, row.Sign, row.Does, row.Risk)
	}
	return table
}
