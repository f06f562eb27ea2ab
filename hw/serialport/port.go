// Package serialport opens serial ports for the drivers above it and keeps
// them open over unplugging.
//
//	driver -> Port (context, typed errors) -> go.bug.st/serial -> tty
//
// The library underneath tells an unplugged device and one's own Close with the
// same words, blocks in Write for as long as nobody takes the bytes, and lets
// root open a port twice. This package tells the two apart, bounds every call
// by its context, and locks the port. It sets no modem lines: several USB
// readers and every pty have none.
package serialport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// Parity is the parity bit of each character.
type Parity string

// The parities.
const (
	NoParity   Parity = "none"
	OddParity  Parity = "odd"
	EvenParity Parity = "even"
)

// Mode is how a port is set. The zero value of each field but Baud stands for
// what most devices speak: 8 bits, no parity, 1 stop bit.
type Mode struct {
	Baud     int // bits a second; must be given
	Bits     int // 5 to 8
	Parity   Parity
	StopBits int // 1 or 2
}

// Port is an open serial port, locked against a second opening. Read and Write
// may be called at the same time; each by one goroutine at a time.
type Port struct {
	path   string
	mode   serial.Mode
	port   serial.Port
	fd     int // a second descriptor: bears the lock, and writes without blocking
	closed atomic.Bool

	reading, writing, setting chan struct{} // one-place semaphores
}

// pollEvery bounds how long a call outlives its context. Bytes that arrive
// end a wait at once, so it costs no latency, only wake-ups while idle.
const pollEvery = 40 * time.Millisecond

// Open opens and locks the port at path. Its error is an *OpenError, or the
// context's.
func Open(ctx context.Context, path string, mode Mode) (*Port, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	settings, err := mode.settings()
	if err != nil {
		return nil, &OpenError{Path: path, Reason: BadSetting, Err: err}
	}
	// The lock comes first: the library changes the port's settings before it
	// takes exclusive access, which would disturb who holds it.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	if err := lock(ctx, fd); err != nil {
		unix.Close(fd)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, openError(path, err)
	}
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		unix.Close(fd)
		return nil, openError(path, err)
	}
	port, err := openAlone(path, &settings)
	if err != nil {
		unix.Close(fd)
		return nil, openError(path, err)
	}
	return &Port{
		path: path, mode: settings, port: port, fd: fd,
		reading: make(chan struct{}, 1), writing: make(chan struct{}, 1), setting: make(chan struct{}, 1),
	}, nil
}

// openAlone opens the port without leaving it to the programs that this one
// starts: the library does not say so to the kernel, and a portrait decoder
// would hold the wire to the passport.
func openAlone(path string, settings *serial.Mode) (serial.Port, error) {
	syscall.ForkLock.RLock() // no child begins between the two
	defer syscall.ForkLock.RUnlock()
	port, err := serial.Open(path, settings)
	if err != nil {
		return nil, err
	}
	for _, n := range descriptors(path) {
		unix.CloseOnExec(n)
	}
	return port, nil
}

// descriptors are this process's open ones of the file at path.
func descriptors(path string) []int {
	var found []int
	want, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == want {
			found = append(found, n)
		}
	}
	return found
}

// lockWait is how long a held port is asked again. A child that this program
// is just starting holds all its descriptors until it runs its own program,
// which takes a while on a busy machine: a port closed meanwhile stays locked
// for that long.
const lockWait = time.Second

// lock locks the port of fd, or fails with EWOULDBLOCK where it stays held.
func lock(ctx context.Context, fd int) error {
	for end := time.Now().Add(lockWait); ; {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Read waits for at least one byte until ctx ends. Bytes that come together
// with the end of ctx are not lost; the next Read has them.
func (p *Port) Read(ctx context.Context, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := acquire(ctx, p.reading); err != nil {
		return 0, err
	}
	defer release(p.reading)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := p.port.SetReadTimeout(slice(ctx)); err != nil {
			return 0, p.fail("read from", err)
		}
		n, err := p.port.Read(b)
		switch {
		case n > 0:
			return n, nil
		case err != nil:
			return 0, p.fail("read from", err)
		}
		// No byte and no error is how the library says that its timeout passed.
	}
}

// Write sends all of b, or says how much went out before ctx ended or the
// port failed. Sent means handed to the kernel.
func (p *Port) Write(ctx context.Context, b []byte) (int, error) {
	if err := acquire(ctx, p.writing); err != nil {
		return 0, err
	}
	defer release(p.writing)
	sent := 0
	for sent < len(b) {
		if err := ctx.Err(); err != nil {
			return sent, err
		}
		if p.closed.Load() {
			return sent, p.fail("write to", ErrClosed)
		}
		n, err := unix.Write(p.fd, b[sent:])
		if n > 0 {
			sent += n
			continue
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), err == nil:
			poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(poll, int(max(slice(ctx), time.Millisecond)/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
				return sent, p.fail("write to", err)
			}
			if poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
				return sent, p.fail("write to", ErrUnplugged)
			}
		default:
			return sent, p.fail("write to", err)
		}
	}
	return sent, nil
}

