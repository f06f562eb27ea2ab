// Package gatesim is the other end of the wires of an e-gate: a Modbus RTU
// relay board on a link, and behind it two motor doors with end switches, the
// sensors of three zones, an emergency loop in hardware, and people.
//
//	driver -> link -> Board -> relays -> doors, people, wires -> contacts -> Board -> …
//
// Wires can be cut, shorted, stuck and made to bounce; people can push.
package gatesim

import (
	"math/rand/v2"
	"sync"
	"time"

	"limen/hw/door"
)

// Wire is how one input's wire is.
type Wire int

// The wires.
const (
	Sound   Wire = iota
	Cut          // reads open
	Shorted      // reads closed
	Stuck        // reads what it read when it was stuck
	Bounces      // reads anything
)

// body is a door leaf: 0 is closed, 1 is wide open.
type body struct {
	at     float64
	open   bool // where the motor drives it
	held   bool // something stands in the way of closing
	jammed bool // does not move at all
}

// Gate is the hardware behind the board. Its methods may be called at any time.
type Gate struct {
	Motor    time.Duration // from closed to wide open
	Watchdog time.Duration // without a change of the watchdog relay all others drop

	mu      sync.Mutex
	now     time.Time
	coils   [door.NumOutputs]bool
	beat    time.Time // when the watchdog relay last changed
	dropped bool      // the watchdog has dropped the relays
	doors   [2]body   // entry, exit
	people  [3]int    // front, inside, beyond
	loop    bool      // open
	noMains bool
	wires   [door.NumInputs]Wire
	stuck   [door.NumInputs]bool
	random  *rand.Rand
	opened  [2]int // how often each door has left its closed switch
}

// NewGate is a closed, empty gate.
func NewGate(motor, watchdog time.Duration) *Gate {
	return &Gate{Motor: motor, Watchdog: watchdog, now: time.Now(), beat: time.Now(), random: rand.New(rand.NewPCG(1, 2))}
}

// pass lets time go by up to now. mu is held.
func (g *Gate) pass(now time.Time) {
	const step = 5 * time.Millisecond
	for g.now.Before(now) {
		d := min(step, now.Sub(g.now))
		g.now = g.now.Add(d)
		if g.now.Sub(g.beat) > g.Watchdog && !g.dropped {
			g.dropped, g.coils = true, [door.NumOutputs]bool{}
		}
		for i := range g.doors {
			b := &g.doors[i]
			// The loop stands between relay and lock: nothing a relay does closes it.
			b.open = g.coils[int(door.EntryLock)+i] || g.loop
			way := float64(d) / float64(g.Motor)
			switch {
			case b.jammed:
			case b.open:
				if b.at == 0 {
					g.opened[i]++
				}
				b.at = min(1, b.at+way)
			case !b.held:
				b.at = max(0, b.at-way)
			}
		}
	}
}

// contacts is what the board's inputs read. mu is held.
func (g *Gate) contacts() (in [door.NumInputs]bool) {
	for i, b := range g.doors {
		in[int(door.EntryClosed)+2*i] = b.at == 0
		in[int(door.EntryWide)+2*i] = b.at == 1
	}
	pair := func(first door.Input, yes bool) { in[first], in[first+1] = yes, !yes }
	pair(door.FrontTaken, g.people[0] > 0)
	pair(door.InsideTaken, g.people[1] > 0)
	pair(door.MoreThanOne, g.people[1] > 1)
	pair(door.BeyondTaken, g.people[2] > 0)
	pair(door.LoopOpened, g.loop)
	in[door.Mains] = !g.noMains
	for i, w := range g.wires {
		switch w {
		case Cut:
			in[i] = false
		case Shorted:
			in[i] = true
		case Stuck:
			in[i] = g.stuck[i]
		case Bounces:
			in[i] = g.random.IntN(2) == 0
		}
	}
	return in
}

// do changes the world at its present time.
func (g *Gate) do(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass(time.Now())
	change()
}

// People puts n people into a zone: 0 front, 1 inside, 2 beyond.
func (g *Gate) People(zone, n int) { g.do(func() { g.people[zone] = n }) }

// Wire does something to an input's wire.
func (g *Gate) Wire(i door.Input, w Wire) {
	g.do(func() {
		g.stuck[i] = g.contacts()[i]
		g.wires[i] = w
	})
}

// Push forces a door open against its lock. 0 is the entry, 1 the exit.
func (g *Gate) Push(i int) {
	g.do(func() {
		g.doors[i].at = max(g.doors[i].at, 0.5)
		g.doors[i].held = true
	})
}

// Hold keeps a door from closing, or no longer does.
func (g *Gate) Hold(i int, held bool) { g.do(func() { g.doors[i].held = held }) }

// Jam keeps a door from moving at all, or no longer does.
func (g *Gate) Jam(i int, jammed bool) { g.do(func() { g.doors[i].jammed = jammed }) }

// Loop opens or closes the emergency loop.
func (g *Gate) Loop(open bool) { g.do(func() { g.loop = open }) }

// Mains switches the mains.
func (g *Gate) Mains(on bool) { g.do(func() { g.noMains = !on }) }

// View is what one sees who stands beside the gate.
type View struct {
	EntryAt, ExitAt         float64 // 0 closed, 1 wide open
	EntryDriven, ExitDriven bool    // unlocked
	EntryOpened, ExitOpened int     // how often
	Alarm                   bool
	Dropped                 bool // the watchdog has dropped the relays
}

// Look is the gate now.
func (g *Gate) Look() (v View) {
	g.do(func() {
		v = View{g.doors[0].at, g.doors[1].at, g.doors[0].open, g.doors[1].open, g.opened[0], g.opened[1], g.coils[door.Alarm], g.dropped}
	})
	return v
}

// set is what the board does with its coils.
func (g *Gate) set(first int, values []bool) {
	g.do(func() {
		before := g.coils[door.Watchdog]
		copy(g.coils[first:], values)
		if g.coils[door.Watchdog] != before {
			g.beat, g.dropped = g.now, false
		}
		if g.dropped {
			g.coils = [door.NumOutputs]bool{door.Watchdog: g.coils[door.Watchdog]}
		}
	})
}
