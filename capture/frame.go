// Package capture is what limen knows of a live picture: frames with their
// time and camera, and the port behind which cameras stand.
//
// Frames cross package borders as plain Go pictures; OpenCV memory stays in
// cvcam and cvface.
package capture

import (
	"context"
	"image"
	"sync"
	"sync/atomic"
	"time"
)

// Frame is one I420 picture (YCbCr 4:2:0, full planes, even width and height)
// with the time it was taken and the camera it came from.
//
// Its samples are BT.601 video range (Y 16 to 235, Cb and Cr 16 to 240), which
// is what VP8 carries and OpenCV's I420 conversions mean. Go's image.YCbCr
// means JPEG's full range, so the embedded At and image/draw show a frame pale;
// RGBA converts it rightly.
//
// Frames are pooled and counted: who receives one calls Release when done, who
// hands one on to a further holder calls Retain first. A frame must not be
// written to once it has been handed out.
type Frame struct {
	image.YCbCr
	Time   time.Time
	Camera string
	Seq    uint64 // counts up per camera; gaps are frames nobody took

	refs atomic.Int32
	pool *Pool
}

// Retain adds a holder and returns f.
func (f *Frame) Retain() *Frame { f.refs.Add(1); return f }

// Release gives the frame up; the last holder returns it to its pool.
func (f *Frame) Release() {
	if n := f.refs.Add(-1); n == 0 && f.pool != nil {
		f.pool.frames.Put(f)
	} else if n < 0 {
		panic("capture: Frame released more often than it was held")
	}
}

// Pool recycles frames of one size.
type Pool struct {
	width, height int
	frames        sync.Pool
}

// NewPool makes a pool of frames of the given size, rounded down to even numbers.
func NewPool(width, height int) *Pool { return &Pool{width: width &^ 1, height: height &^ 1} }

// Size is the size of the pool's frames.
func (p *Pool) Size() (width, height int) { return p.width, p.height }

// Get returns a frame with one holder and undefined content.
func (p *Pool) Get() *Frame {
	f, ok := p.frames.Get().(*Frame)
	if !ok {
		f = &Frame{YCbCr: *image.NewYCbCr(image.Rect(0, 0, p.width, p.height), image.YCbCrSubsampleRatio420), pool: p}
	}
	f.refs.Store(1)
	return f
}

// Camera delivers frames. Implementations own one device each.
type Camera interface {
	// Name is the camera's name in frames, records and messages.
	Name() string
	// Run opens the camera and calls deliver with each frame until ctx ends or
	// the camera fails; it returns after the device is closed. deliver takes
	// over the frame and must not block. The error says what was lost and what
	// to do; it is nil only when ctx ended.
	Run(ctx context.Context, deliver func(*Frame)) error
}
