package morph

import (
	"image"
	"math"

	"limen/matcher"
)

// side of the aligned face on which the single-image cues are measured.
const side = 192

// zone is a part of the aligned face, as fractions of its side.
type zone struct{ x0, y0, x1, y1 float64 }

// Where mixing leaves traces: irises whose edges do not coincide, the hair
// line between two foreheads, the rim of a face that was set in; and cheeks,
// where skin should have grain.
var zones = []zone{
	{0.20, 0.38, 0.44, 0.54}, {0.56, 0.38, 0.80, 0.54}, // eyes
	{0.22, 0.06, 0.78, 0.24},                           // hair line
	{0.20, 0.58, 0.36, 0.78}, {0.64, 0.58, 0.80, 0.78}, // cheeks
	{0.33, 0.74, 0.67, 0.92},                           // mouth
	{0.04, 0.40, 0.16, 0.86}, {0.84, 0.40, 0.96, 0.86}, // rim
}

// Single measures a portrait by itself: in each zone the strength of the
// finest structure, and how it falls off to the next two coarser ones (the slope of
// the spectrum). Nil when the landmarks describe no face.
func Single(img image.Image, face matcher.Face) []float64 {
	align, err := matcher.Align(face.Landmarks, side)
	if err != nil {
		return nil
	}
	fine := aligned(img, align.Inverse())
	levels := [][]float64{fine}
	for range 3 {
		levels = append(levels, smooth(levels[len(levels)-1]))
	}
	var out []float64
	for _, z := range zones {
		var energy [3]float64
		for l := range energy {
			energy[l] = math.Log(1e-2 + residual(levels[l], levels[l+1], z))
		}
		out = append(out, energy[0], energy[0]-energy[1], energy[1]-energy[2])
	}
	return out
}

// aligned samples the picture's luma on the aligned face.
func aligned(img image.Image, back matcher.Similarity) []float64 {
	b := img.Bounds()
	luma := func(x, y int) float64 {
		x, y = min(max(x, 0), b.Dx()-1)+b.Min.X, min(max(y, 0), b.Dy()-1)+b.Min.Y
		r, g, bl, _ := img.At(x, y).RGBA()
		return (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(bl)) / 257
	}
	out := make([]float64, side*side)
	for y := range side {
		for x := range side {
			p := back.Apply(matcher.Point{X: float64(x), Y: float64(y)})
			x0, y0 := math.Floor(p.X), math.Floor(p.Y)
			if !(math.Abs(x0) < 1e6 && math.Abs(y0) < 1e6) {
				continue
			}
			fx, fy, i, j := p.X-x0, p.Y-y0, int(x0), int(y0)
			out[y*side+x] = (luma(i, j)*(1-fx)+luma(i+1, j)*fx)*(1-fy) + (luma(i, j+1)*(1-fx)+luma(i+1, j+1)*fx)*fy
		}
	}
	return out
}

// smooth takes the mean of 3x3 twice: about a Gaussian of a pixel.
func smooth(in []float64) []float64 {
	for range 2 {
		out := make([]float64, len(in))
		for y := range side {
			for x := range side {
				var sum, n float64
				for j := max(y-1, 0); j <= min(y+1, side-1); j++ {
					for i := max(x-1, 0); i <= min(x+1, side-1); i++ {
						sum, n = sum+in[j*side+i], n+1
					}
				}
				out[y*side+x] = sum / n
			}
		}
		in = out
	}
	return in
}

// residual is the mean squared difference of two levels in a zone.
func residual(a, b []float64, z zone) float64 {
	var sum, n float64
	for y := int(z.y0 * side); y < int(z.y1*side); y++ {
		for x := int(z.x0 * side); x < int(z.x1*side); x++ {
			d := a[y*side+x] - b[y*side+x]
			sum, n = sum+d*d, n+1
		}
	}
	return sum / n
}
