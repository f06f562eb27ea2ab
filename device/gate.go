package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"limen"
	"limen/device/gate"
	"limen/hw/door"
)

// Gate runs the state machine of an e-gate beside the inspections: what the
// doors' driver reads, what an inspection finds out, what officers say and
// time limits that pass go in, one at a time; outputs come out.
type Gate struct {
	cfg    GateConfig
	states *board
	log    *slog.Logger
	driver *door.Driver
	told   func(GateStatus) // every change; may be nil

	mu      sync.Mutex
	now     gate.Gate
	faults  []door.Fault
	timer   *time.Timer
	wait    gate.Wait
	ended   bool
	changed chan struct{} // closed and replaced when now changes
}

// GateStatus is how the gate is, for the screens.
type GateStatus struct {
	State      string // of docs/gate.md
	Cause      string // why it is blocked or took nobody in; may be empty
	Inspection string // whose traveler is served; may be empty
	Guidance   string // what the traveler is told, as a code
	Alarm      bool
	Faults     []string // wires and doors that cannot be believed
}

func newGate(cfg GateConfig, states *board, log *slog.Logger, told func(GateStatus)) *Gate {
	return &Gate{cfg: cfg, states: states, log: log, told: told, now: gate.New(), changed: make(chan struct{}),
		driver: door.New(door.Options{
			Times:          door.Times{Settle: cfg.Settle, Discrepancy: cfg.Discrepancy, Travel: cfg.Travel},
			EntryFailsSafe: cfg.EntryFails == "safe", ExitFailsSafe: cfg.ExitFails == "safe",
		})}
}

// apply takes events in their order and returns the gate before and after them.
func (g *Gate) apply(events ...gate.Event) (before, after gate.Gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before = g.now
	for _, e := range events {
		was := g.now
		g.now = was.Next(e)
		if g.now.State != was.State || g.now.Cause != was.Cause {
			g.log.Info("gate", "event", e.Name(), "from", was.State.String(), "to", g.now.State.String(), "cause", g.now.Cause.String())
		}
	}
	if g.now != before {
		g.follow()
	}
	return before, g.now
}

// follow has everything else follow a changed gate. mu is held.
func (g *Gate) follow() {
	c := g.now.Commands()
	g.driver.Set(door.Outputs{EntryOpen: c.EntryOpen, ExitOpen: c.ExitOpen, EntryGreen: c.EntryLight == gate.Green, ExitGreen: c.ExitLight == gate.Green, Alarm: c.Alarm})
	if w, waits := g.now.Wait(); w != g.wait {
		if g.timer != nil {
			g.timer.Stop()
		}
		if g.wait = w; waits && !g.ended {
			g.timer = time.AfterFunc(g.cfg.Limits.of(w), func() { g.expire(w) })
		}
	}
	close(g.changed)
	g.changed = make(chan struct{})
	g.show()
}

// show puts the gate on the board of states and the screens. mu is held.
func (g *Gate) show() {
	s := g.status()
	health, detail := Working, s.State
	if g.now.State == gate.Blocked || g.now.State == gate.Emergency || len(s.Faults) > 0 {
		health, detail = Away, strings.TrimSuffix(s.State+": "+s.Cause, ": ")
	}
	if len(s.Faults) > 0 {
		detail += " (" + strings.Join(s.Faults, ", ") + ")"
	}
	g.states.set(nameGate, health, detail)
	if g.told != nil {
		g.told(s)
	}
}

// expire is a time limit that has passed, unless the gate no longer waits for it.
func (g *Gate) expire(w gate.Wait) {
	g.mu.Lock()
	due := g.wait == w && !g.ended
	g.mu.Unlock()
	if due {
		g.apply(gate.Expired{State: w.State}) // one that changed meanwhile takes it for nothing, or for a limit that passed early
	}
}

// end stops the clock; the doors are the driver's to lock.
func (g *Gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Status is how the gate is.
func (g *Gate) Status() GateStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status()
}

func (g *Gate) status() GateStatus {
	c := g.now.Commands()
	s := GateStatus{State: g.now.State.String(), Cause: g.now.Cause.String(), Inspection: g.now.Inspection, Guidance: string(c.Guidance), Alarm: c.Alarm}
	for _, f := range g.faults {
		s.Faults = append(s.Faults, f.String())
	}
	return s
}

