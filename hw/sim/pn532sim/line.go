package pn532sim

import (
	"context"
	"sync"
	"time"
)

// maxLag bounds how much of its own lateness the line makes good, so that a
// stalled machine shows up as a slow exchange and not as a burst.
const maxLag = 20 * time.Millisecond

// line is the schedule of the serial line and the air. Times are added up to
// deadlines and slept to, and what one sleep overshot the next exchange makes
// good: the sum stays true though single sleeps are off by a millisecond.
type line struct {
	pace bool

	mu     sync.Mutex
	needed time.Duration

	at  time.Time     // when everything scheduled so far is over
	lag time.Duration // how late the last frame left
}

func (l *line) total() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.needed
}

func (l *line) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.needed = 0
}

// add puts d onto the schedule.
func (l *line) add(d time.Duration) {
	l.mu.Lock()
	l.needed += d
	l.mu.Unlock()
	l.at = l.at.Add(d)
}

// received notes that n bytes began to come at the given time.
func (l *line) received(began time.Time, n, baud int) {
	began = began.Add(-l.lag)
	l.lag = 0
	if began.After(l.at) {
		l.at = began
	}
	l.add(serialTime(n, baud))
}

// sending puts n bytes from chip to host onto the schedule.
func (l *line) sending(n, baud int) { l.add(serialTime(n, baud)) }

// sent notes that what was scheduled has now left.
func (l *line) sent() {
	if l.pace {
		l.lag = min(max(time.Since(l.at), 0), maxLag)
	}
}

// wait sleeps until the schedule's end; it tells false when stop was closed
// before. When ctx ends it returns at once.
func (l *line) wait(ctx context.Context, stop <-chan struct{}) bool {
	if l.pace {
		if d := time.Until(l.at); d > 0 {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			case <-stop:
				return false
			}
		}
	}
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// serialTime: a start bit, eight data bits and a stop bit for each byte.
func serialTime(n, baud int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(baud)
}

// frameDelay is the least time between the end of one frame in the air and the
// start of the answer: 1172/fc (ISO/IEC 14443-3, 6.2.1.1).
const frameDelay = 1172 * time.Second / 13_560_000

// airTime is what a payload of n bytes takes in one direction: blocks of at
// most fs bytes with a protocol byte and two of CRC, each followed by the frame
// delay, and for all but the last the other side's three-byte R(ACK) at its own
// bit rate (ISO/IEC 14443-4, 7.5).
func airTime(n, fs, bitsPerByte, rate, backRate int) time.Duration {
	const overhead, rblock = 3, 3
	inf := fs - overhead
	blocks := max(1, (n+inf-1)/inf)
	bits := time.Duration((n + overhead*blocks) * bitsPerByte)
	d := bits*time.Second/time.Duration(rate) + time.Duration(blocks)*frameDelay
	acks := time.Duration(blocks - 1)
	return d + acks*(time.Duration(rblock*bitsPerByte)*time.Second/time.Duration(backRate)+frameDelay)
}
