package serialport

import (
	"errors"
	"fmt"
	"io/fs"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

var (
	// ErrUnplugged means that the device behind the port went away. What was
	// under way is lost; the port must be opened again (see Keeper).
	ErrUnplugged = errors.New("the device was unplugged")
	// ErrClosed means that Close was called on this side.
	ErrClosed = errors.New("the serial port was closed here")
)

// OpenReason is why a port did not open.
type OpenReason int

// The reasons.
const (
	Unusable   OpenReason = iota // none of the others; see the cause
	Missing                      // nothing at that path
	Denied                       // no permission
	Busy                         // another program, or another part of this one, holds it
	NoPort                       // something is there, but no serial port
	BadSetting                   // the port cannot do the speed, word length or parity
)

// OpenError says why a port did not open and what to do next.
type OpenError struct {
	Path   string
	Reason OpenReason
	Err    error // the cause
}

// Error says why the port did not open and what to do next.
func (e *OpenError) Error() string {
	switch e.Reason {
	case Missing:
		return fmt.Sprintf("no serial port at %s: plug the device in, or correct the path in the configuration (ls /dev/serial/by-id lists the ports)", e.Path)
	case Denied:
		return fmt.Sprintf("no permission to open the serial port %s: add the service's user to the group that owns it (dialout on Debian), or install the udev rules", e.Path)
	case Busy:
		return fmt.Sprintf("the serial port %s is held by another program: end it (fuser %s names it; ModemManager and brltty take ports by themselves), or correct the path in the configuration", e.Path, e.Path)
	case NoPort:
		return fmt.Sprintf("%s is no serial port: correct the path in the configuration (%v)", e.Path, e.Err)
	case BadSetting:
		return fmt.Sprintf("the serial port %s does not take its settings: correct speed, bits, parity or stop bits in the configuration (%v)", e.Path, e.Err)
	}
	return fmt.Sprintf("cannot open the serial port %s: unplug the device and plug it in again; if that does not help, look in the kernel log (%v)", e.Path, e.Err)
}

func (e *OpenError) Unwrap() error { return e.Err }

// openError sorts what the kernel and the library say into reasons.
func openError(path string, err error) *OpenError {
	e := &OpenError{Path: path, Err: err}
	var port *serial.PortError
	switch {
	case errors.As(err, &port):
		e.Reason = portReason(port.Code())
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		e.Reason = Missing // a vanished port gives a bare errno, never a PortError
	case errors.Is(err, fs.ErrPermission):
		e.Reason = Denied
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		e.Reason = Busy
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		e.Reason = NoPort
	}
	return e
}

func portReason(code serial.PortErrorCode) OpenReason {
	switch code {
	case serial.PortBusy:
		return Busy
	case serial.PortNotFound:
		return Missing
	case serial.PermissionDenied:
		return Denied
	case serial.InvalidSerialPort:
		return NoPort
	case serial.InvalidSpeed, serial.InvalidDataBits, serial.InvalidParity, serial.InvalidStopBits:
		return BadSetting
	}
	return Unusable
}

// gone tells whether an errno means that the device went away under an open port.
func gone(err error) bool {
	for _, e := range []error{unix.EIO, unix.ENXIO, unix.ENODEV, unix.EPIPE, unix.ESHUTDOWN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
