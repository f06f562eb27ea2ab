package matcher

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"limen/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noise is a sharp picture of middling light.
func noise(w, h int) *image.Gray {
	img, r := image.NewGray(image.Rect(0, 0, w, h)), rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(60 + r.IntN(140))
	}
	return img
}

func flat(w, h int, y uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = y
	}
	return img
}

func TestAssessNamesReasons(t *testing.T) {
	center := Point{320, 240}
	good := faceAt(center, 100, 0)
	shift := func(dx, dy float64) Face {
		f := good
		f.Landmarks[NoseTip].X += dx
		f.Landmarks[NoseTip].Y += dy
		return f
	}
	for _, c := range []struct {
		name  string
		img   image.Image
		faces []Face
		want  []Reason
	}{
		{"good", noise(640, 480), []Face{good}, nil},
		{"nobody", noise(640, 480), nil, []Reason{FaceNotFound}},
		{"no landmarks", noise(640, 480), []Face{{Score: 1}}, []Reason{FaceNotFound}},
		{"second as large", noise(640, 480), []Face{good, faceAt(center, 80, 0)}, []Reason{SeveralFaces}},
		{"second behind", noise(640, 480), []Face{good, faceAt(center, 45, 0)}, nil},
		{"small", noise(640, 480), []Face{faceAt(center, 31, 0)}, []Reason{FaceTooSmall}},
		{"turned aside", noise(640, 480), []Face{shift(30, 0)}, []Reason{FaceTurned}},
		{"looking down", noise(640, 480), []Face{shift(0, 40)}, []Reason{FaceTurned}},
		{"tilted", noise(640, 480), []Face{faceAt(center, 100, 30)}, []Reason{FaceTurned}},
		{"dark and flat", flat(640, 480, 10), []Face{good}, []Reason{FaceTooDark, FaceBlurred}},
		{"bright and flat", flat(640, 480, 250), []Face{good}, []Reason{TooBright, FaceBlurred}},
		{"partly outside", noise(200, 200), []Face{faceAt(Point{190, 190}, 100, 0)}, nil},
	} {
		q := Assess(c.img, c.faces, DefaultThresholds())
		if !slices.Equal(q.Reasons, c.want) {
			t.Errorf("%s: %v (%+v), want %v", c.name, q.Reasons, q, c.want)
		}
	}
}

func TestQualityDoesNotDependOnThePicturesKind(t *testing.T) {
	gray := noise(640, 480)
	frame := capture.NewPool(640, 480).Get()
	frame.Fill(gray)
	paletted := image.NewPaletted(gray.Rect, []color.Color{color.Black, color.White})
	for _, img := range []image.Image{frame, paletted} {
		q := Assess(img, []Face{faceAt(Point{320, 240}, 100, 0)}, DefaultThresholds())
		want := 130.0
		if img == paletted {
			want = 0
		}
		if q.Luma < want-5 || q.Luma > want+5 {
			t.Errorf("%T: luma %.0f, want about %.0f", img, q.Luma, want)
		}
	}
}

// scripted answers by the frame's number.
type scripted struct {
	eyes map[uint64]float64 // distance; 0 or absent means nobody
	fail error
}

func (s scripted) Detect(img image.Image) ([]Face, error) {
	e := s.eyes[img.(*capture.Frame).Seq]
	if s.fail != nil || e == 0 {
		return nil, s.fail
	}
	return []Face{faceAt(Point{160, 120}, e, 0)}, nil
}

func (s scripted) Template(img image.Image, _ Face) (Template, error) {
	return Template{1, float32(img.(*capture.Frame).Seq)}, nil
}

// play sends numbered frames, then waits or closes.
func play(t *testing.T, n int, end bool) <-chan *capture.Frame {
	pool, ch := capture.NewPool(320, 240), make(chan *capture.Frame, n)
	picture := noise(320, 240)
	for i := range n {
		f := pool.Get()
		f.Fill(picture)
		f.Seq, f.Camera = uint64(i+1), "gate"
		ch <- f
	}
	if end {
		close(ch)
	}
	return ch
}

