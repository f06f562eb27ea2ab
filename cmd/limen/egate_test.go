package main

import (
	"slices"
	"testing"
	"time"

	"limen"
	"limen/cmd/internal/demo"
	"limen/device"
	"limen/hw/sim/gatesim"
	"limen/hw/sim/link"
)

// doors is a simulated gate's hardware at the far end of its board's wire.
type doors struct {
	*gatesim.Gate
	t *testing.T
}

// openDoors gives a stage a gate.
func openDoors(t *testing.T) (d doors, before func(*demo.Stage)) {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	d = doors{gatesim.NewGate(300*time.Millisecond, 5*time.Second), t}
	served := make(chan error, 1)
	go func() { served <- (&gatesim.Board{Unit: 1, Gate: d.Gate}).Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return d, func(s *demo.Stage) {
		s.Config.Gate.Doors, s.Config.Gate.Port, s.Config.Gate.Baud = "modbus", l.Path, 115200
		s.Config.Gate.Answer = 2 * time.Second // a busy machine must not pass for a dead board,
		limits := &s.Config.Gate.Limits
		for _, l := range []*time.Duration{&limits.Document, &limits.Entering, &limits.Face, &limits.Leaving, &limits.Closing} {
			*l = 2 * time.Minute // nor a busy machine for a slow traveller
		}
		if err := s.Config.Validate(); err != nil {
			t.Fatal(err)
		}
	}
}

// walk is a traveller's way through the gate, until it is blocked, idle again
// or nobody is let in; it returns the states on the way.
func (d doors) walk(g *device.Gate, over <-chan struct{}) (way []string) {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	limit := time.After(100 * time.Second)
	d.People(0, 1)
	where := 0
	for {
		s := g.Status()
		if len(way) == 0 || way[len(way)-1] != s.State {
			way = append(way, s.State)
		}
		switch v := d.Look(); {
		case where == 0 && v.EntryAt == 1 && s.State == "entering":
			where = 1
			d.People(0, 0)
			d.People(1, 1)
		case where == 1 && v.ExitAt == 1 && s.State == "leaving":
			where = 2
			d.People(2, 1)
			d.People(1, 0)
		case where == 2 && s.State == "idle", where == 1 && s.State == "blocked":
			d.People(2, 0)
			return way
		}
		select {
		case <-look.C:
		case <-over:
			if where == 0 { // not let in
				d.People(0, 0)
				if last := g.Status().State; way[len(way)-1] != last {
					way = append(way, last)
				}
				return way
			}
			over = nil
		case <-limit:
			d.t.Errorf("the traveller got no further than %v: %+v, %+v", way, s, d.Look())
			return way
		}
	}
}

// A traveller crosses a gate of real wires: the entry opens once the document
// is proven, the face is looked for inside, the exit opens on the admission.
// Who is referred stays in until an officer has decided; whose document is
// false does not come in.
func TestTravellersCrossTheGate(t *testing.T) {
	d, before := openDoors(t)
	impostor := rowOf(t, "somebody else's passport")
	forged := rowOf(t, "name changed in the chip")
	g := startGate(t, world{travellers: []demo.Traveller{impostor, forged}, before: before})
	g.needsFaces()
	egate := g.appliance.appliance.Gate()
	idle := func() {
		t.Helper()
		if !soon(t, func() bool { return egate.Status().State == "idle" }) {
			t.Fatalf("the gate is not idle: %+v", egate.Status())
		}
	}
	cross := func(row demo.Traveller, want demo.Expect) []string {
		t.Helper()
		idle()
		over, way := make(chan struct{}), make(chan []string, 1)
		go func() { way <- d.walk(egate, over) }()
		g.expect(row, want)
		close(over)
		return <-way
	}

	through := []string{"idle", "document", "entering", "face", "leaving", "idle"}
	if way := cross(g.traveller(), demo.Expect{Outcome: limen.Admit}); !slices.Equal(way, through) {
		t.Errorf("admitted: went %v, want %v", way, through)
	}
	if v := d.Look(); v.EntryOpened != 1 || v.ExitOpened != 1 {
		t.Errorf("admitted: %+v, want each door opened once", v)
	}

	kept := []string{"idle", "document", "entering", "face", "blocked"}
	if way := cross(impostor, impostor.Expect); !slices.Equal(way, kept) {
		t.Errorf("referred: went %v, want %v", way, kept)
	}
	s := egate.Status()
	if v := d.Look(); s.Cause != "referred" || v.ExitOpened != 1 {
		t.Errorf("referred: %+v, %+v, want the exit closed", s, v)
	}
	if err := g.appliance.appliance.Decide(t.Context(), s.Inspection, limen.Admit, "officer-1", "identity_confirmed"); err != nil {
		t.Fatal(err)
	}
	d.walkOut(egate)
	idle()
	if v := d.Look(); v.ExitOpened != 2 {
		t.Errorf("an officer's admission: %+v, want the exit opened", v)
	}

	outside := []string{"idle", "document", "idle"}
	if way := cross(forged, forged.Expect); !slices.Equal(way, outside) {
		t.Errorf("forged: went %v, want %v", way, outside)
	}
	if v := d.Look(); v.EntryOpened != 2 || v.ExitOpened != 2 {
		t.Errorf("forged: %+v, want neither door opened again", v)
	}
}

// walkOut lets who is inside leave by the open exit.
func (d doors) walkOut(g *device.Gate) {
	d.t.Helper()
	if !soon(d.t, func() bool { return d.Look().ExitAt == 1 && g.Status().State == "leaving" }) {
		d.t.Fatalf("the exit does not open: %+v", g.Status())
	}
	d.People(1, 0)
}
