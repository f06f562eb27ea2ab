package history

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"limen"
	"limen/sync/journal"
)

// Selection is what is to be erased: one of its fields is set.
type Selection struct {
	Document *Document     `json:"document,omitempty"`
	Traces   []limen.Trace `json:"-"`                 // … or as the centre knows it
	Before   time.Time     `json:"before,omitzero"`   // entries older than this, but questions
	Entries  []uint64      `json:"entries,omitempty"` // and what officers said of them
}

// Erased is what an erasure took away.
type Erased struct {
	Entries   int `json:"entries"`
	Documents int `json:"documents"` // that nothing leads to any more
}

// Erase forgets: mapping, record and salt go, and a tombstone stays per leaf.
// That somebody had it done, and why, is recorded, but not of which document:
// that would keep what was to go.
func (h *History) Erase(ctx context.Context, s Selection, by Asker) (Erased, error) {
	if _, err := limen.NewQuestion(limen.Question{Who: by.Who, Why: by.Why}, "", "", "", h.opts.Now()); err != nil {
		return Erased{}, err // asked for by nobody, or for no reason
	}
	var out Erased
	var err error
	switch {
	case s.Document != nil:
		if h.opts.Pseudonyms == nil {
			return out, errNoKeys
		}
		out, err = h.eraseDocument(ctx, h.opts.Pseudonyms.Traces(s.Document.Issuer, s.Document.Number))
	case len(s.Traces) > 0:
		out, err = h.eraseDocument(ctx, s.Traces)
	case !s.Before.IsZero():
		out, err = h.eraseOld(ctx, s.Before, time.Time{})
	case len(s.Entries) > 0:
		var entries []uint64
		if entries, err = h.withAbout(s.Entries); err == nil {
			out, err = h.forget(ctx, entries)
		}
	default:
		return out, errors.New("nothing was named to erase: name a document, an age or entries")
	}
	if err != nil {
		return out, err
	}
	return out, h.note(ctx, "erase", by, limen.Subject{}, out.Entries)
}

// eraseDocument forgets all of a document, also what others saw of it. A check that is being made meanwhile
// goes too, or is that of a document never seen before.
func (h *History) eraseDocument(ctx context.Context, about []limen.Trace) (Erased, error) {
	known, err := h.known(about)
	if err != nil {
		return Erased{}, err
	}
	if h.opts.Region != nil { // it may know of others' checks what this device never saw
		if err := h.opts.Region.Forget(about); err != nil {
			return Erased{}, err
		}
	}
	var out Erased
	for _, p := range known {
		for round := 0; ; round++ {
			entries, err := h.entriesOf(p)
			if err != nil {
				return out, err
			}
			if round > 0 && len(entries) == 0 {
				break
			}
			names, err := h.besides(p)
			if err == nil {
				err = h.tellCentre(ctx, entries)
			}
			if err == nil {
				err = h.journal.Forget(ctx, journal.Erasure{Entries: entries, Beside: names})
			}
			if err != nil {
				return out, err
			}
			out.Entries += len(entries)
		}
		out.Documents++
	}
	return out, nil
}

// entriesOf are the entries about a document; questions about it are not.
func (h *History) entriesOf(p limen.Pseudonym) (out []uint64, err error) {
	for entry, err := range h.journal.FindBodies(documentKey(p), time.Time{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, entry.Index)
	}
	return out, nil
}

