package door_test

import (
	"context"
	"errors"
	"flag"
	"testing"
	"time"

	"limen/hw/door"
	"limen/hw/modbus"
	"limen/hw/serialport"
	"limen/hw/sim/gatesim"
	"limen/hw/sim/link"
)

// rig is a driver on a real port and the simulated gate at the other end.
type rig struct {
	gate     *gatesim.Gate
	board    *gatesim.Board
	link     *link.Link
	driver   *door.Driver
	readings chan door.Reading
	stop     func() error
}

func start(t *testing.T, o door.Options) *rig {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	gate := gatesim.NewGate(50*time.Millisecond, time.Second)
	r := &rig{gate: gate, board: &gatesim.Board{Unit: 1, Gate: gate}, link: l, driver: door.New(o), readings: make(chan door.Reading, 1024)}
	served := make(chan error, 1)
	go func() { served <- r.board.Serve(l) }()
	port, err := serialport.Open(t.Context(), l.Path, serialport.Mode{Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		bank := &door.Board{Client: &modbus.Client{Port: port, Unit: 1, Baud: 115200, Timeout: 500 * time.Millisecond}}
		done <- r.driver.Run(ctx, bank, func(x door.Reading) { r.readings <- x })
	}()
	var ended error
	stopped := false
	r.stop = func() error {
		if !stopped {
			cancel()
			ended, stopped = <-done, true
		}
		return ended
	}
	t.Cleanup(func() {
		r.stop()
		port.Close()
		l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// await waits for a reading that fits.
func (r *rig) await(t *testing.T, what string, fits func(door.Reading) bool) door.Reading {
	t.Helper()
	limit := time.After(30 * time.Second)
	var last door.Reading
	for {
		select {
		case last = <-r.readings:
			if fits(last) {
				return last
			}
		case <-limit:
			t.Fatalf("no reading: %s; the last was %+v", what, last)
		}
	}
}

func TestDriverMovesDoorsAndTellsWhereTheyAre(t *testing.T) {
	r := start(t, door.Options{Poll: 5 * time.Millisecond})
	r.await(t, "all closed and empty", func(x door.Reading) bool {
		return x.Entry == door.Closed && x.Exit == door.Closed && x.Inside == door.Clear && x.Loop == door.LoopWhole && x.Mains && x.Faults == nil
	})
	r.driver.Set(door.Outputs{ExitOpen: true})
	r.await(t, "the exit is open", func(x door.Reading) bool { return x.Exit == door.Ajar && x.Entry == door.Closed })
	r.driver.Set(door.Outputs{})
	r.await(t, "the exit is closed", func(x door.Reading) bool { return x.Exit == door.Closed })
	r.gate.People(1, 2)
	r.await(t, "two people", func(x door.Reading) bool { return x.Inside == door.Several })
	r.gate.Loop(true)
	r.await(t, "an emergency with both doors open, which no relay opened", func(x door.Reading) bool {
		return x.Loop == door.LoopOpen && x.Entry == door.Ajar && x.Exit == door.Ajar
	})
}

func TestDriverLocksWhenItEnds(t *testing.T) {
	r := start(t, door.Options{Poll: 5 * time.Millisecond})
	r.driver.Set(door.Outputs{ExitOpen: true})
	r.await(t, "the exit is open", func(x door.Reading) bool { return x.Exit == door.Ajar })
	if err := r.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if v := r.gate.Look(); v.ExitDriven || v.Dropped {
		t.Errorf("got %+v, want the exit locked by the driver itself", v)
	}
}

func TestBoardThatFallsSilent(t *testing.T) {
	r := start(t, door.Options{Poll: 5 * time.Millisecond})
	r.driver.Set(door.Outputs{EntryOpen: true})
	r.await(t, "the entry is open", func(x door.Reading) bool { return x.Entry == door.Ajar })
	r.board.Fault(gatesim.WrongCheck)
	r.await(t, "silence", func(x door.Reading) bool { return x.Silent })
	if err := r.stop(); !errors.Is(err, modbus.ErrGarbled) {
		t.Errorf("got %v, want what was wrong with the answers", err)
	}
}

var gpio = flag.String("gpio", "", "a GPIO chip, such as /dev/gpiochip2, whose lines 0 to 21 lead nowhere that matters")

// Lines of a chip must not be moved by a test that merely finds one.
func TestGPIO(t *testing.T) {
	if _, err := door.OpenGPIO("/dev/gpiochip-none", 0, 16); err == nil {
		t.Error("opened a GPIO chip that is not there")
	}
	if *gpio == "" {
		t.Skip("no GPIO chip was named (-gpio /dev/gpiochipN; modprobe gpio-sim makes one): doors by GPIO were not tried")
	}
	g, err := door.OpenGPIO(*gpio, 0, 16)
	if err != nil {
		t.Fatal(err)
	}
	in, err := g.Exchange(t.Context(), [door.NumOutputs]bool{door.EntryGreen: true})
	if err := errors.Join(err, g.Close()); err != nil {
		t.Error(err)
	}
	t.Logf("inputs: %v", in)
}
