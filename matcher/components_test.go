package matcher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sitting is a picture of a mixture of the demo with its landmarks, as YuNet
// found them (testdata/landmarks.json).
type sitting struct {
	name  string
	img   *image.RGBA
	faces []Face
}

// sittings are the mixtures' pictures of one kind: "portrait" or "live".
func sittings(t testing.TB, kind string) []sitting {
	t.Helper()
	text, err := os.ReadFile("testdata/landmarks.json")
	if err != nil {
		t.Fatal(err)
	}
	var landmarks map[string][5][2]float64
	if err := json.Unmarshal(text, &landmarks); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../cmd/internal/demo/faces/traveller-*." + kind + ".jpg")
	if err != nil || len(paths) != 12 {
		t.Fatalf("got %d pictures of the demo's mixtures (%v), want 12", len(paths), err)
	}
	var out []sitting
	for _, path := range paths {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := Face{Score: 0.9}
		for i, p := range landmarks[name[:len(name)-len(".jpg")]] {
			f.Landmarks[i] = Point{p[0], p[1]}
		}
		e := f.EyeDistance()
		f.Box = Box{f.Landmarks[NoseTip].X - e, f.Landmarks[NoseTip].Y - 1.3*e, 2 * e, 2.6 * e}
		out = append(out, sitting{name, fromJPEG(t, data), []Face{f}})
	}
	return out
}

func fromJPEG(t testing.TB, data []byte) *image.RGBA {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

// degradation makes a sitting worse: at 0 it leaves it alone, at 1 it is bad.
type degradation struct {
	name    string
	own     Component
	falls   int         // points that own loses at least from 0 to 1, in the mean
	coupled []Component // that see the same thing and may fall as well
	apply   func(t testing.TB, s sitting, amount float64) sitting
}

// pixels is a degradation that changes each pixel by itself.
func pixels(f func(s sitting, amount float64, x, y int, c [3]float64) [3]float64) func(testing.TB, sitting, float64) sitting {
	return func(_ testing.TB, s sitting, amount float64) sitting {
		out := image.NewRGBA(s.img.Rect)
		for y := range out.Rect.Dy() {
			for x := range out.Rect.Dx() {
				i := out.PixOffset(x, y)
				c := f(s, amount, x, y, [3]float64{float64(s.img.Pix[i]), float64(s.img.Pix[i+1]), float64(s.img.Pix[i+2])})
				for k, v := range c {
					out.Pix[i+k] = uint8(math.Round(min(max(v, 0), 255)))
				}
				out.Pix[i+3] = 255
			}
		}
		s.img = out
		return s
	}
}

// mix is amount of b in a.
func mix(a, b [3]float64, amount float64) [3]float64 {
	for k := range a {
		a[k] += (b[k] - a[k]) * amount
	}
	return a
}

// inCrop is where a pixel lies in the aligned face, as fractions of its side.
func inCrop(s sitting, x, y int) Point {
	m, err := Align(s.faces[0].Landmarks, 1)
	if err != nil {
		panic(err)
	}
	return m.Apply(Point{float64(x), float64(y)})
}

// covered puts a color over the pixels that a shape of the aligned face holds.
func covered(paint [3]float64, shape func(p Point, amount float64) bool, opaque bool) func(testing.TB, sitting, float64) sitting {
	return func(t testing.TB, s sitting, amount float64) sitting {
		m, err := Align(s.faces[0].Landmarks, 1)
		if err != nil {
			t.Fatal(err)
		}
		return pixels(func(s sitting, amount float64, x, y int, c [3]float64) [3]float64 {
			if !shape(m.Apply(Point{float64(x), float64(y)}), amount) {
				return c
			}
			if opaque {
				return paint
			}
			return mix(c, paint, amount)
		})(t, s, amount)
	}
}

// landmarks is a degradation of the geometry alone.
func landmarks(f func(l *[5]Point, eyes, amount float64)) func(testing.TB, sitting, float64) sitting {
	return func(_ testing.TB, s sitting, amount float64) sitting {
		face := s.faces[0]
		f(&face.Landmarks, face.EyeDistance(), amount)
		s.faces = []Face{face}
		return s
	}
}

// resampled shows the picture through a map from new pixels to old ones.
func resampled(s sitting, w, h int, from Similarity) sitting {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	scale := max(math.Hypot(from.A, from.B), 1)
	n := int(math.Ceil(scale))
	for y := range h {
		for x := range w {
			var sum [3]int
			for k := range n * n {
				p := from.Apply(Point{float64(x) + (float64(k%n)+0.5)/float64(n) - 0.5, float64(y) + (float64(k/n)+0.5)/float64(n) - 0.5})
				px, py := min(max(int(p.X+0.5), 0), s.img.Rect.Dx()-1), min(max(int(p.Y+0.5), 0), s.img.Rect.Dy()-1)
				i := s.img.PixOffset(px, py)
				for c := range sum {
					sum[c] += int(s.img.Pix[i+c])
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / n / n), uint8(sum[1] / n / n), uint8(sum[2] / n / n), 255})
		}
	}
	to, face := from.Inverse(), s.faces[0]
	for i, p := range face.Landmarks {
		face.Landmarks[i] = to.Apply(p)
	}
	a, b := to.Apply(Point{face.Box.X, face.Box.Y}), to.Apply(Point{face.Box.X + face.Box.W, face.Box.Y + face.Box.H})
	face.Box = Box{a.X, a.Y, b.X - a.X, b.Y - a.Y}
	return sitting{s.name, out, []Face{face}}
}