// withAbout adds what officers said of entries.
func (h *History) withAbout(entries []uint64) ([]uint64, error) {
	out := slices.Clone(entries)
	for _, i := range entries {
		e, err := h.journal.Entry(i)
		if err != nil {
			return nil, err
		}
		if e.Erased {
			continue
		}
		r, err := limen.DecodeRecord(e.Body)
		if err != nil {
			continue // what cannot be read can be erased
		}
		for about, err := range h.journal.FindBodies(aboutKey(r.ID), time.Time{}) {
			if err != nil {
				return nil, err
			}
			out = append(out, about.Index)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Retain erases what a policy keeps no longer: records about documents, and
// records of questions. It is to be called daily.
func (h *History) Retain(ctx context.Context, p limen.Policy) (Erased, error) {
	now := h.opts.Now()
	before := func(keep time.Duration) time.Time {
		if keep <= 0 {
			return time.Time{}
		}
		return now.Add(-keep)
	}
	if h.opts.Region != nil && p.History.IndexExpires > 0 {
		if err := h.opts.Region.Expire(now.Add(-p.History.IndexExpires)); err != nil {
			return Erased{}, err
		}
	}
	out, err := h.eraseOld(ctx, before(p.History.Keep), before(p.History.KeepQuestions))
	if err != nil || out.Entries == 0 {
		return out, err
	}
	why := fmt.Sprintf("policy %s keeps records for %v and questions for %v", p.Name, p.History.Keep, p.History.KeepQuestions)
	return out, h.note(ctx, "erase", Asker{"policy", why}, limen.Subject{}, out.Entries)
}

// eraseOld forgets entries older than a time, and questions older than
// another; the zero time is older than all.
func (h *History) eraseOld(ctx context.Context, before, questions time.Time) (Erased, error) {
	kept, err := h.kept()
	if err != nil {
		return Erased{}, err
	}
	var old []uint64
	next := uint64(math.MaxUint64) // the first that stays
	for i := kept; i < h.journal.Size(); i++ {
		if err := ctx.Err(); err != nil {
			return Erased{}, err
		}
		e, err := h.journal.Entry(i)
		if err != nil {
			return Erased{}, err
		}
		if e.Erased {
			continue
		}
		if !e.At.Before(before) && !e.At.Before(questions) {
			next = min(next, i)
			break // entries follow each other in time
		}
		limit := before
		if r, err := limen.DecodeRecord(e.Body); err == nil && r.Question != nil {
			limit = questions
		}
		if e.At.Before(limit) {
			old = append(old, i)
		} else {
			next = min(next, i)
		}
	}
	out, err := h.forget(ctx, old)
	if err == nil && next != math.MaxUint64 && next != kept {
		err = h.journal.PutBeside(ctx, journal.Pair{Name: nameKept, Value: binary.BigEndian.AppendUint64(nil, next)})
	}
	return out, err
}

func (h *History) kept() (uint64, error) {
	b, err := h.journal.Beside(nameKept)
	if errors.Is(err, journal.ErrNoEntry) || err == nil && len(b) != 8 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

// forget erases entries, and what leads to documents of which no entry and no
// question is left.
func (h *History) forget(ctx context.Context, entries []uint64) (Erased, error) {
	if len(entries) == 0 {
		return Erased{}, nil
	}
	e := journal.Erasure{Entries: entries}
	gone := make(map[uint64]bool, len(entries))
	for _, i := range entries {
		gone[i] = true
	}
	touched := map[limen.Pseudonym]bool{}
	for _, i := range entries {
		p, err := h.askedAbout(i)
		if err != nil {
			return Erased{}, err
		}
		if p != (limen.Pseudonym{}) {
			e.Beside = append(e.Beside, at(nameAsi, i), at(askPrefix(p), i))
			touched[p] = true
		}
		entry, err := h.journal.Entry(i)
		if err != nil {
			return Erased{}, err
		}
		for _, k := range entry.Keys {
			if rest, ok := bytes.CutPrefix(k, documentPrefix); ok && len(rest) == len(p) {
				touched[limen.Pseudonym(rest)] = true
			}
		}
	}
	out := Erased{Entries: len(entries)}
	for p := range touched {
		left, err := h.entriesOf(p)
		if err != nil {
			return Erased{}, err
		}
		asked, err := h.questions(p)
		if err != nil {
			return Erased{}, err
		}
		if slices.ContainsFunc(slices.Concat(left, asked), func(i uint64) bool { return !gone[i] }) {
			continue
		}
		names, err := h.besides(p)
		if err != nil {
			return Erased{}, err
		}
		e.Beside = append(e.Beside, names...)
		out.Documents++
	}
	if err := h.tellCentre(ctx, entries); err != nil {
		return Erased{}, err
	}
	return out, h.journal.Forget(ctx, e)
}

// tellCentre notes entries that the centre may hold, so that the outbox tells
// it of their tombstones. They get random names, by which they are in no order.
func (h *History) tellCentre(ctx context.Context, entries []uint64) error {
	if h.opts.Sent == nil {
		return nil
	}
	var pairs []journal.Pair
	sent := h.opts.Sent()
	for _, i := range entries {
		if i < sent {
			var name [16]byte
			rand.Read(name[:])
			pairs = append(pairs, journal.Pair{Name: slices.Concat(nameGone, name[:]), Value: binary.BigEndian.AppendUint64(nil, i)})
		}
	}
	for some := range slices.Chunk(pairs, 128) {
		if err := h.journal.PutBeside(ctx, some...); err != nil {
			return fmt.Errorf("cannot note what the centre must be told: %w", err)
		}
	}
	return nil
}
