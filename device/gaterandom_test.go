package device

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"limen/device/gate"
	"limen/hw/door"
)

// wild is a board whose contacts do what they like, one more often than not at
// rest, but for the emergency loop's, which never agree on an emergency.
type wild struct {
	t      *testing.T
	random *rand.Rand
	in     [door.NumInputs]bool
	left   int // exchanges until the next change
	calm   int // exchanges during which changes are whole readings

	inside bool

	exchanges, entries int
	out                [door.NumOutputs]bool
	over               func()
}

func (w *wild) Exchange(ctx context.Context, out [door.NumOutputs]bool) ([door.NumInputs]bool, error) {
	if out[door.ExitLock] {
		w.t.Errorf("the exit opened after %d exchanges", w.exchanges)
		w.over()
	}
	if out[door.EntryLock] && !w.out[door.EntryLock] {
		w.entries++
	}
	w.out = out
	if w.exchanges++; w.exchanges == 100_000 {
		w.over()
	}
	if w.left--; w.left > 0 {
		return w.in, nil
	}
	w.left = 1 + w.random.IntN(40)
	if w.calm--; w.calm < 0 {
		w.calm = w.random.IntN(60)
		w.left = 1 + w.random.IntN(4)
		i := w.random.IntN(int(door.NumInputs))
		w.in[i] = !w.in[i]
	} else { // a whole reading: doors where they are told to be, one traveler or none
		w.in = [door.NumInputs]bool{door.LoopClosed: true, door.Mains: true}
		pair := func(first door.Input, yes bool) { w.in[first], w.in[first+1] = yes, !yes }
		pair(door.EntryClosed, !out[door.EntryLock])
		pair(door.ExitClosed, w.random.IntN(200) > 0)
		switch { // who came in mostly stays
		case out[door.EntryLock] && w.random.IntN(2) == 0:
			w.inside = true
		case w.random.IntN(8) == 0:
			w.inside = false
		}
		pair(door.InsideTaken, w.inside)
		pair(door.MoreThanOne, w.random.IntN(100) == 0)
		pair(door.FrontTaken, w.random.IntN(2) == 0)
		pair(door.BeyondTaken, w.random.IntN(2) == 0)
	}
	if w.in[door.LoopOpened] {
		w.in[door.LoopClosed] = true
	}
	return w.in, nil
}

// Whatever the contacts do, in whatever order, with documents, stale and
// referring decisions, time limits and resets between: the exit's relay does not move.
func TestNoContactsOpenTheExit(t *testing.T) {
	entries, inside := 0, 0
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			random := rand.New(rand.NewPCG(seed, 7))
			w := &wild{t: t, random: rand.New(rand.NewPCG(seed, 8)), over: stop}
			c := defaultGate
			c.Doors = "modbus"
			g := newGate(c, newBoard(time.Now, func(State) {}), slog.New(slog.DiscardHandler), func(s GateStatus) {
				if s.State == "face" {
					inside++
				}
			})
			done := make(chan error, 1)
			go func() { done <- g.driver.Run(ctx, w, g.read) }()
			for ctx.Err() == nil {
				time.Sleep(time.Duration(random.IntN(900)) * time.Millisecond) // of the bubble's clock
				g.mu.Lock()
				id := g.now.Inspection
				g.mu.Unlock()
				switch random.IntN(6) {
				case 0, 1:
					g.apply(gate.DocumentPresented{Inspection: "a"})
				case 2, 3:
					g.apply(gate.DocumentRead{Inspection: id})
				case 4:
					g.apply(gate.Decided{Inspection: "before", Admit: true})
				case 5:
					if g.Reset("o-1") != nil && random.IntN(3) == 0 {
						g.apply(gate.Decided{Inspection: id})
					}
				}
			}
			<-done
			g.end()
			entries += w.entries
		})
	}
	if entries == 0 || inside == 0 {
		t.Errorf("the entry opened %d times, somebody stood inside %d times: too little was tried", entries, inside)
	}
	t.Logf("the entry opened %d times, somebody stood inside %d times", entries, inside)
}