// cropped keeps the picture from one corner, with an offset.
func cropped(s sitting, r image.Rectangle) sitting {
	return resampled(s, r.Dx(), r.Dy(), Similarity{A: 1, TX: float64(r.Min.X), TY: float64(r.Min.Y)})
}

// blurred is three box filters of luma and color.
func blurred(_ testing.TB, s sitting, amount float64) sitting {
	radius := int(math.Round(amount * 0.07 * s.faces[0].EyeDistance()))
	src := slices.Clone(s.img.Pix)
	w, h := s.img.Rect.Dx(), s.img.Rect.Dy()
	for range 3 {
		for _, across := range []bool{true, false} {
			dst := make([]uint8, len(src))
			for i := range w * h {
				for c := range 3 {
					sum, n := 0, 0
					for k := -radius; k <= radius; k++ {
						x, y := i%w, i/w
						if across {
							x = min(max(x+k, 0), w-1)
						} else {
							y = min(max(y+k, 0), h-1)
						}
						sum, n = sum+int(src[4*(y*w+x)+c]), n+1
					}
					dst[4*i+c] = uint8((sum + n/2) / n)
				}
				dst[4*i+3] = 255
			}
			src = dst
		}
	}
	out := image.NewRGBA(s.img.Rect)
	copy(out.Pix, src)
	s.img = out
	return s
}

func compressed(t testing.TB, s sitting, amount float64) sitting {
	if amount == 0 {
		return s
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, s.img, &jpeg.Options{Quality: int(40 - 36*amount)}); err != nil {
		t.Fatal(err)
	}
	s.img = fromJPEG(t, b.Bytes())
	return s
}

