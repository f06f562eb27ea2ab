package faceset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/matcher/eval"
)

func table(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIdentitiesAreRead(t *testing.T) {
	for _, header := range []string{"file,identity\n", "", "\ufefffile,identity\r\n"} {
		path := table(t, header+"a.jpg,\"one\"\n/b.jpg, two\nc/../d.jpg,one\n")
		set, names, err := Identities(path)
		dir := filepath.Dir(path)
		want := []Picture{{filepath.Join(dir, "a.jpg"), 0}, {"/b.jpg", 1}, {filepath.Join(dir, "d.jpg"), 0}}
		if err != nil || !slices.Equal(set.Pictures, want) || !slices.Equal(names, []string{"one", "two"}) || set.Pairs != nil {
			t.Errorf("%q: %v %v, %v; want %v", header, set, names, err, want)
		}
	}
	for content, want := range map[string]string{
		"": "is empty", "file,identity\n": "is empty", "a.jpg\n": "1 columns", "a.jpg,1\na.jpg,2\n": "twice", "a.jpg,1,x\nb.jpg,2\n": "wrong number of fields", "a,\"b\n": "cannot read the table",
	} {
		if _, _, err := Identities(table(t, content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", content, err, want)
		}
	}
	if _, _, err := Identities("nowhere.csv"); err == nil || !strings.Contains(err.Error(), "cannot open the table") {
		t.Errorf("no table: %v", err)
	}
}

// Whose the pictures are follows from the pairs: a and c are never compared,
// and are one person's through b.
func TestPairsSayWhoIsWho(t *testing.T) {
	set, err := Pairs(table(t, "file_a,file_b,same\na,b,1\nb,c,1\nd,a,0\nc,d,0\ne,d,true\n"))
	if err != nil {
		t.Fatal(err)
	}
	var persons []int
	for _, p := range set.Pictures {
		persons = append(persons, p.Person)
	}
	if p := persons; len(p) != 5 || p[0] != p[1] || p[1] != p[2] || p[3] == p[0] || p[4] != p[3] {
		t.Errorf("persons %v of %v", persons, set.Pictures)
	}
	if want := []eval.Pair{{A: 0, B: 1}, {A: 1, B: 2}, {A: 3, B: 0}, {A: 2, B: 3}, {A: 4, B: 3}}; !slices.Equal(set.Pairs, want) {
		t.Errorf("pairs %v, want %v", set.Pairs, want)
	}
	for content, want := range map[string]string{
		"a,b,1\nb,c,1\na,c,0\n": "by other pairs the same one", "a,a,1\n": "with itself", "a,b,yes\n": "want 1 or 0", "a,b\n": "2 columns",
	} {
		if _, err := Pairs(table(t, content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", content, err, want)
		}
	}
}

func TestPeopleAreRead(t *testing.T) {
	path := table(t, `"face_id","face_age","face_gender","face_eth"`+"\n1,24,female,white\n2,NA,male,\n9,61,male,black\n3,17,female,x/y\n")
	got, err := People(path, []string{"gender", "ethnicity", "age"}, []string{"3", "1", "2"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[int]string{{0: "female", 1: "female", 2: "male"}, {0: "x/y", 1: "white"}, {0: "0-17", 1: "18-29"}} {
		if len(got[i].Of) != len(want) {
			t.Errorf("%s: %v, want %v", got[i].By, got[i].Of, want)
		}
		for person, group := range want {
			if got[i].Of[person] != group {
				t.Errorf("%s: %v, want %v", got[i].By, got[i].Of, want)
			}
		}
	}
	for by, want := range map[string]string{"height": "no column for height, only face_age", "id": "no column for id"} {
		if _, err := People(path, []string{by}, []string{"1"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", by, err, want)
		}
	}
	if _, err := People(path, []string{"age"}, []string{"77"}); err == nil || !strings.Contains(err.Error(), "says nothing about the age") {
		t.Errorf("nobody known: %v", err)
	}
	if _, err := People(table(t, "id,age\n1,old\n"), []string{"age"}, []string{"1"}); err == nil || !strings.Contains(err.Error(), "want whole years") {
		t.Errorf("no age: %v", err)
	}
}

// FuzzTables reads whatever a table may hold: what is accepted names each
// picture once and compares no picture with itself.
func FuzzTables(f *testing.F) {
	for _, seed := range []string{
		"file,identity\na,1\nb,1\n", "file_a,file_b,same\na,b,1\nb,c,0\n", "face_id,face_age,face_eth\n1,24,x\n", "\"", "a,b,1\r\nb,a,0", "\ufefffile,identity\n\x00,\n", "id,_age\n1,\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "table.csv")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		identities, names, err := Identities(path)
		if err == nil && len(names) > len(identities.Pictures) {
			t.Errorf("%d identities of %d pictures", len(names), len(identities.Pictures))
		}
		pairs, err := Pairs(path)
		for _, p := range pairs.Pairs {
			if n := len(pairs.Pictures); err == nil && (p.A == p.B || p.A >= n || p.B >= n) {
				t.Errorf("pair %v of %d pictures", p, n)
			}
		}
		for _, set := range []Set{identities, pairs} {
			seen := map[string]bool{}
			for _, p := range set.Pictures {
				if seen[p.Path] {
					t.Errorf("%q is named twice", p.Path)
				}
				seen[p.Path] = true
			}
		}
		if partitions, err := People(path, []string{"age", "ethnicity"}, []string{"1", "2"}); err == nil && len(partitions) != 2 {
			t.Errorf("%d properties, want 2", len(partitions))
		}
	})
}
