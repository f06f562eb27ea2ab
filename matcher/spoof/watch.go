package spoof

import (
	"context"
	"errors"
	"image"
	"sync"
	"time"

	"limen/capture"
	"limen/matcher"
)

// Window is how long a presentation is watched before it is judged, and Frames
// how many frames of it are needed. A chip takes about as long to read.
const (
	Window = 650 * time.Millisecond
	Frames = 8
)

// The spacing of what is costly: thumbs are compared with each other, and the
// networks take a few milliseconds a frame.
const (
	thumbEvery   = 90 * time.Millisecond
	networkEvery = 90 * time.Millisecond
	mostThumbs   = 24
)

// Watch looks over an engine's shoulder: every frame in which a face is sought
// is measured, and Judge says what the sequence shows. It is itself an engine, so
// that whoever gathers a sample feeds it without knowing. It keeps reduced
// pictures until Close, never frames.
type Watch struct {
	engine  matcher.Engine
	network Network

	mu     sync.Mutex
	thumbs []*thumb
	seen   int
	peaks  []float64
	live   []float64
	first  time.Time
	last   time.Time
	thumbT time.Time
	netT   time.Time
	err    error // of the network, the first
}

var _ matcher.Engine = (*Watch)(nil)

// NewWatch watches what engine is shown. network may be nil.
func NewWatch(engine matcher.Engine, network Network) *Watch {
	return &Watch{engine: engine, network: network}
}

// Detect implements matcher.Engine.
func (w *Watch) Detect(img image.Image) ([]matcher.Face, error) {
	faces, err := w.engine.Detect(img)
	if frame, ok := img.(*capture.Frame); ok && err == nil && len(faces) > 0 {
		w.observe(frame, faces[0])
	}
	return faces, err
}

// Template implements matcher.Engine.
func (w *Watch) Template(img image.Image, face matcher.Face) (matcher.Template, error) {
	return w.engine.Template(img, face)
}

func (w *Watch) observe(f *capture.Frame, face matcher.Face) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !f.Time.After(w.last) && w.seen > 0 {
		return // the same frame again, or an older one
	}
	if w.seen == 0 {
		w.first = f.Time
	}
	w.last = f.Time
	width, height := f.Rect.Dx(), f.Rect.Dy()
	w.seen++
	if f.Time.Sub(w.thumbT) >= thumbEvery && len(w.thumbs) < mostThumbs {
		w.thumbT = f.Time
		w.thumbs = append(w.thumbs, newThumb(f.Y, f.YStride, width, height, face.Landmarks))
		w.peaks = append(w.peaks, gridPeak(f.Y, f.YStride, width, height, face.Box))
	}
	if w.network != nil && f.Time.Sub(w.netT) >= networkEvery {
		w.netT = f.Time
		live, err := w.network.Live(f, face.Box)
		if err != nil {
			w.err = errors.Join(w.err, err)
			return
		}
		w.live = append(w.live, live)
	}
}

// Follow goes on looking at a camera's frames until the window is full or ctx
// ends. It takes over every frame it receives. An error says that the engine
// failed; that ctx ended or the frames did is none, and shows in the judgement.
func (w *Watch) Follow(ctx context.Context, frames <-chan *capture.Frame) error {
	for !w.Full() {
		select {
		case <-ctx.Done():
			return nil
		case f, open := <-frames:
			if !open {
				return nil
			}
			_, err := w.Detect(f)
			over := w.started() && f.Time.Sub(w.first) > 2*Window // the face is gone
			f.Release()
			if err != nil {
				return err
			}
			if over {
				return nil
			}
		}
	}
	return nil
}

func (w *Watch) started() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen > 0
}

// Full tells whether the window is full.
func (w *Watch) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen >= Frames && w.last.Sub(w.first) >= Window
}

// Close erases what was kept of the pictures.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.thumbs {
		clear(t.pix)
		t.marks = [5]matcher.Point{}
	}
	w.thumbs = nil
}
