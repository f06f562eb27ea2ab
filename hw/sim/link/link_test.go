package link

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// host opens the link as a driver would, without a driver.
func host(t *testing.T, l *Link) *os.File {
	t.Helper()
	f, err := os.OpenFile(l.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func newLink(t *testing.T) *Link {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// every byte value, so that a translation in either direction shows.
func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestBytesTravelUnchanged(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	want := everyByte()
	if _, err := l.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 256)
	if _, err := io.ReadFull(h, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("to the driver: got % X, %v, want every byte once", got, err)
	}
	if _, err := h.Write(want); err != nil {
		t.Fatal(err)
	}
	got = make([]byte, 256)
	if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("from the driver: got % X, %v, want every byte once", got, err)
	}
}

func TestUnplugAndPlugAtTheSamePath(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	l.Unplug()
	if n, err := h.Read(make([]byte, 1)); err == nil {
		t.Errorf("driver's read after unplugging: got %d bytes, want an error or end of file", n)
	}
	if _, err := os.Stat(l.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path after unplugging: got %v, want it gone", err)
	}
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, ErrUnplugged) {
		t.Errorf("device's read: got %v, want ErrUnplugged", err)
	}
	if _, err := l.Write([]byte{1}); !errors.Is(err, ErrUnplugged) {
		t.Errorf("device's write: got %v, want ErrUnplugged", err)
	}
	read := make(chan byte)
	go func() { // waits over the plugging in
		b := make([]byte, 1)
		l.Read(b)
		read <- b[0]
	}()
	if err := l.Plug(); err != nil {
		t.Fatal(err)
	}
	if _, err := host(t, l).Write([]byte{0x5A}); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != 0x5A {
		t.Errorf("after plugging in: got %02X, want 5A", got)
	}
}

// The driver holds its end and the device is reading: the cable must come out
// all the same.
func TestUnplugWhileBothEndsWait(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	device := make(chan error)
	go func() {
		_, err := l.Read(make([]byte, 1))
		device <- err
	}()
	driver := make(chan error)
	go func() {
		_, err := h.Read(make([]byte, 1))
		driver <- err
	}()
	if _, err := h.Write([]byte{1}); err != nil || <-device != nil {
		t.Fatal("the device did not read")
	}
	go func() {
		_, err := l.Read(make([]byte, 1))
		device <- err
	}()
	l.Unplug()
	if err := <-driver; err == nil {
		t.Error("driver's read: got nil, want an error or end of file")
	}
	if err := <-device; !errors.Is(err, ErrUnplugged) {
		t.Errorf("device's read: got %v, want ErrUnplugged", err)
	}
}

func TestCloseWakesRead(t *testing.T) {
	l := newLink(t)
	done := make(chan error)
	go func() {
		_, err := l.Read(make([]byte, 1))
		done <- err
	}()
	l.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want io.EOF", err)
	}
	if err := l.Plug(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("plugging a closed link: got %v, want os.ErrClosed", err)
	}
}

func TestBaudIsWhatTheDriverSet(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	for _, want := range []int{9600, 115200, 1288000} {
		err := control(h, func(fd int) error {
			tio, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
			if err != nil {
				return err
			}
			tio.Cflag = tio.Cflag&^unix.CBAUD | unix.BOTHER
			tio.Ispeed, tio.Ospeed = uint32(want), uint32(want)
			return unix.IoctlSetTermios(fd, unix.TCSETS2, tio)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Baud(); got != want {
			t.Errorf("got %d baud, want %d", got, want)
		}
	}
}

func TestPaceTakesTheTimeOfTheWire(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	l.Pace(9600, 10)
	const n = 96 // 100 ms at 9600 baud, 10 bits a byte
	start := time.Now()
	go l.Write(make([]byte, n))
	if _, err := io.ReadFull(h, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 95*time.Millisecond {
		t.Errorf("to the driver: %d bytes took %v, want about 100ms", n, took)
	}
	if took := time.Since(start); took > 300*time.Millisecond { // late wake-ups must not add up; generous for a busy machine
		t.Errorf("to the driver: %d bytes took %v, want about 100ms", n, took)
	}
	start = time.Now()
	if _, err := h.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(l, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 95*time.Millisecond {
		t.Errorf("from the driver: %d bytes took %v, want about 100ms", n, took)
	}
}

func TestUnplugEndsAPacedWrite(t *testing.T) {
	l := newLink(t)
	h := host(t, l)
	l.Pace(300, 10) // 1000 bytes would take 33 s
	done := make(chan error)
	go func() {
		_, err := l.Write(make([]byte, 1000))
		done <- err
	}()
	if _, err := io.ReadFull(h, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	l.Unplug()
	if err := <-done; !errors.Is(err, ErrUnplugged) {
		t.Errorf("got %v, want ErrUnplugged", err)
	}
}
