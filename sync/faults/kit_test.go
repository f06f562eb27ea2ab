package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"limen/internal/repotest"
	"limen/sync/fleet"
)

// kit is what one run after the other uses: keys, certificates, a server.
type kit struct {
	root, dir      string
	authority      *fleet.Authority
	server, worker fleet.Files
	device         fleet.Files
	receipts       string // file of the receipt key
	receiptKey     string
	postgres       *repotest.Postgres // nil where it, or Mosquitto, is not installed
	template       string             // a database with the records' tables and nothing in them
	mounts         bool
	whyNot         []string // faults that this machine does not allow
}

// deviceName is every run's device.
const deviceName = "gate-1"

func newKit(root, dir string) (k *kit, err error) {
	k = &kit{root: root, dir: dir, receipts: filepath.Join(dir, "keys", "receipt.key")}
	if k.authority, err = fleet.NewAuthority(filepath.Join(dir, "authority")); err != nil {
		return nil, err
	}
	if k.server, err = k.authority.Server("127.0.0.1"); err != nil {
		return nil, err
	}
	if k.worker, err = k.authority.WorkerIn(dir); err != nil {
		return nil, err
	}
	if k.device, err = k.authority.Device(deviceName); err != nil {
		return nil, err
	}
	if k.receiptKey, err = fleet.PrepareReceiptKey(filepath.Dir(k.receipts)); err != nil {
		return nil, err
	}
	if err := mayMount(); err != nil {
		k.whyNot = append(k.whyNot, fmt.Sprintf("no power cuts and full disks: %v", err))
	} else {
		k.mounts = true
	}
	if _, err := os.Stat("/usr/sbin/mosquitto"); err != nil {
		k.whyNot = append(k.whyNot, "no roles: mosquitto is not installed")
		return k, nil
	}
	if k.postgres, err = repotest.NewPostgres(); err != nil || k.postgres == nil {
		k.whyNot = append(k.whyNot, "no roles: postgresql-15 is not installed")
		return k, err
	}
	if k.template, err = k.postgres.Database(); err != nil {
		return nil, err
	}
	r, err := fleet.CreateRecords(k.template)
	if err != nil {
		return nil, err
	}
	return k, r.Close()
}

func (k *kit) close() {
	if k.postgres != nil {
		k.postgres.Stop()
	}
}

// child is another life of this test's program, whose lines are read.
type child struct {
	*repotest.Process
	input *os.File
	read  chan struct{} // closed when all it wrote was read
}

func startChild(what string, config any, line func(string)) (*child, error) {
	b, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asChild+"="+what, childConfig+"="+string(b), "GOMAXPROCS=2")
	return start(c, line)
}

func start(c *exec.Cmd, line func(string)) (*child, error) {
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	inR, in, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, out.Close(), outW.Close())
	}
	c.Stdout, c.Stdin = outW, inR
	p, err := repotest.StartProcess(c)
	outW.Close()
	inR.Close()
	if err != nil {
		return nil, errors.Join(err, out.Close(), in.Close())
	}
	ch := &child{Process: p, input: in, read: make(chan struct{})}
	go func() {
		defer close(ch.read)
		defer out.Close()
		for lines := bufio.NewReader(out); ; {
			l, err := lines.ReadString('\n')
			if err != nil {
				return // half a line was not said
			}
			line(strings.TrimSuffix(l, "\n"))
		}
	}()
	return ch, nil
}

// kill ends it by SIGKILL; what it said before is read.
func (c *child) kill() {
	if c == nil {
		return
	}
	c.Process.Kill()
	<-c.read
	c.input.Close()
}

// ready waits for the child's first line.
type firstLine struct {
	once sync.Once
	said chan struct{}
}

func newFirstLine() *firstLine { return &firstLine{said: make(chan struct{})} }

func (f *firstLine) line(string) { f.once.Do(func() { close(f.said) }) }

var errNotReady = errors.New("it does not start")

func (f *firstLine) await(c *child) error {
	select {
	case <-f.said:
		return nil
	case <-c.Done():
		return fmt.Errorf("%w: %s", errNotReady, c.Said())
	case <-time.After(time.Minute):
		return errNotReady
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
