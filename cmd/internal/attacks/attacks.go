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
	"context"
	"fmt"
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
	APCER     float64   `json:"apcer"` // of the worst species
	BonaFide  Species   `json:"bona_fide"`
}

// presentation is one person or artefact before the camera.
type presentation struct {
	face   string
	medium camera.Medium
	sheet  float64
	light  float64
	from   time.Duration // when the camera begins to look: while the walk goes on, or after
	seed   uint64
}

// seeds begin where no threshold was looked for.
const seeds = 1000

// presentations of one medium: every face, walking and standing, in two
// lights, artefacts of three sizes.
func presentations(medium camera.Medium, rounds int) []presentation {
	var all []presentation
	for round := range rounds {
		for i, name := range faces.Names() {
			for k, from := range []time.Duration{100 * time.Millisecond, 2500 * time.Millisecond} {
				n := i + k + round
				all = append(all, presentation{
					face: name, medium: medium, from: from, seed: seeds + uint64(1000*round+10*i+k),
					sheet: []float64{1, 0.9, 1.12}[n%3], light: []float64{1, 0.6}[(i+round)%2],
				})
			}
		}
	}
	return all
}

// Run measures rounds of 24 presentations a species. network may be nil;
// step, when not nil, hears how many of how many are done.
func Run(ctx context.Context, engine matcher.Engine, network spoof.Network, name string, rounds int, step func(done, of int)) (Report, error) {
	r := Report{Simulated: true, Networks: name}
	mediums := []camera.Medium{camera.Flesh, camera.Print, camera.Screen, camera.CutOut}
	done, of := 0, len(mediums)*rounds*2*len(faces.Names())
	for _, medium := range mediums {
		s := Species{Name: string(medium), By: map[string]int{}}
		for _, p := range presentations(medium, rounds) {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			j, err := present(engine, network, p)
			if err != nil {
				return r, err
			}
			s.count(j)
			if done++; step != nil {
				step(done, of)
			}
		}
		s.NonResponse = proportion.Of(s.NotPerformed, s.Presentations)
		if medium == camera.Flesh {
			s.Name, s.Error = "bona_fide", proportion.Of(s.Failed, s.Presentations)
			r.BonaFide = s
			continue
		}
		s.Error = proportion.Of(s.Passed, s.Presentations)
		r.Attacks = append(r.Attacks, s)
	}
	slices.SortStableFunc(r.Attacks, func(a, b Species) int {
		return (b.Passed*1000 + b.NotPerformed) - (a.Passed*1000 + a.NotPerformed)
	})
	r.APCER = r.Attacks[0].Error.Rate
	return r, nil
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

// present shows one presentation to the detection, frame by frame, as
// the simulated camera sends it: through JPEG.
func present(engine matcher.Engine, network spoof.Network, p presentation) (spoof.Judgement, error) {
	still, err := faces.Live(p.face)
	if err != nil {
		return spoof.Judgement{}, err
	}
	person := camera.Person{Still: still, Eyes: faces.Eyes(), Medium: p.medium, Sheet: p.sheet}
	renderer, err := camera.NewRenderer(camera.Scene{Seed: p.seed, Light: p.light, People: []camera.Person{person}}, width, height)
	if err != nil {
		return spoof.Judgement{}, err
	}
	watch := spoof.NewWatch(engine, network)
	defer watch.Close()
	pool := capture.NewPool(width, height)
	for n := range 40 {
		if watch.Full() {
			break
		}
		at := p.from + time.Duration(n)*interval
		var encoded bytes.Buffer
		if err := jpeg.Encode(&encoded, renderer.Frame(at), &jpeg.Options{Quality: 85}); err != nil {
			return spoof.Judgement{}, err
		}
		picture, err := jpeg.Decode(&encoded)
		if err != nil {
			return spoof.Judgement{}, err
		}
		f := pool.Get()
		f.Fill(picture)
		f.Camera, f.Seq, f.Time = "simulated", uint64(n), time.Unix(0, 0).Add(at)
		_, err = watch.Detect(f)
		f.Release()
		if err != nil {
			return spoof.Judgement{}, fmt.Errorf("a simulated %s of %s: %w", p.medium, p.face, err)
		}
	}
	return watch.Judge(), nil
}
