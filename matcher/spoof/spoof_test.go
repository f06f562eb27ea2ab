package spoof

import (
	"context"
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"limen/capture"
	"limen/matcher"
)

// stand is a drawn presentation: a textured face that sways before a
// textured wall. What is around it, and whether its nose stands out, is up to
// the test.
type stand struct {
	sheet bool    // the face is on a sheet whose edges come along
	nose  float64 // how far the nose moves against the face, in distances between the eyes, over the sequence
	grid  float64 // depth of a display's beat, levels
	live  float64 // what the network says of each frame; none when 0
	still bool    // nothing moves
	rim   bool    // paper shows around the head
	part  int     // frames shown; enough for the window when 0
	fails error   // of the network
}

const eyes, wide, high = 90.0, 640, 480

// texture is smooth noise: structure at a scale of about eight pixels.
func texture(seed uint64, side int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	n := side/8 + 2
	coarse := make([]float64, n*n)
	for i := range coarse {
		coarse[i] = r.Float64()
	}
	out := make([]float64, side*side)
	for y := range side {
		for x := range side {
			i, j := x/8, y/8
			fx, fy := float64(x%8)/8, float64(y%8)/8
			a := coarse[j*n+i]*(1-fx) + coarse[j*n+i+1]*fx
			b := coarse[(j+1)*n+i]*(1-fx) + coarse[(j+1)*n+i+1]*fx
			out[y*side+x] = 80 + 90*(a*(1-fy)+b*fy)
		}
	}
	return out
}

var wall, skin = texture(1, 640), texture(2, 640)

// sensor is noise of the camera.
var sensor = func() []float64 {
	r, out := rand.New(rand.NewPCG(3, 3)), make([]float64, 99991)
	for i := range out {
		out[i] = 2.5 * r.NormFloat64()
	}
	return out
}()

func at(pix []float64, x, y float64) float64 {
	i, j := min(max(int(math.Floor(x)), 0), 638), min(max(int(math.Floor(y)), 0), 638)
	fx, fy := x-math.Floor(x), y-math.Floor(y)
	return (pix[j*640+i]*(1-fx)+pix[j*640+i+1]*fx)*(1-fy) + (pix[(j+1)*640+i]*(1-fx)+pix[(j+1)*640+i+1]*fx)*fy
}

// draw is the frame at part, 0 to 1, of the sequence.
func (s stand) draw(f *capture.Frame, part float64) {
	cx, cy := s.middle(part)
	from := int(part*1e6) % 7919
	for y := range high {
		for x := range wide {
			dx, dy := (float64(x)-cx)/eyes, (float64(y)-cy)/eyes
			v := at(wall, float64(x), float64(y)+80)
			head := dx*dx/1.5+(dy-0.4)*(dy-0.4)/2.6 < 1
			switch {
			case s.rim && !head && dx*dx/1.62+(dy-0.4)*(dy-0.4)/2.76 < 1:
				v = 225
			case head:
				nose := s.nose * part * math.Exp(-dx*dx/0.06-(dy-0.55)*(dy-0.55)/0.09)
				v = at(skin, 320+(dx-nose)*eyes, 240+dy*eyes)
			case s.sheet && math.Abs(dx) < 2.2 && dy > -2 && dy < 2.4:
				v = at(skin, 320+dx*eyes, 240+dy*eyes)
			case dy > 1.6 && math.Abs(dx) < 2: // a body
				v = at(skin, 320+dx*eyes, 240+dy*eyes)
			}
			v += sensor[(from+y*wide+x)%len(sensor)] + s.grid*math.Cos(2*math.Pi*(0.31*float64(x)+0.19*float64(y)))
			f.Y[f.YOffset(x, y)] = uint8(min(max(v, 16), 235))
		}
	}
}

func (s stand) middle(part float64) (x, y float64) {
	if s.still {
		part = 0
	}
	return 320 + 22*part, 200 + 9*part
}

