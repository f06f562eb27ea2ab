package serialport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// State is where a kept port stands.
type State string

// The states.
const (
	Opened State = "opened" // open and in use
	Lost   State = "lost"   // was open and failed, as by unplugging
	Absent State = "absent" // did not open
)

// Report is one thing to tell about a kept port.
type Report struct {
	Path  string
	State State
	Err   error // why; nil when opened
	// Repeated counts the same report since it was last told; 0 the first time.
	Repeated int
}

// Keeper owns one port: it opens it, has it used, and opens it again after it
// was unplugged, until its context ends.
//
//	absent --opened--> opened --failed--> lost --wait--> absent or opened
type Keeper struct {
	Path string
	Mode Mode
	// Use speaks to the device. It returns when ctx ends or the port fails;
	// the port is closed after it. A nil error while ctx lives says that the
	// work is done, and ends Run.
	Use func(ctx context.Context, port *Port) error
	// Report hears what happens, one report at a time, and must not block.
	// May be nil.
	Report func(Report)

	// MinWait and MaxWait bound the wait before opening again, which doubles
	// from one to the other; 250 ms and 2 s where zero. Short, because the
	// traveller waits in front of the gate while an officer plugs the reader in.
	MinWait, MaxWait time.Duration
	// Period is how often a repeated error is told; a minute where zero.
	Period time.Duration

	open func(context.Context, string, Mode) (*Port, error) // for tests
}

// Run blocks until ctx ends or Use is done, and returns after the port is
// closed. Its error is nil when Use was done, ctx's when ctx ended, and an
// *OpenError at once where trying again cannot help (BadSetting, NoPort).
func (k Keeper) Run(ctx context.Context) error {
	k.setDefaults()
	voice := voice{report: k.Report, period: k.Period}
	wait := k.MinWait
	flapping := false
	for {
		started := time.Now()
		state, err := k.once(ctx, &voice, flapping)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var open *OpenError
		if errors.As(err, &open) && (open.Reason == BadSetting || open.Reason == NoPort) {
			return err
		}
		voice.say(Report{Path: k.Path, State: state, Err: err})
		short := time.Since(started) <= k.MaxWait
		flapping = state == Lost && short
		if !short {
			wait = k.MinWait // it worked for a while: this is a new failure
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, k.MaxWait)
	}
}

// once opens the port, has it used and closes it. A port that opened and
// failed at once just before is told as opened only when it has lasted: a
// reader that never answers is lost all the while, not lost and found.
func (k Keeper) once(ctx context.Context, voice *voice, flapping bool) (State, error) {
	port, err := k.open(ctx, k.Path, k.Mode)
	if err != nil {
		return Absent, err
	}
	opened := func() { voice.say(Report{Path: k.Path, State: Opened}) }
	if flapping {
		lasted, stop := context.WithCancel(ctx)
		told := make(chan struct{})
		go func() {
			defer close(told)
			if sleep(lasted, k.MaxWait) == nil {
				opened()
			}
		}()
		defer func() { stop(); <-told }()
	} else {
		opened()
	}
	err = k.Use(ctx, port)
	if closing := port.Close(); err == nil && closing != nil {
		err = fmt.Errorf("the work was done, but: %w", closing)
	}
	return Lost, err
}

func (k *Keeper) setDefaults() {
	if k.MinWait <= 0 {
		k.MinWait = 250 * time.Millisecond
	}
	if k.MaxWait <= 0 {
		k.MaxWait = max(k.MinWait, 2*time.Second)
	}
	if k.Period <= 0 {
		k.Period = time.Minute
	}
	if k.open == nil {
		k.open = Open
	}
}

// voice tells a change at once and a repetition once a period, with its count.
type voice struct {
	report func(Report)
	period time.Duration

	mu   sync.Mutex
	told map[string]*telling // by state and error, since the port was last told as opened
}

type telling struct {
	at    time.Time
	count int
}

func (v *voice) say(r Report) {
	if v.report == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	key := string(r.State)
	if r.Err != nil {
		key += " " + r.Err.Error()
	}
	t := v.told[key]
	if t != nil && now.Sub(t.at) < v.period {
		t.count++
		return
	}
	if t != nil {
		r.Repeated = t.count
	}
	// A recovery makes every failure new again. Texts that vary must not fill memory.
	if r.State == Opened || len(v.told) > 32 || v.told == nil {
		v.told = map[string]*telling{}
	}
	if r.State != Opened {
		v.told[key] = &telling{at: now}
	}
	v.report(r)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
