package console

import (
	"image"
	"time"

	"limen"
	"limen/mrtd/mrz"
)

// inspection is what is known of the current one.
type inspection struct {
	id       string
	started  time.Time
	step     limen.Step
	progress *limen.ReadProgress
	reached  map[string]bool // groups of checks that the line has entered
	checks   []limen.Check
	guidance limen.Guidance
	finished *limen.Finished
	deciding bool
	decided  *decided
	personal *personal // nil once forgotten
}

// personal is what must go: it names or shows the traveler.
type personal struct {
	mrz      *mrz.MRZ
	portrait image.Image
	live     image.Image
	lives    int // counts the live pictures, so that a page fetches each new one
	quality  map[limen.Picture][]limen.Component
	match    *limen.Comparison
	earlier  []limen.Earlier
}

// decided is what an officer decided about the current inspection.
type decided struct {
	outcome          limen.Outcome
	officer, grounds string
}

// past is what is kept of an earlier inspection of this session.
type past struct {
	id      string
	at      time.Time
	outcome limen.Outcome
	reason  *limen.Reason
	officer limen.Outcome // what an officer decided; empty: none did
	index   uint64
	stored  bool
}

// maxPast bounds the list of earlier inspections on the page.
const maxPast = 20

// maxChecks bounds the checks of one inspection: a line has near 25.
const maxChecks = 200

// Observe takes in what an inspection has learned. It never blocks: it holds a
// lock that nobody keeps while writing to a page or encoding a picture.
func (s *Server) Observe(e limen.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.current == nil || s.current.id != e.Inspection {
		s.retire()
		s.current = &inspection{id: e.Inspection, started: e.At, reached: map[string]bool{}, personal: &personal{}}
	}
	s.current.apply(e)
	s.forgetLater()
	s.announce()
}

// retire moves the current inspection to the session's list, without anything
// personal. One that never finished leaves nothing.
func (s *Server) retire() {
	if s.current == nil || s.current.finished == nil {
		return
	}
	p := s.current.past()
	s.session = append([]past{p}, s.session...)
	s.session = s.session[:min(len(s.session), maxPast)]
}

func (c *inspection) past() past {
	d := c.decision()
	p := past{id: c.id, at: c.finished.Record.Ended.Time(), outcome: d.Outcome, reason: mainReason(d), index: c.finished.Receipt.Index, stored: c.finished.Err == nil}
	if p.at.IsZero() {
		p.at = c.started
	}
	if c.decided != nil {
		p.officer = c.decided.outcome
	}
	return p
}

// forgetLater restarts the clock of personal data.
func (s *Server) forgetLater() {
	if s.forget != nil {
		s.forget.Stop()
	}
	c := s.current
	s.forget = time.AfterFunc(s.opts.ForgetAfter, func() { s.forgetPersonal(c) })
}

// forgetPersonal drops what names or shows the traveler. What an officer must
// still decide stays on the page without it; all else makes room.
func (s *Server) forgetPersonal(c *inspection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.current != c {
		return
	}
	c.personal = nil
	undecided := c.finished != nil && c.decision().Outcome == limen.Refer && c.decided == nil && s.opts.Officer != nil
	if !undecided {
		s.retire()
		s.current = nil
	}
	s.announce()
}

// announce tells every page that there is something new.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// apply adds one event.
func (c *inspection) apply(e limen.Event) {
	if e.Step != "" {
		c.step = e.Step
		if g, ok := groupOfStep[e.Step]; ok {
			c.reached[g] = true
		}
	}
	if e.Progress != nil {
		c.progress = e.Progress
	} else if e.Step == limen.StepChip || e.Step == limen.StepAuthenticity {
		c.progress = nil
	}
	if e.Guidance != nil {
		c.guidance = *e.Guidance
	}
	if e.Check != nil {
		c.answer(*e.Check)
	}
	if e.Finished != nil {
		f := *e.Finished
		c.finished, c.progress, c.guidance = &f, nil, limen.NoGuidance
		for _, check := range f.Record.Checks {
			c.answer(check)
		}
	}
	p := c.personal
	if p == nil { // forgotten: nothing personal comes back
		return
	}
	switch {
	case e.MRZ != nil:
		p.mrz = e.MRZ
	case e.Portrait != nil:
		p.portrait = e.Portrait
	case e.Live != nil:
		p.live = e.Live
		p.lives++
	case e.Quality != nil:
		if p.quality == nil {
			p.quality = map[limen.Picture][]limen.Component{}
		}
		p.quality[e.Quality.Picture] = e.Quality.Components
	case e.Match != nil:
		p.match = e.Match
	case e.Earlier != nil:
		p.earlier = e.Earlier
	}
}

// answer adds a check; one of the same name and subject takes its place.
func (c *inspection) answer(check limen.Check) {
	for i, had := range c.checks {
		if had.Name == check.Name && had.Subject == check.Subject {
			c.checks[i] = check
			return
		}
	}
	if len(c.checks) < maxChecks {
		c.checks = append(c.checks, check)
	}
}

// decision is what the machine decided; an inspection without a durable
// record is referred, whatever else it says.
func (c *inspection) decision() limen.Decision {
	d := c.finished.Record.Decision
	if c.finished.Err != nil && d.Outcome == limen.Admit {
		d.Outcome = limen.Refer
		d.Reasons = append([]limen.Reason{{Code: limen.RecordNotStored}}, d.Reasons...)
		d.Recommendation = limen.RecommendServe
	}
	return d
}

// mainReason is the one to tell first: the first that leads to the decision's
// recommendation all by itself, for that is its gravest.
func mainReason(d limen.Decision) *limen.Reason {
	for _, r := range d.Reasons {
		alone := limen.Decide(limen.Evidence{Checks: []limen.Check{{Name: limen.CheckCompleted, Status: limen.Failed, Reasons: []limen.Reason{r}}}}, limen.Policy{})
		if alone.Recommendation == d.Recommendation {
			return &r
		}
	}
	if len(d.Reasons) > 0 {
		return &d.Reasons[0]
	}
	return nil
}
