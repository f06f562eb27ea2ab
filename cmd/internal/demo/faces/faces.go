// Package faces holds the faces of the demo's travellers: for each a portrait
// for the chip of a passport and a later picture for the camera, different
// pictures of the same face.
//
// Nobody looks like this: each face is mixed from three people of the Face
// Research Lab London Set (CC BY 4.0; NOTICE and credits.csv name it, and
// scripts/faces makes it).
package faces

import (
	"bytes"
	"embed"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strings"
)

//go:embed *.jpg *.jp2 *.png credits.csv
var files embed.FS

// JPEG2000 is the one whose portrait is also encoded as JPEG 2000.
const JPEG2000 = "traveller-02"

// Morph is a portrait mixed from two travellers' mixtures, set into the hair
// and neck of the second, and MorphedWith is the first of them.
const (
	Morph       = "morph-01"
	MorphedWith = "traveller-10"
)

// Names lists the travellers, "traveller-01" and on, in order.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("faces: embedded folder is unreadable: %v", err))
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".portrait.jpg"); ok && name != Morph {
			names = append(names, name)
		}
	}
	return names
}

// Portrait is a traveller's passport portrait: a JPEG of 413x531 pixels and at most 20 kB.
func Portrait(name string) ([]byte, error) { return read(name, ".portrait.jpg") }

// PortraitJPEG2000 is the portrait as a JP2 file; only the traveller JPEG2000 has one.
func PortraitJPEG2000(name string) ([]byte, error) { return read(name, ".portrait.jp2") }

// Live is what a camera sees of the traveller: 720x720 pixels, head and
// shoulders, transparent around them. Eyes says where they look from.
func Live(name string) (*image.NRGBA, error) {
	encoded, err := read(name, ".live.jpg")
	if err != nil {
		return nil, err
	}
	picture, err := jpeg.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("faces: live picture of %s does not decode: %w", name, err)
	}
	if encoded, err = read(name, ".matte.png"); err != nil {
		return nil, err
	}
	matte, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("faces: matte of %s does not decode: %w", name, err)
	}
	gray, ok := matte.(*image.Gray)
	if !ok {
		return nil, fmt.Errorf("faces: matte of %s is a %T, want a gray picture", name, matte)
	}
	cut := image.NewNRGBA(picture.Bounds())
	draw.Draw(cut, cut.Bounds(), picture, picture.Bounds().Min, draw.Src)
	for y := range cut.Bounds().Dy() {
		for x := range cut.Bounds().Dx() {
			cut.Pix[y*cut.Stride+4*x+3] = smooth(gray, x, y, cut.Bounds().Dx())
		}
	}
	return cut, nil
}

// Eyes are the pupils' places in every live picture, left in the picture first:
// the mixtures are made so; the head's turn moves them by a few pixels.
func Eyes() [2]image.Point { return [2]image.Point{{303, 336}, {417, 336}} }

// smooth reads the small matte between its pixels, at (x, y) of a square picture of the given side.
func smooth(matte *image.Gray, x, y, side int) uint8 {
	n := matte.Bounds().Dx()
	place := func(v int) (i, j, part int) {
		at := max((2*v+1)*n*128/side-128, 0) // in 256ths of a matte pixel, between centers
		return at >> 8, min(at>>8+1, n-1), at & 255
	}
	x0, x1, fx := place(x)
	y0, y1, fy := place(y)
	row := func(y int) int {
		return int(matte.GrayAt(x0, y).Y)*(256-fx) + int(matte.GrayAt(x1, y).Y)*fx
	}
	return uint8((row(y0)*(256-fy) + row(y1)*fy) >> 16)
}

// Credits is the table of who was mixed into which file, as CSV.
func Credits() []byte {
	table, err := files.ReadFile("credits.csv")
	if err != nil {
		panic(fmt.Sprintf("faces: embedded credits are unreadable: %v", err))
	}
	return table
}

func read(name, suffix string) ([]byte, error) {
	data, err := files.ReadFile(name + suffix)
	if err != nil {
		return nil, fmt.Errorf("faces: there is no %s%s: choose one of %s", name, suffix, strings.Join(Names(), ", "))
	}
	return data, nil
}
