package device

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/device/gate"
	"limen/hw/door"
	"limen/hw/sim/gatesim"
	"limen/hw/sim/link"
)

// quick is a gate whose contacts are judged sooner than on a real one.
func quick(port string) GateConfig {
	c := defaultGate
	c.Doors, c.Port, c.Baud = "modbus", port, 115200
	c.Answer = 2 * time.Second // a busy machine must not pass for a dead board
	c.Settle, c.Discrepancy, c.Travel = 20*time.Millisecond, 100*time.Millisecond, time.Second
	c.Limits = GateLimits{Document: time.Minute, Entering: time.Minute, Face: time.Minute, Leaving: time.Minute, Closing: time.Minute}
	return c
}

// egate is a gate on a real port, with the simulated one at its other end.
type egate struct {
	*Gate
	t     *testing.T
	world *gatesim.Gate
	link  *link.Link
}

func newWorld(t *testing.T) *egate {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	e := &egate{t: t, world: gatesim.NewGate(250*time.Millisecond, 4*time.Second), link: l}
	served := make(chan error, 1)
	go func() { served <- (&gatesim.Board{Unit: 1, Gate: e.world}).Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return e
}

// run has this process drive the gate.
func (e *egate) run(change func(*GateConfig)) {
	e.t.Helper()
	c := quick(e.link.Path)
	if change != nil {
		change(&c)
	}
	e.Gate = newGate(c, newBoard(time.Now, func(State) {}), slog.New(slog.DiscardHandler), nil)
	ctx, stop := context.WithCancel(e.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.runDoors(ctx) }()
	e.t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			e.t.Error(err)
		}
	})
}

// becomes waits until the gate fits.
func (e *egate) becomes(what string, fits func(gate.Gate) bool) {
	e.t.Helper()
	ctx, stop := context.WithTimeout(e.t.Context(), 30*time.Second)
	defer stop()
	if err := e.until(ctx, fits); err != nil {
		e.t.Fatalf("the gate is not %s: %+v, world %+v", what, e.Status(), e.world.Look())
	}
}

func (e *egate) is(s gate.State) {
	e.t.Helper()
	e.becomes(s.String(), func(g gate.Gate) bool { return g.State == s })
}