// SetBaud changes the speed, in bits a second, once what was written has gone
// out: bytes still under way would otherwise change speed half way.
func (p *Port) SetBaud(ctx context.Context, baud int) error {
	if baud <= 0 {
		return fmt.Errorf("cannot set %s to %d baud: a speed is more than 0", p.path, baud)
	}
	if err := acquire(ctx, p.setting); err != nil {
		return err
	}
	defer release(p.setting)
	if err := acquire(ctx, p.writing); err != nil {
		return err
	}
	defer release(p.writing)
	if err := p.drain(ctx); err != nil {
		return err
	}
	mode := p.mode
	mode.BaudRate = baud
	if err := p.port.SetMode(&mode); err != nil {
		return p.fail("set the speed of", err)
	}
	p.mode = mode
	return nil
}

// Close closes the port; a Read or Write under way returns ErrClosed. The
// second Close does nothing.
func (p *Port) Close() error {
	if !p.closed.CompareAndSwap(false, true) {
		return nil
	}
	err := p.port.Close() // wakes a Read and waits for it
	// A Write notices within pollEvery; its descriptor must not be given to another file before.
	p.writing <- struct{}{}
	unix.Close(p.fd) // drops the lock
	<-p.writing
	if err != nil && !gone(err) {
		return fmt.Errorf("cannot close %s: %w", p.path, err)
	}
	return nil
}

// drain waits until the kernel has sent everything. The library's Drain blocks
// without a way out, so the queue is asked instead.
func (p *Port) drain(ctx context.Context) error {
	for {
		if p.closed.Load() {
			return p.fail("set the speed of", ErrClosed)
		}
		queued, err := unix.IoctlGetInt(p.fd, unix.TIOCOUTQ)
		if err != nil {
			return p.fail("set the speed of", err)
		}
		if queued == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// fail names the port and turns what the library and the kernel say into the
// package's sentinels.
func (p *Port) fail(doing string, err error) error {
	var port *serial.PortError
	switch {
	case p.closed.Load():
		err = ErrClosed
	case errors.As(err, &port) && port.Code() == serial.PortClosed, gone(err):
		err = ErrUnplugged
	}
	return fmt.Errorf("cannot %s the serial port %s: %w", doing, p.path, err)
}

// settings checks the mode and translates it.
func (m Mode) settings() (serial.Mode, error) {
	s := serial.Mode{BaudRate: m.Baud, DataBits: m.Bits}
	if m.Baud <= 0 {
		return s, fmt.Errorf("speed %d: want bits a second, such as 9600 or 115200", m.Baud)
	}
	if m.Bits == 0 {
		s.DataBits = 8
	} else if m.Bits < 5 || m.Bits > 8 {
		return s, fmt.Errorf("%d data bits: want 5 to 8", m.Bits)
	}
	switch m.Parity {
	case "", NoParity:
		s.Parity = serial.NoParity
	case OddParity:
		s.Parity = serial.OddParity
	case EvenParity:
		s.Parity = serial.EvenParity
	default:
		return s, fmt.Errorf("parity %q: want none, odd or even", m.Parity)
	}
	switch m.StopBits {
	case 0, 1:
		s.StopBits = serial.OneStopBit
	case 2:
		s.StopBits = serial.TwoStopBits
	default:
		return s, fmt.Errorf("%d stop bits: want 1 or 2", m.StopBits)
	}
	return s, nil
}

// slice is how long to wait before looking at ctx again.
func slice(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(0, min(pollEvery, time.Until(deadline)))
	}
	return pollEvery
}

func acquire(ctx context.Context, sem chan struct{}) error {
	select {
	case sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func release(sem chan struct{}) { <-sem }
