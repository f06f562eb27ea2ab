package link

import (
	"sync"
	"time"
)

// pacer spreads the bytes of one direction over the time a wire needs. Within
// a message it counts from the message's begin, so that late wake-ups do not
// add up.
type pacer struct {
	mu         sync.Mutex
	baud, bits int
	busy       time.Time // when the last byte is through
}

// slice is how much of a message travels at once: short against what a
// driver's timeouts measure, long against a timer's grain.
const slice = 2 * time.Millisecond

func (p *pacer) set(baud, bits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.baud, p.bits = baud, bits
}

func (p *pacer) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = time.Time{}
}

// perByte is the time of one byte; 0 where nothing is paced.
func (p *pacer) perByte(hostBaud func() int) time.Duration {
	p.mu.Lock()
	baud, bits := p.baud, p.bits
	p.mu.Unlock()
	if bits <= 0 {
		return 0
	}
	if baud <= 0 {
		baud = hostBaud()
	}
	if baud <= 0 {
		return 0
	}
	return time.Duration(bits) * time.Second / time.Duration(baud)
}

// chunk is how many of n bytes to send at once.
func (p *pacer) chunk(n int, hostBaud func() int) int {
	per := p.perByte(hostBaud)
	if per <= 0 {
		return n
	}
	return min(n, max(1, int(slice/per)))
}

// begin starts a message: now, or when the wire is free.
func (p *pacer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.busy.Before(now) {
		p.busy = now
	}
}

// spend waits until n more bytes are through; false when gone closes first.
func (p *pacer) spend(n int, hostBaud func() int, gone <-chan struct{}) bool {
	per := p.perByte(hostBaud)
	if per <= 0 {
		select {
		case <-gone:
			return false
		default:
			return true
		}
	}
	p.mu.Lock()
	p.busy = p.busy.Add(time.Duration(n) * per)
	wait := time.Until(p.busy)
	p.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-gone:
		return false
	}
}
