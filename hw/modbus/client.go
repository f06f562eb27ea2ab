// Package modbus asks relay boards by Modbus RTU over a serial port: reads
// discrete inputs and coils, writes coils (MODBUS Application Protocol V1.1b3;
// MODBUS over Serial Line V1.02). It knows no registers, which relay boards
// need for nothing but their own set-up.
//
//	door -> Client -> serialport.Port -> RS-485 -> relay board
//
// It stands on the port that locks, bounds its calls by a context and tells
// unplugging. Go's libraries for Modbus open a port of their own, which does
// none of that; one of them is met in the tests as a stranger.
package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Port is a serial port, such as a *serialport.Port.
type Port interface {
	Read(ctx context.Context, b []byte) (int, error)
	Write(ctx context.Context, b []byte) (int, error)
}

// Client asks one board. Its methods are for one goroutine at a time.
type Client struct {
	Port    Port
	Unit    byte          // the board's number, 1 to 247
	Baud    int           // of the port; says how long frames and the gaps between them last
	Timeout time.Duration // of an answer's first octet, besides the wire's time; 100 ms where zero

	last  time.Time // when the line was last heard or spoken on
	dirty bool      // octets of an answer given up may still come
}

// Inputs reads n discrete inputs from first on.
func (c *Client) Inputs(ctx context.Context, first uint16, n int) ([]bool, error) {
	return c.read(ctx, ReadInputs, first, n)
}

// Coils reads n coils from first on.
func (c *Client) Coils(ctx context.Context, first uint16, n int) ([]bool, error) {
	return c.read(ctx, ReadCoils, first, n)
}

func (c *Client) read(ctx context.Context, function byte, first uint16, n int) ([]bool, error) {
	if n < 1 || n > MaxBits {
		return nil, fmt.Errorf("cannot read %d coils or inputs: want 1 to %d", n, MaxBits)
	}
	body, err := c.ask(ctx, function, request(c.Unit, function, first, 0, byte(n)))
	if err != nil {
		return nil, err
	}
	values, err := bits(body, n)
	if err != nil {
		return nil, c.garbled()
	}
	return values, nil
}

// SetCoils writes coils from first on, all at once.
func (c *Client) SetCoils(ctx context.Context, first uint16, values []bool) error {
	if len(values) < 1 || len(values) > MaxBits {
		return fmt.Errorf("cannot write %d coils: want 1 to %d", len(values), MaxBits)
	}
	packed := pack(values)
	frame := request(c.Unit, WriteCoils, first, append([]byte{0, byte(len(values)), byte(len(packed))}, packed...)...)
	body, err := c.ask(ctx, WriteCoils, frame)
	if err != nil {
		return err
	}
	if len(body) != 4 || binary.BigEndian.Uint16(body) != first || int(binary.BigEndian.Uint16(body[2:])) != len(values) {
		return c.garbled()
	}
	return nil
}

// ask sends one request and returns the body of its answer.
func (c *Client) ask(ctx context.Context, function byte, frame []byte) ([]byte, error) {
	if c.dirty {
		if err := c.clean(ctx); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, time.Until(c.last.Add(c.gap()))); err != nil {
		return nil, err
	}
	if _, err := c.Port.Write(ctx, frame); err != nil {
		return nil, err
	}
	b, err := c.listen(ctx, c.octets(len(frame)))
	c.last = time.Now()
	if err != nil {
		c.dirty = true
		return nil, err
	}
	body, err := answer(c.Unit, function, b)
	if errors.Is(err, ErrGarbled) {
		return nil, c.garbled()
	}
	return body, err
}

// listen gathers one frame. sent is how long the request is on the wire.
func (c *Client) listen(ctx context.Context, sent time.Duration) ([]byte, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = 100 * time.Millisecond
	}
	limit, stop := context.WithTimeout(ctx, sent+timeout+c.octets(maxFrame))
	defer stop()
	var buffer [maxFrame]byte
	n := 0
	for {
		want := answerLength(buffer[:n])
		if want > 0 && n >= want {
			return buffer[:n], nil // more than was wanted fails its frame check
		}
		k, err := c.Port.Read(limit, buffer[n:])
		n += k
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case limit.Err() != nil && n > 0:
			return nil, ErrGarbled
		case limit.Err() != nil:
			return nil, ErrSilent
		default:
			return nil, err
		}
	}
}

func (c *Client) garbled() error {
	c.dirty = true
	return ErrGarbled
}

// clean drops what is left of answers given up, until the line is quiet: an
// answer that comes late must not be taken for the next one's.
func (c *Client) clean(ctx context.Context) error {
	var waste [maxFrame]byte
	for range 8 {
		limit, stop := context.WithTimeout(ctx, c.gap()+5*time.Millisecond)
		_, err := c.Port.Read(limit, waste[:])
		quiet := limit.Err() != nil
		stop()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !quiet:
			return err
		case err != nil:
			c.dirty = false
			return nil
		}
	}
	return ErrGarbled // a line that never falls silent
}

// octets is how long n of them take on the wire: 11 bits each (V1.02, 2.5.1).
func (c *Client) octets(n int) time.Duration {
	return time.Duration(n) * 11 * time.Second / time.Duration(max(c.Baud, 1200))
}

// gap is the silence between frames: 3.5 octets, 1.75 ms above 19200 baud (V1.02, 2.5.1.1).
func (c *Client) gap() time.Duration {
	if c.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return c.octets(7) / 2
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
