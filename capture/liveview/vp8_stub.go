//go:build !cgo

package liveview

import (
	"errors"
	"image"
)

// encoder is missing from a build without cgo.
type encoder struct{ width, height int }

func newEncoder(_, _, _ int) (*encoder, error) {
	return nil, errors.New("this build has no video encoder; build limen with cgo and libvpx to show live pictures")
}

func (*encoder) encode(*image.YCbCr, int64, bool) ([]byte, error) { return nil, nil }

func (*encoder) close() {}
