package camera

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
	"time"
)

// dummy is a head and shoulders of flat colors: dark head, pale eyes.
func dummy() Person {
	m := image.NewNRGBA(image.Rect(0, 0, 240, 240))
	ellipse := func(cx, cy, rx, ry float64, c color.NRGBA) {
		for y := range 240 {
			for x := range 240 {
				dx, dy := (float64(x)-cx)/rx, (float64(y)-cy)/ry
				if dx*dx+dy*dy <= 1 {
					m.SetNRGBA(x, y, c)
				}
			}
		}
	}
	ellipse(120, 250, 105, 75, color.NRGBA{30, 40, 90, 255})
	ellipse(120, 115, 46, 64, color.NRGBA{70, 40, 30, 255})
	ellipse(101, 110, 6, 4, color.NRGBA{240, 240, 240, 255})
	ellipse(139, 110, 6, 4, color.NRGBA{240, 240, 240, 255})
	return Person{Still: m, Eyes: [2]image.Point{{101, 110}, {139, 110}}}
}

func renderer(t testing.TB, s Scene, w, h int) *Renderer {
	t.Helper()
	r, err := NewRenderer(s, w, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dark counts the pixels that only a person has.
func dark(m *image.YCbCr, from, to int) (n int) {
	for y := range m.Rect.Dy() {
		for x := from; x < to; x++ {
			if m.Y[y*m.YStride+x] < 80 {
				n++
			}
		}
	}
	return n
}

func TestPersonComesNearAndStays(t *testing.T) {
	r := renderer(t, Scene{People: []Person{dummy()}, Seed: 7}, 640, 480)
	var sizes []int
	for at := time.Duration(0); at <= 1500*time.Millisecond; at += 250 * time.Millisecond {
		sizes = append(sizes, dark(r.Frame(at), 0, 640))
	}
	for i := 1; i < len(sizes); i++ {
		if sizes[i] < sizes[i-1]*98/100 {
			t.Errorf("person of %v pixels shrinks while approaching (step %d)", sizes, i)
		}
	}
	if first, last := sizes[0], sizes[len(sizes)-1]; 2*last < 3*first {
		t.Errorf("person has %d pixels far and %d near, want half as many again", first, last)
	}
	stands, later := dark(r.Frame(2*time.Second), 0, 640), dark(r.Frame(4*time.Second), 0, 640)
	if later < stands*8/10 || later > stands*12/10 {
		t.Errorf("standing person has %d pixels, then %d, want about the same", stands, later)
	}
}

func TestEyesAreWhereThePoseSays(t *testing.T) {
	p := dummy()
	p.Approach = -1
	r := renderer(t, Scene{People: []Person{p}, Seed: 3}, 640, 480)
	at := 3 * time.Second
	frame := r.Frame(at)
	where := p.at(at, 3, 640, 480)
	if got := where.eyes; got != 0.22*480 {
		t.Errorf("eyes are %v pixels apart, want 0.22 of 480", got)
	}
	for _, side := range []float64{-0.5, 0.5} {
		x, y := int(where.x+side*where.eyes), int(where.y)
		best := uint8(0)
		for dy := -14; dy <= 14; dy++ {
			for dx := -14; dx <= 14; dx++ {
				best = max(best, frame.Y[(y+dy)*frame.YStride+x+dx])
			}
		}
		if best < 180 {
			t.Errorf("brightest near (%d,%d) is %d, want an eye of 200 and more", x, y, best)
		}
	}
}

func TestEmptyBoothAndTwoPeople(t *testing.T) {
	if n := dark(renderer(t, Scene{}, 640, 480).Frame(time.Second), 0, 640); n != 0 {
		t.Errorf("empty booth has %d pixels of a person, want 0", n)
	}
	left, right := dummy(), dummy()
	left.Aside, right.Aside, left.Near, right.Near = -0.25, 0.25, 0.15, 0.15
	frame := renderer(t, Scene{People: []Person{left, right}}, 640, 480).Frame(3 * time.Second)
	if l, r := dark(frame, 0, 320), dark(frame, 320, 640); l < 5000 || r < 5000 {
		t.Errorf("halves have %d and %d pixels of people, want 5000 at least in both", l, r)
	}
	late := dummy()
	late.Delay = time.Second
	if n := dark(renderer(t, Scene{People: []Person{late}}, 640, 480).Frame(900*time.Millisecond), 0, 640); n != 0 {
		t.Errorf("person is seen before the delay: %d pixels, want 0", n)
	}
}

func TestSceneFollowsFromSeedAndTime(t *testing.T) {
	scene := Scene{People: []Person{dummy()}, Seed: 42}
	one, two := renderer(t, scene, 320, 240), renderer(t, scene, 320, 240)
	one.Frame(0)
	at := 700 * time.Millisecond
	first := bytes.Clone(one.Frame(at).Y)
	if !bytes.Equal(first, two.Frame(at).Y) {
		t.Error("one seed and time gave two pictures")
	}
	if bytes.Equal(first, two.Frame(at+40*time.Millisecond).Y) {
		t.Error("the next frame is the identical picture")
	}
	scene.Seed++
	if bytes.Equal(first, renderer(t, scene, 320, 240).Frame(at).Y) {
		t.Error("another seed gave the identical picture")
	}
}

func TestSceneThatCannotBeDrawnIsRefused(t *testing.T) {
	noStill, noEyes, huge := dummy(), dummy(), dummy()
	noStill.Still, noEyes.Eyes, huge.Near = nil, [2]image.Point{}, 30
	for name, p := range map[string]Person{"no still": noStill, "no eyes": noEyes, "nose at the lens": huge} {
		if _, err := NewRenderer(Scene{People: []Person{p}}, 640, 480); err == nil {
			t.Errorf("%s: got a renderer, want an error", name)
		}
	}
	if _, err := NewRenderer(Scene{}, 641, 480); err == nil {
		t.Error("odd width: got a renderer, want an error")
	}
}

// Every place and size a person can have is drawn without leaving the frame.
func TestExtremePlacesAreDrawn(t *testing.T) {
	for _, aside := range []float64{-3, -0.6, 0, 0.5, 40} {
		for _, near := range []float64{0.001, 0.02, 1} {
			p := dummy()
			p.Aside, p.Near, p.Far = aside, near, near
			r := renderer(t, Scene{People: []Person{p}}, 128, 96)
			for at := time.Duration(0); at < 3*time.Second; at += 170 * time.Millisecond {
				r.Frame(at)
			}
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	for name, size := range map[string][2]int{"640x480": {640, 480}, "1280x720": {1280, 720}} {
		b.Run(name, func(b *testing.B) {
			p := dummy()
			r := renderer(b, Scene{People: []Person{p}}, size[0], size[1])
			var out bytes.Buffer
			t := time.Duration(0)
			for b.Loop() {
				out.Reset()
				t += 40 * time.Millisecond
				if err := jpeg.Encode(&out, r.Frame(t%(4*time.Second)), &jpeg.Options{Quality: 85}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out.Len()), "bytes/frame")
		})
	}
}
