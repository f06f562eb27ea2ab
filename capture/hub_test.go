package capture

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCamera plays one run per script entry.
type fakeCamera struct {
	runs []func(ctx context.Context, deliver func(*Frame)) error
	next int
}

func (c *fakeCamera) Name() string { return "gate" }

func (c *fakeCamera) Run(ctx context.Context, deliver func(*Frame)) error {
	if c.next >= len(c.runs) {
		<-ctx.Done()
		return nil
	}
	c.next++
	return c.runs[c.next-1](ctx, deliver)
}

func frameOf(p *Pool, seq uint64) *Frame {
	f := p.Get()
	f.Seq = seq
	return f
}

func TestHubGivesEveryConsumerTheLatestFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := NewPool(4, 4)
		var made []*Frame
		cam := &fakeCamera{runs: []func(context.Context, func(*Frame)) error{
			func(ctx context.Context, deliver func(*Frame)) error {
				for i := range 5 {
					f := frameOf(pool, uint64(i))
					made = append(made, f.Retain()) // the test's own hold, to count the others
					deliver(f)
				}
				<-ctx.Done()
				return nil
			}}}
		hub := NewHub(cam, HubOptions{Stall: time.Hour})
		a, cancelA := hub.Subscribe()
		b, _ := hub.Subscribe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- hub.Run(ctx) }()
		synctest.Wait()

		if f := <-a; f.Seq != 4 {
			t.Errorf("first frame a slow consumer gets: seq %d, want the latest, 4", f.Seq)
		} else {
			f.Release()
		}
		if f := hub.Latest(); f == nil || f.Seq != 4 {
			t.Errorf("Latest: %v, want seq 4", f)
		} else {
			f.Release()
		}
		if got := hub.State(); got.Phase != Live || got.Reason != nil {
			t.Errorf("state %+v, want live", got)
		}
		cancelA()
		cancelA() // twice is harmless
		if _, open := <-a; open {
			t.Error("canceled subscription still open")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v, want nil after ctx ended", err)
		}
		if _, open := <-b; open {
			t.Error("subscription still open after the hub stopped")
		}
		if f := hub.Latest(); f != nil {
			t.Error("Latest after stop: a frame, want nil")
		}
		for _, f := range made {
			if n := f.refs.Load(); n != 1 {
				t.Errorf("frame %d: %d holders, want only the test's own", f.Seq, n)
			}
		}
		if late, _ := hub.Subscribe(); late != nil {
			if _, open := <-late; open {
				t.Error("subscription to a stopped hub is open")
			}
		}
	})
}

func TestHubReportsLossAndReopensWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := NewPool(4, 4)
		gone := errors.New("camera gate unplugged; plug it in")
		fail := func(context.Context, func(*Frame)) error { return gone }
		cam := &fakeCamera{runs: []func(context.Context, func(*Frame)) error{fail, fail, fail,
			func(ctx context.Context, deliver func(*Frame)) error {
				deliver(frameOf(pool, 1))
				<-ctx.Done()
				return nil
			}}}
		var seen []State
		hub := NewHub(cam, HubOptions{Stall: time.Hour, BackoffMin: time.Second, BackoffMax: 2 * time.Second,
			OnState: func(s State) { seen = append(seen, s) }})
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- hub.Run(ctx) }()
		time.Sleep(time.Minute) // synthetic time
		cancel()
		<-done

		phases := []Phase{Starting, Lost, Lost, Lost, Live, Stopped}
		if len(seen) != len(phases) {
			t.Fatalf("states %+v, want %v", seen, phases)
		}
		for i, p := range phases {
			if seen[i].Phase != p {
				t.Errorf("state %d: %s, want %s", i, seen[i].Phase, p)
			}
		}
		if seen[3].Failures != 3 || !errors.Is(seen[3].Reason, gone) {
			t.Errorf("third loss: %+v, want 3 failures and the camera's reason", seen[3])
		}
		if got, want := seen[4].Since.Sub(start), 5*time.Second; got != want {
			t.Errorf("live again after %v, want 1+2+2 s", got)
		}
	})
}

func TestHubReportsAStallThoughTheCameraHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := NewPool(4, 4)
		cam := &fakeCamera{runs: []func(context.Context, func(*Frame)) error{
			func(ctx context.Context, deliver func(*Frame)) error {
				deliver(frameOf(pool, 1))
				<-ctx.Done()
				time.Sleep(20 * time.Second) // stuck in its driver
				return nil
			}}}
		hub := NewHub(cam, HubOptions{Stall: 2 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- hub.Run(ctx) }()
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		s := hub.State()
		if s.Phase != Lost || !errors.Is(s.Reason, ErrStalled) || !strings.Contains(s.Reason.Error(), "gate") {
			t.Errorf("2 s after the last frame: %+v, want lost, stalled, naming the camera", s)
		}
		if f := hub.Latest(); f != nil {
			t.Error("Latest of a lost camera: a stale frame, want nil")
		}
		cancel()
		<-done
	})
}
