package matcher

import (
	"image"
	"math"
)

// detail measures sharpness and the blocks of a coarse JPEG.
func (v *view) detail(add func(Component, float64, float64)) {
	sharp := v.acuity()
	add(Sharpness, sharp, 100*(1-math.Exp(-sharp/0.02)))
	blocks := v.blocks()
	add(NoCompressionArtifacts, blocks, 100*(1-sigmoid(blocks, 0.75, 0.1)))
}

// acuity is the energy of the finest structure of the inner face over that of
// all its structure. Less light scales both alike; blur takes the finest first.
func (v *view) acuity() float64 {
	inner := image.Rect(cropSide*20/100, cropSide*35/100, cropSide*80/100, cropSide*90/100)
	_, deviation := v.moments(inner)
	return sharpness(v.crop) / (deviation*deviation + 4) // 4: the noise of a dark sensor is no structure
}

// blocks is how much steeper luma steps at the borders of JPEG's 8x8 blocks
// than beside them, over the face as it lies in the picture: 0 where they do
// not show. A picture that was scaled after it was encoded hides them, and JPEG
// 2000 has none.
func (v *view) blocks() float64 {
	b := v.face.Box
	area := image.Rect(int(b.X), int(b.Y), int(b.X+b.W), int(b.Y+b.H)).Intersect(image.Rect(2, 2, v.luma.w-2, v.luma.h-2))
	var border, beside, n float64
	step := func(x, y, dx, dy int) {
		at := func(k int) float64 { return v.luma.at(x+k*dx, y+k*dy) }
		// The step itself, less the slope on both sides of it.
		border += max(math.Abs(at(0)-at(-1))-(math.Abs(at(1)-at(0))+math.Abs(at(-1)-at(-2)))/2, 0)
		beside += math.Abs(at(4)-at(3)) + math.Abs(at(5)-at(4))
		n++
	}
	stride := max(area.Dy()/128, 1)
	for y := area.Min.Y; y < area.Max.Y; y += stride {
		for x := (area.Min.X + 7) &^ 7; x < area.Max.X; x += 8 {
			step(x, y, 1, 0)
		}
	}
	for x := area.Min.X; x < area.Max.X; x += stride {
		for y := (area.Min.Y + 7) &^ 7; y < area.Max.Y; y += 8 {
			step(x, y, 0, 1)
		}
	}
	if n == 0 {
		return 0
	}
	return border / (beside/2 + n/2) // n/2: half a gray level of noise hides no block
}

// background is the mean gradient of luma beside the head, from the crown to
// the mouth and from 1.4 to 2 eye distances off the middle, sampled every
// eighth of an eye distance: long hair counts as background. Not ok where less than
// half of that lies in the picture.
func (v *view) background() (gradient float64, ok bool) {
	const eyes = 0.3671 // of the crop's side
	var sum, seen, all float64
	at := func(fx, fy float64) (float64, bool) {
		p := v.toPicture.Apply(Point{fx * cropSide, fy * cropSide})
		return v.luma.bilinear(p), p.X >= 0 && p.Y >= 0 && p.X < float64(v.luma.w) && p.Y < float64(v.luma.h)
	}
	const step = eyes / 8
	for _, side := range []float64{-1, 1} {
		for dx := 1.4 * eyes; dx < 2*eyes; dx += step {
			for fy := 0.4616 - 1.4*eyes; fy < 0.4616+eyes; fy += step {
				x := 0.5 + side*dx
				here, in := at(x, fy)
				right, inRight := at(x+step, fy)
				below, inBelow := at(x, fy+step)
				if all++; in && inRight && inBelow {
					sum += math.Hypot(right-here, below-here)
					seen++
				}
			}
		}
	}
	if seen < all/2 {
		return 0, false
	}
	return sum / seen, true
}
