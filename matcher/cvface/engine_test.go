package cvface

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
	"limen/matcher"
	"limen/matcher/catalog"
)

func TestModelErrorsAreClear(t *testing.T) {
	yunet, frr := model(t, "yunet-2023mar"), model(t, "frr0095")
	with := func(m catalog.Model, data []byte) catalog.Model { m.Data = data; return m }
	flipped := bytes.Clone(frr.Data)
	for i := 0; i < 4096; i += 7 {
		flipped[i] ^= 0x55
	}
	short, unread := frr, yunet
	short.Output.Length = 128
	unread.Output.Layout = ""
	for _, c := range []struct {
		name                 string
		detector, recogniser catalog.Model
		want                 string
	}{
		{"no model", catalog.Model{}, frr, "detector"},
		{"empty", yunet, with(frr, nil), "recogniser: the file is empty"},
		{"text", with(yunet, []byte("no network")), frr, "detector"},
		{"truncated", yunet, with(frr, frr.Data[:len(frr.Data)/2]), "recogniser"},
		{"damaged", yunet, with(frr, flipped), "recogniser"},
		{"swapped", frr, yunet, "frr0095 is a recogniser"},
		{"two detectors", yunet, yunet, "yunet-2023mar is a detector"},
		{"another's bytes", with(yunet, frr.Data), frr, "detector"},
		{"another length", yunet, short, "holds 256 numbers, want 128"},
		{"unknown layout", unread, frr, "does not say how to read it"},
	} {
		e, err := New(c.detector, c.recogniser, Options{})
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %v naming %q", c.name, err, ErrModel, c.want)
		}
		if e != nil {
			e.Close()
		}
	}
}

// scene places photographs on gray, each scaled to a width.
func scene(w, h int, put ...struct {
	img image.Image
	at  image.Rectangle
}) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Rect, image.NewUniform(color.Gray{Y: 128}), image.Point{}, draw.Src)
	for _, p := range put {
		b := p.img.Bounds()
		for y := p.at.Min.Y; y < p.at.Max.Y; y++ {
			for x := p.at.Min.X; x < p.at.Max.X; x++ {
				out.Set(x, y, p.img.At(b.Min.X+(x-p.at.Min.X)*b.Dx()/p.at.Dx(), b.Min.Y+(y-p.at.Min.Y)*b.Dy()/p.at.Dy()))
			}
		}
	}
	return out
}

func TestReasonsOnRealFaces(t *testing.T) {
	e := openEngine(t, Options{})
	people := london(t, "neutral_front")
	a, b := readJPEG(t, people[0]), readJPEG(t, people[1])
	type put = struct {
		img image.Image
		at  image.Rectangle
	}
	blurred, err := imageToBGR(a)
	if err != nil {
		t.Fatal(err)
	}
	defer blurred.Close()
	gocv.GaussianBlur(blurred, &blurred, image.Pt(0, 0), 8, 8, gocv.BorderDefault)
	soft, err := blurred.ToImage()
	if err != nil {
		t.Fatal(err)
	}
	shade := func(f func(int) int) image.Image {
		img := scene(675, 675, put{a, image.Rect(0, 0, 675, 675)})
		for i, v := range img.Pix {
			if i%4 != 3 {
				img.Pix[i] = uint8(min(max(f(int(v)), 0), 255))
			}
		}
		return img
	}
	for _, c := range []struct {
		name string
		img  image.Image
		want matcher.Reason
	}{
		{"nobody", scene(640, 480), matcher.FaceNotFound},
		{"one person", scene(1280, 720, put{a, image.Rect(300, 20, 980, 700)}), ""},
		{"two people", scene(1280, 720, put{a, image.Rect(0, 50, 600, 650)}, put{b, image.Rect(640, 50, 1240, 650)}), matcher.SeveralFaces},
		{"a second one far behind", scene(1280, 720, put{a, image.Rect(0, 20, 680, 700)}, put{b, image.Rect(900, 200, 1180, 480)}), ""},
		{"far away", scene(1280, 720, put{a, image.Rect(500, 200, 690, 390)}), matcher.FaceTooSmall},
		{"out of focus", soft, matcher.FaceBlurred},
		{"in the dark", shade(func(v int) int { return v / 5 }), matcher.FaceTooDark},
		{"in glaring light", shade(func(v int) int { return v/4 + 205 }), matcher.TooBright},
	} {
		for kind, img := range map[string]image.Image{"image": c.img, "frame": asFrame(c.img)} {
			faces, err := e.Detect(img)
			if err != nil {
				t.Fatal(err)
			}
			q := matcher.Assess(img, faces, matcher.DefaultThresholds())
			got := matcher.Reason("")
			if len(q.Reasons) > 0 {
				got = q.Reasons[0]
			}
			if got != c.want {
				t.Errorf("%s (%s): %d faces, reasons %v, %+v; want %q", c.name, kind, len(faces), q.Reasons, q, c.want)
			}
		}
	}
}

