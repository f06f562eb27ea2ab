// Package cvface runs the face networks in OpenCV's DNN module: a detector finds
// faces and their landmarks, a recogniser describes one. How a network is fed
// and read is in its catalog entry; outputs are decoded in Go, and no OpenCV
// memory leaves the package.
package cvface

// #include "check.h"
import "C"

import (
	"errors"
	"runtime"
	"sync"

	"limen/matcher"
	"limen/matcher/catalog"
)

// Options tune an Engine; zero values take the defaults named.
type Options struct {
	// DetectSide is the longer side, in pixels, that pictures are reduced to
	// for finding faces (default: the longer side of the detector's entry; smaller
	// pictures are not enlarged). 320 finds faces from about 5 % of a picture's
	// longer side, in a third of the time of 640.
	DetectSide int
	// MinScore is the detector's score from which a find is a face (default:
	// the detector's entry).
	MinScore float64
	// Threads bounds OpenCV's threads, which is one setting for the process; the
	// last engine opened wins. The default leaves half the processors to the
	// camera, the video encoder and the chip.
	Threads int
}

// Engine is a detector and a recogniser; it implements matcher.Engine and may
// be used concurrently, one picture at a time.
type Engine struct {
	opts Options

	mu         sync.Mutex
	detector   network
	recogniser network
	picture    picture // the last frame, where all of it was wanted
	small      []byte  // of the last frame, reduced
	block      []byte  // of the last frame, the part with the face
	open       bool
}

var _ matcher.Engine = (*Engine)(nil)

// ErrModel is the kind of error for a model that is missing, damaged or of
// another kind.
var ErrModel = errors.New("the face model cannot be used")

// ErrClosed is what a closed engine answers.
var ErrClosed = errors.New("the face engine is closed")

// New loads the two networks, of exactly the bytes that the catalog verified.
// Each is tried once before it is trusted with pictures.
func New(detector, recogniser catalog.Model, opts Options) (*Engine, error) {
	if opts.DetectSide <= 0 {
		opts.DetectSide = max(detector.Input.Width, detector.Input.Height)
	}
	if opts.MinScore <= 0 {
		opts.MinScore = detector.Output.MinScore
	}
	if opts.Threads <= 0 {
		opts.Threads = max(runtime.NumCPU()/2, 1)
	}
	C.limen_set_threads(C.int(opts.Threads))

	e := &Engine{opts: opts, open: true}
	var err error
	if e.detector, err = openNetwork(detector, catalog.Detector); err != nil {
		return nil, err
	}
	if e.recogniser, err = openNetwork(recogniser, catalog.Recogniser); err != nil {
		e.detector.net.Close()
		return nil, err
	}
	return e, nil
}

// Model is the ID of the recogniser, whose templates are comparable with each
// other and with no other's.
func (e *Engine) Model() string { return e.recogniser.entry.ID() }

// Close frees the networks; it waits for a picture in hand.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open {
		return nil
	}
	e.open = false
	e.picture.close()
	clear(e.small)
	clear(e.block)
	return errors.Join(e.detector.net.Close(), e.recogniser.net.Close())
}
