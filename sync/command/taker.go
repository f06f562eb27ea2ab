package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"limen/sync/wire"
)

// Options say whose commands they are.
type Options struct {
	Path    string // file of the state
	Device  string
	Key     string // the operations key of the enrolment, as note.NewVerifier reads it
	Centre  Asker  // may be set later, before Run
	Do      map[What]func(ctx context.Context, c Command) (detail string, err error)
	Every   time.Duration // between asks, on average (5 min): what is urgent comes unasked
	Now     func() time.Time
	Refused func(Refusal)         // told of refusals, the same ones at most once a minute
	Done    func(Command, string) // told of commands taken, with their result
	Log     *slog.Logger
}

// Asker is the way to the centre.
type Asker interface {
	// Ask fails when there is no reply before ctx ends, or no connection.
	Ask(ctx context.Context, a wire.Ask) (wire.Reply, error)
}

// Taker takes a device's commands: one at a time, in their order.
type Taker struct {
	opts Options
	look chan struct{}

	taking sync.Mutex // one command at a time
	mu     sync.Mutex
	state  state
	told   map[Why]*telling
}

// telling keeps a hostile broker from filling the journal with refusals.
type telling struct {
	at    time.Time
	times int // since then
}

// New reads how far commands were taken.
func New(opts Options) (*Taker, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Every <= 0 {
		opts.Every = 5 * time.Minute
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := readState(opts.Path, opts.Key)
	if err != nil {
		return nil, err
	}
	return &Taker{opts: opts, look: make(chan struct{}, 1), state: s, told: map[Why]*telling{}}, nil
}

// Ask names the way to the centre. It is called before Run.
func (t *Taker) Ask(centre Asker) { t.opts.Centre = centre }

// Last is the number of the last command taken.
func (t *Taker) Last() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Last
}

// Take judges what came as a command, does it where it is good, and keeps its
// number. A *Refusal says why not; any other error is that the number could not
// be kept, and the command comes again.
func (t *Taker) Take(ctx context.Context, signed []byte) error {
	t.taking.Lock()
	defer t.taking.Unlock()
	t.mu.Lock()
	keys := t.state.verifiers(func(i int, _ keyState) bool { return i == 0 })
	last := t.state.Last
	t.mu.Unlock()
	c, no := judge(signed, keys, t.opts.Device, last, t.opts.Now())
	if no != nil {
		t.tell(*no)
		if no.Why != WhyExpired {
			return no
		}
		// It was truly the next one: whatever follows it is to be taken.
		return errors.Join(no, t.settle(c, wire.Result{Number: c.Number, Result: string(no.Why), Detail: cut(no.Detail)}))
	}
	result := wire.Result{Number: c.Number, Result: "done"}
	detail, err := t.do(ctx, c)
	if err != nil {
		result.Result, detail = "failed", err.Error()
	}
	result.Detail = cut(detail)
	if err := t.settle(c, result); err != nil {
		return err
	}
	t.opts.Log.Info("command taken", "number", c.Number, "what", c.What, "result", result.Result)
	if t.opts.Done != nil {
		t.opts.Done(c, result.Result)
	}
	return nil
}

func (t *Taker) do(ctx context.Context, c Command) (string, error) {
	if c.What == OperationsKey {
		return "", nil // settle takes it
	}
	do := t.opts.Do[c.What]
	if do == nil {
		return "", fmt.Errorf("this device cannot do %s", c.What)
	}
	return do(ctx, c)
}

// cut keeps a detail within its bound.
func cut(s string) string { return s[:min(len(s), 150)] }

// settle keeps the number and the result, durably.
func (t *Taker) settle(c Command, r wire.Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.state
	next.Last = c.Number
	next.Keys = append([]keyState(nil), t.state.Keys...)
	if c.What == OperationsKey && r.Result == "done" {
		next.rotate(c)
	}
	next.Tell = append(append([]wire.Result(nil), t.state.Tell...), r)
	if n := len(next.Tell); n > wire.MaxRuns { // the centre has been away for long: it learns the newest
		next.Tell = next.Tell[n-wire.MaxRuns:]
	}
	if err := next.write(t.opts.Path); err != nil {
		return fmt.Errorf("cannot keep that command %d was taken: %w", c.Number, err)
	}
	t.state = next
	t.Look()
	return nil
}

// tell tells of a refusal, unless one like it was told within the minute.
func (t *Taker) tell(no Refusal) {
	t.opts.Log.Warn("command refused", "number", no.Number, "why", no.Why)
	t.mu.Lock()
	known := t.told[no.Why]
	now := t.opts.Now()
	if known != nil && now.Sub(known.at) < time.Minute {
		known.times++
		t.mu.Unlock()
		return
	}
	if known != nil {
		no.Times += known.times
	}
	t.told[no.Why] = &telling{at: now}
	t.mu.Unlock()
	if t.opts.Refused != nil {
		t.opts.Refused(no)
	}
}

// Look makes Run ask at once.
func (t *Taker) Look() {
	select {
	case t.look <- struct{}{}:
	default:
	}
}

// Run tells the centre what became of commands, and takes those that wait, until
// ctx ends. That the centre is away is no error.
func (t *Taker) Run(ctx context.Context) error {
	for {
		pause := t.opts.Every
		if err := t.Fetch(ctx); err != nil && ctx.Err() == nil {
			t.opts.Log.Info("commands not fetched; asking again", "error", err)
			pause = min(pause, 5*time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.look:
		case <-time.After(pause/2 + rand.N(pause)): // a fleet does not ask in step
		}
	}
}

// patience is how long one reply is waited for.
const patience = 30 * time.Second

// Fetch tells and takes what waits now.
func (t *Taker) Fetch(ctx context.Context) error {
	for {
		t.mu.Lock()
		a := wire.CommandsAsk{Taken: t.state.Last, Done: t.state.Tell}
		t.mu.Unlock()
		asking, stop := context.WithTimeout(ctx, patience)
		reply, err := t.opts.Centre.Ask(asking, wire.Ask{Commands: &a})
		stop()
		if err != nil {
			return err
		}
		if err := t.heard(len(a.Done)); err != nil {
			return err
		}
		before := t.Last()
		for _, c := range reply.Commands {
			err := t.Take(ctx, c)
			if no := (*Refusal)(nil); err != nil && !errors.As(err, &no) {
				return err
			}
		}
		if t.Last() == before {
			return nil
		}
	}
}

// heard forgets the first n results: the centre has them.
func (t *Taker) heard(n int) error {
	if n == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.state
	next.Tell = append([]wire.Result(nil), t.state.Tell[min(n, len(t.state.Tell)):]...)
	if err := next.write(t.opts.Path); err != nil {
		return err
	}
	t.state = next
	return nil
}
