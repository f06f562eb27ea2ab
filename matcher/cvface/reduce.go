package cvface

import (
	"image"
	"math"

	"gocv.io/x/gocv"

	"limen/capture"
	"limen/matcher"
)

// reduced is img in BGR with its longer side no longer than side, and img's own
// size. Of a camera's frame the planes are reduced before they are converted:
// most of a frame's pixels are never looked at in color.
func (e *Engine) reduced(img image.Image, side int) (small gocv.Mat, full image.Point, err error) {
	fit := func(size image.Point) image.Point {
		scale := min(float64(side)/float64(max(size.X, size.Y)), 1)
		return image.Pt(max(int(float64(size.X)*scale), 1), max(int(float64(size.Y)*scale), 1))
	}
	if f, ok := img.(*capture.Frame); ok && isI420(f) {
		full = f.Rect.Size()
		to := fit(full)
		to.X, to.Y = max(to.X&^1, 2), max(to.Y&^1, 2)
		if to != full {
			small, err = e.smallFrame(f, to)
			return small, full, err
		}
	}
	bgr, err := e.load(img)
	if err != nil {
		return gocv.Mat{}, image.Point{}, err
	}
	full = image.Pt(bgr.Cols(), bgr.Rows())
	small = gocv.NewMat()
	gocv.Resize(bgr, &small, fit(full), 0, 0, gocv.InterpolationArea)
	return small, full, nil
}

// isI420 tells whether a frame is as cameras deliver it, and of a size that
// load takes as well.
func isI420(f *capture.Frame) bool {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	return w >= 16 && h >= 16 && w <= maxSide && h <= maxSide && w%2 == 0 && h%2 == 0 && f.YStride == w && f.CStride == w/2
}

func (e *Engine) smallFrame(f *capture.Frame, to image.Point) (gocv.Mat, error) {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	block := e.small[:0]
	for i, pix := range [][]byte{f.Y[:w*h], f.Cb[:w*h/4], f.Cr[:w*h/4]} {
		from, want := image.Pt(w, h), to
		if i > 0 {
			from, want = image.Pt(w/2, h/2), image.Pt(to.X/2, to.Y/2)
		}
		var err error
		if block, err = appendSmall(block, pix, from, want); err != nil {
			return gocv.Mat{}, err
		}
	}
	e.small = block // its room serves the next frame
	return i420ToBGR(block, to)
}

func appendSmall(block, pix []byte, from, to image.Point) ([]byte, error) {
	plane, err := gocv.NewMatFromBytes(from.Y, from.X, gocv.MatTypeCV8U, pix)
	if err != nil {
		return nil, err
	}
	defer plane.Close()
	small := gocv.NewMat()
	defer small.Close()
	gocv.Resize(plane, &small, to, 0, 0, gocv.InterpolationArea)
	data, err := small.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	return append(block, data...), nil
}

// i420ToBGR converts video-range I420 in one block.
func i420ToBGR(block []byte, size image.Point) (gocv.Mat, error) {
	i420, err := gocv.NewMatFromBytes(size.Y*3/2, size.X, gocv.MatTypeCV8U, block)
	if err != nil {
		return gocv.Mat{}, err
	}
	defer i420.Close()
	bgr := gocv.NewMat()
	gocv.CvtColor(i420, &bgr, gocv.ColorYUVToBGRIYUV)
	return bgr, nil
}

// near is the part of img that a crop of the given size shows, in BGR at full
// resolution, with the similarity from there to the crop; done gives it up.
func (e *Engine) near(img image.Image, toCrop matcher.Similarity, size image.Point) (bgr gocv.Mat, fromNear matcher.Similarity, done func(), err error) {
	if f, ok := img.(*capture.Frame); ok && isI420(f) && !e.picture.is(f) {
		if r := shown(toCrop, size).Intersect(image.Rectangle{Max: f.Rect.Size()}); !r.Empty() {
			bgr, err := e.part(f, r)
			if err != nil {
				return gocv.Mat{}, toCrop, nil, err
			}
			x, y := float64(r.Min.X), float64(r.Min.Y)
			toCrop.TX += toCrop.A*x - toCrop.B*y
			toCrop.TY += toCrop.B*x + toCrop.A*y
			return bgr, toCrop, func() { bgr.Close() }, nil
		}
	}
	bgr, err = e.load(img)
	return bgr, toCrop, e.forgetStill, err
}

// shown is the rectangle, its corners even, of the picture that a crop shows,
// with room for interpolation.
func shown(toCrop matcher.Similarity, size image.Point) image.Rectangle {
	inv := toCrop.Inverse()
	least, most := matcher.Point{X: math.Inf(1), Y: math.Inf(1)}, matcher.Point{X: math.Inf(-1), Y: math.Inf(-1)}
	for _, corner := range []image.Point{{}, {X: size.X}, {Y: size.Y}, size} {
		p := inv.Apply(matcher.Point{X: float64(corner.X), Y: float64(corner.Y)})
		least.X, least.Y = min(least.X, p.X), min(least.Y, p.Y)
		most.X, most.Y = max(most.X, p.X), max(most.Y, p.Y)
	}
	const room = 4
	even := func(v float64) int { return int(min(max(v, 0), maxSide)) &^ 1 }
	return image.Rect(even(least.X-room), even(least.Y-room), even(most.X+room), even(most.Y+room))
}

func (e *Engine) part(f *capture.Frame, r image.Rectangle) (gocv.Mat, error) {
	block := e.block[:0]
	for y := r.Min.Y; y < r.Max.Y; y++ {
		block = append(block, f.Y[y*f.YStride+r.Min.X:][:r.Dx()]...)
	}
	for _, plane := range [][]byte{f.Cb, f.Cr} {
		for y := r.Min.Y / 2; y < r.Max.Y/2; y++ {
			block = append(block, plane[y*f.CStride+r.Min.X/2:][:r.Dx()/2]...)
		}
	}
	e.block = block // its room serves the next frame
	return i420ToBGR(block, r.Size())
}
