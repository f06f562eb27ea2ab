// Package pcscdtest gives a test a running pcscd with vpcd's virtual readers,
// or skips the test where that cannot be had.
package pcscdtest

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Address is where the first virtual reader awaits its card program; the
	// second's port is one higher.
	Address = "127.0.0.1:35963"
	// Reader is that reader's name in PC/SC.
	Reader = "Virtual PCD 00 00"

	limit  = 15 * time.Second
	socket = "/run/pcscd/pcscd.comm"
	driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
)

// Start starts pcscd in the foreground and ends it with the test. There is
// one pcscd on a machine and one card in a reader, so tests take turns, also
// across processes. A pcscd that runs already is left alone and the test
// skipped: its readers may be at work.
func Start(t testing.TB) {
	t.Helper()
	program, err := exec.LookPath("pcscd")
	if err != nil {
		program = "/usr/sbin/pcscd" // where an ordinary user's path does not reach
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("pcscd is not installed: apt-get install pcscd vsmartcard-vpcd")
	}
	if _, err := os.Stat(driver); err != nil {
		t.Skip("the virtual reader vpcd is not installed: apt-get install vsmartcard-vpcd")
	}
	if os.Geteuid() != 0 {
		t.Skip("starting a pcscd of its own takes root")
	}
	lock(t)
	if c, err := net.Dial("unix", socket); err == nil {
		c.Close()
		t.Skip("a pcscd is running already: stop it for this test (systemctl stop pcscd.socket pcscd)")
	}
	run(t, program)
}

// lock waits for the machine-wide turn and holds it until the test ends.
func lock(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "limen-pcscdtest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// run starts the daemon and waits until it says that it is ready.
func run(t testing.TB, program string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--foreground", "--info")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		cancel()
		t.Skipf("cannot start pcscd: %v", err)
	}
	ready := make(chan bool, 1)
	ended := make(chan struct{})
	var said strings.Builder // read after ended or ready only
	go func() {
		defer close(ended)
		daemon, reader, told := false, false, false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if told {
				continue
			}
			said.WriteString(lines.Text() + "\n")
			daemon = daemon || strings.Contains(lines.Text(), "daemon ready")
			reader = reader || strings.Contains(lines.Text(), "Waiting for virtual ICC")
			if daemon && reader {
				told = true
				ready <- true
			}
		}
		if !told {
			ready <- false
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		cmd.Wait()
	})
	select {
	case ok := <-ready:
		if !ok {
			t.Skipf("pcscd ended at once:\n%s", said.String())
		}
	case <-time.After(limit):
		t.Skipf("pcscd did not get ready within %v", limit)
	}
	// It says so a moment before its socket listens.
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Skipf("pcscd's socket does not answer within %v: %v", limit, err)
		}
	}
}