// Detect finds the face where it was drawn.
func (s stand) Detect(img image.Image) ([]matcher.Face, error) {
	x, y := s.middle(float64(img.(*capture.Frame).Seq) / last)
	var face matcher.Face
	for i, p := range matcher.Reference {
		face.Landmarks[i] = matcher.Point{X: x + (p.X-0.5)*eyes/0.3671, Y: y + (p.Y-matcher.Reference[0].Y)*eyes/0.3671}
	}
	face.Box, face.Score = matcher.Box{X: x - 1.1*eyes, Y: y - eyes, W: 2.2 * eyes, H: 2.8 * eyes}, 0.9
	return []matcher.Face{face}, nil
}

func (stand) Template(image.Image, matcher.Face) (matcher.Template, error) { return nil, nil }

// Live is the network's word.
func (s stand) Live(image.Image, matcher.Box) (float64, error) { return s.live, s.fails }

const last = 17.0 // frame of 40 ms that fills the window

func (s stand) judge(t *testing.T) (*Watch, Judgement) {
	t.Helper()
	var network Network
	if s.live != 0 || s.fails != nil {
		network = s
	}
	w := NewWatch(s, network)
	pool := capture.NewPool(wide, high)
	frames := int(last) + 1
	if s.part > 0 {
		frames = s.part
	}
	ch := make(chan *capture.Frame, frames)
	for i := range frames {
		f := pool.Get()
		s.draw(f, float64(i)/last)
		f.Seq, f.Time = uint64(i), time.Unix(0, 0).Add(time.Duration(i)*40*time.Millisecond)
		ch <- f
	}
	close(ch)
	if err := w.Follow(context.Background(), ch); err != nil {
		t.Fatal(err)
	}
	return w, w.Judge()
}

func TestPresentationsAreJudgedByWhatTheyShow(t *testing.T) {
	for _, c := range []struct {
		name   string
		stand  stand
		status Status
		reason Reason
		cue    CueName
	}{
		{"a head that turns", stand{nose: 0.09}, Passed, "", ""},
		{"a head that does not, without networks", stand{}, NotPerformed, NoModel, ""},
		{"a head that does not, with networks", stand{live: 0.98}, Passed, "", ""},
		{"nothing moves, without networks", stand{still: true}, NotPerformed, NoModel, ""},
		{"a sheet carried along", stand{sheet: true}, Failed, Suspected, Surroundings},
		{"… that the networks take for live", stand{sheet: true, live: 0.99}, Failed, Suspected, Surroundings},
		{"a display's grid", stand{grid: 6}, Failed, Suspected, Grid},
		{"… held still", stand{grid: 6, still: true}, Failed, Suspected, Grid},
		{"a picture cut out", stand{rim: true, live: 0.99}, Failed, Suspected, Outline},
		{"skin that the networks doubt", stand{nose: 0.09, live: 0.2}, Failed, Suspected, Texture},
		{"a glimpse", stand{nose: 0.09, live: 0.98, part: 3}, NotPerformed, TooFewFrames, ""},
		{"networks that fail", stand{fails: errors.New("closed")}, NotPerformed, NoEvidence, ""},
	} {
		_, j := c.stand.judge(t)
		if j.Status != c.status || j.Reason != c.reason || j.Cue != c.cue {
			t.Errorf("%s: got %s %s %s (%+v), want %s %s %s", c.name, j.Status, j.Reason, j.Cue, j.Cues, c.status, c.reason, c.cue)
		}
	}
}

func TestNothingSeenIsNotPassed(t *testing.T) {
	if j := NewWatch(stand{}, nil).Judge(); j.Status != NotPerformed || j.Reason != TooFewFrames {
		t.Errorf("got %s %s, want not performed: %s", j.Status, j.Reason, TooFewFrames)
	}
}

// One half of a sequence vouches for the other no more than it is asked to.
func TestTheLessLiveHalfCounts(t *testing.T) {
	for _, live := range [][]float64{{0.1, 0.1, 1, 1, 1}, {1, 1, 1, 0.1, 0.1}} {
		e := evidence{live: live}
		if c := e.texture(); c.Weight >= 0 {
			t.Errorf("%v: got %+v, want an accusation", live, c)
		}
	}
}