func degradations() []degradation {
	scaled := func(gain float64) func(sitting, float64, int, int, [3]float64) [3]float64 {
		return func(_ sitting, amount float64, _, _ int, c [3]float64) [3]float64 {
			g := 1 + (gain-1)*amount
			return [3]float64{c[0] * g, c[1] * g, c[2] * g}
		}
	}
	eye := func(p, eye Point, rx, ry float64) bool {
		return (p.X-eye.X)*(p.X-eye.X)/(rx*rx)+(p.Y-eye.Y)*(p.Y-eye.Y)/(ry*ry) < 1
	}
	light := []Component{LuminanceMean, LuminanceVariance, UnderExposurePrevention, OverExposurePrevention, DynamicRange}
	frame := []Component{HeadSize, LeftwardCrop, RightwardCrop, UpwardCrop, DownwardCrop, BackgroundUniformity}
	return []degradation{
		{"less light", UnderExposurePrevention, 60, append(light, NaturalColour, FaceOcclusion), pixels(scaled(0.07))},
		{"too dim", LuminanceMean, 60, append(light, NaturalColour, FaceOcclusion), pixels(scaled(0.15))},
		{"glare", OverExposurePrevention, 60, append(light, NaturalColour, FaceOcclusion, IlluminationUniformity, EyesVisible, MouthOcclusion), pixels(func(_ sitting, a float64, _, _ int, c [3]float64) [3]float64 {
			g := 1 + 2*a
			return [3]float64{c[0] * g, c[1] * g, c[2] * g}
		})},
		{"no contrast", DynamicRange, 30, append(light, EyesVisible, MouthOcclusion, FaceOcclusion, NaturalColour), pixels(func(_ sitting, a float64, _, _ int, c [3]float64) [3]float64 {
			return mix(c, [3]float64{128, 118, 112}, 0.95*a)
		})},
		{"flat", LuminanceVariance, 50, append(light, EyesVisible, MouthOcclusion, FaceOcclusion, NaturalColour), pixels(func(_ sitting, a float64, _, _ int, c [3]float64) [3]float64 {
			return mix(c, [3]float64{128, 118, 112}, 0.9*a)
		})},
		{"light from one side", IlluminationUniformity, 60, light, pixels(func(s sitting, a float64, x, y int, c [3]float64) [3]float64 {
			across := min(max((inCrop(s, x, y).X-0.1)/0.8, 0), 1)
			g := 1 - 0.8*a*across
			return [3]float64{c[0] * g, c[1] * g, c[2] * g}
		})},
		{"out of focus", Sharpness, 60, []Component{EyesVisible, LuminanceVariance}, blurred},
		{"coarse JPEG", NoCompressionArtifacts, 40, []Component{FaceOcclusion, DynamicRange}, compressed},
		{"bluish light", NaturalColour, 60, nil, pixels(func(_ sitting, a float64, _, _ int, c [3]float64) [3]float64 {
			return [3]float64{c[0] * (1 - 0.45*a), c[1], c[2] * (1 + 0.5*a)}
		})},
		{"dark glasses", EyesVisible, 60, append(light, FaceOcclusion, Sharpness), covered([3]float64{22, 22, 24}, func(p Point, _ float64) bool {
			return eye(p, Reference[RightEye], 0.15, 0.11) || eye(p, Reference[LeftEye], 0.15, 0.11)
		}, false)},
		{"mask", MouthOcclusion, 60, append(light, FaceOcclusion, Sharpness), covered([3]float64{120, 150, 190}, func(p Point, _ float64) bool {
			return p.Y > 0.69 && p.X > 0.12 && p.X < 0.88
		}, false)},
		{"scarf", FaceOcclusion, 50, append(light, MouthOcclusion, EyesVisible, Sharpness, NaturalColour, IlluminationUniformity), covered([3]float64{60, 110, 70}, func(p Point, a float64) bool {
			return a > 0 && p.Y > 1-0.35*a
		}, true)},
		{"restless background", BackgroundUniformity, 50, nil, pixels(func(s sitting, a float64, x, y int, c [3]float64) [3]float64 {
			if p := inCrop(s, x, y); math.Abs(p.X-0.5) < 0.52 {
				return c
			}
			square := float64((x/8+y/8)%2)*2 - 1
			return [3]float64{c[0] + 90*a*square, c[1] + 90*a*square, c[2] + 90*a*square}
		})},
		{"far away", InterEyeDistance, 60, []Component{Sharpness, NoCompressionArtifacts, DynamicRange, LuminanceVariance, EyesVisible, MouthOcclusion, IlluminationUniformity}, func(_ testing.TB, s sitting, a float64) sitting {
			k := 1 + 5*a
			return resampled(s, int(float64(s.img.Rect.Dx())/k), int(float64(s.img.Rect.Dy())/k), Similarity{A: k})
		}},
		{"small in the picture", HeadSize, 5, append(frame, NoCompressionArtifacts), func(_ testing.TB, s sitting, a float64) sitting {
			w, h := s.img.Rect.Dx(), s.img.Rect.Dy()
			dx, dy := int(float64(w)*a/2), int(float64(h)*a/2)
			return cropped(s, image.Rect(-dx, -dy, w+dx, h+dy))
		}},
		{"cut at the left", LeftwardCrop, 60, append(frame, NoCompressionArtifacts), func(_ testing.TB, s sitting, a float64) sitting {
			l := s.faces[0].Landmarks[RightEye].X - 0.6*s.faces[0].EyeDistance()
			return cropped(s, image.Rect(int(a*l), 0, s.img.Rect.Dx(), s.img.Rect.Dy()))
		}},
		{"cut at the right", RightwardCrop, 60, append(frame, NoCompressionArtifacts), func(_ testing.TB, s sitting, a float64) sitting {
			r := float64(s.img.Rect.Dx()) - s.faces[0].Landmarks[LeftEye].X - 0.6*s.faces[0].EyeDistance()
			return cropped(s, image.Rect(0, 0, s.img.Rect.Dx()-int(a*r), s.img.Rect.Dy()))
		}},
		{"cut at the top", DownwardCrop, 10, append(frame, NoCompressionArtifacts), func(_ testing.TB, s sitting, a float64) sitting {
			top := s.faces[0].Landmarks[RightEye].Y - 0.8*s.faces[0].EyeDistance()
			return cropped(s, image.Rect(0, int(a*top), s.img.Rect.Dx(), s.img.Rect.Dy()))
		}},
		{"cut at the bottom", UpwardCrop, 10, append(frame, NoCompressionArtifacts), func(_ testing.TB, s sitting, a float64) sitting {
			bottom := s.faces[0].Landmarks[LeftMouthCorner].Y + 0.7*s.faces[0].EyeDistance()
			return cropped(s, image.Rect(0, 0, s.img.Rect.Dx(), s.img.Rect.Dy()-int(a*(float64(s.img.Rect.Dy())-bottom))))
		}},
		{"turned aside", PoseYaw, 50, nil, landmarks(func(l *[5]Point, e, a float64) {
			l[NoseTip].X += 0.7 * e * a * sign(l[NoseTip].X-(l[RightEye].X+l[LeftEye].X)/2)
		})},
		{"looking down", PosePitch, 30, nil, landmarks(func(l *[5]Point, e, a float64) { l[NoseTip].Y += 0.45 * e * a })},
		{"head tilted", PoseRoll, 40, append(frame, NoCompressionArtifacts, NaturalColour, IlluminationUniformity), func(_ testing.TB, s sitting, a float64) sitting {
			sin, cos := math.Sincos(45 * a * math.Pi / 180)
			c := s.faces[0].Landmarks[NoseTip]
			return resampled(s, s.img.Rect.Dx(), s.img.Rect.Dy(), Similarity{A: cos, B: -sin, TX: c.X - cos*c.X - sin*c.Y, TY: c.Y + sin*c.X - cos*c.Y})
		}},
		{"another face comes near", SingleFacePresent, 60, nil, func(_ testing.TB, s sitting, a float64) sitting {
			other := s.faces[0]
			other.Box.W, other.Box.H = other.Box.W*math.Sqrt(a*0.9), other.Box.H*math.Sqrt(a*0.9)
			s.faces = append(slices.Clone(s.faces), other)
			return s
		}},
	}
}

