package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attempts are run by the test binary itself in a sealed process: called by
// one of these names, it seals itself and does the deed.
var attempts = map[string]func() error{
	"nothing": func() error { return nil },
	"compute": func() error { // threads, heap and garbage collection still work
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				var keep [][]byte
				for i := range 400 {
					keep = append(keep[:i%8], make([]byte, 256<<10))
				}
				time.Sleep(time.Millisecond)
				runtime.GC()
				_ = keep
			})
		}
		wg.Wait()
		return nil
	},
	"open":   func() error { _, err := os.Open("/etc/hostname"); return refusal(err) },
	"create": func() error { return refusal(os.WriteFile("/tmp/limen-sandbox-test", nil, 0o600)) },
	"dial":   func() error { _, err := net.Dial("tcp", "127.0.0.1:9"); return refusal(err) },
	"exec":   func() error { return refusal(syscall.Exec("/bin/true", []string{"true"}, nil)) },
	"ptrace": func() error {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0, 0, 0)
		return refusal(errno)
	},
	"signal": func() error { return refusal(syscall.Kill(os.Getppid(), 0)) },
	"limits": func() error {
		lim := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		return refusal(unix.Setrlimit(unix.RLIMIT_DATA, &lim))
	},
	"code": func() error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		return refusal(err)
	},
	"thread": func() error { // a thread that was there before the filter is under it too
		oldThread <- struct{}{}
		return refusal(<-oldThreadErr)
	},
	"memory": func() error {
		var keep [][]byte
		for range 64 {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			keep = append(keep, b)
		}
		return fmt.Errorf("got %d MiB, want to be stopped at 512", len(keep)*16)
	},
}

var (
	oldThread    = make(chan struct{})
	oldThreadErr = make(chan error)
)

func refusal(err error) error {
	if err == nil {
		return fmt.Errorf("it worked")
	}
	return nil
}

func TestMain(m *testing.M) {
	attempt, ok := attempts[filepath.Base(os.Args[0])]
	if !ok {
		os.Exit(m.Run())
	}
	go func() {
		runtime.LockOSThread()
		<-oldThread
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		oldThreadErr <- err
	}()
	runtime.Gosched()
	report, err := Apply(Limits{Memory: 512 << 20, CPU: 5 * time.Second})
	if err != nil {
		fmt.Println("not sealed:", err)
		os.Exit(3)
	}
	if err := attempt(); err != nil {
		fmt.Println(err)
		os.Exit(4)
	}
	fmt.Println(report)
	os.Exit(0)
}

func run(t *testing.T, name string) (status syscall.WaitStatus, output string) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector's own memory and system calls do not fit the sandbox; run without -race")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(link)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return cmd.ProcessState.Sys().(syscall.WaitStatus), out.String()
}

func TestSealedProcessStillComputes(t *testing.T) {
	for _, name := range []string{"nothing", "compute"} {
		status, out := run(t, name)
		if status.ExitStatus() != 0 || !strings.Contains(out, "seccomp, no new privileges") {
			t.Errorf("%s: status %#x %q, want exit 0 and a report of seccomp", name, status, out)
		}
		t.Logf("%s: %s", name, strings.TrimSpace(out))
	}
}

// Each attempt ends in a kill by the filter or is refused to the attempt.
func TestSealedProcessIsKilledFor(t *testing.T) {
	for _, name := range []string{"dial", "exec", "ptrace", "signal", "limits", "code", "thread"} {
		if status, out := run(t, name); !status.Signaled() || status.Signal() != syscall.SIGSYS {
			t.Errorf("%s: status %#x %q, want death by SIGSYS", name, status, out)
		}
	}
}

func TestSealedProcessIsRefused(t *testing.T) {
	for _, name := range []string{"open", "create"} {
		if status, out := run(t, name); status.ExitStatus() != 0 {
			t.Errorf("%s: status %#x %q, want refused and exit 0", name, status, out)
		}
	}
}

func TestSealedProcessIsBoundInMemory(t *testing.T) {
	status, out := run(t, "memory")
	if status.ExitStatus() != 2 || !strings.Contains(out, "out of memory") {
		t.Errorf("status %#x %.200q, want the runtime's out of memory, exit 2", status, out)
	}
}
