package limen

import (
	"context"
	"time"

	"limen/mrtd/mrz"
)

// printed is the document as its printed MRZ describes it.
type printed struct {
	mrz   mrz.MRZ
	known bool // the lines are an MRZ at all
	facts Document
	about Subject // as the history knows it; none where it keeps none of such documents
	kept  bool    // whether it does
	check Check
	spent time.Duration
}

func (p printed) addTo(e *Evidence) {
	e.Document = p.facts
	e.Checks = append(e.Checks, p.check)
	e.Spent.MRZ = SpanOf(p.spent)
}

// readMRZ parses the printed MRZ and judges its check digits (Doc 9303-3, 4.9).
func (in *Inspection) readMRZ(ctx context.Context, presented Presented, started time.Time) printed {
	in.observe(Event{Step: StepDocument})
	p := printed{}
	m, err := mrz.Parse(presented.Lines, in.Now())
	switch {
	case err != nil:
		p.check = inconclusive(CheckMRZ, because(MRZUnreadable))
	default:
		p.mrz, p.known = m, true
		p.check = judgeMRZ(m)
		p.facts = documentFacts(m)
		p.kept = in.Scope.covers(p.facts)
		p.about = in.subject(ctx, p)
		p.facts.Pseudonym = p.about.Pseudonym
		in.observe(Event{Step: StepMRZ, MRZ: &m})
	}
	p.spent = in.Now().Sub(started)
	in.tell(StepMRZ, p.check)
	return p
}

func judgeMRZ(m mrz.MRZ) Check {
	var wrong, notes []Reason
	for _, d := range m.Checks {
		if !d.OK {
			wrong = append(wrong, because(MRZCheckDigit, string(d.Field)))
		}
	}
	for _, r := range m.Repairs {
		notes = appendNew(notes, because(MRZRepaired, string(r.Field)))
	}
	if len(wrong) > 0 {
		return fail(CheckMRZ, wrong...)
	}
	return pass(CheckMRZ, notes...)
}

// eligible is whether this gate serves the document, and whether it is still valid.
type eligible struct {
	checks
	serves bool
}

// judgeEligibility judges type, issuer, nationality and age before anything
// personal is read or filmed, and the date of expiry. An expired document is
// still examined: the officer it is referred to needs to know the rest.
func (in *Inspection) judgeEligibility(p printed) eligible {
	if !p.known {
		out := eligible{checks: checks{needs(CheckEligibility, CheckMRZ), needs(CheckExpiry, CheckMRZ)}}
		in.tell(StepEligibility, out.checks...)
		return out
	}
	now := in.Now()
	verdict := in.Policy.Eligibility.judge(p.mrz, now)
	out := eligible{checks: checks{verdict, judgeExpiry(p.mrz, now)}, serves: verdict.Status == Passed}
	in.tell(StepEligibility, out.checks...)
	return out
}

func judgeExpiry(m mrz.MRZ, now time.Time) Check {
	expired, known := m.Expiry.Expired(now)
	switch {
	case !known:
		return inconclusive(CheckExpiry, because(ExpiryUnknown))
	case expired:
		return fail(CheckExpiry, because(DocumentExpired))
	}
	return pass(CheckExpiry)
}
