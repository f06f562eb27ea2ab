// Package camera is an IP camera at the far end of a real wire: an HTTP server
// on loopback that serves motion JPEG (multipart/x-mixed-replace), as cheap
// network cameras do, of a scene drawn in plain Go.
//
// It draws only while somebody watches, once for all who do. It has no sound,
// no RTSP and no password. The drivers under test open its URL as they would
// any camera's.
package camera

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options say what kind of camera it is; zero values mean what the comment says.
type Options struct {
	Width, Height int    // 640 x 480
	FPS           int    // 25
	Quality       int    // JPEG quality, 85
	Address       string // "127.0.0.1:0": a free port on loopback
}

// Camera is the simulated camera. New, then Run; the other methods may be
// called at any time from any goroutine.
type Camera struct {
	options  Options
	listener net.Listener

	mu       sync.Mutex
	renderer *Renderer // of the scene shown
	since    time.Time // when the scene was shown
	plugged  context.Context
	unplug   context.CancelFunc
	frozen   bool
	viewers  map[*viewer]struct{}
	watched  chan struct{} // holds one token when viewers came
	drawn    uint64
}

// viewer is one client; frames holds at most the newest frame.
type viewer struct{ frames chan []byte }

// New opens the camera's port, showing an empty booth. Clients that connect
// before Run wait for it.
func New(o Options) (*Camera, error) {
	o.Width, o.Height = cmp.Or(o.Width, 640), cmp.Or(o.Height, 480)
	o.FPS, o.Quality = cmp.Or(o.FPS, 25), cmp.Or(o.Quality, 85)
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	if o.FPS < 1 || o.FPS > 120 {
		return nil, fmt.Errorf("camera: %d frames a second: want 1 to 120", o.FPS)
	}
	empty, err := NewRenderer(Scene{}, o.Width, o.Height)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("camera: cannot listen: %w", err)
	}
	c := &Camera{
		options: o, listener: listener, renderer: empty, since: time.Now(),
		viewers: map[*viewer]struct{}{}, watched: make(chan struct{}, 1),
	}
	c.plugged, c.unplug = context.WithCancel(context.Background())
	return c, nil
}

// URL is where the pictures are: http://127.0.0.1:PORT/video.mjpg.
func (c *Camera) URL() string { return "http://" + c.listener.Addr().String() + "/video.mjpg" }

// Show begins a scene now. It fails, and the old scene goes on, when the scene
// cannot be drawn.
func (c *Camera) Show(scene Scene) error {
	renderer, err := NewRenderer(scene, c.options.Width, c.options.Height)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renderer, c.since = renderer, time.Now()
	return nil
}

// Unplug cuts every connection, and new ones are cut at once, until Plug.
func (c *Camera) Unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplug()
}

// Plug undoes Unplug. The URL stays the same.
func (c *Camera) Plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plugged.Err() != nil {
		c.plugged, c.unplug = context.WithCancel(context.Background())
	}
}

// Freeze makes the camera hang: connections stay and no picture comes, until
// Freeze(false).
func (c *Camera) Freeze(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = on
}

// Drawn is how many frames were drawn so far: it stands still while nobody watches.
func (c *Camera) Drawn() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drawn
}

// Run serves until ctx ends, then closes the port and every connection. It
// returns nil when ctx ended it. A camera runs once.
func (c *Camera) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /video.mjpg", c.serve)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	var work sync.WaitGroup
	work.Go(func() { c.draw(ctx) })
	served := make(chan error, 1)
	work.Go(func() { served <- server.Serve(c.listener) })

	var failed error
	select {
	case <-ctx.Done():
	case err := <-served:
		failed = fmt.Errorf("camera: cannot serve: %w", err)
	}
	stop()
	// Every stream ends with ctx, within writeLimit where a client takes nothing.
	limit, done := context.WithTimeout(context.Background(), 2*writeLimit)
	defer done()
	if err := server.Shutdown(limit); err != nil {
		failed = errors.Join(failed, fmt.Errorf("camera: cannot stop: %w", err), server.Close())
	}
	work.Wait()
	return failed
}

// draw hands every viewer each new frame; a viewer that is slow misses some.
func (c *Camera) draw(ctx context.Context) {
	tick := time.NewTicker(time.Second / time.Duration(c.options.FPS))
	defer tick.Stop()
	for {
		if !c.wanted() {
			select {
			case <-ctx.Done():
				return
			case <-c.watched:
			}
		}
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.tick(now)
		}
	}
}

func (c *Camera) wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.viewers) > 0
}

func (c *Camera) tick(now time.Time) {
	c.mu.Lock()
	renderer, t, hang := c.renderer, now.Sub(c.since), c.frozen || len(c.viewers) == 0
	c.mu.Unlock()
	if hang {
		return
	}
	var encoded bytes.Buffer
	frame := renderer.Frame(max(t, 0))
	if err := jpeg.Encode(&encoded, frame, &jpeg.Options{Quality: c.options.Quality}); err != nil {
		panic(fmt.Sprintf("camera: a frame of %v does not encode: %v", frame.Bounds(), err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drawn++
	for v := range c.viewers {
		select {
		case <-v.frames:
		default:
		}
		v.frames <- encoded.Bytes()
	}
}
