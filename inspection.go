package limen

import (
	"context"
	"slices"
	"sync"
	"time"

	"limen/mrtd/trust"
)

// Inspection is one traveller's crossing. Its fields are set before Run and
// not changed; any port may be nil, in which case what it would have answered
// is not performed and the policy decides what that means.
type Inspection struct {
	ID       string // random, unique; names the inspection in records
	Site     string
	Device   string
	Software string // version that judged
	Policy   Policy
	Scope    Scope            // whose checks are kept with a pseudonym; nobody's where it is empty
	Places   map[string]Place // where sites are

	Chip       ChipReader
	Camera     FaceCamera
	Portraits  PortraitDecoder
	Trust      *trust.Store
	Lookups    []Lookup
	History    History
	Pseudonyms Pseudonymizer
	Observer   Observer
	Now        func() time.Time
}

// Run takes one traveller across the threshold: it returns when the decision
// is made and its record durable, or could not be made so (Finished.Err), in
// which case nobody is admitted. An inspection cut short by ctx still leaves
// its record.
func (in *Inspection) Run(ctx context.Context, presented Presented) Finished {
	started := in.presentedAt(presented)
	line, stop := context.WithTimeout(ctx, in.Policy.Times.Inspection)
	defer stop()

	document := in.readMRZ(line, presented, started)
	eligibility := in.judgeEligibility(document)
	if !eligibility.serves {
		return in.finish(ctx, started, document.about, document, eligibility, in.skipped(CheckEligibility))
	}

	var (
		chip     chipReading
		proof    authenticity
		portrait portrait
		face     liveFace
		lookups  checks
		history  earlierChecks
	)
	together(
		func() { // the chip opens, is read and judged; its portrait is decoded meanwhile …
			early := in.awaitPortrait(line)
			chip = in.readChip(line, document, presented.CAN, early.arrive)
			proof = in.judgeAuthenticity(document, chip)
			portrait = early.portrait(chip)
		},
		func() { face = in.captureFace(line) }, // … while the camera looks for the face
		func() { lookups = in.askLookups(line, document) },
		func() { history = in.askHistory(line, document) },
	)
	match := in.matchFace(line, proof, portrait, face)
	history = in.judgeHistory(history, document, chip, proof)
	completed := in.complete(line)

	return in.finish(ctx, started, document.about, document, eligibility, chip, proof, face, portrait, match, lookups, history, completed)
}

// presentedAt is when the reader had the document, from which the traveller
// waits; now, where the reader does not say or its clock is ahead.
func (in *Inspection) presentedAt(p Presented) time.Time {
	now := in.Now()
	if p.At.IsZero() || p.At.After(now) {
		return now
	}
	return p.At
}

// together runs the parts of the line that do not wait for each other, and
// returns when all have: the traveller waits for the slowest, not for the sum.
func together(parts ...func()) {
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(part)
	}
	wg.Wait()
}

// result is what a step hands on: it adds what it found to the evidence.
type result interface{ addTo(*Evidence) }

// finish gathers the evidence in the line's order, decides, and records.
func (in *Inspection) finish(ctx context.Context, started time.Time, about Subject, results ...result) Finished {
	evidence := Evidence{Inspection: in.ID, Started: started}
	for _, r := range results {
		r.addTo(&evidence)
	}
	evidence.Ended = in.Now()
	evidence.Spent.Total = SpanOf(evidence.Ended.Sub(started))
	decision := Decide(evidence, in.Policy)
	return in.record(ctx, about, evidence, decision)
}

// checks is the result of a step that adds nothing but checks.
type checks []Check

func (c checks) addTo(e *Evidence) { e.Checks = append(e.Checks, c...) }

// status is the status of the named check among c.
func (c checks) status(name CheckName, subject string) Status {
	for _, check := range c {
		if check.Name == name && check.Subject == subject {
			return check.Status
		}
	}
	return NotPerformed
}

// skipped names everything that is not done for whom an earlier check stopped.
func (in *Inspection) skipped(by CheckName) checks {
	out := checks{}
	for _, name := range inOrder[slices.Index(inOrder, CheckChipAccess):] {
		out = append(out, needs(name, by))
	}
	for _, l := range in.Policy.Lookups {
		out = append(out, needs(CheckLookup, by).of(l.Name))
	}
	in.tell(StepEligibility, out...)
	return out
}

// complete states whether the line ran to its end.
func (in *Inspection) complete(line context.Context) checks {
	c := pass(CheckCompleted)
	switch {
	case line.Err() == nil:
	case context.Cause(line) == context.DeadlineExceeded:
		c = inconclusive(CheckCompleted, because(CutShort, "time_limit"))
	default:
		c = inconclusive(CheckCompleted, because(CutShort))
	}
	in.tell(StepDecision, c)
	return checks{c}
}

// observe hands an event to the screen, stamped.
func (in *Inspection) observe(e Event) {
	if in.Observer != nil {
		e.Inspection, e.At = in.ID, in.Now()
		in.Observer.Observe(e)
	}
}

// tell hands answered checks to the screen.
func (in *Inspection) tell(step Step, answered ...Check) {
	for _, c := range answered {
		in.observe(Event{Step: step, Check: &c})
	}
}
