package limen

import (
	"bytes"
	"context"
	"slices"

	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// The questions to the history, as subjects of CheckHistory.
const (
	HistoryTravel   = "travel"   // could the document have come here since it was last seen?
	HistoryChip     = "chip"     // has it the chip it had?
	HistoryRefusals = "refusals" // did an officer refuse entry with it?
	HistoryLosses   = "losses"   // was it reported lost?
)

// subject is the document as the history knows it; none where the site keeps
// no history of such documents, or the history is away.
func (in *Inspection) subject(ctx context.Context, p printed) Subject {
	if !p.kept || in.Pseudonyms == nil || in.History == nil {
		return Subject{}
	}
	about, err := in.History.Subject(ctx, in.Pseudonyms.Traces(mrz.Alpha3(p.mrz.Issuer), p.mrz.Number))
	if err != nil {
		return Subject{}
	}
	return about
}

// earlierChecks is what the history knows of the document.
type earlierChecks struct {
	checks
	earlier          []Earlier
	sodMark, keyMark Mark
}

func (h earlierChecks) addTo(e *Evidence) {
	h.checks.addTo(e)
	e.Earlier = h.earlier
	e.Chip.SODMark, e.Chip.KeyMark = h.sodMark, h.keyMark
}

// askHistory asks where this document was checked before.
func (in *Inspection) askHistory(ctx context.Context, p printed) earlierChecks {
	var out earlierChecks
	switch {
	case in.History == nil:
		out.checks = checks{notPerformed(CheckHistory, because(HistoryAway))}
	case p.known && !p.kept:
		out.checks = checks{notPerformed(CheckHistory, because(HistoryNotKept))}
	case p.about.Pseudonym == Pseudonym{}:
		out.checks = checks{inconclusive(CheckHistory, because(HistoryAway))}
	default:
		earlier, err := in.History.Earlier(ctx, p.about, in.Now().Add(-in.Policy.SeenWithin))
		switch {
		case err != nil:
			out.checks = checks{inconclusive(CheckHistory, because(HistoryAway))}
		case len(earlier) > 0:
			out = earlierChecks{checks: checks{pass(CheckHistory, because(SeenBefore))}, earlier: earlier}
			in.observe(Event{Step: StepHistory, Earlier: earlier})
		default:
			out.checks = checks{pass(CheckHistory)}
		}
	}
	in.tell(StepHistory, out.checks...)
	return out
}

// judgeHistory holds what was seen before against what is seen now, and makes
// the marks by which this chip will be known.
func (in *Inspection) judgeHistory(h earlierChecks, p printed, chip chipReading, proof authenticity) earlierChecks {
	now := in.sightingOf(p, chip, proof)
	if p.about.Pseudonym != (Pseudonym{}) && in.Pseudonyms != nil {
		h.sodMark, h.keyMark = now.mark(p.about.Pseudonym)
	}
	if len(h.earlier) == 0 {
		return h
	}
	var found checks
	if in.Policy.History.TravelSpeed > 0 {
		found = append(found, in.judgeTravel(h.earlier))
	}
	found = append(found,
		in.judgeChip(now, h.earlier),
		in.judgeEarlier(HistoryRefusals, RefusedBefore, h.earlier, func(e Earlier) bool {
			return e.Officer == Refuse && in.Now().Sub(e.At) <= in.Policy.History.RefusedWithin
		}),
		in.judgeEarlier(HistoryLosses, LostBefore, h.earlier, func(e Earlier) bool { return e.Lost }),
	)
	in.tell(StepHistory, found...)
	h.checks = append(h.checks, found...)
	return h
}

// said is a question's check: what the policy says refers fails it, the rest
// is a note.
func (in *Inspection) said(question string, why ...Reason) Check {
	for _, r := range why {
		if slices.Contains(in.Policy.History.Refer, r.Code) {
			return fail(CheckHistory, why...).of(question)
		}
	}
	return pass(CheckHistory, why...).of(question)
}

// judgeTravel asks whether the document can have come here since.
func (in *Inspection) judgeTravel(earlier []Earlier) Check {
	here, known := in.Places[in.Site]
	var unknown *Reason
	for _, e := range earlier {
		if e.Site == in.Site {
			continue
		}
		there, ok := in.Places[e.Site]
		if !ok || !known {
			site := e.Site
			if !known {
				site = in.Site
			}
			unknown = &Reason{PlaceUnknown, site}
			continue
		}
		if !in.Policy.History.reachable(here.distance(there), in.Now().Sub(e.At)) {
			return in.said(HistoryTravel, because(TravelImpossible, e.Site))
		}
	}
	if unknown != nil {
		return inconclusive(CheckHistory, *unknown).of(HistoryTravel)
	}
	return in.said(HistoryTravel)
}

// judgeEarlier asks for the newest earlier check that something holds of.
func (in *Inspection) judgeEarlier(question string, code ReasonCode, earlier []Earlier, holds func(Earlier) bool) Check {
	for _, e := range earlier {
		if holds(e) {
			return in.said(question, because(code, e.Site))
		}
	}
	return in.said(question)
}

// sighting is what a chip is known again by. The values are hashed under a
// fleet key before anything keeps them.
type sighting struct {
	marks      func(what string, p Pseudonym, value []byte) []Mark
	sod, key   []byte // EF.SOD, and the file with the key that proved; nil where not read
	proof      string
	remembered map[Pseudonym][2][]Mark
}

// keyFile is where the key lies that a proof was made with.
var keyFile = map[string]lds.File{"chip_authentication": group(14), "pace_mapping": lds.EFCardSecurity, "active_authentication": group(15)}

func (in *Inspection) sightingOf(p printed, chip chipReading, proof authenticity) sighting {
	s := sighting{proof: proof.facts.Proof, sod: chip.files[lds.EFSOD.Path()], remembered: map[Pseudonym][2][]Mark{}}
	if f, ok := keyFile[s.proof]; ok {
		s.key = chip.files[f.Path()]
	}
	if in.Pseudonyms != nil {
		s.marks = in.Pseudonyms.Marks
	}
	return s
}

// under are the sighting's marks under a pseudonym, by every fleet key.
func (s sighting) under(p Pseudonym) (sod, key []Mark) {
	m, ok := s.remembered[p]
	if !ok && s.marks != nil {
		if s.sod != nil {
			m[0] = s.marks("sod", p, s.sod)
		}
		if s.key != nil {
			m[1] = s.marks("key "+s.proof, p, s.key)
		}
		s.remembered[p] = m
	}
	return m[0], m[1]
}

// mark is what the record keeps: the marks by the current fleet key.
func (s sighting) mark(p Pseudonym) (sod, key Mark) {
	sods, keys := s.under(p)
	return first(sods), first(keys)
}

func first(marks []Mark) Mark {
	if len(marks) == 0 {
		return nil
	}
	return marks[0]
}

// differs tells whether a mark of then is not among those of now, made by the
// same fleet key. One whose key is gone says nothing.
func differs(now []Mark, then Mark) bool {
	for _, m := range now {
		if len(m) == MarkSize && len(then) == MarkSize && bytes.Equal(m[:4], then[:4]) {
			return !bytes.Equal(m, then)
		}
	}
	return false
}

// judgeChip asks whether the document has the chip it had: the same number in
// two chips is one document too many.
func (in *Inspection) judgeChip(now sighting, earlier []Earlier) Check {
	var why []Reason
	comparable := false
	for _, e := range earlier {
		if e.SODMark == nil && e.KeyMark == nil {
			continue
		}
		comparable = true
		sod, key := now.under(e.Pseudonym)
		if differs(key, e.KeyMark) && e.Proof == now.proof {
			why = appendNew(why, because(ChipKeyChanged, e.Site))
		}
		if differs(sod, e.SODMark) {
			why = appendNew(why, because(SODChanged, e.Site))
		}
		if len(why) > 0 { // the newest that differs says enough
			break
		}
	}
	if comparable && now.sod == nil {
		return needs(CheckHistory, CheckChipRead).of(HistoryChip)
	}
	return in.said(HistoryChip, why...)
}
