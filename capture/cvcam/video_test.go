package cvcam

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
)

// video writes a short film of the test chart.
func video(t *testing.T, frames int, fps float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chart.avi")
	w, err := gocv.VideoWriterFile(path, "MJPG", fps, 320, 240, true)
	if err != nil || !w.IsOpened() {
		t.Fatalf("cannot write a test video: %v", err)
	}
	mat, err := gocv.ImageToMatRGB(picture(320, 240))
	if err != nil {
		t.Fatal(err)
	}
	defer mat.Close()
	for range frames {
		if err := w.Write(mat); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilePlaysAtItsPaceAndEnds(t *testing.T) {
	path := video(t, 20, 50)
	start := time.Now()
	n, _, err := watch(t, Options{Source: path}, 1000)
	if n != 20 || !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), path) {
		t.Errorf("%d frames, %v; want 20 and %v naming the file", n, err, ErrEnded)
	}
	if took := time.Since(start); took < 360*time.Millisecond {
		t.Errorf("20 frames of 50 a second took %v, want about 400 ms", took)
	}
}

func TestFileLoops(t *testing.T) {
	if n, _, err := watch(t, Options{Source: video(t, 5, 50), FPS: 1000, Loop: true}, 12); n != 12 || err != nil {
		t.Errorf("%d frames, %v; want 12 of a film of 5", n, err)
	}
}

func TestFrameContent(t *testing.T) {
	cam, err := New(Options{Source: video(t, 2, 50)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = cam.Run(ctx, func(f *capture.Frame) {
		defer f.Release()
		p := f.RGBA()
		if l, r := p.RGBAAt(80, 120), p.RGBAAt(240, 120); l.R < 180 || l.B > 60 || r.B < 180 || r.R > 60 {
			t.Errorf("left %v, right %v; want red and blue", l, r)
		}
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSourcesThatCannotBeOpened(t *testing.T) {
	text := filepath.Join(t.TempDir(), "video.mp4")
	if err := os.WriteFile(text, []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, c := range []struct {
		name, source string
		want         error
		text         string
	}{
		{"no device", "97", ErrNoDevice, "plug the camera in"},
		{"no device by path", "/dev/video97", ErrNoDevice, "/dev/video97"},
		{"not a camera", "/dev/null", ErrFormat, "not a camera"},
		{"no file", "/nowhere/film.mp4", os.ErrNotExist, "/nowhere/film.mp4"},
		{"not a video", text, ErrFormat, "no video"},
		{"RTSP nobody there", "rtsp://user:secret@" + closed.Addr().String() + "/live", ErrUnreachable, "check its address"},
		{"RTSP never answers", "rtsp://" + mute.Addr().String() + "/live", ErrUnreachable, "check its address"},
	} {
		start := time.Now()
		_, _, err := watch(t, Options{Source: c.source, ReadTimeout: 300 * time.Millisecond}, 1)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %v with %q and no password", c.name, err, c.want, c.text)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: reported after %v, want a bounded time", c.name, took)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{}, "needs a source"},
		{Options{Source: "ftp://camera/stream"}, "not a scheme"},
		{Options{Source: "rtsp://user:secret@/x y%zz"}, "malformed"},
		{Options{Source: "0", Transport: "pigeon"}, "neither tcp nor udp"},
		{Options{Source: "0", Width: -1}, "out of range"},
	} {
		_, err := New(c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want an error with %q", c.opts, err, c.want)
		}
	}
	cam, err := New(Options{Source: "rtsp://user:secret@camera/live"})
	if err != nil || strings.Contains(cam.Name(), "secret") || !strings.Contains(cam.Name(), "camera/live") {
		t.Errorf("name %q, %v; want the URL without its password", cam.Name(), err)
	}
	if cam, err := New(Options{Source: "2"}); err != nil || cam.Name() != "/dev/video2" {
		t.Errorf("index 2 is %v, %v; want /dev/video2", cam.Name(), err)
	}
}