// read takes what the doors' driver reads. The doors come before the inside,
// so that somebody who comes in is not seen before the door that opened.
func (g *Gate) read(r door.Reading) {
	g.mu.Lock()
	same := slices.Equal(g.faults, r.Faults)
	g.faults = r.Faults
	if !same {
		g.show()
	}
	g.mu.Unlock()
	if r.Silent {
		g.apply(gate.BoardSilent{})
		return
	}
	g.apply(gate.LoopSeen{Loop: gate.Loop(r.Loop)}, gate.DoorSeen{Door: gate.Entry, Position: gate.Position(r.Entry)}, gate.DoorSeen{Door: gate.Exit, Position: gate.Position(r.Exit)},
		gate.MainsSeen{On: r.Mains}, gate.PresenceSeen{Zone: gate.Front, Presence: gate.Presence(r.Front)}, gate.PresenceSeen{Zone: gate.Beyond, Presence: gate.Presence(r.Beyond)},
		gate.PresenceSeen{Zone: gate.Inside, Presence: gate.Presence(r.Inside)})
}

// until waits until the gate fits.
func (g *Gate) until(ctx context.Context, fits func(gate.Gate) bool) error {
	for {
		g.mu.Lock()
		now, changed := g.now, g.changed
		g.mu.Unlock()
		if fits(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// serves tells whether the gate still waits for an inspection's outcome.
func serves(inspection string) func(gate.Gate) bool {
	return func(g gate.Gate) bool {
		return g.Inspection == inspection && (g.State == gate.Document || g.State == gate.Entering || g.State == gate.Face)
	}
}

// Release lets whoever is inside leave through a door, on an officer's word.
// With an inspection it counts for that traveler alone.
func (g *Gate) Release(through gate.Door, inspection, officer string) error {
	before, after := g.apply(gate.Released{Door: through, Inspection: inspection})
	g.log.Info("gate", "officer", officer, "order", "release", "through", through.String(), "followed", after != before)
	switch {
	case before.State != after.State:
		return nil
	case before.State != gate.Face && before.State != gate.Blocked:
		return fmt.Errorf("the gate is %s: nobody is locked in; block it first", before.State)
	case inspection != "" && before.Inspection != inspection:
		return errors.New("another traveler stands in the gate")
	}
	return errors.New("the other door is not closed for certain: close it and see to its switches, or use the emergency opening")
}

// Block locks both doors, on an officer's word.
func (g *Gate) Block(officer string) error {
	_, after := g.apply(gate.BlockedByOfficer{})
	g.log.Info("gate", "officer", officer, "order", "block", "followed", after.State == gate.Blocked)
	if after.State != gate.Blocked {
		return errors.New("the emergency opening is on: the doors stay open until it is closed")
	}
	return nil
}

// Reset lets the gate serve again, on an officer's word.
func (g *Gate) Reset(officer string) error {
	before, after := g.apply(gate.Reset{})
	g.log.Info("gate", "officer", officer, "order", "reset", "followed", after.State == gate.Idle)
	switch {
	case after.State == gate.Idle:
		return nil
	case before.State != gate.Blocked:
		return fmt.Errorf("the gate is %s, not blocked", before.State)
	}
	return fmt.Errorf("the gate cannot serve yet: %s", after.Cause)
}

// letOut opens the exit for a traveler whom an officer has admitted, if that
// traveler still stands in the gate.
func (g *Gate) letOut(inspection, officer string) {
	g.mu.Lock()
	here := g.now.State == gate.Blocked && g.now.Inspection == inspection
	g.mu.Unlock()
	if !here {
		return
	}
	if err := g.Release(gate.Exit, inspection, officer); err != nil {
		g.log.Warn("gate", "order", "release", "error", err)
	}
}

// limits by what the gate waits for.
func (l GateLimits) of(w gate.Wait) time.Duration {
	switch {
	case w.Closing:
		return l.Closing
	case w.State == gate.Document:
		return l.Document
	case w.State == gate.Entering:
		return l.Entering
	case w.State == gate.Face:
		return l.Face
	}
	return l.Leaving
}

// adapt gives an inspection the time a traveler needs to come in.
func (g *Gate) adapt(p limen.Policy) limen.Policy {
	way := g.cfg.Limits.Entering + 2*g.cfg.Limits.Closing
	p.Times.Face += way
	p.Times.Inspection += way
	return p
}
