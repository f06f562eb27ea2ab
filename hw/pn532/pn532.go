// Package pn532 reads ISO 14443-4 cards, such as passports, with an NXP PN532
// on its high-speed UART (UM0701-02, firmware 1.6).
//
//	Open -> Poll -> Target.Transmit ... -> Target.Release -> Close
//
// Open wakes the chip at whatever rate it was left, and raises the serial line
// to the fastest that proves to work: at 115200 baud a passport's portrait
// alone would cost two seconds. Poll finds a type A or type B card and agrees
// on the fastest bit rate both bear. Transmit carries raw APDUs.
//
// Left out: target mode, NFC-DEP, FeliCa, MIFARE. Errors and logs name
// commands, status bytes and lengths, never what an APDU held.
package pn532

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Port is what the driver needs of a serial line, eight data bits, no parity;
// a serialport.Port is one.
type Port interface {
	// Read blocks until at least one byte came, ctx ended or the line broke.
	Read(ctx context.Context, p []byte) (int, error)
	Write(ctx context.Context, p []byte) (int, error)
	// SetBaud changes the host's rate once what was written has gone out; an
	// error means that the host cannot do it.
	SetBaud(ctx context.Context, baud int) error
}

// Options change what Open does; the zero value is right for a gate.
type Options struct {
	// Bauds are the rates Open tries to raise the line to, fastest first; nil:
	// 921600, 460800, 230400. Empty but not nil: stay as found. The chip's
	// fastest, 1288000, is no rate that most USB bridges can make, and a chip
	// that went where nobody can follow comes back only when its power is cut:
	// name it for a bridge that is known to do it.
	Bauds []int
	// MaxBitRate bounds the rate in the air: 106000, 212000 or 424000; 0: 424000.
	MaxBitRate int
	// ExchangeTimeout bounds one APDU's way to the card and back for each piece
	// of 262 bytes; 0: 10 s. A card that asks for more time may take long.
	ExchangeTimeout time.Duration
	// Log is told of the rates found and of retries; nil: nobody is.
	Log *slog.Logger
}

// Reader is one PN532. Its methods and its targets' may be called from any
// goroutine; one command runs at a time.
type Reader struct {
	turn chan struct{} // holds one token: whose turn it is to use the chip
	link link
	opt  Options

	firmware Firmware
	target   *Target // the one selected, nil when none is
}

// Firmware is what the chip says of itself (UM0701-02, 7.2.2).
type Firmware struct {
	IC, Version, Revision, Support byte
}

// String is like "PN532 v1.6".
func (f Firmware) String() string {
	return fmt.Sprintf("PN5%02X v%d.%d", f.IC, f.Version, f.Revision)
}

// Errors a caller acts upon.
var (
	// ErrNotFound: nothing that speaks the PN532's protocol is on the line.
	ErrNotFound = errors.New("no PN532 answers on this serial line")
	// ErrNoCard: no card came while Poll waited.
	ErrNoCard = errors.New("no card in the field")
	// ErrNotISO14443_4: the only cards seen were of a kind no passport is.
	ErrNotISO14443_4 = errors.New("the card in the field does not speak ISO 14443-4, so it is no travel document: remove it")
)

// Open finds the chip on port, checks that it is a PN532, sets it up as a
// reader and raises the line's rate. The port stays the caller's to close.
func Open(ctx context.Context, port Port, opt Options) (*Reader, error) {
	if opt.Bauds == nil {
		opt.Bauds = []int{921600, 460800, 230400}
	}
	if opt.MaxBitRate == 0 {
		opt.MaxBitRate = 424_000
	}
	if opt.ExchangeTimeout == 0 {
		opt.ExchangeTimeout = 10 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Reader{turn: make(chan struct{}, 1), opt: opt, link: link{port: port, log: opt.Log}}
	r.turn <- struct{}{}
	if err := r.find(ctx); err != nil {
		return nil, err
	}
	if err := r.identify(ctx); err != nil {
		return nil, err
	}
	if err := r.raise(ctx); err != nil {
		return nil, err
	}
	if err := r.configure(ctx); err != nil {
		return nil, err
	}
	r.opt.Log.Info("PN532 ready", "firmware", r.firmware.String(), "baud", r.link.baud)
	return r, nil
}

// Firmware is the chip's version.
func (r *Reader) Firmware() Firmware { return r.firmware }

// Baud is the rate the serial line runs at.
func (r *Reader) Baud() int { return r.link.baud }

// Close lets the card go, turns the field off and brings the chip back to
// 115200 baud, where other software expects it.
func (r *Reader) Close(ctx context.Context) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	r.target = nil
	if _, err := r.link.command(ctx, []byte{cmdRFConfiguration, 0x01, 0x00}, shortTimeout); err != nil {
		return fmt.Errorf("cannot turn the PN532's field off: %w", err)
	}
	if r.link.baud == defaultBaud {
		return nil
	}
	if err := r.switchBaud(ctx, defaultBaud); err != nil {
		return fmt.Errorf("cannot bring the PN532 back to %d baud: %w", defaultBaud, err)
	}
	return nil
}

func (r *Reader) lock(ctx context.Context) error {
	select {
	case <-r.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Reader) unlock() { r.turn <- struct{}{} }

// identify: anything but a PN532 is refused, since its commands differ in detail.
func (r *Reader) identify(ctx context.Context) error {
	rsp, err := r.link.command(ctx, []byte{cmdGetFirmwareVersion}, shortTimeout)
	if err != nil {
		return fmt.Errorf("cannot ask the reader for its version: %w", err)
	}
	if len(rsp) != 4 {
		return fmt.Errorf("the reader on this line tells its version in %d bytes, a PN532 in 4: it is another chip, configure its own driver", len(rsp))
	}
	r.firmware = Firmware{rsp[0], rsp[1], rsp[2], rsp[3]}
	if r.firmware.IC != 0x32 {
		return fmt.Errorf("the reader on this line is a %v, not a PN532: configure its own driver", r.firmware)
	}
	return nil
}

// configure sets everything that another program may have left otherwise.
func (r *Reader) configure(ctx context.Context) error {
	for _, c := range []struct {
		what string
		cmd  []byte
	}{
		// ATR_RES and RATS by itself, no NAD, no CID (7.2.9).
		{"parameters", []byte{cmdSetParameters, 0x14}},
		// The waiting times of ATR_RES, 102 ms, and of what is no ISO-DEP, 410 ms (7.3.1, item 2).
		{"timings", []byte{cmdRFConfiguration, 0x02, 0x00, 0x0B, 0x0D}},
		// A payload is sent once: a card that saw an APDU twice would lose step (item 4).
		{"exchange retries", []byte{cmdRFConfiguration, 0x04, 0x00}},
		// Two tries to find a card, then tell: Poll repeats, and takes types in turn (item 5).
		{"activation retries", []byte{cmdRFConfiguration, 0x05, 0xFF, 0x01, 0x01}},
		{"field", []byte{cmdRFConfiguration, 0x01, 0x01}},
	} {
		if _, err := r.link.command(ctx, c.cmd, shortTimeout); err != nil {
			return fmt.Errorf("cannot set the PN532's %s: %w", c.what, err)
		}
	}
	return nil
}
