package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
)

func specimen() Chart {
	return Chart{Title: "A <title> & more",
		X:     Axis{Title: "across", Scale: Probit, Low: 0.001, High: 0.5, Ticks: []Tick{{0.01, "1 %"}, {0.5, "50 %"}}},
		Y:     Axis{Title: "upwards", High: 2, Ticks: []Tick{{0, "none"}, {2, "two"}}},
		Lines: []Line{{"one", []Point{{0, 0}, {0.1, 1}, {1, 5}}}, {"two", []Point{{0.3, math.Inf(1)}}}},
		Marks: []Tick{{0.02, "here"}}}
}

func TestSVGIsWellFormedAndLabeled(t *testing.T) {
	var b bytes.Buffer
	if err := specimen().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, b.Bytes())
		}
		if c, ok := token.(xml.CharData); ok {
			text.Write(c)
		}
	}
	for _, want := range []string{"A <title> & more", "across", "upwards", "1 %", "two", "here", "one"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the SVG", want)
		}
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("a place that is no number: %s", b.Bytes())
	}
}

func TestPNGShowsLinesAndText(t *testing.T) {
	var b bytes.Buffer
	if err := specimen().WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil || img.Bounds().Dx() != 1280 || img.Bounds().Dy() != 960 {
		t.Fatalf("%v, %v; want 1280x960", img.Bounds(), err)
	}
	is := func(x, y float64, c color) bool {
		r, g, b, _ := img.At(int(x*dots), int(y*dots)).RGBA()
		return uint8(r>>8) == c.r && uint8(g>>8) == c.g && uint8(b>>8) == c.b
	}
	c := specimen()
	a, z := Point{c.x(0.1), c.y(1)}, Point{c.x(1), c.y(5)}
	if !is((a.X+z.X)/2, (a.Y+z.Y)/2, series[0]) {
		t.Error("the first line is not where its points are")
	}
	if !is(left+50, top, ink) || !is(5, 5, color{255, 255, 255}) {
		t.Error("no frame on white")
	}
	inked := 0
	for y := 10; y < 30; y++ { // the title, in the middle
		for x := 250; x < 390; x++ {
			if is(float64(x), float64(y), ink) {
				inked++
			}
		}
	}
	if inked < 100 {
		t.Errorf("%d points of the title's place are inked, want letters", inked)
	}
}

func TestProbitSpreadsSmallRates(t *testing.T) {
	a := Axis{Scale: Probit, Low: 0.001, High: 0.999}
	for v, want := range map[float64]float64{0: 0, 0.001: 0, 0.5: 0.5, 0.999: 1, 0.158655: 0.5 - 1/(2*3.090232)} {
		if got := a.share(v); math.Abs(got-want) > 1e-5 {
			t.Errorf("%g lies at %.5f, want %.5f", v, got, want)
		}
	}
}
