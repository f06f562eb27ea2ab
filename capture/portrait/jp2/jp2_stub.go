//go:build !cgo

// Package jp2 decodes JPEG 2000 codestreams with libopenjp2; this build has no
// cgo and decodes none.
package jp2

import "errors"

// Component is one decoded plane.
type Component struct {
	Width, Height int
	DX, DY        int
	Depth         int
	Signed        bool
	Samples       []int32
}

// ErrMalformed says that the codestream was not decoded.
var ErrMalformed = errors.New("jp2: built without cgo, so JPEG 2000 is not decoded; build with CGO_ENABLED=1 and libopenjp2-7-dev")

// Decode always fails in this build.
func Decode([]byte) ([]Component, error) { return nil, ErrMalformed }
