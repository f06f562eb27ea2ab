package repotest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is another program that a test runs. It does not outlive the test's.
type Process struct {
	pid  int
	cmd  *exec.Cmd
	said *said
	done chan struct{}
}

// StartProcess starts a program in a process group of its own.
func StartProcess(c *exec.Cmd) (*Process, error) {
	p := &Process{cmd: c, said: &said{}, done: make(chan struct{})}
	if c.Stdout == nil {
		c.Stdout = p.said
	}
	c.Stderr = p.said
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setpgid = true
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		// The signal comes when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			c.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = c.Process.Pid
	return p, nil
}

// Kill ends the process and its children by SIGKILL and waits.
func (p *Process) Kill() {
	syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Pid is its process id.
func (p *Process) Pid() int { return p.pid }

// Ended tells whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Said is the end of what the process wrote.
func (p *Process) Said() string { return p.said.String() }

// status is the state and the parent of a process, by proc(5).
func status(pid int) (state string, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(f[1])
	return f[0], parent
}

func childrenOf(parent int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if _, of := status(pid); of == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

func alive(pid int) bool {
	state, _ := status(pid)
	return state != "" && state != "Z" && state != "X"
}

// said keeps the last 16 KiB.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(b)
	if over := s.b.Len() - 16<<10; over > 0 {
		s.b.Next(over)
	}
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Mosquitto runs Debian's broker with a configuration until the test ends; it
// skips where that is not installed.
func Mosquitto(t testing.TB, config string) *Process {
	t.Helper()
	path := "/usr/sbin/mosquitto"
	if _, err := os.Stat(path); err != nil {
		t.Skip("this needs Debian's mosquitto: make deps-test installs it")
	}
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := StartProcess(exec.Command(path, "-c", file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	for until := time.Now().Add(serverStart); !strings.Contains(p.Said(), "running"); {
		if p.Ended() || time.Now().After(until) {
			t.Fatalf("mosquitto does not start: %s", p.Said())
		}
		time.Sleep(10 * time.Millisecond) // its own log is all it says
	}
	return p
}
