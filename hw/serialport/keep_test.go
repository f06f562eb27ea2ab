package serialport

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A reader pulled in the middle of a message and plugged in again is read
// again, at the same path.
func TestKeepReopensAfterUnplug(t *testing.T) {
	l := newLink(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	reports := make(chan Report, 16)
	done := make(chan error)
	k := Keeper{Path: l.Path, Mode: raw9600, MinWait: time.Millisecond, MaxWait: time.Millisecond,
		Use: func(ctx context.Context, p *Port) error {
			b := make([]byte, 16)
			for {
				n, err := p.Read(ctx, b)
				if err != nil {
					return err
				}
				got <- string(b[:n])
			}
		},
		Report: func(r Report) { reports <- r },
	}
	go func() { done <- k.Run(ctx) }()

	for life := range 3 {
		if r := <-reports; r.State != Opened {
			t.Fatalf("life %d: got %v (%v), want opened", life, r.State, r.Err)
		}
		want := fmt.Sprint("life ", life)
		if _, err := l.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != want {
			t.Errorf("got %q, want %q", s, want)
		}
		l.Unplug()
		if r := <-reports; r.State != Lost || !errors.Is(r.Err, ErrUnplugged) {
			t.Fatalf("life %d: got %v (%v), want lost by unplugging", life, r.State, r.Err)
		}
		if r := <-reports; r.State != Absent {
			t.Fatalf("life %d: got %v (%v), want absent", life, r.State, r.Err)
		}
		if err := l.Plug(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

// fakePort is a port that is only closed.
func fakePort(t *testing.T) func(context.Context, string, Mode) (*Port, error) {
	l := newLink(t)
	return func(ctx context.Context, _ string, mode Mode) (*Port, error) { return Open(ctx, l.Path, mode) }
}

func TestKeepTellsARepeatedErrorOnceAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+10*time.Second)
		defer cancel()
		opens := 0
		var reports []Report
		k := Keeper{Path: "/dev/none", Mode: raw9600, Report: func(r Report) { reports = append(reports, r) },
			open: func(context.Context, string, Mode) (*Port, error) {
				opens++
				return nil, &OpenError{Path: "/dev/none", Reason: Missing}
			}}
		if err := k.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
		if len(reports) != 4 {
			t.Fatalf("got %d reports in three minutes, want 4", len(reports))
		}
		if r := reports[0]; r.State != Absent || r.Repeated != 0 {
			t.Errorf("first: got %+v, want absent for the first time", r)
		}
		if r := reports[1]; r.Repeated < 25 || r.Repeated > 35 {
			t.Errorf("after a minute: got %d repetitions, want about 30", r.Repeated)
		}
		if opens < 90 || opens > 105 {
			t.Errorf("got %d attempts in three minutes, want about 98: 250 ms doubling to 2 s", opens)
		}
	})
}

// A reader that opens but never answers stays lost; it is told as opened when
// it has lasted.
func TestKeepDoesNotTellAFlappingPortAsOpened(t *testing.T) {
	lives := 0
	var states []State
	reported := make(chan struct{}, 8)
	k := Keeper{Path: "x", Mode: raw9600, MinWait: time.Millisecond, MaxWait: 5 * time.Millisecond, open: fakePort(t),
		Report: func(r Report) { states = append(states, r.State); reported <- struct{}{} },
		Use: func(ctx context.Context, p *Port) error {
			if lives++; lives <= 5 {
				return errors.New("no answer")
			}
			for range 3 {
				<-reported
			}
			return nil
		}}
	if err := k.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "[opened lost opened]"; fmt.Sprint(states) != want {
		t.Errorf("got %v, want %v", states, want)
	}
}

func TestKeepGivesUpWhereTryingCannotHelp(t *testing.T) {
	k := Keeper{Path: t.TempDir(), Mode: raw9600}
	var open *OpenError
	if err := k.Run(t.Context()); !errors.As(err, &open) || open.Reason != NoPort {
		t.Errorf("got %v, want an OpenError of reason NoPort", err)
	}
}
