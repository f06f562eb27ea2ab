package repotest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Postgres is a PostgreSQL server of the tests' own: in a temporary folder, on
// a Unix socket there, run by a user without rights.
type Postgres struct {
	dir, bin string
	as       *syscall.Credential
	mu       sync.Mutex
	server   *Process
	made     int
}

// serverStart bounds the start of a server on a busy machine.
const serverStart = time.Minute

// NewPostgres makes and starts a server; the caller stops it. It is nil where
// Debian's postgresql-15 is not installed.
func NewPostgres() (*Postgres, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return nil, err
	}
	slices.Sort(bins)
	p := &Postgres{bin: bins[len(bins)-1]}
	if p.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // the server refuses to be root's
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	if out, err := p.command("initdb", "-D", p.data(), "-A", "trust", "-U", "limen", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(p.dir))
	}
	if err := p.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir = p.dir
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return c
}

// Start starts the server and waits until it answers.
func (p *Postgres) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.command("postgres", "-D", p.data(), "-k", p.dir, "-c", "listen_addresses=", "-c", "max_connections=60",
		"-c", "shared_buffers=32MB", "-c", "max_wal_size=256MB", "-c", "log_min_messages=fatal")
	var err error
	if p.server, err = StartProcess(c); err != nil {
		return err
	}
	for until := time.Now().Add(serverStart); ; {
		if p.command("pg_isready", "-q", "-h", p.dir, "-U", "limen", "-d", "postgres").Run() == nil {
			return nil
		}
		if p.server.Ended() || time.Now().After(until) {
			return fmt.Errorf("PostgreSQL does not start: %s", p.server.Said())
		}
		time.Sleep(20 * time.Millisecond) // a process outside says nothing when it is ready
	}
}

// Kill ends the server and all its processes at once, as SIGKILL does.
func (p *Postgres) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Its processes are groups of their own and would live on until they see it
	// gone. Stopped, it starts no more of them.
	syscall.Kill(p.server.pid, syscall.SIGSTOP)
	children := childrenOf(p.server.pid)
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	p.server.Kill()
	for _, pid := range children {
		for until := time.Now().Add(serverStart); alive(pid) && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
	}
}

// Stop ends the server and removes what it kept.
func (p *Postgres) Stop() {
	p.Kill()
	os.RemoveAll(p.dir)
}

// URL is the address of one of its databases.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=limen", database, p.dir)
}

// Database makes an empty database and returns its address.
func (p *Postgres) Database() (string, error) { return p.CopyOf("template1") }

// CopyOf makes a database that is a copy of another one, which nobody uses.
func (p *Postgres) CopyOf(database string) (string, error) {
	p.mu.Lock()
	p.made++
	name := fmt.Sprintf("t%d", p.made)
	p.mu.Unlock()
	if out, err := p.command("createdb", "-h", p.dir, "-U", "limen", "-T", database, name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("createdb: %w: %s", err, out)
	}
	return p.URL(name), nil
}

// Drop drops a database, whoever uses it.
func (p *Postgres) Drop(database string) error {
	if out, err := p.command("dropdb", "-f", "-h", p.dir, "-U", "limen", database).CombinedOutput(); err != nil {
		return fmt.Errorf("dropdb: %w: %s", err, out)
	}
	return nil
}
