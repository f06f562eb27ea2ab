package specimen

import (
	"bytes"
	"image/jpeg"
	"reflect"
	"testing"

	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// TestExampleGroups reads every example with the parser of its group, and
// issues passports that carry them.
func TestExampleGroups(t *testing.T) {
	total := 0
	for n := range 17 {
		for _, kind := range ExampleKinds(n) {
			total++
			b, err := ExampleGroup(n, kind)
			if err != nil {
				t.Errorf("DG%d %s: %v", n, kind, err)
				continue
			}
			again, err := ExampleGroup(n, kind)
			if err != nil || !bytes.Equal(b, again) {
				t.Errorf("DG%d %s: not the same twice: %v", n, kind, err)
			}
			d, err := lds.Describe(n, b)
			if err != nil || d.Count == 0 && kind != "none" && n != 13 || d.Unread != 0 {
				t.Errorf("DG%d %s: got %+v, %v", n, kind, d, err)
			}
			for _, p := range d.Pictures {
				if p.Format == "" || p.Stated != "" && p.Stated != p.Format {
					t.Errorf("DG%d %s: picture %+v", n, kind, p)
				}
			}
			a, err := NewAuthority(DefaultProfile(day), Seed("examples"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Issue(Spec{Lines: utopia, BAC: true, Groups: map[int][]byte{n: b}, SignedAt: day}); err != nil {
				t.Errorf("DG%d %s: %v", n, kind, err)
			}
		}
	}
	if total != 40 {
		t.Errorf("got %d examples, want 40", total)
	}
	if b, err := ExampleGroup(14, "any"); err == nil {
		t.Errorf("DG14: got %d bytes", len(b))
	}
}

func TestExamplePortraitDecodes(t *testing.T) {
	for _, kind := range []string{"jpeg-2005", "jpeg-2011", "jpeg-39794"} {
		b, err := ExampleGroup(2, kind)
		if err != nil {
			t.Fatal(err)
		}
		dg2, err := lds.ParseDG2(b)
		if err != nil {
			t.Fatal(err)
		}
		f := dg2.Faces[0]
		m, err := jpeg.Decode(bytes.NewReader(f.Image))
		if err != nil || m.Bounds().Dx() != f.Width || m.Bounds().Dy() != f.Height {
			t.Errorf("%s: got %d by %d, %v", kind, f.Width, f.Height, err)
		}
	}
}

// TestExampleNames: the Latin and the Cyrillic name are the MRZ's; the Arabic
// one is a transcription.
func TestExampleNames(t *testing.T) {
	m, err := mrz.Parse(utopia, day)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]mrz.NameMatch{}
	for _, kind := range []string{"latin", "cyrillic", "arabic"} {
		b, err := ExampleGroup(11, kind)
		if err != nil {
			t.Fatal(err)
		}
		d, err := lds.ParseDG11(b)
		if err != nil {
			t.Fatal(err)
		}
		got[kind] = mrz.CompareName(d.Name.Primary, d.Name.Secondary, m)
	}
	want := map[string]mrz.NameMatch{"latin": mrz.NameMatches, "cyrillic": mrz.NameMatches, "arabic": mrz.NameUndetermined}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
