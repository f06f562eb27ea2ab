package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/cmd/internal/cli"
	"limen/cmd/internal/faceset"
	"limen/matcher"
	"limen/matcher/eval"
)

// lumaEngine finds a face in every picture that is not dark, and describes it
// by its brightness.
type lumaEngine struct{ given []matcher.Template }

func (*lumaEngine) Detect(img image.Image) ([]matcher.Face, error) {
	if r, _, _, _ := img.At(8, 8).RGBA(); r>>8 < 50 {
		return nil, nil
	}
	return make([]matcher.Face, 1), nil
}

func (e *lumaEngine) Template(img image.Image, _ matcher.Face) (matcher.Template, error) {
	r, _, _, _ := img.At(8, 8).RGBA()
	t := matcher.Template{float32(r>>8) - 150, 10}
	e.given = append(e.given, t)
	return t, nil
}

func TestDescribeCountsWhatCannotBeEnrolled(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	dir := t.TempDir()
	var pictures []faceset.Picture
	for i, luma := range []int{200, 210, 10, -1, 100, 90} {
		path := filepath.Join(dir, string(rune('a'+i))+".jpg")
		var b bytes.Buffer
		if luma < 0 {
			b.WriteString("no picture")
		} else {
			img := image.NewGray(image.Rect(0, 0, 32, 32))
			for k := range img.Pix {
				img.Pix[k] = uint8(luma)
			}
			if err := jpeg.Encode(&b, img, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, faceset.Picture{Path: path, Person: i / 4})
	}
	var said bytes.Buffer
	con := &cli.Console{Context: t.Context(), Errors: &said}
	engine := &lumaEngine{}
	d, err := describe(con, engine, pictures)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.at, []int{0, 1, -1, -1, 2, 3}) || d.failed["face_not_found"] != 1 || d.failed["picture_unreadable"] != 1 || len(d.failed) != 2 || d.set.Len() != 4 {
		t.Errorf("places %v, failed %v, %d templates", d.at, d.failed, d.set.Len())
	}
	for _, template := range engine.given {
		if slices.ContainsFunc(template, func(v float32) bool { return v != 0 }) {
			t.Errorf("the engine's template still holds %v", []float32(template))
		}
	}
	if !strings.Contains(said.String(), "pictures: 6 of 6\n") {
		t.Errorf("progress %q, want it to reach 6 of 6", said.String())
	}
	if got := d.pairs([]eval.Pair{{A: 0, B: 2}, {A: 4, B: 1}, {A: 5, B: 4}}); !slices.Equal(got, []eval.Pair{{A: 2, B: 1}, {A: 3, B: 2}}) {
		t.Errorf("pairs of templates %v", got)
	}
	r, err := eval.Evaluate(t.Context(), d.set, eval.Options{})
	if err != nil || r.EER.Rate != 0 {
		t.Errorf("bright and dark people: %+v, %v", r, err)
	}

	if _, err := describe(con, engine, append(slices.Clone(pictures), faceset.Picture{Path: filepath.Join(dir, "missing.jpg")})); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v, want %v", err, os.ErrNotExist)
	}
	if _, err := describe(con, engine, pictures[2:4]); err == nil || !strings.Contains(err.Error(), "none of 2 pictures") {
		t.Errorf("no face at all: %v", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := describe(&cli.Console{Context: ended, Errors: &said}, engine, pictures); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v, want %v", err, context.Canceled)
	}
}

func TestMatchSaysWhatIsWrongWithAPicture(t *testing.T) {
	score := 0.7
	r := matchResult{Score: &score, Match: true, Threshold: 0.45, FMR: 0.001, Model: "net@01234567", Grade: "demo",
		Quality: map[string]faceQuality{"A": {Fit: true}, "B": {Reasons: []matcher.Reason{matcher.FaceTooSmall, matcher.FaceTooDark}}}}
	if got, want := r.String(), "match: 0.700, at least 0.450 (net@01234567, demo grade, FMR 0.001); B: face_too_small; B: face_too_dark"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