func TestCloseErasesThePictures(t *testing.T) {
	w, _ := stand{}.judge(t)
	kept := w.tracks[w.subject].first
	w.Close()
	for _, v := range kept.pix {
		if v != 0 {
			t.Fatal("a reduced picture outlives Close")
		}
	}
}

func TestFFTFindsASine(t *testing.T) {
	v := make([]complex128, 64)
	for i := range v {
		v[i] = complex(math.Sin(2*math.Pi*5*float64(i)/64), 0)
	}
	fft(v)
	for i, c := range v {
		want := 0.0
		if i == 5 || i == 59 {
			want = 32
		}
		if got := math.Hypot(real(c), imag(c)); math.Abs(got-want) > 1e-9 {
			t.Errorf("frequency %d: got %g, want %g", i, got, want)
		}
	}
}

// Landmarks are a network's word about a stranger's picture: none of them may
// bring the cues down.
func FuzzOddLandmarks(f *testing.F) {
	f.Add(10.0, 20.0, 60.0, 20.0, 35.0, 300.0)
	f.Add(math.NaN(), 1.0, math.Inf(1), 2.0, 1e308, -1e308)
	f.Add(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
	y := make([]uint8, 128*96)
	for i := range y {
		y[i] = uint8(i * 37)
	}
	f.Fuzz(func(t *testing.T, ax, ay, bx, by, nx, ny float64) {
		marks := [5]matcher.Point{{X: ax, Y: ay}, {X: bx, Y: by}, {X: nx, Y: ny}, {X: ax, Y: ny}, {X: bx, Y: ny}}
		a, b := newThumb(y, 128, 128, 96, marks), newThumb(y[:128*96], 128, 128, 96, [5]matcher.Point{{X: 40, Y: 40}, {X: 80, Y: 40}, {X: 60, Y: 55}, {X: 45, Y: 70}, {X: 75, Y: 70}})
		for _, p := range [][2]*thumb{{a, b}, {b, a}} {
			m, ok := register(p[0], p[1])
			if !ok {
				m, ok = roughly(p[0], p[1])
			}
			if ok {
				carried(p[0], p[1], m, 2)
				noseShift(p[0], p[1], m)
			}
		}
		rim(y, 128, 128, 96, marks)
		gridPeak(y, 128, 128, 96, matcher.Box{X: ax, Y: ay, W: bx, H: by})
	})
}

// turns is an engine before whose camera people take turns: of each frame, who
// stands there (0: nobody, 1 to the left, 2 to the right) and how live they look.
type turns struct {
	stand
	who  []int
	live []float64
	seen map[uint64]int // by the network
}

func (e *turns) Detect(img image.Image) ([]matcher.Face, error) {
	who := e.who[img.(*capture.Frame).Seq]
	faces, err := e.stand.Detect(img)
	if who == 0 {
		return nil, err
	}
	for i := range faces[0].Landmarks {
		faces[0].Landmarks[i].X += float64(who-1) * 250
	}
	faces[0].Box.X += float64(who-1) * 250
	return faces, err
}

func (e *turns) Live(img image.Image, _ matcher.Box) (float64, error) {
	f := img.(*capture.Frame)
	e.seen[f.Seq]++
	return e.live[min(int(f.Seq), len(e.live)-1)], nil
}

// show feeds frames 40 ms apart, and describes those in compared.
func (e *turns) show(t *testing.T, w *Watch, from, to int, compared ...int) {
	t.Helper()
	pool := capture.NewPool(wide, high)
	for i := from; i < to; i++ {
		f := pool.Get()
		f.Seq, f.Time = uint64(i), time.Unix(0, 0).Add(time.Duration(i)*40*time.Millisecond)
		faces, err := w.Detect(f)
		if err == nil && slices.Contains(compared, i) {
			_, err = w.Template(f, faces[0])
		}
		f.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// row is n times who.
func row(parts ...[2]int) (out []int) {
	for _, p := range parts {
		out = append(out, slices.Repeat([]int{p[0]}, p[1])...)
	}
	return out
}

// What is compared was judged, and of the face that was watched.
func TestComparedFramesAreTheWatchedOnes(t *testing.T) {
	live := func(n int, later float64) []float64 { return append(slices.Repeat([]float64{0.98}, n), later) }
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		name     string
		who      []int
		live     []float64
		compared []int // before the sample is kept
		later    []int // and after
		status   Status
		reason   Reason
	}{
		{"a picture held up for a single frame", row([2]int{1, 40}), append(append(slices.Repeat([]float64{0.98}, 20), 0.1), 0.98), []int{0, 1, 2}, []int{20, 21, 22}, Failed, Suspected},
		{"one person", row([2]int{1, 30}), live(30, 0.98), all, nil, Passed, ""},
		{"a picture held up for the frames that are added", row([2]int{1, 40}), live(20, 0.1), []int{0, 1, 2}, []int{20, 21, 22, 23}, Failed, Suspected},
		{"a picture held up for the first frames alone", row([2]int{1, 60}), append(slices.Repeat([]float64{0.1}, 3), 0.98), []int{0, 1, 2}, nil, Failed, Suspected},
		{"somebody else is watched", row([2]int{1, 3}, [2]int{0, 14}, [2]int{2, 30}), live(50, 0.98), []int{0, 1, 2}, nil, NotPerformed, FaceChanged},
		{"somebody else is added", row([2]int{1, 30}, [2]int{0, 14}, [2]int{2, 3}), live(50, 0.98), []int{0, 1, 2}, []int{44, 45, 46}, NotPerformed, FaceChanged},
		{"both are watched long enough", row([2]int{1, 20}, [2]int{0, 14}, [2]int{2, 20}), live(60, 0.98), []int{0, 1, 2}, []int{36, 37}, Passed, ""},
		{"… and one of them is a picture", row([2]int{1, 20}, [2]int{0, 14}, [2]int{2, 20}), live(30, 0.1), []int{0, 1, 2}, []int{36, 37}, Failed, Suspected},
	} {
		e := &turns{who: c.who, live: c.live, seen: map[uint64]int{}}
		w := NewWatch(e, e)
		e.show(t, w, 0, 10, c.compared...)
		if err := w.Follow(t.Context(), closed()); err != nil { // from here on what was described is kept
			t.Fatal(err)
		}
		e.show(t, w, 10, len(c.who), c.later...)
		if j := w.Judge(); j.Status != c.status || j.Reason != c.reason {
			t.Errorf("%s: got %s %q (%+v), want %s %q", c.name, j.Status, j.Reason, j, c.status, c.reason)
		}
		for _, n := range append(slices.Clone(c.compared), c.later...) {
			if e.seen[uint64(n)] != 1 {
				t.Errorf("%s: frame %d was compared and judged %d times, want once", c.name, n, e.seen[uint64(n)])
			}
		}
	}
}

// A face that was never followed vouches for nobody.
func TestAFaceThatWasNotFollowedIsNotJudged(t *testing.T) {
	e := &turns{who: row([2]int{1, 30}), live: []float64{0.98}, seen: map[uint64]int{}}
	w := NewWatch(e, e)
	e.show(t, w, 0, 29)
	f := capture.NewPool(wide, high).Get()
	defer f.Release()
	f.Seq, f.Time = 29, time.Unix(0, 0).Add(29*40*time.Millisecond)
	if _, err := w.Detect(f); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Template(f, matcher.Face{Landmarks: [5]matcher.Point{{X: 1, Y: 1}}}); err != nil {
		t.Fatal(err)
	}
	if j := w.Judge(); j.Status != NotPerformed || j.Reason != FaceChanged {
		t.Errorf("got %s %q, want not performed: %s", j.Status, j.Reason, FaceChanged)
	}
}

func closed() <-chan *capture.Frame {
	ch := make(chan *capture.Frame)
	close(ch)
	return ch
}
