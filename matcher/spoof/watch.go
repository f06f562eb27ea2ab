package spoof

import (
	"context"
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

// every is the spacing of what is costly: motion is measured against the first
// frame, and the networks take a few milliseconds a frame. A frame that is
// described for comparison is always measured.
const every = 90 * time.Millisecond

// mostTracks bounds the people whose evidence is kept at a time.
const mostTracks = 4

// Watch looks over an engine's shoulder: every frame in which a face is sought
// is measured, and Judge says what the sequence shows. It is itself an engine, so
// that whoever gathers a sample feeds it without knowing, and it knows which
// faces were described. It follows faces as a sample does (matcher.Tracker) and keeps the
// evidence of each apart: one person's motion says nothing of another's picture.
//
// It keeps a reduced picture of each until Close, never frames.
type Watch struct {
	engine  matcher.Engine
	network Network

	mu       sync.Mutex
	tracker  matcher.Tracker
	tracks   map[int]*evidence
	subject  int       // the track kept to; 0 before there is one
	started  bool      // a frame was seen
	last     time.Time // of the newest frame
	now      *evidence // that this frame added to; nil when it shows nobody kept to
	face     matcher.Face
	kept     bool // what was described stays, whoever is followed from now on
	unfollow bool // a face was described that was not followed, or too many were
}

var _ matcher.Engine = (*Watch)(nil)

// NewWatch watches what engine is shown. network may be nil.
func NewWatch(engine matcher.Engine, network Network) *Watch {
	return &Watch{engine: engine, network: network, tracks: map[int]*evidence{}}
}

// Detect implements matcher.Engine.
func (w *Watch) Detect(img image.Image) ([]matcher.Face, error) {
	faces, err := w.engine.Detect(img)
	if frame, ok := img.(*capture.Frame); ok && err == nil {
		w.observe(frame, faces)
	}
	return faces, err
}

// Template implements matcher.Engine. The frame is measured too, whatever came
// before: what is compared was judged.
func (w *Watch) Template(img image.Image, face matcher.Face) (matcher.Template, error) {
	template, err := w.engine.Template(img, face)
	if frame, ok := img.(*capture.Frame); ok && err == nil {
		w.describe(frame, face)
	}
	return template, err
}

func (w *Watch) observe(f *capture.Frame, faces []matcher.Face) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started && !f.Time.After(w.last) {
		return // the same frame again, or an older one
	}
	w.started, w.last, w.now = true, f.Time, nil
	faces, number := w.tracker.Follow(faces, f.Rect.Dx(), f.Time)
	if number == 0 {
		return // somebody else's, for the moment
	}
	if number != w.subject {
		w.change(number)
	}
	w.now, w.face = w.tracks[number], faces[0]
	if w.now == nil {
		return
	}
	w.now.see(f.Time)
	if w.now.due(f.Time) {
		w.measure(f)
	}
}

// change begins another face's evidence. Whoever gathers forgets a face that is
// no longer followed; once a sample is kept, so is the evidence of its faces.
func (w *Watch) change(number int) {
	for n, e := range w.tracks {
		if !w.kept || e.described == 0 {
			e.erase()
			delete(w.tracks, n)
		}
	}
	w.subject = number
	if len(w.tracks) < mostTracks {
		w.tracks[number] = &evidence{}
	}
}

// measure adds the newest frame to the evidence of its face.
func (w *Watch) measure(f *capture.Frame) {
	w.now.measure(f, w.face)
	if w.network == nil {
		return
	}
	if live, err := w.network.Live(f, w.face.Box); err == nil { // a network that fails has no word, and nothing passes on that
		w.now.live, w.now.liveAt = append(w.now.live, live), f.Time
	}
}

// describe notes that a face of the newest frame is compared.
func (w *Watch) describe(f *capture.Frame, face matcher.Face) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil || !f.Time.Equal(w.last) || face.Landmarks != w.face.Landmarks {
		w.unfollow = true
		return
	}
	if !w.now.measured.Equal(f.Time) {
		w.measure(f)
	}
	w.now.described++
	if w.network != nil && len(w.now.live) > 0 && w.now.liveAt.Equal(f.Time) {
		w.now.compared = append(w.now.compared, w.now.live[len(w.now.live)-1])
	}
}

// Follow goes on looking at a camera's frames until the window is full or ctx
// ends. It takes over every frame it receives. What was described before is kept,
// whoever steps before the camera from now on. An error says that the engine
// failed; that ctx ended or the frames did is none, and shows in the judgement.
func (w *Watch) Follow(ctx context.Context, frames <-chan *capture.Frame) error {
	w.mu.Lock()
	w.kept = true
	began := w.last
	w.mu.Unlock()
	for !w.Full() {
		select {
		case <-ctx.Done():
			return nil
		case f, open := <-frames:
			if !open {
				return nil
			}
			_, err := w.Detect(f)
			if began.IsZero() {
				began = f.Time
			}
			over := f.Time.Sub(began) > 2*Window // the face is gone
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

// Full tells whether the window is full for every face that was described, or
// for the one that is followed when none was.
func (w *Watch) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.compared()
	for _, e := range of {
		if !e.full() {
			return false
		}
	}
	return len(of) > 0
}

// compared is the evidence of the faces that were described, or of the followed
// one when none was.
func (w *Watch) compared() []*evidence {
	var out []*evidence
	for _, e := range w.tracks {
		if e.described > 0 {
			out = append(out, e)
		}
	}
	if e := w.tracks[w.subject]; len(out) == 0 && e != nil {
		out = append(out, e)
	}
	return out
}

// Close erases what was kept of the pictures.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.tracks {
		e.erase()
	}
	clear(w.tracks)
	w.now, w.face = nil, matcher.Face{}
}
