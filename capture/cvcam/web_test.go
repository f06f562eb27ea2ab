package cvcam

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"limen/capture"
	"limen/internal/repotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picture is a test chart: red on the left, blue on the right.
func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{200, 30, 30, 255}
			if x >= w/2 {
				c = color.RGBA{30, 30, 200, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mjpeg serves frames to one viewer until next says no more.
func mjpeg(t testing.TB, boundary string, withLength bool, next func(n int, r *http.Request) []byte) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
		for n := 0; ; n++ {
			data := next(n, r)
			if data == nil || r.Context().Err() != nil {
				return
			}
			fmt.Fprintf(w, "--%s\r\nContent-Type: image/jpeg\r\n", strings.TrimPrefix(boundary, "--"))
			if withLength {
				fmt.Fprintf(w, "Content-Length: %d\r\n", len(data))
			}
			fmt.Fprint(w, "\r\n")
			w.Write(data)
			fmt.Fprint(w, "\r\n")
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// live paces a server at 30 frames a second until the viewer leaves.
func live(data []byte) func(int, *http.Request) []byte {
	return func(n int, r *http.Request) []byte {
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(33 * time.Millisecond):
			return data
		}
	}
}

// watch runs a camera until it delivered n frames or failed.
func watch(t testing.TB, opts Options, n int) (frames int, first time.Duration, err error) {
	t.Helper()
	cam, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	err = cam.Run(ctx, func(f *capture.Frame) {
		if frames++; frames == 1 {
			first = time.Since(start)
		}
		if frames == n {
			cancel()
		}
		f.Release()
	})
	return frames, first, err
}

func TestWebCameraDelivers(t *testing.T) {
	for _, size := range []image.Point{{1280, 720}, {640, 480}, {641, 481}} {
		server := mjpeg(t, "frame", true, live(jpegOf(t, size.X, size.Y)))
		cam, err := New(Options{Name: "gate", Source: server.URL + "/stream"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got *capture.Frame
		var seqs []uint64
		start := time.Now()
		var opened time.Duration
		err = cam.Run(ctx, func(f *capture.Frame) {
			if seqs = append(seqs, f.Seq); len(seqs) == 1 {
				opened = time.Since(start)
			}
			if len(seqs) == 5 {
				got = f.Retain()
				cancel()
			}
			f.Release()
		})
		cancel()
		if err != nil || got == nil {
			t.Fatalf("%v: %v", size, err)
		}
		t.Logf("%v: first frame after %v", size, opened)
		if opened > time.Second {
			t.Errorf("%v: first frame after %v, want less than a second", size, opened)
		}
		if w, h := got.Rect.Dx(), got.Rect.Dy(); w != size.X&^1 || h != size.Y&^1 {
			t.Errorf("%v: frame of %dx%d, want the size made even", size, w, h)
		}
		if got.Camera != "gate" || got.Time.Before(start) || seqs[0] != 1 || seqs[4] != 5 {
			t.Errorf("frame of %q at %v, counted %v", got.Camera, got.Time, seqs)
		}
		pic := got.RGBA()
		for _, c := range []struct {
			x    int
			want color.RGBA
		}{{size.X / 4, color.RGBA{200, 30, 30, 255}}, {size.X * 3 / 4, color.RGBA{30, 30, 200, 255}}} {
			p := pic.RGBAAt(c.x, size.Y/2)
			for i, d := range []int{int(p.R) - int(c.want.R), int(p.G) - int(c.want.G), int(p.B) - int(c.want.B)} {
				if d < -8 || d > 8 {
					t.Errorf("%v: pixel %v, want %v (channel %d)", size, p, c.want, i)
				}
			}
		}
		got.Release()
	}
}

func TestWebCameraDialects(t *testing.T) {
	data := jpegOf(t, 64, 48)
	for _, c := range []struct {
		boundary   string
		withLength bool
	}{{"frame", false}, {"--frame", true}, {"--frame", false}} {
		server := mjpeg(t, c.boundary, c.withLength, live(data))
		if n, _, err := watch(t, Options{Source: server.URL}, 3); n != 3 || err != nil {
			t.Errorf("%+v: %d frames, %v; want 3", c, n, err)
		}
	}
}

func TestWebCameraSkipsDamagedFramesAndGivesUpOnGarbage(t *testing.T) {
	good := jpegOf(t, 64, 48)
	one := mjpeg(t, "f", true, func(n int, r *http.Request) []byte {
		if n == 1 {
			return []byte("\xff\xd8 not a picture")
		}
		return live(good)(n, r)
	})
	if n, _, err := watch(t, Options{Source: one.URL}, 3); n != 3 || err != nil {
		t.Errorf("one damaged frame: %d frames, %v; want 3", n, err)
	}
	bomb := bytes.Clone(good)
	sof := bytes.Index(bomb, []byte{0xFF, 0xC0})
	copy(bomb[sof+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	all := mjpeg(t, "f", true, func(n int, r *http.Request) []byte { return bomb })
	if n, _, err := watch(t, Options{Source: all.URL}, 1); n != 0 || !errors.Is(err, ErrFormat) {
		t.Errorf("frames of 65535x65535: %d frames, %v; want %v", n, err, ErrFormat)
	}
}

// A camera that is set to another size while it runs goes on.
func TestWebCameraChangesResolution(t *testing.T) {
	sizes := [][]byte{jpegOf(t, 320, 240), jpegOf(t, 640, 480), jpegOf(t, 64, 48)}
	server := mjpeg(t, "f", true, func(n int, r *http.Request) []byte { return live(sizes[n/3%3])(n, r) })
	cam, err := New(Options{Source: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := map[image.Point]int{}
	var last uint64
	err = cam.Run(ctx, func(f *capture.Frame) {
		defer f.Release()
		size := f.Rect.Size()
		seen[size]++
		p := f.RGBA()
		if l, r := p.RGBAAt(size.X/4, size.Y/2), p.RGBAAt(size.X*3/4, size.Y/2); l.R < 180 || r.B < 180 || f.Seq != last+1 {
			t.Errorf("frame %d of %v: left %v, right %v; want red and blue, frame %d", f.Seq, size, l, r, last+1)
		}
		if last = f.Seq; last == 9 {
			cancel()
		}
	})
	if err != nil || len(seen) != 3 {
		t.Errorf("got frames of %v (%v), want three sizes", seen, err)
	}
}

func TestWebCameraLossIsReported(t *testing.T) {
	data := jpegOf(t, 64, 48)
	closed := httptest.NewServer(nil)
	closed.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, c := range []struct {
		name, source string
		want         error
	}{
		{"ends after 3", mjpeg(t, "f", true, func(n int, r *http.Request) []byte {
			if n == 3 {
				return nil
			}
			return data
		}).URL, ErrGone},
		{"stalls after 3", mjpeg(t, "f", true, func(n int, r *http.Request) []byte {
			if n == 3 {
				<-r.Context().Done()
				return nil
			}
			return data
		}).URL, ErrSilent},
		{"nobody there", closed.URL, ErrUnreachable},
		{"never answers", "http://" + mute.Addr().String(), ErrUnreachable},
		{"wrong path", httptestStatus(t, 404), ErrUnreachable},
		{"wrong password", strings.Replace(httptestStatus(t, 401), "http://", "http://user:secret@", 1), ErrUnreachable},
		{"a web page", httptestPage(t), ErrFormat},
	} {
		start := time.Now()
		_, _, err := watch(t, Options{Source: c.source, OpenTimeout: 300 * time.Millisecond, ReadTimeout: 200 * time.Millisecond}, 100)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "127.0.0.1") || !strings.Contains(err.Error(), ";")) {
			t.Errorf("%s: %q, want the camera's name, the next action and no password", c.name, err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: reported after %v", c.name, took)
		}
	}
}

func httptestStatus(t *testing.T, status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.URL
}

func httptestPage(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>camera</html>") }))
	t.Cleanup(s.Close)
	return s.URL
}

func FuzzNextJPEG(f *testing.F) {
	f.Add([]byte("--f\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xd9\r\n"))
	f.Add([]byte("\r\n--f\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xd9\r\n--f"))
	f.Add([]byte("--f\r\nContent-Length: 99999999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		repotest.Bounded(t, len(stream), func() {
			r := bufio.NewReader(bytes.NewReader(stream))
			for range 4 {
				data, err := nextJPEG(r)
				if err != nil {
					return
				}
				if len(data) < 2 || len(data) > len(stream) {
					t.Fatalf("a part of %d bytes from a stream of %d", len(data), len(stream))
				}
			}
		})
	})
}

func BenchmarkDecode720p(b *testing.B) {
	data := jpegOf(b, 1280, 720)
	cam, err := New(Options{Source: "http://127.0.0.1/"})
	if err != nil {
		b.Fatal(err)
	}
	v := cam.converter()
	defer v.close()
	for b.Loop() {
		f, err := v.decode(data, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}

// A machine that is slower than its camera sees the newest picture, not the
// ones that have waited.
func TestSlowViewerSeesTheNewest(t *testing.T) {
	const sent = 200
	old, last := jpegOf(t, 32, 24), jpegOf(t, 64, 48)
	done := make(chan struct{})
	s := mjpeg(t, "b", true, func(n int, r *http.Request) []byte {
		switch {
		case n < sent:
			return old
		case n == sent:
			return last
		}
		close(done)
		return nil
	})
	camera, err := New(Options{Source: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	var seen, width int
	err = camera.Run(t.Context(), func(f *capture.Frame) {
		if seen++; seen == 1 {
			<-done // decoding takes as long as everything else to come
		}
		width = f.Rect.Dx()
		f.Release()
	})
	if !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want ErrGone at the stream's end", err)
	}
	if seen > sent/2 || width != 64 {
		t.Errorf("saw %d of %d pictures, the last %d pixels wide; want few, and the last", seen, sent+1, width)
	}
}
