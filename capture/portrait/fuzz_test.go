package portrait

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"

	"limen/capture/portrait/sandbox"
	"limen/internal/repotest"
)

func FuzzSniff(f *testing.F) {
	for _, name := range []string{"gradient.jp2", "gradient-gray.j2k"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := repotest.Parsed(t, data, Sniff)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		if h.Width < 1 || h.Height < 1 || h.Width > MaxSide || h.Height > MaxSide || h.Width*h.Height > MaxPixels {
			t.Errorf("let %dx%d pass", h.Width, h.Height)
		}
		if (h.Format == JPEG) != (h.Codestream == nil) {
			t.Errorf("%v with a codestream of %d bytes", h.Format, len(h.Codestream))
		}
	})
}

func FuzzAnswer(f *testing.F) {
	var good, bad bytes.Buffer
	WriteAnswer(&good, JP2, Pixels{Width: 2, Height: 3, Channels: 3, Pix: make([]byte, 18)}, nil)
	WriteAnswer(&bad, JPEG, Pixels{}, ErrTooLarge)
	f.Add(good.Bytes())
	f.Add(bad.Bytes())
	f.Add([]byte("LPA1\x00\x01\x03\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var img image.Image
		var format Format
		var err error
		repotest.Bounded(t, len(data), func() { img, format, err = readAnswer(bytes.NewReader(data)) })
		if (img == nil) == (err == nil) {
			t.Errorf("picture %v with error %v", img != nil, err)
		}
		if img == nil {
			return
		}
		channels := 3
		if _, ok := img.(interface{ Opaque() bool }); ok && data[6] == 1 {
			channels = 1
		}
		if want := answerHeader + channels*img.Bounds().Dx()*img.Bounds().Dy(); len(data) != want || format == UnknownFormat {
			t.Errorf("accepted %d bytes as %v %v, want %d", len(data), format, img.Bounds(), want)
		}
	})
}

func FuzzRequest(f *testing.F) {
	var request, hello bytes.Buffer
	writeRequest(&request, []byte("portrait"))
	WriteHello(&hello, sandbox.Report{LandlockABI: 4, Seccomp: true, NoNewPrivs: true})
	f.Add(request.Bytes())
	f.Add(hello.Bytes())
	f.Add([]byte("LPQ1\x00\x3f\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, err := repotest.Parsed(t, b, func(b []byte) ([]byte, error) { return ReadRequest(bytes.NewReader(b)) })
		var again bytes.Buffer
		if err == nil {
			writeRequest(&again, data)
			if !bytes.HasPrefix(b, again.Bytes()) {
				t.Errorf("%X: read as %d bytes", b, len(data))
			}
		}
		report, err := readHello(bytes.NewReader(b))
		again.Reset()
		if err == nil && (WriteHello(&again, report) != nil || !bytes.Equal(again.Bytes()[:5], b[:5])) {
			t.Errorf("%X: read as %+v", b, report)
		}
	})
}
