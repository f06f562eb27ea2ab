package cvface

import (
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"limen/matcher"
	"limen/matcher/catalog"
)

// A recogniser is added by an entry alone: its picture's size, order of
// channels, means, scale, landmarks and length are not this package's.
func TestRecogniserByAnEntryAlone(t *testing.T) {
	places := catalog.Places{Only: "testdata"}
	manifest, err := places.Models()
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load("tiles", places)
	if err != nil {
		t.Fatal(err)
	}
	n, err := openNetwork(m, catalog.Recogniser)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{recogniser: n, open: true}
	defer func() { e.picture.close(); n.net.Close() }()

	// A picture in which the aligned face begins at (10, 20), in tiles of 8 pixels.
	const x0, y0 = 10, 20
	shade := func(column, row int) color.RGBA {
		return color.RGBA{uint8(40 + 50*column), uint8(30 + 40*row), uint8(200 - 30*column - 20*row), 255}
	}
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 32 {
		for x := range 24 {
			img.SetRGBA(x0+x, y0+y, shade(x/8, y/8))
		}
	}
	var face matcher.Face
	for i, p := range m.Align {
		face.Landmarks[i] = matcher.Point{X: x0 + p[0]*24, Y: y0 + p[1]*32}
	}
	got, err := e.Template(img, face)
	if err != nil {
		t.Fatal(err)
	}
	var want matcher.Template
	for channel := range 3 {
		for row := range 4 {
			for column := range 3 {
				c := shade(column, row)
				v := float64([]uint8{c.R, c.G, c.B}[channel])
				want = append(want, float32((v-m.Input.Mean[channel])*m.Input.Scale))
			}
		}
	}
	want = want.Normalized()
	if len(got) != len(want) {
		t.Fatalf("a template of %d numbers, want %d", len(got), len(want))
	}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-4 {
			t.Errorf("number %d: %.4f, want %.4f", i, got[i], want[i])
		}
	}

	// An entry that describes another network is found out before any picture.
	for name, spoil := range map[string]func(*catalog.Model){
		"holds 36 numbers, want 35": func(m *catalog.Model) { m.Output.Length = 35 },
		"holds 72 numbers, want 36": func(m *catalog.Model) { m.Input.Width = 48 },
		"tiles is a detector":       func(m *catalog.Model) { m.Kind = catalog.Detector },
		"does not say how":          func(m *catalog.Model) { m.Align = nil },
	} {
		other := m
		spoil(&other)
		if _, err := openNetwork(other, catalog.Recogniser); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error with %q", err, name)
		}
	}
}
