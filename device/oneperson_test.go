package device

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"limen"
	"limen/capture"
	"limen/matcher"
)

// queue is a camera before which people take turns, and the engine that
// describes each by a direction of its own.
type queue struct {
	people []int // who stands there, frame by frame; the last one stays
	seen   int
}

func (q *queue) Name() string { return "queue" }

func (q *queue) Run(ctx context.Context, deliver func(*capture.Frame)) error {
	sharp, r, pool := image.NewGray(image.Rect(0, 0, 640, 480)), rand.New(rand.NewPCG(1, 2)), capture.NewPool(640, 480)
	for i := range sharp.Pix {
		sharp.Pix[i] = uint8(115 + r.IntN(30)) // skin has grain, and no lines
	}
	for n := uint64(1); ctx.Err() == nil; n++ {
		f := pool.Get()
		f.Fill(sharp)
		f.Seq, f.Time, f.Camera = n, time.Now(), q.Name()
		deliver(f)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (q *queue) Detect(image.Image) ([]matcher.Face, error) {
	const side = 260
	f := matcher.Face{Score: 0.9, Box: matcher.Box{X: 320 - side/2, Y: 240 - side/2, W: side, H: side}}
	for i, p := range matcher.Reference {
		f.Landmarks[i] = matcher.Point{X: 320 + (p.X-0.5)*side, Y: 240 + (p.Y-0.5)*side}
	}
	return []matcher.Face{f}, nil
}

func (q *queue) Template(image.Image, matcher.Face) (matcher.Template, error) {
	who := q.people[min(q.seen, len(q.people)-1)]
	q.seen++
	t := make(matcher.Template, 4)
	t[who] = 1
	return t, nil
}

// The frames of a sample are fused. Were they of two people, the document's
// holder and somebody else, the holder's would vouch for both.
func TestPeopleTakingTurnsAreSeveralFaces(t *testing.T) {
	for name, c := range map[string]struct {
		people []int
		want   []limen.Reason
	}{
		"one person":                 {[]int{0}, nil},
		"another in the last frame":  {[]int{0, 0, 1}, []limen.Reason{{Code: limen.FaceSeveral}}},
		"another in the first frame": {[]int{1, 0, 0}, []limen.Reason{{Code: limen.FaceSeveral}}},
		"three people":               {[]int{0, 1, 2}, []limen.Reason{{Code: limen.FaceSeveral}}},
	} {
		t.Run(name, func(t *testing.T) {
			q := &queue{people: c.people}
			hub := capture.NewHub(q, capture.HubOptions{})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- hub.Run(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()
			f := &faceCamera{hub: hub, engine: q, limits: matcher.Limits{Thresholds: matcher.DefaultThresholds()}, model: comparisonModel{threshold: 0.45}}
			limit, end := context.WithTimeout(ctx, 10*time.Second)
			defer end()
			live, err := f.Capture(limit)
			if err != nil {
				t.Fatal(err)
			}
			defer live.Close()
			if got := live.Reasons(); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
