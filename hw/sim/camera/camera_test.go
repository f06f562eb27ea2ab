package camera

import (
	"context"
	"errors"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// start runs a camera until the test ends and checks that nothing is left of it.
func start(t *testing.T, o Options) *Camera {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v, want nil", err)
		}
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, leaks)
	})
	return c
}

// watch connects as a client does.
func watch(t *testing.T, c *Camera) (*multipart.Reader, io.Closer) {
	t.Helper()
	answer, err := http.Get(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	kind, parameters, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("Content-Type is %q (%v), want multipart/x-mixed-replace", kind, err)
	}
	return multipart.NewReader(answer.Body, parameters["boundary"]), answer.Body
}

func next(t *testing.T, parts *multipart.Reader) {
	t.Helper()
	part, err := parts.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(part)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := part.Header.Get("Content-Length"), strconv.Itoa(len(data)); got != want {
		t.Fatalf("Content-Length is %q, want %s", got, want)
	}
	config, err := jpeg.DecodeConfig(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if config.Width != 320 || config.Height != 240 {
		t.Fatalf("frame is %dx%d, want 320x240", config.Width, config.Height)
	}
}

func TestClientsReadPictures(t *testing.T) {
	c := start(t, Options{Width: 320, Height: 240, FPS: 60})
	if err := c.Show(Scene{People: []Person{dummy()}}); err != nil {
		t.Fatal(err)
	}
	one, _ := watch(t, c)
	two, _ := watch(t, c)
	for range 5 {
		next(t, one)
		next(t, two)
	}
}

func TestDrawsOnlyWhileWatched(t *testing.T) {
	c := start(t, Options{Width: 320, Height: 240, FPS: 100})
	if n := c.Drawn(); n != 0 {
		t.Fatalf("%d frames drawn before anybody watched, want 0", n)
	}
	parts, body := watch(t, c)
	next(t, parts)
	body.Close()
	for c.wanted() { // until the server noticed
		<-time.After(time.Millisecond)
	}
	before := c.Drawn()
	<-time.After(100 * time.Millisecond) // ten frames' time in which none may come
	if n := c.Drawn() - before; n > 1 {
		t.Errorf("%d frames drawn with nobody watching, want at most the one under way", n)
	}
}

func TestUnpluggedCutsAndPluggedServesAgain(t *testing.T) {
	c := start(t, Options{Width: 320, Height: 240, FPS: 60})
	parts, _ := watch(t, c)
	next(t, parts)
	c.Unplug()
	var err error
	for err == nil {
		_, err = parts.NextPart()
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("stream ended as if complete (%v), want it cut", err)
	}
	if answer, err := http.Get(c.URL()); err == nil {
		answer.Body.Close()
		t.Error("an unplugged camera answered")
	}
	c.Plug()
	parts, _ = watch(t, c)
	next(t, parts)
}

func TestFrozenCameraSendsNothing(t *testing.T) {
	c := start(t, Options{Width: 320, Height: 240, FPS: 100})
	parts, _ := watch(t, c)
	next(t, parts)
	c.Freeze(true)
	<-time.After(50 * time.Millisecond)
	before := c.Drawn()
	<-time.After(50 * time.Millisecond)
	if n := c.Drawn() - before; n != 0 {
		t.Errorf("a frozen camera drew %d frames, want 0", n)
	}
	c.Freeze(false)
	next(t, parts)
	next(t, parts)
}

func TestBadOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{"rate": {FPS: 1000}, "size": {Width: 3}, "address": {Address: "nowhere:x"}} {
		if c, err := New(o); err == nil {
			c.listener.Close()
			t.Errorf("%s: got a camera, want an error", name)
		}
	}
}

// OpenCV opens such cameras through ffmpeg.
func TestFFmpegReadsTheStream(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed (apt-get install ffmpeg)")
	}
	c := start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, ffprobe, "-v", "error", "-select_streams", "v:0", "-count_frames", "-read_intervals", "%+#10",
		"-show_entries", "stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", c.URL()).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	if got, want := strings.TrimSpace(string(out)), "mjpeg,640,480,10"; got != want {
		t.Errorf("ffprobe saw %q, want %q", got, want)
	}
}
