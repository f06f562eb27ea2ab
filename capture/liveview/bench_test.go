//go:build cgo

package liveview

import (
	"math/rand/v2"
	"testing"

	"limen/capture"
)

// BenchmarkEncode720p encodes what a camera gives: a still scene with a
// moving figure and a sensor's noise, at 30 frames a second.
func BenchmarkEncode720p(b *testing.B) {
	const width, height, frames = 1280, 720, 30
	pool := capture.NewPool(width, height)
	random := rand.New(rand.NewPCG(1, 2))
	var clip []*capture.Frame
	for n := range frames {
		f := pool.Get()
		for y := range height {
			for x := range width {
				v := 40 + x*120/width + y*60/height
				if x > 400+8*n && x < 700+8*n && y > 150 && y < 650 {
					v = 90 + (x*7+y*3)%64
				}
				f.Y[y*f.YStride+x] = uint8(v + random.IntN(7) - 3)
			}
		}
		for i := range f.Cb {
			f.Cb[i], f.Cr[i] = uint8(126+random.IntN(5)), uint8(126+random.IntN(5))
		}
		clip = append(clip, f)
	}
	e, err := newEncoder(width, height, 2_000_000)
	if err != nil {
		b.Fatal(err)
	}
	defer e.close()
	n, bytes := 0, 0
	for b.Loop() {
		data, err := e.encode(&clip[n%frames].YCbCr, int64(n)*clockRate/30, n == 0)
		if err != nil {
			b.Fatal(err)
		}
		n, bytes = n+1, bytes+len(data)
	}
	b.ReportMetric(float64(bytes)/float64(n), "B/frame")
	for _, f := range clip {
		f.Release()
	}
}
