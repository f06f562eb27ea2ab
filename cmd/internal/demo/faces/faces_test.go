package faces

import (
	"bytes"
	"encoding/csv"
	"image"
	"image/jpeg"
	"strings"
	"testing"
)

func TestEveryTravellerHasPortraitAndAnotherLivePicture(t *testing.T) {
	names := Names()
	if len(names) != 12 {
		t.Fatalf("got %d travellers, want 12", len(names))
	}
	for _, name := range names {
		portrait, err := Portrait(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(portrait); n < 15_000 || n > 20_000 {
			t.Errorf("%s: portrait is %d bytes, want 15 to 20 kB", name, n)
		}
		config, err := jpeg.DecodeConfig(bytes.NewReader(portrait))
		if err != nil {
			t.Fatal(err)
		}
		if config.Width != 413 || config.Height != 531 {
			t.Errorf("%s: portrait is %dx%d, want 413x531", name, config.Width, config.Height)
		}
		live, err := Live(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := live.Bounds(), image.Rect(0, 0, 720, 720); got != want {
			t.Errorf("%s: live picture is %v, want %v", name, got, want)
		}
		if a := live.NRGBAAt(5, 5).A; a != 0 {
			t.Errorf("%s: the corner's alpha is %d, want 0 (no person there)", name, a)
		}
		if a := live.NRGBAAt(360, 380).A; a < 250 {
			t.Errorf("%s: the nose's alpha is %d, want opaque", name, a)
		}
	}
}

func TestJPEG2000PortraitIsJP2(t *testing.T) {
	data, err := PortraitJPEG2000(JPEG2000)
	if err != nil {
		t.Fatal(err)
	}
	if signature := "\x00\x00\x00\x0cjP  \r\n\x87\n"; !strings.HasPrefix(string(data), signature) {
		t.Errorf("got %x, want the JP2 signature box", data[:12])
	}
	if _, err := PortraitJPEG2000("traveller-01"); err == nil {
		t.Error("a traveller without a JPEG 2000 portrait gave one")
	}
}

// Each picture is a mixture of three, credited, and no two travellers share a person.
func TestCreditsNameThreePeopleOfOneTravellerOnly(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(Credits())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	owner := map[string]string{}
	credited := map[string]bool{}
	for _, row := range rows[1:] {
		traveller, _, _ := strings.Cut(row[0], ".")
		credited[row[0]] = true
		if traveller == Morph { // of two travellers' people, which is what it is
			continue
		}
		people := strings.Fields(row[1])
		if len(people) < 3 {
			t.Errorf("%s is mixed from %d people, want at least 3", row[0], len(people))
		}
		for _, p := range people {
			if was, taken := owner[p]; taken && was != traveller {
				t.Errorf("person %s is in %s and %s, want in one", p, was, traveller)
			}
			owner[p] = traveller
		}
	}
	for _, name := range Names() {
		if !credited[name+".portrait"] || !credited[name+".live"] {
			t.Errorf("%s is not credited", name)
		}
	}
}

// Glasses change the face about the eyes and nothing else, and never the original.
func TestGlassesAreDrawnOnACopy(t *testing.T) {
	live, err := Live("traveller-02")
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(live.Pix)
	with := WithGlasses(live)
	if !bytes.Equal(live.Pix, before) {
		t.Error("the live picture itself was drawn on")
	}
	changed := 0
	for y := range 720 {
		for x := range 720 {
			if with.NRGBAAt(x, y) != live.NRGBAAt(x, y) {
				changed++
				if y < 280 || y > 420 {
					t.Fatalf("(%d, %d) changed, want the eyes' rows alone", x, y)
				}
			}
		}
	}
	if changed < 1500 {
		t.Errorf("%d pixels changed, want frames that are seen", changed)
	}
}

func TestMorphIsAPortrait(t *testing.T) {
	portrait, err := Portrait(Morph)
	if err != nil {
		t.Fatal(err)
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(portrait))
	if err != nil || config.Width != 413 || config.Height != 531 {
		t.Errorf("got %dx%d (%v), want 413x531", config.Width, config.Height, err)
	}
}