// sees waits until the world looks like that.
func (e *egate) sees(what string, fits func(gatesim.View) bool) {
	e.t.Helper()
	look, limit := time.NewTicker(2*time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for !fits(e.world.Look()) {
		select {
		case <-look.C:
		case <-limit:
			e.t.Fatalf("nobody sees that %s: %+v", what, e.world.Look())
		}
	}
}

// comesIn brings a traveler with a document into the gate.
func (e *egate) comesIn(id string) {
	e.t.Helper()
	e.is(gate.Idle)
	e.apply(gate.DocumentPresented{Inspection: id}, gate.DocumentRead{Inspection: id})
	e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
	e.becomes("open at the entry", func(g gate.Gate) bool { return g.Opened })
	e.world.People(1, 1)
	e.is(gate.Face)
}

// leaves lets the traveler out through the exit.
func (e *egate) leaves() {
	e.t.Helper()
	e.sees("the exit is open", func(v gatesim.View) bool { return v.ExitAt == 1 })
	e.becomes("open at the exit", func(g gate.Gate) bool { return g.Opened })
	e.world.People(2, 1)
	e.world.People(1, 0)
	e.is(gate.Idle)
	e.world.People(2, 0)
}

func TestGateLetsOneThroughAndKeepsAnotherIn(t *testing.T) {
	e := newWorld(t)
	e.run(nil)
	e.comesIn("1")
	if _, after := e.apply(gate.Decided{Inspection: "0", Admit: true}); after.State != gate.Face {
		t.Errorf("another's admission: got %s", after.State)
	}
	e.apply(gate.Decided{Inspection: "1", Admit: true})
	e.leaves()
	e.comesIn("2")
	e.apply(gate.Decided{Inspection: "1", Admit: true}, gate.Decided{Inspection: "2"})
	e.is(gate.Blocked)
	if s := e.Status(); s.Cause != "referred" || s.Guidance != "wait_officer" || s.Alarm {
		t.Errorf("referred: got %+v", s)
	}
	if err := e.Release(gate.Exit, "1", "o-1"); err == nil {
		t.Error("an officer's word about another traveler opened the exit")
	}
	if err := e.Reset("o-1"); err == nil || !strings.Contains(err.Error(), "intruder") {
		t.Errorf("reset with somebody inside: got %v", err)
	}
	if v := e.world.Look(); v.ExitOpened != 1 {
		t.Errorf("the exit opened %d times, want once", v.ExitOpened)
	}
	if err := e.Release(gate.Exit, "2", "o-1"); err != nil {
		t.Fatal(err)
	}
	e.leaves()
	if v := e.world.Look(); v.ExitOpened != 2 || v.EntryOpened != 2 {
		t.Errorf("got %+v, want each door opened twice", v)
	}
}

// Whatever one wire does to an idle gate, the gate blocks and names it, no
// door opens, and an officer's reset frees it once the wire is mended.
func TestEveryWireOfAnIdleGate(t *testing.T) {
	e := newWorld(t)
	e.run(nil)
	parts := []string{"entry", "exit", "front", "inside", "second person", "beyond", "emergency loop", "mains"} // of two inputs each
	closed := []door.Input{door.EntryClosed, door.ExitClosed, door.FrontClear, door.InsideClear, door.AtMostOne, door.BeyondClear, door.LoopClosed, door.Mains}
	open := []door.Input{door.EntryWide, door.ExitWide, door.FrontTaken, door.InsideTaken, door.MoreThanOne, door.BeyondTaken, door.LoopOpened}
	broken := func(in door.Input, w gatesim.Wire, fault string) {
		t.Helper()
		e.is(gate.Idle)
		e.world.Wire(in, w)
		e.is(gate.Blocked)
		e.sees("the fault is named", func(gatesim.View) bool { return fault == "" || slices.Contains(e.Status().Faults, fault) })
		cause := e.Status().Cause
		e.world.Wire(in, gatesim.Sound)
		e.sees("the wire is whole", func(gatesim.View) bool {
			return len(e.Status().Faults) == 0 && e.Status().State == "blocked" || cause == "power_lost"
		})
		if cause != "power_lost" { // which ends by itself
			e.sees("the gate serves again", func(gatesim.View) bool { return e.Reset("o-1") == nil })
		}
		t.Logf("input %2d: %-22s blocked by %s", in, fault, cause)
	}
	for i, in := range closed {
		if fault := parts[i] + " cut"; in != door.Mains {
			broken(in, gatesim.Cut, fault)
		} else {
			broken(in, gatesim.Cut, "")
		}
	}
	for i, in := range open {
		broken(in, gatesim.Shorted, parts[i]+" shorted")
	}
	for _, in := range []door.Input{door.ExitClosed, door.InsideTaken, door.LoopOpened} { // hw/door tries them all
		broken(in, gatesim.Bounces, parts[in/2]+" bouncing")
	}
	e.is(gate.Idle)
	if v := e.world.Look(); v.EntryOpened+v.ExitOpened != 0 {
		t.Errorf("a broken wire opened a door: %+v", v)
	}
}

// What happens to a traveler while wires and doors fail: where it ends, and
// how often the exit opened.
func TestFailuresWhileCrossing(t *testing.T) {
	stuck := func(w *gatesim.Gate, in ...door.Input) {
		for _, i := range in {
			w.Wire(i, gatesim.Stuck)
		}
	}
	soon := func(limit func(*GateLimits) *time.Duration) func(*GateConfig) {
		return func(c *GateConfig) { *limit(&c.Limits) = 700 * time.Millisecond }
	}
	for _, c := range []struct {
		name   string
		config func(*GateConfig)
		play   func(e *egate)
		state  gate.State
		cause  gate.Cause
		exits  int
	}{
		{"the inside's wire is cut before anybody comes", nil, func(e *egate) {
			e.is(gate.Idle)
			e.world.Wire(door.InsideTaken, gatesim.Cut) // it is open: nothing shows yet
			e.apply(gate.DocumentPresented{Inspection: "1"}, gate.DocumentRead{Inspection: "1"})
			e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
			e.world.People(1, 1)
		}, gate.Blocked, gate.InsideFault, 0},
		{"the inside's sensor is stuck at clear", soon(func(l *GateLimits) *time.Duration { return &l.Entering }), func(e *egate) {
			e.is(gate.Idle)
			stuck(e.world, door.InsideTaken, door.InsideClear)
			e.apply(gate.DocumentPresented{Inspection: "1"}, gate.DocumentRead{Inspection: "1"})
			e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
			e.world.People(1, 1)
			e.is(gate.Idle) // seen empty: the exit stays closed for whoever stands there
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Idle, gate.NoCause, 0},
		{"the inside's wire is cut while the exit is open", nil, func(e *egate) {
			e.comesIn("1")
			e.apply(gate.Decided{Inspection: "1", Admit: true})
			e.sees("the exit opens", func(v gatesim.View) bool { return v.ExitAt == 1 })
			e.world.Wire(door.InsideTaken, gatesim.Cut)
		}, gate.Blocked, gate.InsideFault, 1},
		{"the inside's wire bounces before the decision", nil, func(e *egate) {
			e.comesIn("1")
			e.world.Wire(door.InsideTaken, gatesim.Bounces)
			e.is(gate.Blocked)
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Blocked, gate.InsideFault, 0},
		{"the exit's switches are stuck at closed", nil, func(e *egate) {
			e.comesIn("1")
			stuck(e.world, door.ExitClosed, door.ExitWide)
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Blocked, gate.ExitFault, 1},
		{"the exit is jammed", nil, func(e *egate) {
			e.comesIn("1")
			e.world.Jam(1, true)
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Blocked, gate.ExitFault, 0},
		{"the entry's switches are stuck at open", soon(func(l *GateLimits) *time.Duration { return &l.Closing }), func(e *egate) {
			e.is(gate.Idle)
			e.apply(gate.DocumentPresented{Inspection: "1"}, gate.DocumentRead{Inspection: "1"})
			e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
			e.becomes("open at the entry", func(g gate.Gate) bool { return g.Opened })
			stuck(e.world, door.EntryClosed, door.EntryWide)
			e.world.People(1, 1)
		}, gate.Blocked, gate.DoorHeld, 0},
		{"somebody holds the exit open", soon(func(l *GateLimits) *time.Duration { return &l.Closing }), func(e *egate) {
			e.comesIn("1")
			e.apply(gate.Decided{Inspection: "1", Admit: true})
			e.sees("the exit is open", func(v gatesim.View) bool { return v.ExitAt == 1 })
			e.becomes("open at the exit", func(g gate.Gate) bool { return g.Opened })
			e.world.Hold(1, true)
			e.world.People(1, 0)
		}, gate.Blocked, gate.DoorHeld, 1},
		{"two come in", nil, func(e *egate) {
			e.is(gate.Idle)
			e.apply(gate.DocumentPresented{Inspection: "1"}, gate.DocumentRead{Inspection: "1"})
			e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
			e.becomes("open at the entry", func(g gate.Gate) bool { return g.Opened })
			e.world.People(1, 2)
		}, gate.Blocked, gate.Tailgating, 0},
		{"a bag stays behind", soon(func(l *GateLimits) *time.Duration { return &l.Leaving }), func(e *egate) {
			e.comesIn("1")
			e.apply(gate.Decided{Inspection: "1", Admit: true})
			e.becomes("open at the exit", func(g gate.Gate) bool { return g.State == gate.Leaving && g.Opened })
			e.world.People(2, 1) // and what stands inside stays
		}, gate.Blocked, gate.LeftObject, 1},
		{"the entry is pushed open while the exit is", nil, func(e *egate) {
			e.comesIn("1")
			e.apply(gate.Decided{Inspection: "1", Admit: true})
			e.sees("the exit is open", func(v gatesim.View) bool { return v.ExitAt == 1 })
			e.world.Push(0)
		}, gate.Blocked, gate.EntryForced, 1},
		{"the exit is pushed open", nil, func(e *egate) {
			e.comesIn("1")
			e.world.Push(1)
			e.is(gate.Blocked)
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Blocked, gate.ExitForced, 0},
		{"the board's cable is pulled", nil, func(e *egate) {
			e.comesIn("1")
			e.link.Unplug()
			e.is(gate.Blocked)
			e.apply(gate.Decided{Inspection: "1", Admit: true})
		}, gate.Blocked, gate.BoardLost, 0},
		{"emergency", nil, func(e *egate) {
			e.comesIn("1")
			e.world.Loop(true)
			e.sees("both doors open", func(v gatesim.View) bool { return v.EntryAt == 1 && v.ExitAt == 1 })
			e.is(gate.Emergency)
			e.world.Loop(false)
			e.is(gate.Blocked)
			e.sees("both doors close", func(v gatesim.View) bool { return v.EntryAt == 0 && v.ExitAt == 0 })
		}, gate.Blocked, gate.AfterEmergency, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newWorld(t)
			e.run(c.config)
			c.play(e)
			e.becomes(c.state.String()+" by "+c.cause.String(), func(g gate.Gate) bool { return g.State == c.state && g.Cause == c.cause })
			if c.state == gate.Blocked && c.cause != gate.BoardLost {
				e.sees("both locks are locked", func(v gatesim.View) bool { return !v.EntryDriven && !v.ExitDriven })
			}
			if v := e.world.Look(); v.ExitOpened != c.exits {
				t.Errorf("the exit opened %d times, want %d", v.ExitOpened, c.exits)
			}
		})
	}
}

// gateProcess, set to a port, makes TestGateProcess drive the gate there.
const gateProcess = "LIMEN_TEST_GATE"

// TestGateProcess is the other process of TestGateDiesWhileLeaving: it admits
// whoever comes in, and waits to be killed.
func TestGateProcess(t *testing.T) {
	port := os.Getenv(gateProcess)
	if port == "" {
		return
	}
	g := newGate(quick(port), newBoard(time.Now, func(State) {}), slog.New(slog.DiscardHandler), nil)
	go g.runDoors(t.Context())
	g.until(t.Context(), func(g gate.Gate) bool { return g.State == gate.Idle })
	g.apply(gate.DocumentPresented{Inspection: "1"}, gate.DocumentRead{Inspection: "1"})
	g.until(t.Context(), func(g gate.Gate) bool { return g.State == gate.Face })
	g.apply(gate.Decided{Inspection: "1", Admit: true})
	<-time.After(2 * time.Minute) // should nobody kill it
}

// The program dies while the exit is open: the board's watchdog drops the
// relays, the door closes, and who starts next finds a gate that is blocked
// until an officer has looked.
func TestGateDiesWhileLeaving(t *testing.T) {
	e := newWorld(t)
	other := exec.Command(os.Args[0], "-test.run", "^TestGateProcess$")
	other.Env = append(os.Environ(), gateProcess+"="+e.link.Path)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	e.sees("the entry is open", func(v gatesim.View) bool { return v.EntryAt == 1 })
	e.world.People(1, 1)
	e.sees("the exit is open", func(v gatesim.View) bool { return v.ExitAt == 1 && v.EntryAt == 0 })
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	other.Wait()
	e.sees("the relays fall", func(v gatesim.View) bool { return v.Dropped })
	e.sees("the exit closes", func(v gatesim.View) bool { return !v.ExitDriven && v.ExitAt == 0 })

	e.run(nil)
	e.becomes("aware of who stands inside", func(g gate.Gate) bool { return g.Sees.Inside == gate.Taken && g.Sees.Mains })
	if s := e.Status(); s.State != "blocked" {
		t.Errorf("after a new start: got %+v, want it blocked", s)
	}
	if _, after := e.apply(gate.Decided{Inspection: "1", Admit: true}); after.State != gate.Blocked {
		t.Error("the admission of before the new start opened the exit")
	}
	if err := e.Release(gate.Exit, "", "o-1"); err != nil {
		t.Fatal(err)
	}
	e.leaves()
}

// The doctor's look at a gate moves nothing, and names what contradicts itself.
func TestLookAtGate(t *testing.T) {
	e := newWorld(t)
	c := quick(e.link.Path)
	if said, err := c.Look(t.Context()); err != nil || !strings.Contains(said, "all contacts agree") {
		t.Errorf("got %q, %v", said, err)
	}
	e.world.Wire(door.BeyondClear, gatesim.Cut)
	if _, err := c.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "beyond cut: close both doors") {
		t.Errorf("a cut wire: got %v", err)
	}
	c.Unit = 9
	if _, err := c.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "unit 9 on ") {
		t.Errorf("another unit: got %v", err)
	}
	c.Doors, c.Chip = "gpio", "/dev/null-chip"
	if _, err := c.Look(t.Context()); err == nil {
		t.Error("found a GPIO chip that is not there")
	}
}
