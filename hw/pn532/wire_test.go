package pn532_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/pn532sim"
)

// openTTY opens the host's end.
func openTTY(t testing.TB, path string) *serialport.Port {
	t.Helper()
	p, err := serialport.Open(t.Context(), path, serialport.Mode{Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// cable is the chip's end of a pty.
type cable struct{ *os.File }

// newCable opens a raw pty; the master is handed to the runtime's poller, so
// that a deadline or Close ends a Read.
func newCable(t testing.TB) (cable, *serialport.Port) {
	t.Helper()
	m, s, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); s.Close() })
	tio, err := unix.IoctlGetTermios(int(s.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	tio.Iflag, tio.Oflag, tio.Lflag = 0, 0, 0
	tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(s.Fd()), unix.TCSETS, tio); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(m.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fd, true)
	m.Close()
	c := cable{os.NewFile(uintptr(fd), "pty")}
	t.Cleanup(func() { c.Close() })
	h := openTTY(t, s.Name())
	s.Close()
	return c, h
}

// Baud is the speed the host has set.
func (c cable) Baud() (baud int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if tio, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2); err == nil {
			baud = int(tio.Ospeed)
		}
	})
	return baud
}

// unplug takes the host's end away as an unplugged device does.
func (c cable) unplug() { c.Close() }

// bench is a chip on a cable with the host's end open.
type bench struct {
	chip *pn532sim.Chip
	link cable
	port *serialport.Port
}

func newBench(t testing.TB, o pn532sim.Options) *bench {
	t.Helper()
	l, h := newCable(t)
	b := &bench{chip: pn532sim.New(l, o), link: l, port: h}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.chip.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("the chip ended with %v, want nil or that its line was pulled", err)
		}
	})
	return b
}

func (b *bench) open(t testing.TB, o pn532.Options) *pn532.Reader {
	t.Helper()
	r, err := pn532.Open(t.Context(), b.port, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reader is a bench whose chip is open with a card on it.
func newReader(t testing.TB, o pn532sim.Options, card pn532sim.Card, kind pn532sim.Type) (*bench, *pn532.Target) {
	t.Helper()
	b := newBench(t, o)
	b.chip.Insert(card, kind)
	target, err := b.open(t, pn532.Options{}).Poll(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return b, target
}

// fileCard answers READ BINARY from a file and echoes what else it gets.
type fileCard struct {
	mu     sync.Mutex
	file   []byte
	resets int
	delay  func(ctx context.Context) error // before every answer
}

func (c *fileCard) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resets++
}

func (c *fileCard) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	if c.delay != nil {
		if err := c.delay(ctx); err != nil {
			return nil, err
		}
	}
	if cmd[1] != 0xB0 {
		return append(bytes.Clone(cmd), 0x90, 0x00), nil
	}
	from := int(cmd[2])<<8 | int(cmd[3])
	to := min(from+int(cmd[4]), len(c.file))
	if from > to {
		return []byte{0x6B, 0x00}, nil
	}
	return append(bytes.Clone(c.file[from:to]), 0x90, 0x00), nil
}

// readFile reads n bytes in steps of le.
func readFile(ctx context.Context, target *pn532.Target, n, le int) ([]byte, error) {
	var out []byte
	for len(out) < n {
		rsp, err := target.Transmit(ctx, []byte{0x00, 0xB0, byte(len(out) >> 8), byte(len(out)), byte(min(le, n-len(out)))})
		if err != nil {
			return out, err
		}
		out = append(out, rsp[:len(rsp)-2]...)
	}
	return out, nil
}

func gone(err error) bool {
	var g interface{ CardGone() bool }
	return errors.As(err, &g) && g.CardGone()
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}
