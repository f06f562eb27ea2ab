//go:build matprofile

package cvface

import (
	"bytes"
	"testing"

	"gocv.io/x/gocv"
)

func TestNoMatOutlivesTheEngine(t *testing.T) {
	before := gocv.MatProfile.Count()
	e := openEngine(t, Options{})
	for _, path := range london(t, "neutral_front")[:3] {
		f := asFrame(readJPEG(t, path))
		faces, err := e.Detect(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Template(f, faces[0]); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	if n := gocv.MatProfile.Count(); n != before {
		var b bytes.Buffer
		gocv.MatProfile.WriteTo(&b, 1)
		t.Errorf("%d Mats alive, want %d:\n%s", n, before, b.String())
	}
}
