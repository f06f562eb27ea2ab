package cvcam

import (
	"fmt"
	"image"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
)

// maxSide bounds frames before they are decoded or copied.
const maxSide = 8192

// converter makes frames of BGR Mats. It owns one Mat and a pool for the size
// the camera delivers.
type converter struct {
	camera *Camera
	i420   gocv.Mat
	pool   *capture.Pool
}

func (c *Camera) converter() *converter {
	return &converter{camera: c, i420: gocv.NewMat()}
}

func (v *converter) close() { v.i420.Close() }

// frame copies a picture into a pooled frame; an odd last row or column, which
// 4:2:0 has no place for, is cut off.
func (v *converter) frame(bgr gocv.Mat, at time.Time) (*capture.Frame, error) {
	w, h := bgr.Cols()&^1, bgr.Rows()&^1
	if w < 2 || h < 2 || w > maxSide || h > maxSide || bgr.Channels() != 3 {
		return nil, fmt.Errorf("%w: %dx%d pixels, %d channels", ErrFormat, bgr.Cols(), bgr.Rows(), bgr.Channels())
	}
	if w != bgr.Cols() || h != bgr.Rows() {
		even := bgr.Region(image.Rect(0, 0, w, h))
		defer even.Close()
		bgr = even
	}
	gocv.CvtColor(bgr, &v.i420, gocv.ColorBGRToYUVI420)
	data, err := v.i420.DataPtrUint8()
	if err != nil || len(data) != w*h*3/2 {
		return nil, fmt.Errorf("%w: I420 of %d bytes for %dx%d", ErrFormat, len(data), w, h)
	}
	if v.pool == nil {
		v.pool = capture.NewPool(w, h)
	} else if pw, ph := v.pool.Size(); pw != w || ph != h {
		v.pool = capture.NewPool(w, h)
	}
	f := v.pool.Get()
	f.Time, f.Camera, f.Seq = at, v.camera.Name(), v.camera.seq.Add(1)
	copy(f.Y, data[:w*h])
	copy(f.Cb, data[w*h:w*h*5/4])
	copy(f.Cr, data[w*h*5/4:])
	return f, nil
}
