//go:build matprofile

package cvcam

import (
	"bytes"
	"testing"

	"gocv.io/x/gocv"
)

func TestNoMatOutlivesACamera(t *testing.T) {
	for _, source := range []string{
		mjpeg(t, "f", true, live(jpegOf(t, 65, 49))).URL,
		video(t, 5, 100),
		"/dev/video97",
	} {
		before := gocv.MatProfile.Count()
		watch(t, Options{Source: source}, 4)
		if n := gocv.MatProfile.Count(); n != before {
			var b bytes.Buffer
			gocv.MatProfile.WriteTo(&b, 1)
			t.Errorf("%s: %d Mats alive, want %d:\n%s", source, n, before, b.String())
		}
	}
}
