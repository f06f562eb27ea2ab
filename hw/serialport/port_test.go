package serialport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"limen/hw/sim/link"
)

var raw9600 = Mode{Baud: 9600}

func newLink(t *testing.T) *link.Link {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func open(t *testing.T, l *link.Link, mode Mode) *Port {
	t.Helper()
	p, err := Open(t.Context(), l.Path, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestReadAndWrite(t *testing.T) {
	l := newLink(t)
	p := open(t, l, raw9600)
	want := []byte{0x00, 0x0D, 0x0A, 0x11, 0x13, 0x03, 0x7F, 0xFF} // what a cooked terminal would eat or change
	if _, err := l.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 0, 8)
	for len(got) < len(want) {
		b := make([]byte, 8)
		n, err := p.Read(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read: got % X, want % X", got, want)
	}
	if n, err := p.Write(t.Context(), want); n != len(want) || err != nil {
		t.Fatalf("write: got %d, %v, want %d", n, err, len(want))
	}
	got = make([]byte, len(want))
	if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("write: got % X, %v, want % X", got, err, want)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	p := open(t, newLink(t), raw9600)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Read(ctx, make([]byte, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: got %v, want DeadlineExceeded", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Read(ctx, make([]byte, 1))
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancel: got %v, want Canceled", err)
	}
}

// A device that takes nothing must not hold its driver.
func TestWriteEndsWithItsContext(t *testing.T) {
	p := open(t, newLink(t), raw9600)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n, err := p.Write(ctx, make([]byte, 1<<20))
	if !errors.Is(err, context.DeadlineExceeded) || n == 0 || n == 1<<20 {
		t.Errorf("got %d bytes, %v, want some bytes and DeadlineExceeded", n, err)
	}
}

func TestUnplugIsNotClose(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*link.Link, *Port)
		want error
	}{
		{"unplug", func(l *link.Link, _ *Port) { l.Unplug() }, ErrUnplugged},
		{"close", func(_ *link.Link, p *Port) { p.Close() }, ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLink(t)
			p := open(t, l, raw9600)
			done := make(chan error)
			go func() {
				b := make([]byte, 1)
				for {
					if _, err := p.Read(t.Context(), b); err != nil {
						done <- err
						return
					}
				}
			}()
			if _, err := l.Write([]byte("half a mess")); err != nil {
				t.Fatal(err)
			}
			test.end(l, p)
			if err := <-done; !errors.Is(err, test.want) {
				t.Errorf("read: got %v, want %v", err, test.want)
			}
			if _, err := p.Write(t.Context(), []byte("x")); !errors.Is(err, test.want) {
				t.Errorf("write: got %v, want %v", err, test.want)
			}
			if _, err := p.Read(t.Context(), make([]byte, 1)); !errors.Is(err, test.want) {
				t.Errorf("second read: got %v, want %v", err, test.want)
			}
		})
	}
}

func TestSetBaudReachesTheOtherEnd(t *testing.T) {
	l := newLink(t)
	p := open(t, l, Mode{Baud: 115200})
	if got := l.Baud(); got != 115200 {
		t.Errorf("on opening: got %d baud, want 115200", got)
	}
	for _, want := range []int{921600, 1288000, 9600} { // the middle one is in no table of the kernel's
		if err := p.SetBaud(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got := l.Baud(); got != want {
			t.Errorf("got %d baud, want %d", got, want)
		}
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	l := newLink(t)
	open(t, l, raw9600)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		mode       Mode
		want       OpenReason
		say        string
	}{
		{"missing", filepath.Join(t.TempDir(), "ttyUSB0"), raw9600, Missing, "plug the device in"},
		{"busy, even for root", l.Path, raw9600, Busy, "fuser"},
		{"file", file, raw9600, NoPort, "correct the path"},
		{"folder", t.TempDir(), raw9600, NoPort, "correct the path"},
		{"no speed", l.Path, Mode{}, BadSetting, "bits a second"},
		{"nine bits", l.Path, Mode{Baud: 9600, Bits: 9}, BadSetting, "5 to 8"},
		{"parity", l.Path, Mode{Baud: 9600, Parity: "E"}, BadSetting, "none, odd or even"},
		{"stop bits", l.Path, Mode{Baud: 9600, StopBits: 3}, BadSetting, "1 or 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(t.Context(), test.path, test.mode)
			var open *OpenError
			if !errors.As(err, &open) || open.Reason != test.want {
				t.Fatalf("got %v, want an OpenError of reason %d", err, test.want)
			}
			if !strings.Contains(err.Error(), test.say) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("got %q, want it to name the path and say %q", err, test.say)
			}
		})
	}
}

func TestDeniedIsTold(t *testing.T) {
	if got := openError("/dev/ttyUSB0", os.ErrPermission); got.Reason != Denied || !strings.Contains(got.Error(), "dialout") {
		t.Errorf("got %v, want Denied and the group to join", got)
	}
}

func TestClosingFreesThePort(t *testing.T) {
	l := newLink(t)
	for range 3 {
		p, err := Open(t.Context(), l.Path, raw9600)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("second Close: got %v, want nil", err)
		}
	}
}

// A lock that goes within the wait is no other program.
func TestOpenWaitsForALockThatIsAboutToGo(t *testing.T) {
	l := newLink(t)
	holder := open(t, l, raw9600)
	go func() {
		time.Sleep(50 * time.Millisecond)
		holder.Close()
	}()
	p, err := Open(t.Context(), l.Path, raw9600)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// What this program starts does not get the wire to the passport.
func TestChildrenInheritNoPort(t *testing.T) {
	l := newLink(t)
	open(t, l, raw9600)
	fds := descriptors(l.Path)
	if len(fds) < 2 {
		t.Fatalf("got %d descriptors of the port, want its lock and the library's", len(fds))
	}
	for _, n := range fds {
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d: flags %x, %v; want close-on-exec", n, flags, err)
		}
	}
}