// A frame from the pool, used again for another picture, must not be mistaken
// for the picture it held before.
func TestReusedFrameIsANewPicture(t *testing.T) {
	e := openEngine(t, Options{})
	f := capture.NewPool(640, 640).Get()
	f.Camera, f.Seq, f.Time = "gate", 1, time.Unix(1, 0)
	f.Fill(readJPEG(t, london(t, "neutral_front")[0]))
	if faces, err := e.Detect(f); err != nil || len(faces) != 1 {
		t.Fatalf("%d faces, %v; want 1", len(faces), err)
	}
	f.Seq, f.Time = 2, time.Unix(2, 0)
	f.Fill(image.NewGray(image.Rect(0, 0, 640, 640)))
	if faces, err := e.Detect(f); err != nil || len(faces) != 0 {
		t.Errorf("%d faces in a black frame, %v; want 0", len(faces), err)
	}
}

func TestEngineIsSafeForConcurrentUseAndCloses(t *testing.T) {
	e := openEngine(t, Options{})
	people := london(t, "neutral_front")[:4]
	var wg sync.WaitGroup
	for _, path := range people {
		img := readJPEG(t, path)
		wg.Go(func() {
			for range 3 {
				faces, err := e.Detect(img)
				if err != nil || len(faces) != 1 {
					t.Errorf("%d faces, %v", len(faces), err)
					return
				}
				v, err := e.Template(img, faces[0])
				if n := matcher.Cosine(v, v); err != nil || math.Abs(n-1) > 1e-6 || len(v) != 256 {
					t.Errorf("template of %d numbers, %v", len(v), err)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Errorf("Close twice: %v", err)
	}
	if _, err := e.Detect(image.NewGray(image.Rect(0, 0, 64, 64))); !errors.Is(err, ErrClosed) {
		t.Errorf("Detect after Close: %v, want %v", err, ErrClosed)
	}
}

func TestBadPicturesAreErrors(t *testing.T) {
	e := openEngine(t, Options{})
	for _, img := range []image.Image{nil, image.NewGray(image.Rect(0, 0, 0, 0)), image.NewGray(image.Rect(0, 0, 9000, 20))} {
		if _, err := e.Detect(img); err == nil {
			t.Errorf("%T: no error", img)
		}
	}
	if _, err := e.Template(image.NewGray(image.Rect(0, 0, 64, 64)), matcher.Face{}); !errors.Is(err, matcher.ErrDegenerate) {
		t.Errorf("a face without landmarks: %v, want %v", err, matcher.ErrDegenerate)
	}
}

func BenchmarkFace(b *testing.B) {
	e := openEngine(b, Options{})
	img := readJPEG(b, london(b, "neutral_front")[0])
	f := capture.NewPool(1280, 720).Get()
	f.Fill(scene(1280, 720, struct {
		img image.Image
		at  image.Rectangle
	}{img, image.Rect(300, 20, 980, 700)}))
	f.Camera = "gate"
	faces, err := e.Detect(f)
	if err != nil || len(faces) != 1 {
		b.Fatal(len(faces), err)
	}
	n := 0
	next := func() { n++; f.Seq, f.Time = uint64(n), time.Unix(int64(n), 0) }
	b.Run("detect 720p", func(b *testing.B) {
		for b.Loop() {
			next()
			if _, err := e.Detect(f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("template", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Template(f, faces[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("assess", func(b *testing.B) {
		for b.Loop() {
			matcher.Assess(f, faces, matcher.DefaultThresholds())
		}
	})
}
