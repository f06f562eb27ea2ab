package door

import (
	"slices"
	"testing"
	"time"
)

// rest is what the contacts of a closed, empty gate read.
func rest() (in [NumInputs]bool) {
	for _, i := range []Input{EntryClosed, ExitClosed, FrontClear, InsideClear, AtMostOne, BeyondClear, LoopClosed, Mains} {
		in[i] = true
	}
	return in
}

// watch samples every 10 ms for so long and returns the last reading and every
// fault seen on the way.
func watch(j *judge, now *time.Time, d time.Duration, out Outputs, in func(n int) [NumInputs]bool) (r Reading, faults []string) {
	for n := range int(d / (10 * time.Millisecond)) {
		*now = now.Add(10 * time.Millisecond)
		r = j.sample(*now, in(n), out)
		for _, f := range r.Faults {
			if s := f.String(); !slices.Contains(faults, s) {
				faults = append(faults, s)
			}
		}
	}
	return r, faults
}

func steady(in [NumInputs]bool) func(int) [NumInputs]bool {
	return func(int) [NumInputs]bool { return in }
}

// Whatever one wire does, what it speaks of becomes unknown and the fault has
// a name; or, where one wire more or less is a reading, it is the safe one.
func TestEveryWireCutShortedAndBouncing(t *testing.T) {
	with := func(i Input, v bool) [NumInputs]bool { in := rest(); in[i] = v; return in }
	parts := [NumInputs]string{"entry", "entry", "exit", "exit", "front", "front", "inside", "inside", "second person", "second person", "beyond", "beyond", "emergency loop", "emergency loop", "mains"}
	for i := range NumInputs {
		j, now := newJudge(Times{}), time.Unix(0, 0)
		good, faults := watch(j, &now, time.Second, Outputs{}, steady(rest()))
		if want := (Reading{Entry: Closed, Exit: Closed, Front: Clear, Inside: Clear, Beyond: Clear, Loop: LoopWhole, Mains: true}); !good.equal(want) || faults != nil {
			t.Fatalf("at rest: got %+v %v", good, faults)
		}
		wrong := "cut"
		broken := with(i, false)
		if !rest()[i] {
			wrong, broken = "shorted", with(i, true)
		}
		r, faults := watch(j, &now, 10*time.Second, Outputs{}, steady(broken))
		want := []string{parts[i] + " " + wrong}
		if i == Mains {
			want = nil
		}
		if !slices.Equal(faults, want) || r.equal(good) {
			t.Errorf("input %d %s: got faults %v and %+v, want %v and something unknown", i, wrong, faults, r, want)
		}
		if r.Loop == LoopOpen {
			t.Errorf("input %d %s: taken for an emergency", i, wrong)
		}
		j, now = newJudge(Times{}), time.Unix(0, 0)
		watch(j, &now, time.Second, Outputs{}, steady(rest()))
		r, faults = watch(j, &now, time.Second, Outputs{}, func(n int) [NumInputs]bool { return with(i, n%2 == 0) })
		if want := []string{parts[i] + " bouncing"}; !slices.Equal(faults, want) || r.Loop == LoopOpen {
			t.Errorf("input %d bouncing: got %v, want %v", i, faults, want)
		}
		if r, faults = watch(j, &now, 2*time.Second, Outputs{}, steady(rest())); !r.equal(good) {
			t.Errorf("input %d mended: got %+v %v", i, r, faults)
		}
	}
}

func TestContactsThatBounceALittleAreNoFault(t *testing.T) {
	j, now := newJudge(Times{}), time.Unix(0, 0)
	watch(j, &now, time.Second, Outputs{}, steady(rest()))
	taken := rest()
	taken[InsideTaken], taken[InsideClear] = true, false
	var seen []Presence
	for n := range 60 {
		now = now.Add(10 * time.Millisecond)
		in := taken
		if n < 5 && n%2 == 1 {
			in = rest()
		}
		if r := j.sample(now, in, Outputs{}); len(seen) == 0 || seen[len(seen)-1] != r.Inside {
			seen = append(seen, r.Inside)
		}
	}
	if !slices.Equal(seen, []Presence{Clear, Taken}) {
		t.Errorf("got %v, want clear, then taken", seen)
	}
}

func TestDoorsBetweenTheirEndSwitches(t *testing.T) {
	moving, wide := rest(), rest()
	moving[ExitClosed] = false
	wide[ExitClosed], wide[ExitWide] = false, true
	j, now := newJudge(Times{Travel: 2 * time.Second}), time.Unix(0, 0)
	open := Outputs{ExitOpen: true}
	watch(j, &now, time.Second, Outputs{}, steady(rest()))
	for _, step := range []struct {
		in   [NumInputs]bool
		d    time.Duration
		want Position
	}{{moving, time.Second, Ajar}, {wide, time.Minute, Ajar}, {moving, time.Second, Ajar}, {rest(), time.Second, Closed}, {rest(), 2 * time.Second, PositionUnknown}} {
		if r, _ := watch(j, &now, step.d, open, steady(step.in)); r.Exit != step.want {
			t.Errorf("got %v, want %v (%v)", r.Exit, step.want, r.Faults)
		}
	}
	if r, _ := watch(j, &now, time.Second, open, steady(rest())); !slices.Equal(r.Faults, []Fault{{"exit", Stuck}}) {
		t.Errorf("got %v, want a stuck exit", r.Faults)
	}
}

// A lock that opens without current is energized to lock: without a host it
// falls open, as configured, and any other falls locked.
func TestLocksFailAsConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		out  Outputs
		want [NumOutputs]bool
	}{
		"both secure, locked": {Options{}, Outputs{}, [NumOutputs]bool{}},
		"both secure, exit":   {Options{}, Outputs{ExitOpen: true, ExitGreen: true}, [NumOutputs]bool{ExitLock: true, ExitGreen: true}},
		"exit safe, locked":   {Options{ExitFailsSafe: true}, Outputs{}, [NumOutputs]bool{ExitLock: true}},
		"exit safe, open":     {Options{ExitFailsSafe: true}, Outputs{ExitOpen: true}, [NumOutputs]bool{}},
		"entry safe, alarm":   {Options{EntryFailsSafe: true}, Outputs{Alarm: true}, [NumOutputs]bool{EntryLock: true, Alarm: true}},
	} {
		if got := New(c.o).relays(c.out, false); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
