// Package pn532sim is a PN532 (NXP UM0701-02, firmware 1.6) at the other end
// of a serial line, usually a pty: it speaks the chip's real bytes to any host
// and carries ISO 14443-4 payloads to whatever card function it is given.
//
//	host <- frames -> Chip <- APDUs -> Card
//
// A pty has no baud rate and no air, so the chip paces itself: ten bits a
// serial byte at the baud rate set, nine (type A) or ten (type B) bits an air
// byte at the bit rate agreed, with ISO-DEP's block overhead. Needed tells the
// sum, which is what a driver can be measured against.
//
// Block numbering, R- and S-blocks stay inside the chip and are only counted in
// time. Left out: target mode, NFC-DEP, MIFARE, FeliCa and Jewel; their
// commands are answered as by a chip that finds no such partner.
package pn532sim

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"limen/hw/pn532/hsu"
	"limen/hw/sim/link"
)

// Card is what lies on the antenna.
type Card interface {
	// Transmit answers one command APDU; an error means that the card stays
	// mute, as a card that left the field does. It must return soon after ctx ended.
	Transmit(ctx context.Context, command []byte) (response []byte, err error)
	// Reset is called when the card is activated: it forgets its session.
	Reset()
}

// Options change what a Chip is from the default; the zero value is a paced chip.
type Options struct {
	// Unpaced answers as fast as the machine can; Needed counts all the same.
	Unpaced bool
	// HostBaud reports the speed the host has set on its end, 0 where nothing
	// is known. Where it differs from the chip's, bytes arrive as garbage in both
	// directions, as on a wire. nil: the port is asked, if it has a method
	// Baud() int as a link.Link has; else the speeds are taken to agree.
	HostBaud func() int
	// CleanBaud is the fastest rate at which the wire carries long frames whole:
	// above it, one byte in 64 is damaged, as by a bridge whose clock or buffer
	// does not quite suit. 0: every rate is good.
	CleanBaud int
	// FSD is the longest ISO-DEP frame the chip takes from a card; 0: 256, the longest there is.
	FSD int
}

// Chip is one simulated PN532.
type Chip struct {
	port io.ReadWriter
	opt  Options
	line line

	baud    atomic.Int64 // the rate the serial unit runs at
	pending atomic.Int64 // the rate it takes on at the host's next ACK; 0: none

	mu      sync.Mutex
	slot    *slot         // the card on the antenna
	changed chan struct{} // closed and replaced when slot changes

	// What follows belongs to the one command being executed.
	power     power
	registers map[uint16]byte
	gpio      [3]byte
	retries   byte // MxRtyPassiveActivation, UM0701-02 7.3.1
	autoRATS  bool
	fieldOn   bool
	target    *target // the activated card
	last      []byte  // the last response frame, for a NACK
}

// power is what the chip listens to.
//
//	lowVbat --55--> woken --SAMConfiguration--> normal --PowerDown--> down --55--> normal
type power int32

const (
	lowVbat power = iota
	woken
	normal
	down
)

// New makes a chip fresh from power-on: asleep in LowVbat, at 115200 baud, no card near.
// One of the port's methods SetReadDeadline and Close is needed for Run to end.
func New(port io.ReadWriter, o Options) *Chip {
	if o.FSD == 0 {
		o.FSD = 256
	}
	if b, ok := port.(interface{ Baud() int }); ok && o.HostBaud == nil {
		o.HostBaud = b.Baud
	}
	c := &Chip{port: port, opt: o, changed: make(chan struct{})}
	c.line.pace = !o.Unpaced
	c.powerOn()
	return c
}

func (c *Chip) powerOn() {
	c.baud.Store(115200)
	c.pending.Store(0)
	c.power = lowVbat
	c.registers = map[uint16]byte{}
	c.gpio = [3]byte{0x3F, 0x06, 0x00}
	c.retries = 0xFF
	c.autoRATS = true
	c.fieldOn = false
	c.target = nil
	c.last = nil
}

// Baud is the rate the chip's serial unit runs at.
func (c *Chip) Baud() int { return int(c.baud.Load()) }

