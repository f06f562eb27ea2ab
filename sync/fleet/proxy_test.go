package fleet

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// plug is a cable between a device and the centre that can be pulled (both
// ends see the connection end) or go dead (neither sees anything).
type plug struct {
	target string
	l      net.Listener
	mu     sync.Mutex
	dead   bool
	out    bool
	conns  map[net.Conn]bool
	wait   sync.WaitGroup
}

func newPlug(t *testing.T, target string) *plug {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &plug{target: target, l: l, conns: map[net.Conn]bool{}}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.pull()
		p.wait.Wait()
	})
	return p
}

func (p *plug) addr() string { return p.l.Addr().String() }

// set changes what the cable does from now on.
func (p *plug) set(dead, out bool) {
	p.mu.Lock()
	p.dead, p.out = dead, out
	p.mu.Unlock()
	if out {
		p.pull()
	}
}

func (p *plug) pull() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *plug) accept() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		out := p.out
		p.conns[near], p.conns[far] = true, true
		p.mu.Unlock()
		if out {
			near.Close()
			far.Close()
		}
		p.wait.Go(func() { p.carry(far, near) })
		p.wait.Go(func() { p.carry(near, far) })
	}
}

// carry copies one way. What enters a dead cable is lost for good.
func (p *plug) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	lost := false
	for {
		n, err := from.Read(b)
		if err != nil && err != io.EOF || n == 0 {
			return
		}
		p.mu.Lock()
		lost = lost || p.dead // TCP would not go on after a hole either
		p.mu.Unlock()
		if lost {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
