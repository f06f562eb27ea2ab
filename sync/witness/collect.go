package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"limen/sync/journal"
)

// What only a changed history explains, if the witness says the truth.
var (
	ErrForked     = errors.New("the witness says that it cosigned another history of this journal: then it was changed, or another device has its key; keep the store and ask the witness for its evidence")
	ErrRolledBack = errors.New("the witness says that it cosigned more entries than the journal has: then its store was set back to an old copy; keep it for examination")
)

// CollectOptions say whose cosignatures are asked for. Zero durations take the
// defaults named.
type CollectOptions struct {
	Journal    *journal.Journal
	Peers      []Peer
	Gather     time.Duration // entries that come within it share a request (10 s)
	Refresh    time.Duration // a journal that stands still is shown again after it (1 h)
	Timeout    time.Duration // of one request (10 s)
	BackoffMin time.Duration // pause after a request that failed, doubling … (5 s)
	BackoffMax time.Duration // … up to this (10 min)
	OnState    func(PeerState)
	Log        *slog.Logger
}

// PeerState is how one witness stands.
type PeerState struct {
	Name string
	Size uint64    // entries of the newest checkpoint it cosigned since the start
	At   time.Time // when it did
	Err  error     // why the last request failed; nil when it did not
}

// Collector asks witnesses for cosignatures and keeps them in the journal.
// Nothing waits for it.
type Collector struct {
	opts   CollectOptions
	mu     sync.Mutex
	states []PeerState
}

// NewCollector checks the options; nobody is asked before Run.
func NewCollector(opts CollectOptions) (*Collector, error) {
	if opts.Journal == nil {
		return nil, errors.New("the collector of cosignatures has no journal")
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opts.Gather, 10*time.Second)
	def(&opts.Refresh, time.Hour)
	def(&opts.Timeout, 10*time.Second)
	def(&opts.BackoffMin, 5*time.Second)
	def(&opts.BackoffMax, 10*time.Minute)
	opts.BackoffMax = max(opts.BackoffMax, opts.BackoffMin)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{opts: opts}
	for _, p := range opts.Peers {
		if p.Key == nil {
			return nil, errors.New("a witness has no key: its cosignatures could not be checked")
		}
		if err := CheckURL(p.URL); err != nil {
			return nil, err
		}
		for _, other := range c.states {
			if other.Name == p.Key.Name() {
				return nil, fmt.Errorf("two witnesses have the name %s", other.Name)
			}
		}
		c.states = append(c.states, PeerState{Name: p.Key.Name()})
	}
	return c, nil
}

// States is how the witnesses stand now.
func (c *Collector) States() []PeerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]PeerState(nil), c.states...)
}

// Run asks until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for k, p := range c.opts.Peers {
		wg.Go(func() { c.run(ctx, k, p) })
	}
	wg.Wait()
	return nil
}

// run asks one witness, again and again.
func (c *Collector) run(ctx context.Context, k int, p Peer) {
	known, backoff := uint64(0), c.opts.BackoffMin
	for c.opts.Journal.Wait(ctx, 0) == nil {
		size, err := c.ask(ctx, p, &known)
		if ctx.Err() != nil {
			return
		}
		c.tell(k, size, err)
		pause := c.opts.Gather
		if err != nil {
			pause = backoff/2 + rand.N(backoff/2+1) // a site that lost its switch asks spread out
			backoff = min(2*backoff, c.opts.BackoffMax)
		} else {
			backoff = c.opts.BackoffMin
			idle, stop := context.WithTimeout(ctx, c.opts.Refresh)
			c.opts.Journal.Wait(idle, size) // more entries, or the time to be shown again
			stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (c *Collector) tell(k int, size uint64, err error) {
	c.mu.Lock()
	s := &c.states[k]
	changed := fmt.Sprint(s.Err) != fmt.Sprint(err)
	s.Err = err
	if err == nil {
		s.Size, s.At = size, time.Now()
	}
	now := *s
	c.mu.Unlock()
	if changed {
		c.opts.Log.Info("witness", "name", now.Name, "cosigned", now.Size, "error", err)
	}
	if c.opts.OnState != nil {
		c.opts.OnState(now)
	}
}

// ask shows a witness the newest checkpoint and keeps its cosignature. known
// is the size it cosigned last, as far as is known here.
func (c *Collector) ask(ctx context.Context, p Peer, known *uint64) (size uint64, err error) {
	for range 3 {
		if size, err = c.askOnce(ctx, p, *known); err == nil {
			*known = size
			return size, nil
		}
		var no *Refusal
		switch {
		case !errors.As(err, &no):
			return size, err
		case no.Status == http.StatusUnprocessableEntity, no.Status == http.StatusConflict && no.Size == *known:
			return size, errors.Join(ErrForked, err)
		case no.Status == http.StatusConflict && no.Size > c.opts.Journal.Size():
			return size, errors.Join(ErrRolledBack, err)
		case no.Status != http.StatusConflict:
			return size, err
		}
		*known = no.Size
	}
	return size, err
}

func (c *Collector) askOnce(ctx context.Context, p Peer, known uint64) (size uint64, err error) {
	j := c.opts.Journal
	size = j.Size()
	if known > size {
		return size, ErrRolledBack
	}
	r := Request{Old: known}
	if r.Checkpoint, err = j.CheckpointAt(ctx, size); err != nil {
		return size, err
	}
	if known > 0 && known < size {
		if r.Proof, err = j.ProveConsistency(known, size); err != nil {
			return size, err
		}
	}
	asking, stop := context.WithTimeout(ctx, c.opts.Timeout)
	defer stop()
	cosigned, err := p.Ask(asking, r)
	if err != nil {
		return size, err
	}
	return size, j.AddCosignatures(ctx, cosigned)
}