// Needed is the time that the bytes exchanged since the last ResetNeeded take on the
// serial line and in the air: what an ideal host could not get below.
func (c *Chip) Needed() time.Duration { return c.line.total() }

// ResetNeeded sets Needed to zero.
func (c *Chip) ResetNeeded() { c.line.reset() }

// Insert lays a card on the antenna in place of any other.
func (c *Chip) Insert(card Card, t Type) { c.InsertRadio(card, DefaultRadio(t)) }

// InsertRadio is Insert for a card whose radio side is not the default.
func (c *Chip) InsertRadio(card Card, r Radio) {
	s := &slot{card: card, radio: r, gone: make(chan struct{})}
	s.newID()
	c.replace(s)
}

// Remove takes the card away, also in the middle of an exchange.
func (c *Chip) Remove() { c.replace(nil) }

func (c *Chip) replace(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slot != nil {
		close(c.slot.gone)
	}
	c.slot = s
	close(c.changed)
	c.changed = make(chan struct{})
}

// card returns what lies on the antenna and a channel that is closed when that changes.
func (c *Chip) card() (*slot, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slot, c.changed
}

// Run is the chip from power-on until ctx ends (nil) or the line fails (the
// line's error). A link that is unplugged takes the chip's power along: it
// starts again, asleep at 115200 baud, when it is plugged in. Run returns
// after every goroutine it started has ended; to end a pending Read it sets the
// port's read deadline, or closes the port where there is none.
func (c *Chip) Run(ctx context.Context) error {
	c.powerOn()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrivals := make(chan arrival, 16)
	heard := make(chan error, 1)
	go func() {
		defer close(arrivals)
		heard <- c.listen(ctx, arrivals)
	}()
	stop := context.AfterFunc(ctx, c.unblock)
	c.serve(ctx, arrivals)
	ended := ctx.Err() != nil
	cancel()
	if stop() {
		c.unblock()
	}
	err := <-heard
	if d, ok := c.port.(deadliner); ok {
		d.SetReadDeadline(time.Time{})
	}
	if ended || err == nil {
		return nil
	}
	return err
}

type deadliner interface{ SetReadDeadline(time.Time) error }

// unblock ends a pending Read of the port.
func (c *Chip) unblock() {
	if d, ok := c.port.(deadliner); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
		return
	}
	if cl, ok := c.port.(io.Closer); ok {
		cl.Close()
	}
}

// arrival is a frame and when its first byte came.
type arrival struct {
	hsu.Frame
	at   time.Time
	wake bool // no frame: the wake-up bytes
	cold bool // no frame: the chip lost its power
}

