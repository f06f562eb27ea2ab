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
	"image"
	"unsafe"

	"gocv.io/x/gocv"

	"limen/matcher"
	"limen/matcher/catalog"
)

// network is a loaded network with the entry that says how to run it.
type network struct {
	net   gocv.Net
	entry catalog.Entry
	align [5]matcher.Point // recogniser: where landmarks belong, in pixels of its input
}

// openNetwork loads a model that is to serve as the kind, after its outputs
// were seen to be what the entry says.
func openNetwork(m catalog.Model, kind catalog.Kind) (network, error) {
	n := network{entry: m.Entry}
	var outputs []output
	switch {
	case m.Kind != kind:
		return network{}, fmt.Errorf("%w: %s: %s is a %s; choose another", ErrModel, kind, m.Name, m.Kind)
	case kind == catalog.Detector && m.Output.Layout == catalog.LayoutYuNet:
		outputs = detectorOutputs(m.Input.Width, m.Input.Height)
	case kind == catalog.Recogniser && len(m.Align) == 5:
		outputs = []output{{"", m.Output.Length}}
		for i, p := range m.Align {
			n.align[i] = matcher.Point{X: p[0] * float64(m.Input.Width), Y: p[1] * float64(m.Input.Height)}
		}
	case kind == catalog.Spoof && m.Output.Length > 1 && m.Crop > 0:
		outputs = []output{{"", m.Output.Length}}
	default:
		return network{}, fmt.Errorf("%w: %s: the entry of %s does not say how to read it", ErrModel, kind, m.Name)
	}
	if err := checkONNX(m.Data, m.Input.Width, m.Input.Height, outputs); err != nil {
		return network{}, fmt.Errorf("%w: %s: %v; %s must take %dx%d pixels and give what its entry says, verify the file's SHA-256",
			ErrModel, kind, err, m.Name, m.Input.Width, m.Input.Height)
	}
	var err error
	if n.net, err = gocv.ReadNetFromONNXBytes(m.Data); err != nil {
		return network{}, fmt.Errorf("%w: %s: %v", ErrModel, kind, err)
	}
	return n, nil
}

// size is the input's, in pixels.
func (n network) size() image.Point { return image.Pt(n.entry.Input.Width, n.entry.Input.Height) }

// blob is a BGR picture as the network takes it, in the picture's own size.
func (n network) blob(bgr gocv.Mat) gocv.Mat { return n.blobOf(bgr, image.Pt(bgr.Cols(), bgr.Rows())) }

// blobOf is blob in another size. OpenCV subtracts means in the order of the
// channels that go in.
func (n network) blobOf(bgr gocv.Mat, size image.Point) gocv.Mat {
	in := n.entry.Input
	mean := gocv.NewScalar(in.Mean[0], in.Mean[1], in.Mean[2], 0)
	return gocv.BlobFromImage(bgr, in.Scale, size, mean, in.Color == "RGB", false)
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
