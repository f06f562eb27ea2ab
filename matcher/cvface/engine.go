// Package cvface runs the face networks in OpenCV's DNN module: YuNet finds
// faces and their landmarks, a recognition network describes one. Their
// outputs are decoded in Go, and no OpenCV memory leaves the package.
package cvface

/*
#cgo pkg-config: opencv4
#cgo CXXFLAGS: --std=c++11
#include <stdlib.h>
#include "check.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"gocv.io/x/gocv"

	"limen/matcher"
)

// Options tune an Engine; zero values take the defaults named.
type Options struct {
	// DetectSide is the longer side, in pixels, that pictures are reduced to
	// for finding faces (default 320; smaller pictures are not enlarged). 320 finds faces
	// from about 5 % of a picture's longer side, in a third of the time of 640.
	DetectSide int
	// MinScore is the detector's score from which a find is a face (default 0.6).
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
	detector   gocv.Net
	recogniser gocv.Net
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

// Open loads the two networks from ONNX files.
func Open(detectorPath, recogniserPath string, opts Options) (*Engine, error) {
	detector, err := os.ReadFile(detectorPath)
	if err != nil {
		return nil, fmt.Errorf("%w: detector: %v; install it or correct the path", ErrModel, err)
	}
	recogniser, err := os.ReadFile(recogniserPath)
	if err != nil {
		return nil, fmt.Errorf("%w: recogniser: %v; install it or correct the path", ErrModel, err)
	}
	return New(detector, recogniser, opts)
}

// New loads the two networks from ONNX data, for callers that have verified
// exactly these bytes. Each is tried once before it is trusted with pictures.
func New(detector, recogniser []byte, opts Options) (*Engine, error) {
	if opts.DetectSide <= 0 {
		opts.DetectSide = 320
	}
	if opts.MinScore <= 0 {
		opts.MinScore = 0.6
	}
	if opts.Threads <= 0 {
		opts.Threads = max(runtime.NumCPU()/2, 1)
	}
	C.limen_set_threads(C.int(opts.Threads))

	if err := checkONNX(detector, 320, 320, detectorOutputs(320, 320)); err != nil {
		return nil, fmt.Errorf("%w: detector: %v; it must be YuNet of 2023, verify the file's SHA-256", ErrModel, err)
	}
	if err := checkONNX(recogniser, faceSide, faceSide, []output{{"", templateSize}}); err != nil {
		return nil, fmt.Errorf("%w: recogniser: %v; it must take %dx%d pixels and give %d numbers, verify the file's SHA-256", ErrModel, err, faceSide, faceSide, templateSize)
	}
	e := &Engine{opts: opts, open: true}
	var err error
	if e.detector, err = gocv.ReadNetFromONNXBytes(detector); err != nil {
		return nil, fmt.Errorf("%w: detector: %v", ErrModel, err)
	}
	if e.recogniser, err = gocv.ReadNetFromONNXBytes(recogniser); err != nil {
		e.detector.Close()
		return nil, fmt.Errorf("%w: recogniser: %v", ErrModel, err)
	}
	return e, nil
}

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
	return errors.Join(e.detector.Close(), e.recogniser.Close())
}

// output is a network's output: its name and how many numbers it holds. The
// empty name is a network's last.
type output struct {
	name  string
	count int
}

func checkONNX(data []byte, width, height int, outputs []output) error {
	if len(data) == 0 {
		return errors.New("the file is empty")
	}
	names := make([]*C.char, len(outputs))
	counts := make([]C.long, len(outputs))
	for i, o := range outputs {
		names[i], counts[i] = C.CString(o.name), C.long(o.count)
		defer C.free(unsafe.Pointer(names[i]))
	}
	// cgo forbids passing Go memory that holds pointers, so the names' table
	// lies in C memory.
	table := (**C.char)(C.malloc(C.size_t(len(names)) * C.size_t(unsafe.Sizeof(names[0]))))
	defer C.free(unsafe.Pointer(table))
	copy(unsafe.Slice(table, len(names)), names)

	why := C.limen_check_onnx(unsafe.Pointer(&data[0]), C.size_t(len(data)), C.int(width), C.int(height),
		table, &counts[0], C.int(len(outputs)))
	if why == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(why))
	return errors.New(C.GoString(why))
}
