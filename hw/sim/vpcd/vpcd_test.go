package vpcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

type echo struct {
	resets int
	fail   error
}

func (e *echo) Reset() { e.resets++ }
func (e *echo) Transmit(_ context.Context, c []byte) ([]byte, error) {
	return append(bytes.Clone(c), 0x90, 0x00), e.fail
}

// reader listens as vpcd does and returns the card's connection.
func reader(t *testing.T) (net.Listener, func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, func() net.Conn {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

var testATR = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}

func TestConversation(t *testing.T) {
	l, accept := reader(t)
	ctx, cancel := context.WithCancel(t.Context())
	card := &echo{}
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l.Addr().String(), card, testATR) }()
	c := accept()
	for _, s := range []struct{ send, want []byte }{
		{[]byte{0, 1, 4}, append([]byte{0, 5}, testATR...)},
		{[]byte{0, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1, 9, 0, 0, 0, 1, 4}, append([]byte{0, 5}, testATR...)}, // on, off, reset, unknown, empty
		{[]byte{0, 4, 0x00, 0xA4, 0x04, 0x0C}, []byte{0, 6, 0x00, 0xA4, 0x04, 0x0C, 0x90, 0x00}},
	} {
		if _, err := c.Write(s.send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(s.want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, s.want) {
			t.Errorf("to %x: got %x, %v, want %x", s.send, got, err, s.want)
		}
	}
	c.Close() // pcscd restarts: the card comes back
	c = accept()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil when ctx ended", err)
	}
	if card.resets != 2 {
		t.Errorf("got %d resets, want 2", card.resets)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("after ctx ended: the connection is still open")
	}
}

func TestCardFaultTakesItOut(t *testing.T) {
	l, accept := reader(t)
	fault := errors.New("broken")
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), l.Addr().String(), &echo{fail: fault}, testATR) }()
	c := accept()
	c.Write([]byte{0, 4, 0, 0xA4, 0, 0})
	if err := <-done; !errors.Is(err, fault) {
		t.Errorf("got %v, want the card's error", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open, want the card out of the reader")
	}
}

func TestBadATR(t *testing.T) {
	if err := Serve(t.Context(), "127.0.0.1:1", &echo{}, nil); err == nil {
		t.Error("got no error for an empty ATR, want one")
	}
}
