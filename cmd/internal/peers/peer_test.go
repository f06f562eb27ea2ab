package peers

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"limen/internal/repotest"
)

// program finds a peer's program or skips the test, saying how to have it.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s (make peers does)", name, debian)
	}
	return path
}

// installed skips the test where no file of a Debian package is there.
func installed(t testing.TB, pattern, debian string) {
	t.Helper()
	if found, err := filepath.Glob(pattern); err != nil || len(found) == 0 {
		t.Skipf("%s is not installed: apt-get install %s (make peers does)", filepath.Base(pattern), debian)
	}
}

// script is one of the repository's files in scripts/peers.
func script(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(repotest.Root(t), "scripts", "peers", name)
}

// run runs a peer to its end, in an empty folder, and returns what it printed.
func run(t testing.TB, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, tail(out))
	}
	return string(out)
}

// start runs a peer until the test ends, which tells what it printed when the
// test has failed.
func start(t testing.TB, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(name), tail(out.Bytes()))
		}
	})
}

// tail is the end of what a program printed, which is where it says what is wrong.
func tail(out []byte) string {
	const most = 2000
	return strings.TrimSpace(string(out[max(0, len(out)-most):]))
}
