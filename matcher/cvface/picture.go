package cvface

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
)

// maxSide bounds pictures; a larger one is a mistake upstream.
const maxSide = 8192

// picture is a BGR Mat and, when it came from a camera, which frame it is.
// Frames are pooled, so their address alone would not do.
type picture struct {
	bgr    gocv.Mat
	camera string
	seq    uint64
	time   time.Time
	frame  bool
	filled bool
}

func (p *picture) is(f *capture.Frame) bool {
	return p.filled && p.frame && p.camera == f.Camera && p.seq == f.Seq && p.time.Equal(f.Time) && !f.Time.IsZero() &&
		p.bgr.Cols() == f.Rect.Dx() && p.bgr.Rows() == f.Rect.Dy()
}

func (p *picture) close() {
	if p.filled {
		p.bgr.Close()
	}
	*p = picture{}
}

// load makes img, all of it, the engine's picture; the same frame is converted
// only once.
func (e *Engine) load(img image.Image) (gocv.Mat, error) {
	if img == nil {
		return gocv.Mat{}, errors.New("no picture")
	}
	frame, isFrame := img.(*capture.Frame)
	if isFrame && e.picture.is(frame) {
		return e.picture.bgr, nil
	}
	b := img.Bounds()
	if b.Dx() < 16 || b.Dy() < 16 || b.Dx() > maxSide || b.Dy() > maxSide {
		return gocv.Mat{}, fmt.Errorf("a picture of %dx%d pixels, want 16 to %d a side", b.Dx(), b.Dy(), maxSide)
	}
	e.picture.close()
	var mat gocv.Mat
	var err error
	if isFrame {
		mat, err = frameToBGR(frame)
	} else {
		mat, err = imageToBGR(img)
	}
	if err != nil {
		return gocv.Mat{}, err
	}
	e.picture = picture{bgr: mat, filled: true, frame: isFrame}
	if isFrame {
		e.picture.camera, e.picture.seq, e.picture.time = frame.Camera, frame.Seq, frame.Time
	}
	return mat, nil
}

// forgetStill drops a picture that is no camera frame: a document's portrait is
// not kept after the call. A frame stays until the next picture replaces it.
func (e *Engine) forgetStill() {
	if !e.picture.frame {
		e.picture.close()
	}
}

// frameToBGR converts video-range I420, whose planes OpenCV wants in one block.
func frameToBGR(f *capture.Frame) (gocv.Mat, error) {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	if w%2 != 0 || h%2 != 0 {
		return gocv.Mat{}, fmt.Errorf("a frame of %dx%d pixels, want even numbers", w, h)
	}
	block := make([]byte, 0, w*h*3/2)
	for y := range h {
		block = append(block, f.Y[y*f.YStride:y*f.YStride+w]...)
	}
	for _, plane := range [][]byte{f.Cb, f.Cr} {
		for y := range h / 2 {
			block = append(block, plane[y*f.CStride:y*f.CStride+w/2]...)
		}
	}
	return i420ToBGR(block, image.Pt(w, h))
}

func imageToBGR(img image.Image) (gocv.Mat, error) {
	b := img.Bounds()
	rgba, ok := img.(*image.RGBA)
	if !ok {
		rgba = image.NewRGBA(b)
		draw.Draw(rgba, b, img, b.Min, draw.Src)
	}
	block := make([]byte, 0, 3*b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := rgba.Pix[rgba.PixOffset(b.Min.X, y):]
		for x := range b.Dx() {
			block = append(block, row[4*x+2], row[4*x+1], row[4*x])
		}
	}
	return gocv.NewMatFromBytes(b.Dy(), b.Dx(), gocv.MatTypeCV8UC3, block)
}
