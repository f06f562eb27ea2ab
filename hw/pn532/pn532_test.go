package pn532_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/pn532sim"
)

var unpaced = pn532sim.Options{Unpaced: true}

func TestOpenRaisesTheLine(t *testing.T) {
	b := newBench(t, unpaced)
	for _, c := range []struct {
		bauds []int
		want  int
	}{{nil, 921600}, {[]int{}, 921600}, {[]int{1288000, 921600}, 1288000}} {
		r := b.open(t, pn532.Options{Bauds: c.bauds})
		if r.Baud() != c.want || b.chip.Baud() != c.want || b.link.Baud() != c.want {
			t.Errorf("bauds %v: got driver %d, chip %d, host %d baud, want %d everywhere", c.bauds, r.Baud(), b.chip.Baud(), b.link.Baud(), c.want)
		}
	}
	r := b.open(t, pn532.Options{})
	if got, want := r.Firmware().String(), "PN532 v1.6"; got != want {
		t.Errorf("firmware: got %q, want %q", got, want)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.chip.Baud() != 115200 || b.link.Baud() != 115200 {
		t.Errorf("after Close: got chip %d, host %d baud, want 115200", b.chip.Baud(), b.link.Baud())
	}
}

func TestOpenFallsBackToARateTheCableBears(t *testing.T) {
	for _, clean := range []int{921600, 460800, 115200} {
		b := newBench(t, pn532sim.Options{Unpaced: true, CleanBaud: clean})
		r := b.open(t, pn532.Options{Bauds: []int{921600, 460800}})
		if r.Baud() != clean || b.chip.Baud() != clean {
			t.Errorf("cable good up to %d: got driver %d, chip %d baud, want that", clean, r.Baud(), b.chip.Baud())
		}
	}
}

func TestOpenFindsAChipLeftAtAHigherRate(t *testing.T) {
	b := newBench(t, unpaced)
	b.open(t, pn532.Options{Bauds: []int{460800}})
	if err := b.port.SetBaud(t.Context(), 115200); err != nil { // as a new process would
		t.Fatal(err)
	}
	if r := b.open(t, pn532.Options{}); r.Baud() != 921600 {
		t.Errorf("got %d baud, want 921600", r.Baud())
	}
}

func TestTypeAAndB(t *testing.T) {
	for _, c := range []struct {
		kind pn532sim.Type
		want string
	}{
		{pn532sim.TypeA, "type A card, frames of 256 bytes, 424/424 kbit/s"},
		{pn532sim.TypeB, "type B card, frames of 256 bytes, 106/106 kbit/s"},
	} {
		card := &fileCard{file: pattern(1000)}
		_, target := newReader(t, unpaced, card, c.kind)
		info := target.Info()
		if info.String() != c.want {
			t.Errorf("got %q, want %q", info, c.want)
		}
		if len(info.ID) != 4 || info.Type == pn532.TypeA && (info.ID[0] != 0x08 || info.SAK != 0x20 || info.ATQA != 0x0008 || len(info.ATS) != 5) {
			t.Errorf("type %v: got ID %x ATQA %04x SAK %02x ATS %x, want a random identifier (08… for type A), 0008, 20, 5 bytes", info.Type, info.ID, info.ATQA, info.SAK, info.ATS)
		}
		got, err := readFile(t.Context(), target, 1000, 200)
		if err != nil || !bytes.Equal(got, card.file) {
			t.Errorf("type %v: got %d bytes, %v, want the file's 1000", info.Type, len(got), err)
		}
		if err := target.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := target.Transmit(t.Context(), []byte{0, 0xB0, 0, 0, 1}); !gone(err) {
			t.Errorf("after Release: got %v, want an error with CardGone", err)
		}
		if n := card.resetCount(); n != 1 {
			t.Errorf("got %d resets of the card, want 1", n)
		}
	}
}

// A card that bears no faster rate, and one whose frames are the smallest.
func TestModestCards(t *testing.T) {
	b := newBench(t, unpaced)
	b.chip.InsertRadio(&fileCard{}, pn532sim.Radio{Type: pn532sim.TypeA, FSCI: 2, FWI: 4, MaxBitRate: 212_000})
	target, err := b.open(t, pn532.Options{}).Poll(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if i := target.Info(); i.ToCard != 212_000 || i.FromCard != 212_000 || i.FrameSize != 32 || i.FrameWait.Round(time.Microsecond) != 4833*time.Microsecond {
		t.Errorf("got %v, wait %v, want 212 kbit/s, 32 bytes, 4.833ms", i, i.FrameWait)
	}
}

func TestChainsLongCommandsAndResponses(t *testing.T) {
	_, target := newReader(t, unpaced, &fileCard{}, pn532sim.TypeA)
	for _, n := range []int{4, 254, 261, 262, 263, 264, 524, 525, 5000, 65536} {
		cmd := pattern(n)
		cmd[1] = 0xA4
		got, err := target.Transmit(t.Context(), cmd)
		if err != nil || !bytes.Equal(got, append(bytes.Clone(cmd), 0x90, 0x00)) {
			t.Fatalf("command of %d bytes: got %d bytes, %v, want it back with 9000", n, len(got), err)
		}
	}
	if _, err := target.Transmit(t.Context(), make([]byte, 65545)); err == nil {
		t.Error("command of 65545 bytes: got no error, want one")
	}
	if c, r := target.Limits(); c != 65544 || r != 65538 {
		t.Errorf("Limits: got %d, %d, want 65544, 65538", c, r)
	}
}

func TestPollWithoutCard(t *testing.T) {
	b := newBench(t, unpaced)
	r := b.open(t, pn532.Options{})
	if _, err := r.Poll(t.Context(), 0); !errors.Is(err, pn532.ErrNoCard) {
		t.Errorf("got %v, want ErrNoCard", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Poll(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, want context.Canceled", err)
	}
	b.chip.Insert(&fileCard{}, pn532sim.TypeB)
	if _, err := r.Poll(t.Context(), time.Minute); err != nil {
		t.Errorf("after the card came: got %v, want it", err)
	}
}

func TestCardRemovedInMidExchange(t *testing.T) {
	reached := make(chan struct{})
	card := &fileCard{delay: func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		return ctx.Err()
	}}
	b, target := newReader(t, unpaced, card, pn532sim.TypeA)
	done := make(chan error)
	go func() {
		_, err := target.Transmit(t.Context(), []byte{0x00, 0xB0, 0x00, 0x00, 0x10})
		done <- err
	}()
	<-reached
	b.chip.Remove()
	err := <-done
	if !gone(err) {
		t.Errorf("got %v, want an error with CardGone", err)
	}
	var s *pn532.StatusError
	if !errors.As(err, &s) || !s.Timeout() {
		t.Errorf("got %v, want the chip's status 01 within", err)
	}
	if here, err := target.Present(t.Context()); here || err != nil {
		t.Errorf("Present: got %v, %v, want false", here, err)
	}
}

// A card that stays in the field and gives no answer is slow or broken, not gone.
func TestMuteCardIsNotGone(t *testing.T) {
	card := &fileCard{delay: func(context.Context) error { return errors.New("mute") }}
	_, target := newReader(t, unpaced, card, pn532sim.TypeA)
	_, err := target.Transmit(t.Context(), []byte{0x00, 0xB0, 0x00, 0x00, 0x10})
	var timeout interface{ Timeout() bool }
	if gone(err) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout without CardGone", err)
	}
	if here, err := target.Present(t.Context()); !here || err != nil {
		t.Errorf("Present: got %v, %v, want true", here, err)
	}
}

func TestUnpluggedInMidExchange(t *testing.T) {
	reached := make(chan struct{})
	card := &fileCard{delay: func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		return ctx.Err()
	}}
	b, target := newReader(t, unpaced, card, pn532sim.TypeA)
	done := make(chan error)
	go func() {
		_, err := target.Transmit(t.Context(), []byte{0x00, 0xB0, 0x00, 0x00, 0x10})
		done <- err
	}()
	<-reached
	b.link.Unplug()
	err := <-done
	if err == nil || gone(err) || !strings.Contains(err.Error(), "serial line") {
		t.Errorf("got %v, want the serial line's failure, not the card's", err)
	}
	if !errors.Is(err, serialport.ErrUnplugged) {
		t.Errorf("got %v, want ErrUnplugged within", err)
	}
	// Plugged in again, the chip is as fresh from power-on.
	b.port.Close()
	card.setDelay(nil)
	if err := b.link.Plug(); err != nil {
		t.Fatal(err)
	}
	b.port = openTTY(t, b.link.Path)
	again, err := b.open(t, pn532.Options{}).Poll(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Transmit(t.Context(), []byte{0x00, 0xA4, 0x04, 0x0C}); err != nil {
		t.Error(err)
	}
}

// When ctx ends, the chip is told to give up: it is free for the next command at once.
func TestCancelAborts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	card := &fileCard{}
	card.setDelay(func(c context.Context) error {
		cancel()
		<-c.Done() // the chip's, ended by the host's ACK
		close(stopped)
		return c.Err()
	})
	_, target := newReader(t, unpaced, card, pn532sim.TypeA)
	if _, err := target.Transmit(ctx, []byte{0x00, 0xB0, 0x00, 0x00, 0x10}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	<-stopped
	card.setDelay(nil)
	got, err := target.Transmit(t.Context(), []byte{0x00, 0xA4, 0x04, 0x0C})
	if err != nil || !bytes.HasPrefix(got, []byte{0x00, 0xA4, 0x04, 0x0C}) {
		t.Errorf("next command: got %x, %v, want its own answer", got, err)
	}
}

// A command waits its turn, and no longer than its context.
func TestOneCommandAtATime(t *testing.T) {
	_, target := newReader(t, unpaced, &fileCard{file: pattern(2000)}, pn532sim.TypeA)
	errs := make(chan error)
	for range 4 {
		go func() {
			got, err := readFile(t.Context(), target, 2000, 200)
			if err == nil && !bytes.Equal(got, pattern(2000)) {
				err = errors.New("got other bytes than the file's")
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// silent is a line on which nobody is.
type silent struct{ bauds []int }

func (s *silent) Read(ctx context.Context, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}
func (s *silent) Write(_ context.Context, p []byte) (int, error) { return len(p), nil }
func (s *silent) SetBaud(_ context.Context, b int) error         { s.bauds = append(s.bauds, b); return nil }

func TestNobodyOnTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{}
		start := time.Now()
		_, err := pn532.Open(t.Context(), s, pn532.Options{})
		if !errors.Is(err, pn532.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if len(s.bauds) != 9 || s.bauds[0] != 115200 {
			t.Errorf("got rates %v tried, want 115200 and then the eight others", s.bauds)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v to find that nobody answers, want at most 5s", took)
		}
	})
}
