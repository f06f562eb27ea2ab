package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"limen/mrtd/authn"
)

// shape is an element of the published tables.
type shape struct {
	name, clause string
	children     []*shape
}

func publishedShape(t *testing.T) *shape {
	t.Helper()
	text, err := os.ReadFile("testdata/tr-03135-1.txt")
	if err != nil {
		t.Fatal(err)
	}
	path := []*shape{{}}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, clause, _ := strings.Cut(strings.TrimSpace(line), " = ")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		s := &shape{name: name, clause: clause}
		path = append(path[:depth+1], s)
		path[depth].children = append(path[depth].children, s)
	}
	return path[0]
}

// Every single check of the tables is one row, in their order, and no row is without one.
func TestTableIsTheGuidelines(t *testing.T) {
	var published, ours []string
	var walk func(s *shape, path string)
	walk = func(s *shape, path string) {
		if s.clause != "" {
			published = append(published, path+" "+s.clause)
		}
		prefix, local, _ := strings.Cut(s.name, ":")
		switch {
		case local == "Checks":
			path = prefix
		case path != "":
			path += "/" + local
		}
		for _, c := range s.children {
			below := path
			if _, name, _ := strings.Cut(c.name, ":"); c.clause != "" {
				below += "/" + name
			}
			walk(c, below)
		}
	}
	walk(publishedShape(t), "")
	seen := map[Check]bool{}
	for _, row := range checks {
		if seen[row.check] || row.clause == "" {
			t.Errorf("%s is there twice, or without a clause", row.check)
		}
		seen[row.check] = true
		if row.path != "" {
			ours = append(ours, strings.ReplaceAll(row.path, ":EF.SOD", "")+" "+row.clause)
		}
	}
	// The table has the checks of the chip first, the tables those of the whole.
	for _, list := range [][]string{published, ours} {
		slices.SortStableFunc(list, func(a, b string) int { return strings.Compare(a[:3], b[:3]) })
	}
	if !slices.Equal(published, ours) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(ours, "\n"), strings.Join(published, "\n"))
	}
}

// node is an element as read back, its names with our prefixes.
type node struct {
	name     string
	attr     map[string]string
	children []*node
}

func parse(t *testing.T, b []byte) *node {
	t.Helper()
	prefix := map[string]string{"": ""}
	for _, ns := range namespaces {
		prefix[ns[1]] = ns[0] + ":"
	}
	stack := []*node{{}}
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return stack[0]
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			n := &node{name: prefix[x.Name.Space] + x.Name.Local, attr: map[string]string{}}
			for _, a := range x.Attr {
				n.attr[prefix[a.Name.Space]+a.Name.Local] = a.Value
			}
			top := stack[len(stack)-1]
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
}

// valid judges a read log by the published shape: names, nesting, order, and
// that every check and none but checks has a result. above tells whether n is
// below an element called Checks.
func valid(t *testing.T, s *shape, n *node, above bool) {
	if s.name == "limen:ApplicationCheck" { // the application's own
		return
	}
	isCheck := above || strings.HasSuffix(s.name, ":Checks") && len(n.children) > 0
	at := 0
	for _, c := range n.children {
		i := slices.IndexFunc(s.children[at:], func(s *shape) bool { return s.name == c.name })
		if i < 0 {
			t.Errorf("%s in %s is unknown or out of order", c.name, n.name)
			continue
		}
		at += i
		valid(t, s.children[at], c, isCheck)
	}
	result, has := n.attr["result"]
	if has != isCheck || has && !slices.Contains(severity, Outcome(result)) {
		t.Errorf("%s: result %q; is a check: %v", n.name, result, isCheck)
	}
	want := map[bool]string{true: "mandatory"}[has]
	if n.name == "dce:CountrySignerValidityPeriodCheck" { // TR-03135-2, 4.4.15
		want = "evaluatory"
	}
	if n.attr["runMode"] != want {
		t.Errorf("%s: runMode %q, want %q", n.name, n.attr["runMode"], want)
	}
}