func sign(v float64) float64 {
	if v < 0 {
		return -1
	}
	return 1
}

// Each component falls with its own degradation, step by step, and no other
// falls much with it, except where both see the same thing.
func TestComponentsFallWithTheirOwnDegradation(t *testing.T) {
	const steps, free = 4, 15
	people := sittings(t, "portrait")[:3]
	tested := map[Component]bool{}
	for _, d := range degradations() {
		t.Run(d.name, func(t *testing.T) {
			tested[d.own] = true
			fallen := map[Component]int{}
			for _, s := range people {
				first := Components(s.img, s.faces)
				before, ok := ValueOf(first, d.own)
				if !ok {
					t.Fatalf("%s: %s is not measured", s.name, d.own)
				}
				told := fmt.Sprint(before)
				for k := 1; k <= steps; k++ {
					worse := d.apply(t, s, float64(k)/steps)
					measured := Components(worse.img, worse.faces)
					now, ok := ValueOf(measured, d.own)
					if !ok {
						t.Fatalf("%s: %s is no longer measured at step %d", s.name, d.own, k)
					}
					told += fmt.Sprint(" ", now)
					if now > before+3 { // a picture that was too bright gains at first
						t.Errorf("%s: %s goes %s, want it to fall", s.name, d.own, told)
					}
					before = now
					if k < steps {
						continue
					}
					for _, m := range first {
						if v, ok := ValueOf(measured, m.Component); ok {
							fallen[m.Component] += m.Value - v
						}
					}
				}
			}
			for c, sum := range fallen {
				fell := sum / len(people)
				switch {
				case c == d.own && fell < d.falls:
					t.Errorf("%s falls by %d, want at least %d", c, fell, d.falls)
				case c != d.own && fell > free && !slices.Contains(d.coupled, c):
					t.Errorf("%s falls by %d as well, want at most %d", c, fell, free)
				}
			}
		})
	}
	all := Components(people[0].img, people[0].faces)
	for _, m := range all {
		if !tested[m.Component] {
			t.Errorf("%s has no degradation of its own here", m.Component)
		}
	}
	if len(all) != 23 {
		t.Errorf("got %d components of a portrait, want all 23", len(all))
	}
}

