// Package link is a serial cable without hardware: a pair of pseudo terminals
// whose one end a driver opens like any serial port while a simulated device
// speaks at the other.
//
//	driver -> Link.Path (a tty) <-> pty <-> Link.Read, Link.Write <- simulated device
//
// A Link can be unplugged and plugged in again at the same path, tells which
// speed the driver has set, and can take as long for its bytes as a wire would:
// a pty by itself has no speed. It carries no parity and no word length; the
// kernel fixes a pty at eight bits without parity.
package link

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrUnplugged is returned by Read once for each unplugging, and by Write while unplugged.
var ErrUnplugged = errors.New("the link is unplugged")

// Link is one cable, plugged in until Unplug or Close. Its methods may be
// called at the same time; Read by one goroutine only.
type Link struct {
	// Path is what the driver opens. It stays the same over Unplug and Plug.
	Path string

	dir string // removed by Close; empty where the path was given

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever the cable's state changes
	pair    *pair         // nil while unplugged
	told    bool          // Read has returned ErrUnplugged for this unplugging
	closed  bool

	in, out pacer
}

// pair is one plugged-in life of the cable.
type pair struct {
	master *os.File
	slave  *os.File // held so that the master does not fail while no driver has the port open
	gone   chan struct{}
}

// New makes a link at a fresh path in the system's temporary folder.
func New() (*Link, error) {
	dir, err := os.MkdirTemp("", "link-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder for the link: %w", err)
	}
	l, err := NewAt(filepath.Join(dir, "tty"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	l.dir = dir
	return l, nil
}

// NewAt makes a link at path, which must not exist: a symbolic link to the
// pseudo terminal, removed by Unplug and Close.
func NewAt(path string) (*Link, error) {
	l := &Link{Path: path, changed: make(chan struct{})}
	if err := l.Plug(); err != nil {
		return nil, err
	}
	return l, nil
}

// Plug plugs the cable in; nothing happens when it is.
func (l *Link) Plug() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	if l.pair != nil {
		return nil
	}
	p, err := openPair()
	if err != nil {
		return err
	}
	if err := os.Symlink(p.slave.Name(), l.Path); err != nil {
		p.close()
		return fmt.Errorf("cannot put the link at %s: %w", l.Path, err)
	}
	l.pair, l.told = p, false
	l.in.reset()
	l.out.reset()
	l.notify()
	return nil
}

// Unplug pulls the cable: the driver's reads and writes fail, the path goes,
// and what was under way in either direction is lost.
func (l *Link) Unplug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unplug()
}

// Close ends the link for good; Read returns io.EOF from then on.
func (l *Link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.unplug()
	l.notify()
	if l.dir != "" {
		return os.RemoveAll(l.dir)
	}
	return nil
}

// Read waits for bytes from the driver. It returns ErrUnplugged once when the
// cable is pulled; the next call waits until it is plugged in again.
func (l *Link) Read(b []byte) (int, error) {
	for {
		p, err := l.waitPlugged()
		if err != nil {
			return 0, err
		}
		n, err := p.master.Read(b)
		if n > 0 {
			l.in.begin()
			l.in.spend(n, l.Baud, p.gone)
			return n, nil
		}
		if err == nil {
			continue
		}
		l.mu.Lock()
		same := l.pair == p
		l.mu.Unlock()
		if same {
			return 0, fmt.Errorf("cannot read from the link: %w", err)
		}
	}
}

// Write sends b to the driver, at the pace that was set.
func (l *Link) Write(b []byte) (int, error) {
	l.mu.Lock()
	p := l.pair
	l.mu.Unlock()
	if p == nil {
		return 0, ErrUnplugged
	}
	l.out.begin()
	sent := 0
	for sent < len(b) {
		chunk := l.out.chunk(len(b)-sent, l.Baud)
		if !l.out.spend(chunk, l.Baud, p.gone) {
			return sent, ErrUnplugged
		}
		n, err := p.master.Write(b[sent : sent+chunk])
		sent += n
		if err != nil {
			select {
			case <-p.gone:
				return sent, ErrUnplugged
			default:
				return sent, fmt.Errorf("cannot write to the link: %w", err)
			}
		}
	}
	return sent, nil
}

// Pace makes every byte take bits bit times at baud in each direction (a
// serial byte of 8N1 or 7E1 is 10 bits). A baud of 0 follows the speed the
// driver has set; bits of 0, as at first, sends as fast as the pty does.
func (l *Link) Pace(baud, bits int) {
	l.in.set(baud, bits)
	l.out.set(baud, bits)
}

// Baud is the speed the driver has set on its end, in bits a second; 0 when unplugged.
func (l *Link) Baud() int {
	l.mu.Lock()
	p := l.pair
	l.mu.Unlock()
	if p == nil {
		return 0
	}
	baud := 0
	// A terminal ioctl on the master speaks of the slave's settings.
	control(p.master, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err == nil {
			baud = int(t.Ospeed)
		}
		return err
	})
	return baud
}

// waitPlugged returns the pair once the cable is in.
func (l *Link) waitPlugged() (*pair, error) {
	for {
		l.mu.Lock()
		p, changed, closed, told := l.pair, l.changed, l.closed, l.told
		if p == nil && !closed {
			l.told = true
		}
		l.mu.Unlock()
		switch {
		case closed:
			return nil, io.EOF
		case p != nil:
			return p, nil
		case !told:
			return nil, ErrUnplugged
		}
		<-changed
	}
}

// unplug is called with mu held.
func (l *Link) unplug() {
	if l.pair == nil {
		return
	}
	os.Remove(l.Path)
	l.pair.close()
	l.pair = nil
	l.notify()
}

// notify is called with mu held.
func (l *Link) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// openPair opens a pseudo terminal and sets it raw, so that no byte is
// echoed, translated or taken for a signal before a driver has set its own mode.
func openPair() (*pair, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot open a pseudo terminal (is /dev/pts mounted?): %w", err)
	}
	if master, err = pollable(master); err != nil {
		slave.Close()
		return nil, err
	}
	p := &pair{master: master, slave: slave, gone: make(chan struct{})}
	err = control(slave, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
		t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CREAD | unix.CLOCAL
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		return unix.IoctlSetTermios(fd, unix.TCSETS, t)
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("cannot set the pseudo terminal raw: %w", err)
	}
	return p, nil
}

// pollable gives back the master as a file of the runtime's poller, where
// Close wakes a Read: pty leaves it blocking, and a blocked Read would keep the
// cable plugged in while a driver holds the other end.
func pollable(master *os.File) (*os.File, error) {
	defer master.Close()
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot set up the pseudo terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), master.Name()), nil
}

func (p *pair) close() {
	close(p.gone)
	p.slave.Close()
	p.master.Close()
}

// control runs f with the file's descriptor without taking the file out of
// the runtime's poller, as Fd would: Close must still wake a Read.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
