package door

import "time"

// Fault is a wire or door that cannot be believed, by name.
type Fault struct {
	Part string // "entry", "inside", …: the pair of contacts
	Kind FaultKind
}

// FaultKind is what is wrong.
type FaultKind string

// The kinds.
const (
	Cut      FaultKind = "cut"      // neither contact of a pair is closed for too long
	Shorted  FaultKind = "shorted"  // both contacts of a pair are closed
	Bouncing FaultKind = "bouncing" // a contact does not come to rest
	Stuck    FaultKind = "stuck"    // the door was told to open and its switches do not move
)

func (f Fault) String() string { return f.Part + " " + string(f.Kind) }

// Times bound how long contacts may take.
type Times struct {
	Settle      time.Duration // a reading must stand so long to count; 40 ms where zero
	Discrepancy time.Duration // contacts of a pair may contradict each other so long; 500 ms where zero
	Travel      time.Duration // a door's longest way between its end switches; 8 s where zero
	Window      time.Duration // bouncing is counted over so long; 1 s where zero
	Bounces     int           // changes within Window that are bouncing; 8 where zero
}

func (t *Times) setDefaults() {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&t.Settle, 40 * time.Millisecond}, {&t.Discrepancy, 500 * time.Millisecond}, {&t.Travel, 8 * time.Second}, {&t.Window, time.Second}} {
		if *d.at <= 0 {
			*d.at = d.value
		}
	}
	if t.Bounces <= 0 {
		t.Bounces = 8
	}
}

// pair is two contacts of which, at rest, exactly one is closed.
type pair struct {
	part   string
	travel bool // a door's end switches: both open while it moves

	raw     [2]bool
	since   time.Time   // when raw last changed
	changes []time.Time // within the window
	settled [2]bool     // the last reading that stood long enough
	known   bool        // settled means something
	begun   bool
}

// sample takes the contacts in at now and returns what is wrong, if anything.
func (p *pair) sample(now time.Time, a, b bool, t Times) (wrong FaultKind) {
	raw := [2]bool{a, b}
	switch {
	case !p.begun:
		p.raw, p.since, p.begun = raw, now, true
	case raw != p.raw:
		p.raw, p.since = raw, now
		p.changes = append(p.changes, now)
	}
	for len(p.changes) > 0 && now.Sub(p.changes[0]) > t.Window {
		p.changes = p.changes[1:]
	}
	stood := now.Sub(p.since)
	if stood >= t.Settle {
		p.settled, p.known = raw, true
	}
	limit := t.Discrepancy
	if p.travel {
		limit = t.Travel
	}
	switch {
	case len(p.changes) >= t.Bounces:
		return Bouncing
	case a && b && stood >= t.Settle && (p.travel || stood >= limit):
		return Shorted
	case !a && !b && stood >= limit:
		return Cut
	}
	return ""
}

// judge turns raw contacts into readings. It is pure but for its memory of
// what the contacts did before: time comes with each sample.
type judge struct {
	times                                        Times
	entry, exit, front, inside, more, beyond, lp pair
	mains                                        pair
	last                                         Reading

	opening [2]time.Time // since when each door has been told to open and not done so
}

func newJudge(t Times) *judge {
	t.setDefaults()
	of := func(first Input) pair { return pair{part: parts[first/2], travel: first <= ExitClosed} }
	return &judge{times: t, entry: of(EntryClosed), exit: of(ExitClosed), front: of(FrontTaken), inside: of(InsideTaken), more: of(MoreThanOne),
		beyond: of(BeyondTaken), lp: of(LoopOpened), mains: of(Mains)}
}

// parts are what the inputs speak of, two by two.
var parts = [...]string{"entry", "exit", "front", "inside", "second person", "beyond", "emergency loop", "mains"}

// Contradictions are the pairs of contacts that cannot be so at rest.
func Contradictions(in [NumInputs]bool) (faults []Fault) {
	for i := EntryClosed; i < Mains; i += 2 {
		switch {
		case in[i] && in[i+1]:
			faults = append(faults, Fault{parts[i/2], Shorted})
		case !in[i] && !in[i+1]:
			faults = append(faults, Fault{parts[i/2], Cut})
		}
	}
	return faults
}

// sample is what the inputs say at now, while the doors are told what out says.
func (j *judge) sample(now time.Time, in [NumInputs]bool, out Outputs) Reading {
	r := Reading{}
	sample := func(p *pair, a, b bool) bool {
		wrong := p.sample(now, a, b, j.times)
		if wrong != "" {
			r.Faults = append(r.Faults, Fault{p.part, wrong})
		}
		return wrong == "" && p.known
	}
	look := func(p *pair, a, b Input) bool { return sample(p, in[a], in[b]) }
	r.Entry = j.position(&j.entry, look(&j.entry, EntryClosed, EntryWide), out.EntryOpen, now, 0, &r)
	r.Exit = j.position(&j.exit, look(&j.exit, ExitClosed, ExitWide), out.ExitOpen, now, 1, &r)
	zone := func(p *pair, taken, clear Input, before Presence) Presence {
		switch ok := look(p, taken, clear); {
		case !ok:
			return PresenceUnknown
		case p.settled == [2]bool{true, false}:
			return Taken
		case p.settled == [2]bool{false, true}:
			return Clear
		}
		return before // on its way between the two
	}
	r.Front = zone(&j.front, FrontTaken, FrontClear, j.last.Front)
	r.Beyond = zone(&j.beyond, BeyondTaken, BeyondClear, j.last.Beyond)
	r.inside = zone(&j.inside, InsideTaken, InsideClear, j.last.inside)
	r.more = zone(&j.more, MoreThanOne, AtMostOne, j.last.more)
	switch {
	case r.inside == PresenceUnknown || r.more == PresenceUnknown:
		r.Inside = PresenceUnknown
	case r.more == Taken:
		r.Inside = Several
	default:
		r.Inside = r.inside
	}
	switch ok := look(&j.lp, LoopOpened, LoopClosed); {
	case !ok:
		r.Loop = LoopUnknown
	case j.lp.settled == [2]bool{true, false}:
		r.Loop = LoopOpen
	case j.lp.settled == [2]bool{false, true}:
		r.Loop = LoopWhole
	default:
		r.Loop = j.last.Loop
	}
	// One contact, closed on the mains: a cut wire is a power failure.
	r.Mains = sample(&j.mains, in[Mains], !in[Mains]) && j.mains.settled[0]
	j.last = r
	return r
}

// position is a door's. Only its closed switch alone says closed.
func (j *judge) position(p *pair, ok, opening bool, now time.Time, door int, r *Reading) Position {
	closed := p.settled == [2]bool{true, false}
	if !opening || !closed {
		j.opening[door] = time.Time{}
	} else if j.opening[door].IsZero() {
		j.opening[door] = now
	}
	if ok && closed && opening && now.Sub(j.opening[door]) >= j.times.Travel {
		r.Faults = append(r.Faults, Fault{p.part, Stuck})
		ok = false
	}
	switch {
	case !ok:
		return PositionUnknown
	case closed:
		return Closed
	}
	return Ajar
}
