package modbus_test

import (
	"context"
	"errors"
	"io"
	"log"
	"slices"
	"testing"
	"time"

	stranger "github.com/simonvetter/modbus"

	"limen/hw/door"
	"limen/hw/modbus"
	"limen/hw/serialport"
	"limen/hw/sim/gatesim"
	"limen/hw/sim/link"
)

// board serves a simulated board, unit 7, at the returned path.
func board(t *testing.T) (*gatesim.Board, *link.Link) {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	b := &gatesim.Board{Unit: 7, Gate: gatesim.NewGate(10*time.Millisecond, time.Minute)}
	done := make(chan error, 1)
	go func() { done <- b.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, l
}

func client(t *testing.T, l *link.Link) *modbus.Client {
	t.Helper()
	port, err := serialport.Open(t.Context(), l.Path, serialport.Mode{Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	return &modbus.Client{Port: port, Unit: 7, Baud: 115200, Timeout: 2 * time.Second}
}

// The example of serial line V1.02, 6.2.2: 02 07 is followed by 41 12.
func TestCRC(t *testing.T) {
	if got := modbus.Seal([]byte{0x02, 0x07}); !slices.Equal(got, []byte{0x02, 0x07, 0x41, 0x12}) {
		t.Errorf("got % X", got)
	}
}

func TestCoilsAndInputs(t *testing.T) {
	b, l := board(t)
	c := client(t, l)
	want := []bool{true, false, true, false, true, true}
	if err := c.SetCoils(t.Context(), 0, want); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Coils(t.Context(), 0, len(want)); err != nil || !slices.Equal(got, want) {
		t.Errorf("coils: got %v, %v, want %v", got, err, want)
	}
	b.Gate.People(1, 2)
	in, err := c.Inputs(t.Context(), 0, int(door.NumInputs))
	if err != nil || !in[door.InsideTaken] || in[door.InsideClear] || !in[door.MoreThanOne] || in[door.FrontTaken] || !in[door.Mains] {
		t.Errorf("inputs: got %v, %v", in, err)
	}
	var refused *modbus.Exception
	if _, err := c.Inputs(t.Context(), 100, 4); !errors.As(err, &refused) || refused.Code != 2 {
		t.Errorf("no such input: got %v, want exception 2", err)
	}
	if _, err := c.Inputs(t.Context(), 0, 4); err != nil {
		t.Errorf("after an exception: %v", err)
	}
}

// Every wrong answer is an error of its own, and the board is heard again when it is right again.
func TestWrongAnswers(t *testing.T) {
	var refused *modbus.Exception
	b, l := board(t)
	c := client(t, l)
	for name, f := range map[string]struct {
		fault gatesim.Fault
		is    func(error) bool
	}{
		"mute":        {gatesim.Mute, func(err error) bool { return errors.Is(err, modbus.ErrSilent) }},
		"half":        {gatesim.Half, func(err error) bool { return errors.Is(err, modbus.ErrGarbled) }},
		"wrong check": {gatesim.WrongCheck, func(err error) bool { return errors.Is(err, modbus.ErrGarbled) }},
		"wrong unit":  {gatesim.WrongUnit, func(err error) bool { return errors.Is(err, modbus.ErrGarbled) }},
		"noise":       {gatesim.Noise, func(err error) bool { return errors.Is(err, modbus.ErrGarbled) }},
		"refuses":     {gatesim.Refuses, func(err error) bool { return errors.As(err, &refused) && refused.Code == 4 }},
	} {
		b.Fault(f.fault)
		c.Timeout = 30 * time.Millisecond
		if _, err := c.Inputs(t.Context(), 0, 15); !f.is(err) {
			t.Errorf("%s: got %v", name, err)
		}
		b.Fault(gatesim.Right)
		c.Timeout = 2 * time.Second
		if in, err := c.Inputs(t.Context(), 0, 15); err != nil || !in[door.EntryClosed] {
			t.Errorf("after %s: got %v, %v", name, in, err)
		}
	}
	l.Unplug()
	if _, err := c.Inputs(t.Context(), 0, 15); !errors.Is(err, serialport.ErrUnplugged) {
		t.Errorf("unplugged: got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Inputs(ended, 0, 15); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
}

// Another author's client understands the simulated board, so the board is
// not merely our client's mirror.
func TestStrangersClientMeetsTheBoard(t *testing.T) {
	b, l := board(t)
	c, err := stranger.NewClient(&stranger.ClientConfiguration{URL: "rtu://" + l.Path, Speed: 115200, StopBits: 1, Timeout: 5 * time.Second,
		Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetUnitId(7)
	if err := c.WriteCoils(0, []bool{true, false, true}); err != nil {
		t.Error(err)
	}
	if err := c.WriteCoil(uint16(door.Alarm), true); err != nil {
		t.Error(err)
	}
	if got, err := c.ReadCoils(0, 6); err != nil || !slices.Equal(got, []bool{true, false, true, false, true, false}) {
		t.Errorf("coils: got %v, %v", got, err)
	}
	b.Gate.People(0, 1)
	if in, err := c.ReadDiscreteInputs(0, 15); err != nil || !in[door.FrontTaken] || in[door.FrontClear] {
		t.Errorf("inputs: got %v, %v", in, err)
	}
	if _, err := c.ReadDiscreteInputs(90, 8); !errors.Is(err, stranger.ErrIllegalDataAddress) {
		t.Errorf("no such inputs: got %v", err)
	}
	if _, err := c.ReadRegister(0, stranger.HOLDING_REGISTER); !errors.Is(err, stranger.ErrIllegalFunction) {
		t.Errorf("registers: got %v", err)
	}
	b.Fault(gatesim.WrongCheck)
	if _, err := c.ReadCoils(0, 6); !errors.Is(err, stranger.ErrBadCRC) {
		t.Errorf("wrong check: got %v", err)
	}
}