// The demo's mixtures are good pictures: what is measured says so.
func TestComponentsOfGoodPictures(t *testing.T) {
	for kind, least := range map[string]map[Component]int{
		"portrait": {Sharpness: 80, EyesVisible: 80, MouthOcclusion: 80, FaceOcclusion: 80, NaturalColour: 90, LuminanceMean: 75, DynamicRange: 70, PoseYaw: 90, PosePitch: 90, PoseRoll: 95, InterEyeDistance: 70, IlluminationUniformity: 70, BackgroundUniformity: 80, UnderExposurePrevention: 95, OverExposurePrevention: 95, NoCompressionArtifacts: 60},
		"live":     {Sharpness: 80, EyesVisible: 80, MouthOcclusion: 80, FaceOcclusion: 80, NaturalColour: 90, PoseYaw: 80, UnderExposurePrevention: 95, NoCompressionArtifacts: 60},
	} {
		for _, s := range sittings(t, kind) {
			measured := Components(s.img, s.faces)
			for c, want := range least {
				if got, ok := ValueOf(measured, c); !ok || got < want {
					t.Errorf("%s: %s is %d (%v), want at least %d", s.name, c, got, ok, want)
				}
			}
		}
	}
}

// A gray picture has no colors to judge, and all else as its colored twin.
func TestComponentsOfAGrayPicture(t *testing.T) {
	s := sittings(t, "portrait")[0]
	gray := image.NewGray(s.img.Rect)
	draw.Draw(gray, gray.Rect, s.img, image.Point{}, draw.Src)
	colored := Components(s.img, s.faces)
	for _, m := range colored {
		got, ok := ValueOf(Components(gray, s.faces), m.Component)
		if wantGone := m.Component == NaturalColour || m.Component == FaceOcclusion; ok == wantGone {
			t.Errorf("%s: measured %v, want %v", m.Component, ok, !wantGone)
		} else if ok && (got < m.Value-3 || got > m.Value+3) {
			t.Errorf("%s: got %d, want about %d", m.Component, got, m.Value)
		}
	}
}

func TestComponentsOfNoFace(t *testing.T) {
	img := noise(64, 64)
	for name, faces := range map[string][]Face{"none": nil, "no landmarks": {{Score: 1}}} {
		if got := Components(img, faces); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", name, got)
		}
	}
	// Landmarks that lie anywhere must not make it fail.
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		f := Face{Box: Box{r.NormFloat64() * 500, r.NormFloat64() * 500, r.NormFloat64() * 500, r.NormFloat64() * 500}}
		for i := range f.Landmarks {
			f.Landmarks[i] = Point{r.NormFloat64() * math.Pow(10, float64(r.IntN(12))), r.NormFloat64() * 1000}
		}
		for _, m := range Components(img, []Face{f}) {
			if m.Value < 0 || m.Value > 100 {
				t.Fatalf("%s is %d, want 0 to 100", m.Component, m.Value)
			}
		}
	}
}
