package repotest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// Mosquitto is Debian's broker with the centre's example configuration, on a
// port of this machine; nil where it is not installed. The files are the
// authority's certificate, the broker's and its key; dir is for its own.
func Mosquitto(root, dir, port, ca, certificate, key string) (*exec.Cmd, error) {
	const program = "/usr/sbin/mosquitto"
	if _, err := os.Stat(program); err != nil {
		return nil, nil
	}
	example := filepath.Join(root, "firmware-config", "centre")
	config, err := os.ReadFile(filepath.Join(example, "mosquitto.conf"))
	if err != nil {
		return nil, err
	}
	acl, err := os.ReadFile(filepath.Join(example, "mosquitto.acl"))
	if err != nil {
		return nil, err
	}
	rules, file := filepath.Join(dir, "mosquitto.acl"), filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(rules, acl, 0o600); err != nil { // its owner must be the broker's
		return nil, err
	}
	own := strings.NewReplacer("listener 8883", "listener "+port+" 127.0.0.1",
		"/etc/limen-fleet/ca.pem", ca, "/etc/limen-fleet/server.pem", certificate, "/etc/limen-fleet/server.key", key,
		"/etc/limen-fleet/mosquitto.acl", rules).Replace(string(config))
	if os.Getuid() == 0 {
		own = "user root\n" + own
	}
	return exec.Command(program, "-c", file), os.WriteFile(file, []byte(own), 0o600)
}

// Listening waits until something at addr takes connections.
func (p *Process) Listening(addr string) error {
	for until := time.Now().Add(serverStart); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if p.Ended() || time.Now().After(until) {
			return fmt.Errorf("%s does not start: %s", filepath.Base(p.cmd.Path), p.Said())
		}
		time.Sleep(5 * time.Millisecond) // it tells nobody when it listens
	}
}
