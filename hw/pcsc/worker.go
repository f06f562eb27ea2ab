//go:build cgo

package pcsc

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("the reader was closed")

// worker makes calls one after the other in a goroutine of its own.
type worker struct {
	jobs chan func()
	quit chan struct{}
	done chan struct{}
	once sync.Once
}

func newWorker() *worker {
	w := &worker{jobs: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			select {
			case f := <-w.jobs:
				f()
			case <-w.quit:
				return
			}
		}
	}()
	return w
}

// do has f called and waits for it while ctx lasts. When it returns early, f
// still runs to its end, and the next call waits for that.
func do[T any](ctx context.Context, w *worker, f func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	type result struct {
		v   T
		err error
	}
	out := make(chan result, 1)
	select {
	case w.jobs <- func() { v, err := f(); out <- result{v, err} }:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-w.quit:
		return none, errClosed
	}
	select {
	case r := <-out:
		return r.v, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// stop waits until the call under way has ended; none is made after it.
func (w *worker) stop() {
	w.once.Do(func() { close(w.quit) })
	<-w.done
}
