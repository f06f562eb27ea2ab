package repotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// DocTable holds a table of a page in docs against rows, the first of which is
// its head. The table stands between "<!-- name -->" and "<!-- end -->"; with
// update it is written anew.
func DocTable(t testing.TB, page, name string, rows [][]string, update bool) {
	t.Helper()
	path := filepath.Join(Root(t), "docs", page)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(b), begin)
	stands, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/%s has no table between %q and %q", page, begin, end)
	}
	var table strings.Builder
	for i, row := range rows {
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			table.WriteString("|" + strings.Repeat(" --- |", len(row)) + "\n")
		}
	}
	switch {
	case stands == table.String():
	case !update:
		t.Errorf("the table %s of docs/%s is not what the test found; run it with -update and read what changed\ngot:\n%s\nwant:\n%s", name, page, stands, &table)
	default:
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
