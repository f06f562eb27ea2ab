//go:build cgo

package pcsc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebfe/scard"

	"limen/hw/sim/pcscdtest"
	"limen/hw/sim/vpcd"
	"limen/internal/repotest"
)

func TestTranslate(t *testing.T) {
	for code, want := range map[scard.Error]Reason{
		scard.ErrNoService:          NoService,
		scard.ErrServiceStopped:     NoService,
		scard.ErrNoReadersAvailable: NoReader,
		scard.ErrUnknownReader:      NoReader,
		scard.ErrReaderUnavailable:  NoReader,
		scard.ErrSharingViolation:   ReaderInUse,
		scard.ErrNoSmartcard:        CardGone,
		scard.ErrRemovedCard:        CardGone,
		scard.ErrResetCard:          CardGone,
		scard.ErrUnpoweredCard:      CardGone,
		scard.ErrUnresponsiveCard:   CardMute,
		scard.ErrInternalError:      Failed,
	} {
		e := translate("test", "R", code)
		if e.Reason != want || e.CardGone() != (want == CardGone) {
			t.Errorf("%v: got reason %d, gone %v, want %d", code, e.Reason, e.CardGone(), want)
		}
	}
	if e := translate("list the readers", "", scard.ErrNoService); !strings.Contains(e.Error(), "systemctl start pcscd") {
		t.Errorf("got %q, want the command that starts pcscd in it", e)
	}
}

// FuzzFind: whatever a driver says of its features, nothing panics.
func FuzzFind(f *testing.F) {
	f.Add([]byte{0x12, 4, 0x42, 0x33, 0, 0x12}, byte(0x12))
	f.Add([]byte{0x12, 200}, byte(0x12))
	f.Fuzz(func(t *testing.T, p []byte, tag byte) {
		repotest.Bounded(t, len(p), func() {
			if v, ok := find(p, tag); ok && len(v) > 255 {
				t.Errorf("got %d bytes, want at most 255", len(v))
			}
		})
	})
}

// card answers each command with its own bytes and 9000.
type card struct {
	mu     sync.Mutex
	resets int
	hold   func(ctx context.Context)
}

func (c *card) Reset() { c.mu.Lock(); c.resets++; c.mu.Unlock() }

func (c *card) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		hold(ctx)
	}
	return append(bytes.Clone(cmd), 0x90, 0x00), nil
}

var testATR = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}

// insert lays the card into the virtual reader until the returned function takes it out.
func insert(t *testing.T, c *card) (remove func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- vpcd.Serve(ctx, pcscdtest.Address, c, testATR) }()
	remove = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the card program ended with %v, want nil", err)
		}
	})
	t.Cleanup(remove)
	return remove
}

func openReader(t *testing.T) *Reader {
	t.Helper()
	r, err := Open(t.Context(), pcscdtest.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func waitCard(t *testing.T, r *Reader) *Card {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := r.WaitCard(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gone(err error) bool {
	var g interface{ CardGone() bool }
	return errors.As(err, &g) && g.CardGone()
}

func TestThroughPCSCD(t *testing.T) {
	pcscdtest.Start(t)
	names, err := List(t.Context())
	if err != nil || !slices.Contains(names, pcscdtest.Reader) {
		t.Fatalf("List: got %q, %v, want %q among them", names, err, pcscdtest.Reader)
	}
	r := openReader(t)
	t.Run("no card", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := r.WaitCard(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	sim := &card{}
	remove := insert(t, sim)
	c := waitCard(t, r)
	if !bytes.Equal(c.ATR(), testATR) {
		t.Errorf("ATR: got %x, want %x", c.ATR(), testATR)
	}
	if command, response := c.Limits(); command != 0xFFFF || response != 0xFFFF {
		t.Errorf("Limits: got %d, %d, want 65535 both", command, response)
	}
	t.Run("extended length", func(t *testing.T) {
		cmd := make([]byte, 60000)
		if rsp, err := c.Transmit(t.Context(), cmd); err != nil || len(rsp) != len(cmd)+2 {
			t.Errorf("got %d bytes, %v, want %d", len(rsp), err, len(cmd)+2)
		}
	})
	t.Run("exchanges", func(t *testing.T) {
		start := time.Now()
		for i := range 75 {
			cmd := append([]byte{0x00, 0xB0, 0x00, byte(i)}, make([]byte, 200)...)
			rsp, err := c.Transmit(t.Context(), cmd)
			if err != nil || !bytes.Equal(rsp, append(cmd, 0x90, 0x00)) {
				t.Fatalf("APDU %d: got %d bytes, %v, want it back with 9000", i, len(rsp), err)
			}
		}
		took := time.Since(start)
		t.Logf("75 APDUs in %v", took.Round(time.Millisecond))
		if took > 75*40*time.Millisecond {
			t.Errorf("75 APDUs took %v: each waits for a delayed acknowledgment", took)
		}
	})
	t.Run("in use", func(t *testing.T) {
		other := openReader(t)
		_, err := other.WaitCard(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Reason != ReaderInUse {
			t.Errorf("got %v, want that the reader is in use", err)
		}
	})
	t.Run("unknown reader", func(t *testing.T) {
		_, err := Open(t.Context(), "No Such Reader")
		var e *Error
		if !errors.As(err, &e) || e.Reason != NoReader || !strings.Contains(e.Error(), pcscdtest.Reader) {
			t.Errorf("got %v, want that it is not there and which are", err)
		}
	})
	t.Run("removed in mid exchange", func(t *testing.T) {
		reached := make(chan struct{})
		sim.mu.Lock()
		sim.hold = func(ctx context.Context) { close(reached); <-ctx.Done() }
		sim.mu.Unlock()
		done := make(chan error, 1)
		go func() {
			_, err := c.Transmit(t.Context(), []byte{0x00, 0xB0, 0x00, 0x00, 0x10})
			done <- err
		}()
		<-reached
		remove()
		if err := <-done; !gone(err) {
			t.Errorf("got %v, want an error with CardGone", err)
		}
		if here, err := c.Present(t.Context()); here || err != nil {
			t.Errorf("Present: got %v, %v, want false", here, err)
		}
	})
	t.Run("another card", func(t *testing.T) {
		insert(t, &card{})
		c := waitCard(t, r)
		if rsp, err := c.Transmit(t.Context(), []byte{0, 0xA4, 0, 0}); err != nil || len(rsp) != 6 {
			t.Errorf("got %d bytes, %v, want 6", len(rsp), err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.Transmit(t.Context(), []byte{0, 0xA4, 0, 0}); !gone(err) {
			t.Errorf("after Close: got %v, want an error with CardGone", err)
		}
	})
}

// Canceling frees the caller at once though the call goes on; Close waits for it.
func TestCanceledExchange(t *testing.T) {
	pcscdtest.Start(t)
	sim := &card{}
	remove := insert(t, sim)
	r := openReader(t)
	c := waitCard(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	sim.mu.Lock()
	sim.hold = func(ctx context.Context) { cancel(); <-ctx.Done() }
	sim.mu.Unlock()
	if _, err := c.Transmit(ctx, []byte{0, 0xA4, 0, 0}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	remove()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Transmit(t.Context(), []byte{0, 0xA4, 0, 0}); !errors.Is(err, errClosed) {
		t.Errorf("after Close: got %v, want %v", err, errClosed)
	}
}
