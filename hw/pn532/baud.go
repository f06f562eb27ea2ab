package pn532

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"limen/hw/pn532/hsu"
)

// defaultBaud is the chip's rate after power-on.
const defaultBaud = 115200

// rates by the code of SetSerialBaudRate (UM0701-02, 7.2.8).
var rates = [...]int{9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000}

// settle is how long the host leaves its rate alone after the ACK that makes
// the chip change: the bytes must be out of every buffer, and the chip asks for
// 200 µs.
const settle = 10 * time.Millisecond

// find wakes the chip at the rate it is at: the default, else one that an
// earlier run may have left it at.
func (r *Reader) find(ctx context.Context) error {
	tried := []int{defaultBaud}
	for _, b := range slices.Backward(rates[:]) {
		if b != defaultBaud {
			tried = append(tried, b)
		}
	}
	var last error
	for _, baud := range tried {
		if err := r.link.port.SetBaud(ctx, baud); err != nil {
			last = err
			continue
		}
		r.link.baud = baud
		err := r.wake(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !isSilence(err) {
			return err
		}
		last = err
	}
	return fmt.Errorf("%w at %d baud or any other of its rates: check that it is the right port, that TX and RX are crossed and that the board's switches select HSU (%v)", ErrNotFound, defaultBaud, last)
}

// wakeUp: two bytes to wake the serial unit and zeros for as long as the
// oscillator takes to start (UM0701-02, 6.2.4; AN10609 for firmware 1.6).
var wakeUp = []byte{0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// wake brings the chip from LowVbat or power-down to normal mode; it is
// harmless to a chip that is awake. A command still running from an earlier
// program is aborted by it.
func (r *Reader) wake(ctx context.Context) error {
	if err := r.link.write(ctx, wakeUp); err != nil {
		return err
	}
	// Normal mode, virtual card timeout (of no effect here), IRQ driven (7.2.10).
	_, err := r.link.command(ctx, []byte{cmdSAMConfiguration, 0x01, 0x14, 0x01}, shortTimeout)
	return err
}

// raise brings the line to the fastest of the wanted rates that works, trying
// each with real traffic. A rate that fails costs a search for the chip.
func (r *Reader) raise(ctx context.Context) error {
	for _, baud := range r.opt.Bauds {
		if baud <= r.link.baud {
			// Already there or beyond, left so by an earlier run and proven by identify.
			return nil
		}
		from := r.link.baud
		// The host first: where it cannot follow, the chip is not asked.
		if err := r.link.port.SetBaud(ctx, baud); err != nil {
			r.opt.Log.Debug("the serial port cannot do this rate", "baud", baud, "err", err)
			if err := r.link.port.SetBaud(ctx, from); err != nil {
				return fmt.Errorf("cannot set the serial port back to %d baud: %w", from, err)
			}
			continue
		}
		if err := r.link.port.SetBaud(ctx, from); err != nil {
			return fmt.Errorf("cannot set the serial port back to %d baud: %w", from, err)
		}
		err := r.switchBaud(ctx, baud)
		if err == nil {
			err = r.prove(ctx)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.opt.Log.Info("rate does not work, trying a lower one", "baud", baud, "err", err)
		if err := r.recover(ctx, baud, from); err != nil {
			return err
		}
	}
	return nil
}

// switchBaud: command and response at the old rate, then the host's ACK, upon
// which both sides change (7.2.8).
func (r *Reader) switchBaud(ctx context.Context, baud int) error {
	code := slices.Index(rates[:], baud)
	if code < 0 {
		return fmt.Errorf("a PN532 has no rate of %d baud; it has %v", baud, rates)
	}
	if _, err := r.link.command(ctx, []byte{cmdSetSerialBaudRate, byte(code)}, shortTimeout); err != nil {
		return err
	}
	ack := hsu.AppendACK(nil)
	if err := r.link.write(ctx, ack); err != nil {
		return err
	}
	if err := pause(ctx, r.link.wire(len(ack))+settle); err != nil {
		return err
	}
	if err := r.link.port.SetBaud(ctx, baud); err != nil {
		return err
	}
	r.link.baud = baud
	return nil
}

// proof is a payload with long runs and quick changes, as long as a normal frame carries.
var proof = func() []byte {
	p := []byte{cmdDiagnose, 0x00}
	for i := range 240 {
		p = append(p, [...]byte{0x00, 0xFF, 0x55, 0xAA, byte(i)}[i%5])
	}
	return p
}()

// prove has the chip return a payload, twice: Diagnose, communication line test (7.2.1).
func (r *Reader) prove(ctx context.Context) error {
	for range 2 {
		rsp, err := r.link.command(ctx, proof, shortTimeout)
		if err != nil {
			return err
		}
		if !bytes.Equal(rsp, proof[1:]) {
			return fmt.Errorf("at %d baud the chip returned other bytes than were sent", r.link.baud)
		}
	}
	return nil
}

// recover finds the chip again after a change of rate that did not work: it may
// be at the new rate or still at the old.
func (r *Reader) recover(ctx context.Context, failed, from int) error {
	for range attempts {
		for _, baud := range []int{failed, from} {
			if err := r.link.port.SetBaud(ctx, baud); err != nil {
				continue
			}
			r.link.baud = baud
			if r.wake(ctx) == nil && (baud == from || r.switchBaud(ctx, from) == nil) {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return fmt.Errorf("the PN532 was lost while its rate was changed from %d to %d baud: unplug it and plug it in again, and set bauds to what the cable bears", from, failed)
}