func TestXMLHasThePublishedShape(t *testing.T) {
	published := publishedShape(t)
	inputs := map[string]Input{"specimen": specimenInput(t), "nothing": {}, "broken off": {Broken: "chip_lost"}}
	for _, s := range []authn.Status{authn.Passed, authn.Failed, authn.Inconclusive, authn.NotPresent, authn.NotPerformed} {
		in := Input{Verdicts: map[Check]authn.Verdict{}}
		for _, row := range checks {
			in.Verdicts[row.check] = authn.Verdict{Status: s}
		}
		inputs[string(s)] = in
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			b, err := Of(in).XML()
			if err != nil {
				t.Fatal(err)
			}
			valid(t, published, parse(t, b), false)
		})
	}
}

// A log has an element for each check that has an outcome, and for no other.
func TestXMLHasTheChecksThatWereMade(t *testing.T) {
	for _, s := range []authn.Status{authn.Passed, authn.NotPerformed} {
		for _, row := range checks {
			if row.path == "" || row.check == FileAvailability || row.check == GroupIntegrity {
				continue
			}
			b, err := Of(Input{Verdicts: map[Check]authn.Verdict{row.check: {Status: s}}}).XML()
			if err != nil {
				t.Fatal(err)
			}
			prefix, rest, _ := strings.Cut(row.path, "/")
			element := "<" + prefix + ":" + rest[strings.LastIndex(rest, "/")+1:] + " "
			if got, want := bytes.Count(b, []byte(element)), map[bool]int{true: 1}[s == authn.Passed]; got != want {
				t.Errorf("%s, %s: got %d elements, want %d", row.check, s, got, want)
			}
		}
	}
}

// TR-03135-1, table 3.1, and the two sums that have rules of their own.
func TestAggregate(t *testing.T) {
	const f, a, u, s, n = NotSuccess, Aborted, Undecided, Successful, NotSupported
	columns := []Outcome{f, a, u, s, n}
	for i, line := range [][]Outcome{{f, f, f, f, f}, {f, a, a, a, a}, {f, a, u, u, u}, {f, a, u, s, s}, {f, a, u, s, n}} {
		for j, want := range line {
			if got := aggregate("SignatureCheck", []Outcome{columns[i], columns[j]}); got != want {
				t.Errorf("%s and %s: got %s, want %s", columns[i], columns[j], got, want)
			}
		}
	}
	for _, c := range []struct {
		element string
		parts   []Outcome
		want    Outcome
	}{
		{"SignatureCheck", nil, ""},
		{"AccessProtocolsCheck", []Outcome{f, s}, s}, // BAC after a failed PACE
		{"AccessProtocolsCheck", []Outcome{n, s}, s},
		{"AccessProtocolsCheck", []Outcome{f, f, f}, f},
		{"AccessProtocolsCheck", []Outcome{n, f}, f},
		{"AccessProtocolsCheck", []Outcome{n, n}, f},
		{"AccessProtocolsCheck", []Outcome{a, f}, a},
		{"AuthenticityCheck", []Outcome{f, s}, s},
		{"AuthenticityCheck", []Outcome{f, u, n}, f},
		{"AuthenticityCheck", []Outcome{u, n, n}, u},
		{"AuthenticityCheck", []Outcome{a, u}, a},
		{"AuthenticityCheck", []Outcome{n, n, n}, n},
	} {
		if got := aggregate(c.element, c.parts); got != c.want {
			t.Errorf("%s of %v: got %q, want %q", c.element, c.parts, got, c.want)
		}
	}
}

// A reading that broke off aborts the sum over the chip, unless a check has failed.
func TestBrokenOff(t *testing.T) {
	for _, c := range []struct {
		status authn.Status
		want   string
	}{{authn.Passed, "aborted"}, {authn.Failed, "failed"}} {
		b, err := Of(Input{Broken: "chip_lost", Verdicts: map[Check]authn.Verdict{COMAndSOD: {Status: c.status}}}).XML()
		if err != nil {
			t.Fatal(err)
		}
		want := `<dce:Checks runMode="mandatory" result="` + c.want + `">`
		if !bytes.Contains(b, []byte(want)) || !bytes.Contains(b, []byte(`<dc:ElectronicChecks runMode="mandatory" result="`+c.want+`">`)) {
			t.Errorf("%s: want %s in\n%s", c.status, want, b)
		}
	}
}
