// Package attacks measures presentation attack detection (ISO/IEC 30107-3) on
// presentations that the simulated camera draws: the demonstration's mixed
// faces in the flesh, on paper, on a display and cut out.
//
// They are digital simulations. They have an artefact's edges, surface and motion as
// hw/sim/camera draws them, and nothing of real ink, glass or light, so
// that their rates say which cue works against what, and not how a gate fares.
package attacks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"slices"
	"time"

	"limen/capture"
	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/camera"
	"limen/matcher"
	"limen/matcher/proportion"
	"limen/matcher/spoof"
)

// Species is one attack species, or the bona fide presentations.
type Species struct {
	Name          string          `json:"name"`
	Presentations int             `json:"presentations"`
	Passed        int             `json:"passed"`
	Failed        int             `json:"failed"`
	NotPerformed  int             `json:"not_performed"`
	Error         proportion.Rate `json:"error"`        // APCER: attacks that passed; BPCER: bona fide that failed
	NonResponse   proportion.Rate `json:"non_response"` // APNRR, BPNRR: not classified
	By            map[string]int  `json:"by"`           // which cue decided
}

// Report is the whole measurement, the worst species first.
type Report struct {
	Simulated bool      `json:"simulated"` // always: there is no real artefact in it
	Networks  string    `json:"networks"`  // the networks that judged, or "none"
	Attacks   []Species `json:"attacks"`
	APCER     float64   `json:"apcer"`     // of the worst species
	BonaFide  []Species `json:"bona_fide"` // by condition, the worst first
	BPCER     float64   `json:"bpcer"`     // of the worst condition
}

// presentation is one person or artefact before the camera.
type presentation struct {
	species string
	scene   camera.Scene
	from    time.Duration // when the camera begins to look: while the walk goes on, or after
}

// seeds begin where no threshold was looked for.
const seeds = 1000

// What is shown besides the mediums.
const (
	bonaFide = "bona_fide"
	glasses  = "bona_fide_glasses"    // drawn glasses
	turned   = "bona_fide_turned_dim" // a slight turn, in half the light
	sharp    = "bona_fide_sharpened"  // by a camera that overdoes it: bright lines along dark edges
	busy     = "bona_fide_busy"       // before a hall of signs and lamps
	cutClose = "cut_out_close"        // so close to the head that no paper shows
	cutEyes  = "cut_out_eyes"         // a cut-out with holes for the eyes, before somebody else's face
)

var (
	people  = []string{bonaFide, glasses, turned, sharp, busy}
	species = []string{string(camera.Print), string(camera.Screen), string(camera.CutOut), cutClose, cutEyes}
)

// presentations of one species: every face, walking and standing, in two
// lights, artefacts of three sizes.
func presentations(name string, rounds int) ([]presentation, error) {
	var stills []*image.NRGBA
	for _, who := range faces.Names() {
		still, err := faces.Live(who)
		if err != nil {
			return nil, err
		}
		stills = append(stills, still)
	}
	var all []presentation
	for round := range rounds {
		for i, still := range stills {
			for k, from := range []time.Duration{100 * time.Millisecond, 2500 * time.Millisecond} {
				n := i + k + round
				p := camera.Person{Still: still, Eyes: faces.Eyes(), Sheet: []float64{1, 0.9, 1.12}[n%3]}
				scene := camera.Scene{Seed: seeds + uint64(1000*round+10*i+k), Light: []float64{1, 0.6}[(i+round)%2]}
				switch name {
				case bonaFide, sharp:
				case glasses:
					p.Still = faces.WithGlasses(still)
				case turned:
					p.Turn, scene.Light = 0.13, 0.5
				case cutEyes: // who holds it stands a little behind, with the eyes behind the holes
					p.Medium, p.Holes = camera.CutOut, true
					scene.People = []camera.Person{{Still: stills[(i+5)%len(stills)], Eyes: faces.Eyes(), Near: 0.15}}
				case busy:
					scene.Busy = true
				case cutClose:
					p.Medium, p.Close = camera.CutOut, true
				default:
					p.Medium = camera.Medium(name)
				}
				scene.People = append(scene.People, p)
				all = append(all, presentation{name, scene, from})
			}
		}
	}
	return all, nil
}

