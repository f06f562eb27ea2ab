package device

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"limen"
	"limen/capture/portrait"
	"limen/matcher"
)

// reasonCode is the code of an Unable, "" of none.
func reasonCode(err error) limen.ReasonCode {
	if u, ok := errors.AsType[*limen.Unable](err); ok {
		return u.Reason.Code
	}
	return ""
}

// A portrait that cannot be decoded is the chip's fault and says so; a gray one
// is a portrait.
func TestPortraitsThatCannotBeDecoded(t *testing.T) {
	program := filepath.Join(t.TempDir(), portrait.Program)
	if out, err := exec.Command("go", "build", "-o", program, "limen/cmd/limen-portrait").CombinedOutput(); err != nil {
		t.Fatalf("cannot build the decoder: %v\n%s", err, out)
	}
	var gray bytes.Buffer
	if err := jpeg.Encode(&gray, image.NewGray(image.Rect(0, 0, 240, 320)), nil); err != nil {
		t.Fatal(err)
	}
	jp2, err := os.ReadFile("../capture/portrait/testdata/gradient.jp2")
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.Clone(jp2)
	for i := len(spoiled) / 2; i < len(spoiled); i++ {
		spoiled[i] ^= 0x5A
	}
	p := portraits{&portrait.Decoder{Path: program}}
	for name, c := range map[string]struct {
		data []byte
		want limen.ReasonCode
	}{
		"gray JPEG":        {gray.Bytes(), ""},
		"JPEG 2000":        {jp2, ""},
		"JPEG cut short":   {gray.Bytes()[:200], limen.PortraitUnreadable},
		"JPEG 2000 cut":    {jp2[:60], limen.PortraitUnreadable},
		"JPEG 2000 broken": {append(bytes.Clone(jp2[:40]), bytes.Repeat([]byte{0xFF}, 80)...), limen.PortraitUnreadable},
		"no picture":       {[]byte("not a picture"), limen.PortraitUnreadable},
		"nothing":          {nil, limen.PortraitUnreadable},
	} {
		img, err := p.Decode(t.Context(), c.data)
		if got := reasonCode(err); got != c.want || (err == nil) != (c.want == "") || (img == nil) != (err != nil) {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, c.want)
		}
	}
	if _, err := p.Decode(t.Context(), spoiled); err != nil && reasonCode(err) != limen.PortraitUnreadable { // a lenient decoder may see a picture in it
		t.Errorf("spoiled JPEG 2000: got %v", err)
	}
	away := portraits{&portrait.Decoder{Path: filepath.Join(t.TempDir(), "none")}}
	if _, err := away.Decode(t.Context(), jp2); reasonCode(err) != limen.PortraitDecoderAway {
		t.Errorf("without the program: got %v, want %s", err, limen.PortraitDecoderAway)
	}
}

// Without a camera nobody looked, which is no face that was not found.
func TestNoCameraIsItsOwnReason(t *testing.T) {
	f := &faceCamera{engine: &queue{people: []int{0}}, limits: matcher.Limits{Thresholds: matcher.DefaultThresholds()}}
	if live, err := f.Capture(context.Background()); live != nil || reasonCode(err) != limen.CameraAway {
		t.Errorf("got %v, %v; want %s", live, err, limen.CameraAway)
	}
}
