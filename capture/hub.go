package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Phase is where a Hub stands with its camera.
//
//	Starting ──frame──▶ Live ──error, stall──▶ Lost
//	    │                 ▲                      │
//	    └──error, stall───┼────────────▶ Lost    │
//	                      └─────────frame────────┘
//	any ──ctx ends──▶ Stopped
type Phase string

// The phases.
const (
	Starting Phase = "starting"
	Live     Phase = "live"
	Lost     Phase = "lost"
	Stopped  Phase = "stopped"
)

// ErrStalled is the reason of a Lost state when the camera reported nothing
// but delivered nothing either.
var ErrStalled = errors.New("the camera delivers no frames; check its cable and power")

// State is what a Hub can say about its camera.
type State struct {
	Phase  Phase
	Reason error     // why the camera is Lost; nil in other phases
	Since  time.Time // when the phase (or its reason) began
	// Failures counts the times the camera failed since it was last live.
	Failures int
}

// HubOptions tune a Hub; zero values take the defaults named.
type HubOptions struct {
	// FirstFrame is how long opening may take until the camera is called lost
	// (default 10 s), Stall how long a live camera may pause (default 3 s).
	FirstFrame, Stall time.Duration
	// BackoffMin and BackoffMax bound the pause before a lost camera is opened
	// again; it doubles from one to the other (defaults 250 ms, 10 s).
	BackoffMin, BackoffMax time.Duration
	// OnState, when set, is called with every change of state from Run's
	// goroutine; it must not block.
	OnState func(State)
}

// Hub feeds several consumers from one camera. A consumer always gets the
// latest frame: frames it was too slow for are released, and no consumer can
// hold up the camera or another consumer.
type Hub struct {
	camera Camera
	opts   HubOptions

	mu      sync.Mutex
	subs    map[chan *Frame]struct{}
	latest  *Frame
	state   State
	stopped bool
	beat    chan struct{} // one token per delivered frame, for Run's watch
}

// NewHub makes a hub of camera; nothing is opened before Run.
func NewHub(camera Camera, opts HubOptions) *Hub {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opts.FirstFrame, 10*time.Second)
	def(&opts.Stall, 3*time.Second)
	def(&opts.BackoffMin, 250*time.Millisecond)
	def(&opts.BackoffMax, 10*time.Second)
	opts.BackoffMax = max(opts.BackoffMax, opts.BackoffMin)
	return &Hub{
		camera: camera, opts: opts,
		subs: make(map[chan *Frame]struct{}), beat: make(chan struct{}, 1),
		state: State{Phase: Starting, Since: time.Now()},
	}
}

// Name is the camera's name.
func (h *Hub) Name() string { return h.camera.Name() }

// Run owns the camera until ctx ends: it opens it, runs it, reports and backs
// off when it fails, and returns nil once the camera is closed. All
// subscriptions end with it; it is called once.
func (h *Hub) Run(ctx context.Context) error {
	h.setState(State{Phase: Starting})
	defer h.stop()
	backoff, failures := h.opts.BackoffMin, 0
	for ctx.Err() == nil {
		live, reported, err := h.runCamera(ctx, &failures)
		if ctx.Err() != nil {
			return nil
		}
		if live {
			backoff = h.opts.BackoffMin
		}
		if !reported {
			failures++
			h.setState(State{Phase: Lost, Reason: err, Failures: failures})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, h.opts.BackoffMax)
	}
	return nil
}

// runCamera runs the camera once and tells whether it was live and why it
// ended. A stall is reported at once, though a camera that is stuck in its
// driver may take longer to close; the error it then closes with is only the
// stall's echo.
func (h *Hub) runCamera(ctx context.Context, failures *int) (live, reported bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select { // a beat left over from the last run says nothing of this one
	case <-h.beat:
	default:
	}
	ended := make(chan error, 1)
	go func() { ended <- h.camera.Run(ctx, h.publish) }()

	watch := time.NewTimer(h.opts.FirstFrame)
	defer watch.Stop()
	for {
		select {
		case <-h.beat:
			if !live {
				live, *failures = true, 0
				h.setState(State{Phase: Live})
			}
			watch.Reset(h.opts.Stall)
		case <-watch.C:
			*failures++
			err = fmt.Errorf("camera %s: %w", h.camera.Name(), ErrStalled)
			h.setState(State{Phase: Lost, Reason: err, Failures: *failures})
			cancel()
			<-ended
			return live, true, err
		case err = <-ended:
			// A last frame may have come with the end.
			select {
			case <-h.beat:
				live, *failures = true, 0
			default:
			}
			if err == nil {
				err = fmt.Errorf("camera %s ended without saying why", h.camera.Name())
			}
			return live, false, err
		}
	}
}

// publish hands f to everybody and keeps it as the latest; it never blocks.
func (h *Hub) publish(f *Frame) {
	h.mu.Lock()
	for ch := range h.subs {
		select { // make room: the frame nobody took is given up
		case old := <-ch:
			old.Release()
		default:
		}
		ch <- f.Retain() // only publish sends, under mu, so there is room
	}
	old := h.latest
	h.latest = f
	if h.stopped {
		h.latest = nil
		f.Release()
	}
	h.mu.Unlock()
	if old != nil {
		old.Release()
	}
	select {
	case h.beat <- struct{}{}:
	default:
	}
}

// Subscribe returns a channel on which the latest frame waits, and cancel,
// which ends the subscription. The receiver releases each frame it took. The
// channel is closed by cancel and when the hub stops.
func (h *Hub) Subscribe() (frames <-chan *Frame, cancel func()) {
	ch := make(chan *Frame, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		close(ch)
		return ch, func() {}
	}
	h.subs[ch] = struct{}{}
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.end(ch)
	}
}

// end closes one subscription and releases the frame waiting in it; mu is held.
func (h *Hub) end(ch chan *Frame) {
	if _, ok := h.subs[ch]; !ok {
		return
	}
	delete(h.subs, ch)
	select {
	case f := <-ch:
		f.Release()
	default:
	}
	close(ch)
}

// Latest is the newest frame while the camera is live, held for the caller,
// who releases it; nil when there is none.
func (h *Hub) Latest() *Frame {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest == nil {
		return nil
	}
	return h.latest.Retain()
}

// State is the camera's present state.
func (h *Hub) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

func (h *Hub) setState(s State) {
	s.Since = time.Now()
	h.mu.Lock()
	h.state = s
	old := h.latest
	if s.Phase == Live {
		old = nil
	} else { // what a lost camera saw last is not what it sees now
		h.latest = nil
	}
	h.mu.Unlock()
	if old != nil {
		old.Release()
	}
	if h.opts.OnState != nil {
		h.opts.OnState(s)
	}
}

func (h *Hub) stop() {
	h.mu.Lock()
	h.stopped = true
	for ch := range h.subs {
		h.end(ch)
	}
	h.mu.Unlock()
	h.setState(State{Phase: Stopped})
}
