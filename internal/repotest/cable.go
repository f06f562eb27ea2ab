package repotest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Cable carries TCP connections to a target, as well or badly as it is told.
type Cable struct {
	target string
	l      net.Listener
	mu     sync.Mutex
	dead   bool
	out    bool
	garble bool
	link   Link
	lots   *rand.Rand
	conns  map[net.Conn]bool
	wait   sync.WaitGroup
}

// Link is how fast a cable is. The zero Link is as fast as the machine.
//
// TCP hides loss: what its user sees of a lost segment is that everything
// behind it waits for the retransmission. So that is what Loss does here, to
// each segment of up to 1 448 bytes, and as often again as it is lost again.
type Link struct {
	BitsPerSecond int
	Delay         time.Duration // one way
	Loss          float64       // of segments, 0 to 1
	Retransmit    time.Duration // how long a lost segment is waited for, doubling
}

// NewCable listens on a free port of this machine.
func NewCable(target string, seed uint64) (*Cable, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Cable{target: target, l: l, conns: map[net.Conn]bool{}, lots: rand.New(rand.NewPCG(seed, 1))}
	c.wait.Go(c.accept)
	return c, nil
}

// Close ends everything on it.
func (c *Cable) Close() {
	c.l.Close()
	c.Pull()
	c.wait.Wait()
}

// Addr is where to connect.
func (c *Cable) Addr() string { return c.l.Addr().String() }

// Set changes what the cable does from now on: dead, neither end sees
// anything; out, every connection ends at once.
func (c *Cable) Set(dead, out bool) {
	c.mu.Lock()
	c.dead, c.out = dead, out
	c.mu.Unlock()
	if out {
		c.Pull()
	}
}

// Garble makes it flip a bit here and there, or no more.
func (c *Cable) Garble(on bool) {
	c.mu.Lock()
	c.garble = on
	c.mu.Unlock()
}

// Shape makes it slow.
func (c *Cable) Shape(l Link) {
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
}

// Pull ends the connections there are; new ones may come.
func (c *Cable) Pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}

func (c *Cable) accept() {
	for {
		near, err := c.l.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", c.target)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		out := c.out
		c.conns[near], c.conns[far] = true, true
		c.mu.Unlock()
		if out {
			near.Close()
			far.Close()
		}
		c.wait.Go(func() { c.carry(far, near) })
		c.wait.Go(func() { c.carry(near, far) })
	}
}

const segment = 1448

// carry copies one way. What enters a dead cable is lost for good.
func (c *Cable) carry(to, from net.Conn) {
	defer func() {
		to.Close()
		from.Close()
		c.mu.Lock()
		delete(c.conns, to)
		delete(c.conns, from)
		c.mu.Unlock()
	}()
	b := make([]byte, segment)
	lost := false
	for {
		n, err := from.Read(b)
		if err != nil && err != io.EOF || n == 0 {
			return
		}
		c.mu.Lock()
		lost = lost || c.dead // TCP would not go on after a hole either
		if c.garble && c.lots.IntN(4) == 0 {
			b[c.lots.IntN(n)] ^= 1 << c.lots.IntN(8)
		}
		wait := c.takes(n)
		c.mu.Unlock()
		if lost {
			continue
		}
		time.Sleep(wait) // the time the bytes need
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// takes is how long n bytes are on their way.
func (c *Cable) takes(n int) time.Duration {
	l := c.link
	if l.BitsPerSecond == 0 {
		return 0
	}
	bits := time.Duration(8*(n+40)) * time.Second / time.Duration(l.BitsPerSecond)
	wait := bits + l.Delay
	for again := l.Retransmit; l.Loss > 0 && c.lots.Float64() < l.Loss && again < time.Minute; again *= 2 {
		wait += again + bits
	}
	return wait
}