// Run measures rounds of 24 presentations a species. network may be nil;
// step, when not nil, hears how many of how many are done.
func Run(ctx context.Context, engine matcher.Engine, network spoof.Network, name string, rounds int, step func(done, of int)) (Report, error) {
	r := Report{Simulated: true, Networks: name}
	done, of := 0, (len(people)+len(species))*rounds*2*len(faces.Names())
	for i, which := range append(slices.Clone(people), species...) {
		shown, err := presentations(which, rounds)
		if err != nil {
			return r, err
		}
		s := Species{Name: which, By: map[string]int{}}
		for _, p := range shown {
			j, err := present(ctx, engine, network, p)
			if err != nil {
				return r, err
			}
			s.count(j)
			if done++; step != nil {
				step(done, of)
			}
		}
		s.NonResponse = proportion.Of(s.NotPerformed, s.Presentations)
		if i < len(people) {
			s.Error = proportion.Of(s.Failed, s.Presentations)
			r.BonaFide = append(r.BonaFide, s)
			continue
		}
		s.Error = proportion.Of(s.Passed, s.Presentations)
		r.Attacks = append(r.Attacks, s)
	}
	slices.SortStableFunc(r.Attacks, worst)
	slices.SortStableFunc(r.BonaFide, worst)
	r.APCER, r.BPCER = r.Attacks[0].Error.Rate, r.BonaFide[0].Error.Rate
	return r, nil
}

// worst orders by errors, then by what was not classified.
func worst(a, b Species) int {
	return cmp.Or(b.Error.K-a.Error.K, b.NotPerformed-a.NotPerformed)
}

func (s *Species) count(j spoof.Judgement) {
	s.Presentations++
	switch j.Status {
	case spoof.Passed:
		s.Passed++
	case spoof.Failed:
		s.Failed++
		s.By[string(j.Cue)]++
	default:
		s.NotPerformed++
		s.By[string(j.Reason)]++
	}
}

const width, height, interval = 640, 480, 40 * time.Millisecond

// mostFrames is how long a presentation lasts at most.
const mostFrames = 40

// present shows one presentation to the detection, frame by frame, as
// the simulated camera sends it: through JPEG. Frames are gathered and described as
// an inspection does, and watched until the window is full.
func present(ctx context.Context, engine matcher.Engine, network spoof.Network, p presentation) (spoof.Judgement, error) {
	renderer, err := camera.NewRenderer(p.scene, width, height)
	if err != nil {
		return spoof.Judgement{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	frames, failed := make(chan *capture.Frame), make(chan error, 1)
	go func() {
		defer close(frames)
		failed <- film(ctx, renderer, p, frames)
	}()
	watch := spoof.NewWatch(engine, network)
	defer watch.Close()
	sample, err := matcher.Collect(ctx, frames, watch, matcher.Limits{Thresholds: matcher.DefaultThresholds()})
	if err == nil {
		err = watch.Follow(ctx, frames)
	}
	sample.Release()
	stop()
	for f := range frames {
		f.Release()
	}
	if e := <-failed; e != nil {
		err = e
	}
	if err != nil && !errors.Is(err, matcher.ErrFramesEnded) {
		return spoof.Judgement{}, fmt.Errorf("a simulated %s: %w", p.species, err)
	}
	return watch.Judge(), nil
}

// film draws and sends frames until enough were, or ctx ends.
func film(ctx context.Context, r *camera.Renderer, p presentation, frames chan<- *capture.Frame) error {
	pool := capture.NewPool(width, height)
	for n := range mostFrames {
		at := p.from + time.Duration(n)*interval
		var encoded bytes.Buffer
		if err := jpeg.Encode(&encoded, r.Frame(at), &jpeg.Options{Quality: 85}); err != nil {
			return err
		}
		picture, err := jpeg.Decode(&encoded)
		if err != nil {
			return err
		}
		f := pool.Get()
		f.Fill(picture)
		if p.species == sharp {
			sharpen(f)
		}
		f.Camera, f.Seq, f.Time = "simulated", uint64(n), time.Unix(0, 0).Add(at)
		select {
		case frames <- f:
		case <-ctx.Done():
			f.Release()
			return nil
		}
	}
	return nil
}

// sharpen is an unsharp mask of luma, stronger than a good camera's.
func sharpen(f *capture.Frame) {
	const reach, amount = 2, 0.8
	in := slices.Clone(f.Y)
	for y := reach; y < f.Rect.Dy()-reach; y++ {
		for x := reach; x < f.Rect.Dx()-reach; x++ {
			sum := 0
			for k := -reach; k <= reach; k++ {
				for _, v := range in[(y+k)*f.YStride+x-reach:][:2*reach+1] {
					sum += int(v)
				}
			}
			v := float64(in[y*f.YStride+x])
			f.Y[y*f.YStride+x] = uint8(min(max(v+amount*(v-float64(sum)/((2*reach+1)*(2*reach+1))), 0), 255))
		}
	}
}