func TestCollectStopsWhenEnoughIsGood(t *testing.T) {
	frames := play(t, 9, false)
	s, err := Collect(t.Context(), frames, scripted{eyes: map[uint64]float64{2: 60, 3: 30, 4: 90, 6: 70, 7: 99}}, Limits{Thresholds: DefaultThresholds()})
	if err != nil || !s.Good() || s.Seen != 6 || s.Fit != 3 || len(frames) != 3 {
		t.Fatalf("%+v, %v, %d frames left; want 3 fit of 6 seen", s, err, len(frames))
	}
	if s.Frame.Seq != 4 || s.Templates[0][1] != 4 || s.Templates[2][1] != 2 || len(s.Reasons) != 0 {
		t.Errorf("best frame %d, templates of %v, reasons %v; want 4, then 6, then 2, none", s.Frame.Seq, s.Templates[0][1], s.Reasons)
	}
	if got := s.Score(Template{1, 4}); got < 0.99 {
		t.Errorf("score against its own direction %g", got)
	}
	kept := s.Templates[0]
	s.Release()
	s.Release()
	if s.Good() || s.Frame != nil || kept[1] != 0 {
		t.Error("Release left something behind")
	}
}

// What the camera saw before anybody looked is of somebody who may have left.
func TestCollectLetsGoWhatIsOlder(t *testing.T) {
	began := time.Now()
	pool, frames := capture.NewPool(320, 240), make(chan *capture.Frame, 6)
	for i := range 6 {
		f := pool.Get()
		f.Fill(noise(320, 240))
		f.Seq, f.Time = uint64(i+1), began.Add(time.Duration(i-3)*40*time.Millisecond)
		frames <- f
	}
	s, err := Collect(t.Context(), frames, scripted{eyes: map[uint64]float64{1: 99, 2: 99, 3: 99, 4: 60, 5: 60, 6: 60}}, Limits{Thresholds: DefaultThresholds(), Since: began})
	if err != nil || s.Seen != 3 || s.Fit != 3 || s.Frame.Seq < 4 {
		t.Errorf("got %d seen, %d fit, best %d (%v), want the three since it began", s.Seen, s.Fit, s.Frame.Seq, err)
	}
	s.Release()
}

func TestCollectAtTheDeadlineSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			n      int
			engine scripted
			want   []Reason
		}{
			{"no frame", 0, scripted{}, []Reason{NoFrame}},
			{"nobody", 3, scripted{}, []Reason{FaceNotFound}},
			{"mostly too small", 5, scripted{eyes: map[uint64]float64{2: 30, 3: 32, 5: 20}}, []Reason{FaceTooSmall, FaceNotFound}},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			s, err := Collect(ctx, play(t, c.n, false), c.engine, Limits{Thresholds: DefaultThresholds()})
			cancel()
			if err != nil || s.Good() || !slices.Equal(s.Reasons, c.want) || s.Seen != c.n {
				t.Errorf("%s: %v, %v after %d frames; want %v and no error", c.name, s.Reasons, err, s.Seen, c.want)
			}
			if c.name == "mostly too small" && s.Frame.Seq != 3 {
				t.Errorf("best of the unfit: %d, want the nearest, 3", s.Frame.Seq)
			}
			s.Release()
		}
	})
}

func TestCollectErrorsMeanNobodyCouldLook(t *testing.T) {
	broken := errors.New("engine closed")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		frames <-chan *capture.Frame
		engine scripted
		want   error
	}{
		{"engine", t.Context(), play(t, 2, false), scripted{fail: broken}, broken},
		{"camera", t.Context(), play(t, 2, true), scripted{}, ErrFramesEnded},
		{"canceled", canceled, make(chan *capture.Frame), scripted{}, context.Canceled},
		{"ended with something", t.Context(), play(t, 2, true), scripted{eyes: map[uint64]float64{1: 80}}, nil},
	} {
		s, err := Collect(c.ctx, c.frames, c.engine, Limits{Thresholds: DefaultThresholds()})
		if !errors.Is(err, c.want) || (c.want == nil) != s.Good() {
			t.Errorf("%s: %v, good %v; want %v", c.name, err, s.Good(), c.want)
		}
		s.Release()
	}
}
