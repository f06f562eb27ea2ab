package repotest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// StartTPM runs a software TPM (swtpm) on its own state until the test ends or
// stop is called, and returns its socket.
func StartTPM(t testing.TB, state string) (path string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("swtpm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("swtpm is not installed: `make deps-test` installs it")
		}
		t.Skip("swtpm is not installed: `make deps-test` installs it")
	}
	sockets, err := os.MkdirTemp("", "tpm") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(sockets, "tpm")
	c := exec.Command(program, "socket", "--tpm2", "--tpmstate", "dir="+state, "--server", "type=unixio,path="+path,
		"--ctrl", "type=unixio,path="+path+".ctrl", "--flags", "not-need-init,startup-clear")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			c.Process.Kill()
			c.Wait()
			os.RemoveAll(sockets)
		}
	}
	t.Cleanup(stop)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(20 * time.Second); ; {
		if c, err := net.Dial("unix", path); err == nil { // the socket is there before anybody listens
			c.Close()
			return path, stop
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("the software TPM did not start: %s", &said)
		}
	}
}