// listen turns bytes into frames until the port ends.
func (c *Chip) listen(ctx context.Context, out chan<- arrival) error {
	var scan hsu.Scanner
	buf := make([]byte, 4096)
	var began time.Time
	partial := false
	for {
		n, err := c.port.Read(buf)
		if errors.Is(err, link.ErrUnplugged) && ctx.Err() == nil {
			c.baud.Store(115200)
			c.pending.Store(0)
			scan.Reset()
			partial = false
			if !send(ctx, out, arrival{cold: true}) {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("pn532sim: the line returned nothing")
		}
		if !partial {
			began = time.Now()
		}
		p := c.garble(buf[:n])
		for i, b := range p {
			// 0x55 on the sleeping serial unit wakes the chip; awake, it is noise between frames.
			if b == 0x55 && (i+1 == len(p) || p[i+1] == 0x55 || p[i+1] == 0) {
				if !send(ctx, out, arrival{wake: true, at: began}) {
					return nil
				}
				break
			}
			if b != 0x55 && b != 0 {
				break
			}
		}
		scan.Feed(p)
		partial = true
		for {
			f, ok := scan.Next()
			if !ok {
				break
			}
			partial = false
			if f.Kind == hsu.ACK {
				if b := c.pending.Swap(0); b != 0 {
					c.baud.Store(b)
				}
			}
			if !send(ctx, out, arrival{Frame: f, at: began}) {
				return nil
			}
		}
		if scan.Skipped() > 0 {
			partial = false
		}
	}
}

func send(ctx context.Context, out chan<- arrival, a arrival) bool {
	select {
	case out <- a:
		return true
	case <-ctx.Done():
		return false
	}
}

// garble is what becomes of bytes on the wire, in place.
func (c *Chip) garble(p []byte) []byte {
	baud := int(c.baud.Load())
	if c.opt.CleanBaud != 0 && baud > c.opt.CleanBaud {
		for i := 63; i < len(p); i += 64 {
			p[i] ^= 0x10
		}
	}
	clean := true
	if c.opt.HostBaud != nil {
		host := c.opt.HostBaud()
		// At the moment of a change the host may already have moved on when the
		// ACK it sent at the old rate is read here: a wire would have carried it.
		clean = host == 0 || host == baud || host == int(c.pending.Load())
	}
	if !clean {
		for i := range p {
			p[i] = p[i]<<1 ^ 0x5A
		}
	}
	return p
}

func (c *Chip) write(p []byte) { c.port.Write(c.garble(append([]byte(nil), p...))) }

// serve executes commands one after the other. A frame that comes while one is
// being executed aborts it: an ACK does only that, a command takes its place.
func (c *Chip) serve(ctx context.Context, arrivals <-chan arrival) {
	var next *arrival
	for {
		var a arrival
		if next != nil {
			a, next = *next, nil
		} else {
			var ok bool
			select {
			case a, ok = <-arrivals:
				if !ok {
					return
				}
			case <-ctx.Done():
				return
			}
		}
		switch {
		case a.cold:
			c.powerOn()
		case a.wake:
			c.wake()
		case a.Kind == hsu.NACK && c.last != nil:
			c.line.received(a.at, a.Size+1, c.Baud())
			c.deliver(ctx, c.last)
		case a.Kind == hsu.Data && a.TFI == hsu.FromHost && c.listensTo(a.Body):
			if next = c.command(ctx, a, arrivals); ctx.Err() != nil {
				return
			}
		}
	}
}

func (c *Chip) wake() {
	switch c.power {
	case lowVbat:
		c.power = woken
	case down:
		c.power = normal
	}
}

// listensTo: asleep, the chip hears nothing; woken from LowVbat it waits for
// SAMConfiguration (UM0701-02, 7.2.11, and AN10609 on firmware 1.6).
func (c *Chip) listensTo(body []byte) bool {
	return c.power == normal || c.power == woken && len(body) > 0 && body[0] == cmdSAMConfiguration
}

// command acknowledges and executes a command, and returns the frame that cut it short, if any.
func (c *Chip) command(ctx context.Context, a arrival, arrivals <-chan arrival) *arrival {
	baud := c.Baud()
	c.line.received(a.at, a.Size+1, baud)
	c.deliver(ctx, hsu.AppendACK(nil))
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan []byte, 1)
	go func() { done <- c.execute(run, a.Body) }()
	for {
		select {
		case rsp := <-done:
			frame := hsu.AppendError(nil)
			if rsp != nil {
				frame = hsu.AppendData(nil, hsu.FromChip, rsp)
			}
			c.last = frame
			c.deliver(ctx, frame)
			if a.Body[0] == cmdPowerDown {
				c.power = down
			}
			return nil
		case b, ok := <-arrivals:
			if ok && (b.wake || b.Kind == hsu.NACK || b.Kind == hsu.Corrupt) {
				continue
			}
			cancel()
			<-done
			if !ok || b.Kind == hsu.ACK {
				return nil
			}
			return &b
		case <-ctx.Done():
			<-done
			return nil
		}
	}
}

// deliver sends a frame so that its last byte leaves when the line allows.
func (c *Chip) deliver(ctx context.Context, frame []byte) {
	c.line.sending(len(frame), c.Baud())
	c.line.wait(ctx, nil)
	c.write(frame)
	c.line.sent()
}

func random(p []byte) {
	if _, err := rand.Read(p); err != nil {
		panic("pn532sim: the system has no random bytes: " + err.Error())
	}
}
