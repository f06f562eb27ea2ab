package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"limen"
)

func english(t *testing.T) *Words {
	t.Helper()
	w, err := LoadWords("en")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// constants are the values of the string constants of one type in a folder's
// Go source, so that a new one without words is noticed.
func constants(t *testing.T, folder, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != typeName {
				return true
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					if value != "" {
						out = append(out, value)
					}
				}
			}
			return true
		})
	}
	return out
}

func TestEveryCodeHasWords(t *testing.T) {
	w := english(t)
	for _, want := range []struct {
		folder, kind string
		atLeast      int
		has          func(code string) bool
	}{
		{"../..", "ReasonCode", 45, func(c string) bool { _, ok := w.Reasons[limen.ReasonCode(c)]; return ok }},
		{"../../mrtd/authn", "Code", 14, func(c string) bool { _, ok := w.Reasons[limen.ReasonCode(c)]; return ok }},
		{"../..", "CheckName", 19, func(c string) bool {
			named := slices.ContainsFunc(groups, func(g group) bool { return slices.Contains(g.checks, limen.CheckName(c)) })
			return named && w.Checks[limen.CheckName(c)] != ""
		}},
		{"../..", "Status", 5, func(c string) bool { _, ok := w.Statuses[limen.Status(c)]; return ok }},
		{"../..", "Step", 11, func(c string) bool { _, ok := w.Steps[limen.Step(c)]; return ok && groupOfStep[limen.Step(c)] != "" }},
		{"../..", "Guidance", 9, func(c string) bool { return w.Guidance[limen.Guidance(c)] != "" }},
		{"../..", "Picture", 2, func(c string) bool { return w.Pictures[limen.Picture(c)] != "" }},
		{"../../matcher", "Component", 23, func(c string) bool { return w.Components[c] != "" }},
		{"../..", "Outcome", 3, func(c string) bool { _, ok := w.Outcomes[limen.Outcome(c)]; return ok }},
		{"../..", "Recommendation", 5, func(c string) bool { _, ok := w.Recommendations[limen.Recommendation(c)]; return ok }},
		{"../../mrtd/mrz", "Field", 11, func(c string) bool { return w.Subjects[c] != "" || c == "name" || c == "nationality" || c == "sex" }},
	} {
		codes := constants(t, want.folder, want.kind)
		if len(codes) < want.atLeast {
			t.Errorf("%s in %s: found %d constants, want at least %d: has the source moved?", want.kind, want.folder, len(codes), want.atLeast)
		}
		for _, code := range codes {
			if !want.has(code) {
				t.Errorf("%s %q has no words or no place: add it to words/en.yaml and view.go", want.kind, code)
			}
		}
	}
	for _, list := range grounds {
		for _, code := range list {
			if w.Grounds[code] == "" {
				t.Errorf("grounds %q have no words", code)
			}
		}
	}
	for _, state := range []string{DeviceReady, DeviceStarting, DeviceDegraded, DeviceLost, DeviceOff} {
		if w.DeviceStates[state] == "" {
			t.Errorf("device state %q has no words", state)
		}
	}
	for _, g := range groups {
		if w.Groups[g.code] == "" {
			t.Errorf("group %q has no words", g.code)
		}
	}
}

func TestEveryReasonSaysWhatAndWhatNext(t *testing.T) {
	for code, s := range english(t).Reasons {
		if !strings.HasSuffix(s.Says, ".") || !strings.HasSuffix(s.Next, ".") {
			t.Errorf("%s: %q, %q: want two sentences", code, s.Says, s.Next)
		}
		if strings.Contains(s.Says, "_") || strings.Contains(s.Next, "_") {
			t.Errorf("%s: %q, %q: holds a code, want an officer's words", code, s.Says, s.Next)
		}
	}
}

// TestLanguagesHaveTheSameKeys holds every language against English.
func TestLanguagesHaveTheSameKeys(t *testing.T) {
	files, err := os.ReadDir("words")
	if err != nil || len(files) == 0 {
		t.Fatalf("words: %d files, %v", len(files), err)
	}
	want := reflect.ValueOf(*english(t))
	for _, file := range files {
		w, err := LoadWords(strings.TrimSuffix(file.Name(), ".yaml"))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		got := reflect.ValueOf(*w)
		for i := range want.NumField() {
			if want.Field(i).Kind() != reflect.Map {
				continue
			}
			for _, key := range want.Field(i).MapKeys() {
				if !got.Field(i).MapIndex(key).IsValid() {
					t.Errorf("%s lacks %s.%v", file.Name(), want.Type().Field(i).Name, key)
				}
			}
		}
	}
	if _, err := LoadWords("xx"); err == nil {
		t.Error("language xx loaded, want an error")
	}
}

func TestWordsSpeakOfTheSubject(t *testing.T) {
	w := english(t)
	for _, c := range []struct {
		reason limen.Reason
		want   string
	}{
		{because("dg_hash_mismatch", "DG2"), "The chip's data was changed after issue: portrait."},
		{because("dg_hash_mismatch", "DG9"), "The chip's data was changed after issue: DG9."},
		{because("dg_hash_mismatch", ""), "The chip's data was changed after issue."},
		{because(limen.PrerequisiteMissing, "dg_hash"), "This was not checked, because an earlier check did not pass: Unchanged since issue."},
		{because(limen.CheckMissing, "dg_hash:DG2"), "A required check was not made: Unchanged since issue: portrait."},
		{because(limen.CheckMissing, "lookup:stop_list"), "A required check was not made: Nothing held in: stop list."},
		{because(limen.MRZChipMismatch, "document_number,document_number_check,sex"), "The chip does not say what is printed on the document: document number, sex."},
		{because("never_heard_of", "DG2"), "never_heard_of:DG2"},
	} {
		if got := w.Reason(c.reason).Says; got != c.want {
			t.Errorf("%v: %q, want %q", c.reason, got, c.want)
		}
	}
	if got, want := w.documentType("PN"), "Passport (PN)"; got != want {
		t.Errorf("document type PN: %q, want %q", got, want)
	}
}
