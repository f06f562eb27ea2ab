// Package door drives the doors, lights and presence sensors of an e-gate over
// a relay board or GPIO lines: it sets outputs, reads contacts, debounces them,
// and names wires that are cut, shorted, bouncing or stuck. It decides nothing.
//
//	Outputs ─▶ Driver ─▶ Bank (Modbus RTU board, GPIO chip) ─▶ locks, lights, alarm, watchdog
//	Reading ◀─ judge ◀─┘                                    ◀─ contacts
//
// Every sensor has two contacts of which, at rest, exactly one is closed, so
// that a broken wire cannot look like a reading. The watchdog output changes
// with every exchange; a relay that sees no change for its time drops all
// others, so that doors fall back when this program dies.
package door

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Input is a terminal of the board, counted from its first input on. A closed
// contact reads true.
type Input int

// The inputs, in the order in which they are wired.
const (
	EntryClosed Input = iota // end switches of the entry
	EntryWide
	ExitClosed // and of the exit
	ExitWide
	FrontTaken // the zone before the entry
	FrontClear
	InsideTaken // between the doors
	InsideClear
	MoreThanOne // the counting sensor above
	AtMostOne
	BeyondTaken // behind the exit
	BeyondClear
	LoopOpened // the emergency loop's auxiliary contacts
	LoopClosed
	Mains // closed while there is mains power
	NumInputs
)

// Output is a relay of the board, counted from its first.
type Output int

// The outputs, in the order in which they are wired.
const (
	EntryLock Output = iota
	ExitLock
	EntryGreen
	ExitGreen
	Alarm
	Watchdog
	NumOutputs
)

// Outputs is what the doors, lights and alarm are to do.
type Outputs struct{ EntryOpen, ExitOpen, EntryGreen, ExitGreen, Alarm bool }

// Position is a door's; the zero value is not known.
type Position uint8

// The positions.
const (
	PositionUnknown Position = iota
	Closed
	Ajar
)

// Presence is what stands in a zone; the zero value is not known.
type Presence uint8

// The presences.
const (
	PresenceUnknown Presence = iota
	Clear
	Taken
	Several
)

// Loop is the emergency loop; the zero value is not known.
type Loop uint8

// The loop's states.
const (
	LoopUnknown Loop = iota
	LoopWhole
	LoopOpen
)

// Reading is what all contacts say together.
type Reading struct {
	Silent                bool // the board does not answer: nothing else is known
	Entry, Exit           Position
	Front, Inside, Beyond Presence
	Loop                  Loop
	Mains                 bool
	Faults                []Fault

	inside, more Presence // Inside's two sensors
}

func (r Reading) equal(o Reading) bool {
	return r.Silent == o.Silent && r.Entry == o.Entry && r.Exit == o.Exit && r.Front == o.Front && r.Inside == o.Inside && r.Beyond == o.Beyond &&
		r.Loop == o.Loop && r.Mains == o.Mains && slices.Equal(r.Faults, o.Faults)
}

// Bank is what the wires end at.
type Bank interface {
	// Exchange sets every output, then reads every input.
	Exchange(ctx context.Context, out [NumOutputs]bool) (in [NumInputs]bool, err error)
}

// Options are a driver's settings.
type Options struct {
	Times
	Poll time.Duration // between exchanges; 25 ms where zero
	// EntryFailsSafe and ExitFailsSafe tell of a lock that opens without
	// current: its relay is energized to lock. Others lock without current.
	EntryFailsSafe, ExitFailsSafe bool
	// Misses is how many exchanges may fail in a row before the board counts
	// as silent; 4 where zero.
	Misses int
}

// Driver is one gate's doors. Set may be called at any time, Run once at a time.
type Driver struct {
	o    Options
	wake chan struct{}

	mu  sync.Mutex
	out Outputs
}

// New makes a driver that keeps everything locked and dark until Set.
func New(o Options) *Driver {
	o.setDefaults()
	if o.Poll <= 0 {
		o.Poll = 25 * time.Millisecond
	}
	if o.Misses <= 0 {
		o.Misses = 4
	}
	return &Driver{o: o, wake: make(chan struct{}, 1)}
}

// Set says what the outputs are to be from now on.
func (d *Driver) Set(out Outputs) {
	d.mu.Lock()
	changed := d.out != out
	d.out = out
	d.mu.Unlock()
	if changed {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// lastWord bounds the time for locking at the end.
const lastWord = 250 * time.Millisecond

// Run exchanges with the bank until ctx ends or the bank is lost, and tells of
// every change of what the contacts say; a first reading comes once they have
// settled, a last one, silent, when the bank is lost. It locks both doors before it returns, where the bank still hears.
func (d *Driver) Run(ctx context.Context, bank Bank, told func(Reading)) error {
	judge, tick := newJudge(d.o.Times), time.NewTicker(d.o.Poll)
	defer tick.Stop()
	defer func() {
		limit, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer stop()
		bank.Exchange(limit, d.relays(Outputs{}, false))
	}()
	var last *Reading
	tell := func(r Reading) {
		if last == nil || !last.equal(r) {
			told(r)
			last = &r
		}
	}
	misses, beat := 0, false
	began := time.Now()
	for {
		d.mu.Lock()
		out := d.out
		d.mu.Unlock()
		beat = !beat
		in, err := bank.Exchange(ctx, d.relays(out, beat))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if misses++; misses == d.o.Misses {
				tell(Reading{Silent: true})
				return fmt.Errorf("the gate's board is lost: %w", err)
			}
		default:
			misses = 0
			now := time.Now()
			if r := judge.sample(now, in, out); now.Sub(began) >= d.o.Settle {
				tell(r)
			}
		}
		select {
		case <-tick.C:
		case <-d.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// relays are the outputs as the locks are built.
func (d *Driver) relays(out Outputs, beat bool) (r [NumOutputs]bool) {
	r[EntryLock] = out.EntryOpen != d.o.EntryFailsSafe
	r[ExitLock] = out.ExitOpen != d.o.ExitFailsSafe
	r[EntryGreen], r[ExitGreen], r[Alarm] = out.EntryGreen, out.ExitGreen, out.Alarm
	r[Watchdog] = beat
	return r
}
