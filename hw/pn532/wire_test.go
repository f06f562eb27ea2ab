package pn532_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/link"
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

// bench is a chip on a link with the host's end open.
type bench struct {
	chip *pn532sim.Chip
	link *link.Link
	port *serialport.Port
}

func newBench(t testing.TB, o pn532sim.Options) *bench {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{chip: pn532sim.New(l, o), link: l, port: openTTY(t, l.Path)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.chip.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the chip ended with %v, want nil", err)
		}
		l.Close()
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

func (c *fileCard) setDelay(f func(ctx context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = f
}

func (c *fileCard) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resets++
}

func (c *fileCard) resetCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets
}

func (c *fileCard) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	c.mu.Lock()
	delay := c.delay
	c.mu.Unlock()
	if delay != nil {
		if err := delay(ctx); err != nil {
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
