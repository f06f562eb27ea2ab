// Package history keeps records in the journal: it is the appliance's
// limen.History, and answers questions about it, also from other processes.
//
//	Record → deterministic CBOR → journal entry ← random pseudonym ← mapping ← keyed hash ← issuer, number
//
// The mapping lies beside the log and goes with an erasure, which leaves
// tombstones only. Whoever asks about a document is recorded too. The journal
// appends opaque bytes; this is where they mean something.
package history

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"limen"
	"limen/sync/journal"
)

// Options say whose history it is. What is left out cannot be asked for: without
// Pseudonyms no document, without Signer no correction.
type Options struct {
	Pseudonyms   limen.Pseudonymizer
	Signer       limen.Signer // signs corrections
	Site, Device string
	Region       Region           // what other devices saw; nil: not known here
	Online       Online           // asks the centre; nil: none
	Sent         func() uint64    // entries the centre may hold, which it must be told of when they are erased; nil: none
	Now          func() time.Time // time.Now when nil
	Log          *slog.Logger     // may be nil
}

// History is the records of one device.
type History struct {
	journal   *journal.Journal
	opts      Options
	witnesses []*journal.CosignatureVerifier
	quorum    int
}

var _ limen.History = (*History)(nil)

// New keeps records in an open journal.
func New(j *journal.Journal, opts Options) *History {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &History{journal: j, opts: opts}
}

// documentKey is the index key of a document: a prefix that keeps it apart
// from any other index, and the pseudonym.
func documentKey(p limen.Pseudonym) []byte { return slices.Concat(documentPrefix, p[:]) }

var documentPrefix = []byte("doc\x00")

// aboutKey is the index key of what officers say about a record.
func aboutKey(record string) []byte { return append([]byte("about\x00"), record...) }

// keysOf are the index keys of a record, all of them.
func keysOf(r limen.Record) (keys [][]byte) {
	if r.Document.Pseudonym != (limen.Pseudonym{}) {
		keys = append(keys, documentKey(r.Document.Pseudonym))
	}
	switch {
	case r.Officer != nil:
		keys = append(keys, aboutKey(r.Officer.Inspection))
	case r.Correction != nil:
		keys = append(keys, aboutKey(r.Correction.Record))
	}
	return keys
}

// Append implements limen.History.
func (h *History) Append(ctx context.Context, r limen.Record, about limen.Subject) (limen.Receipt, error) {
	beside, err := h.lead(r.Document.Pseudonym, about.Traces)
	if err != nil {
		return limen.Receipt{}, err
	}
	return h.append(ctx, r, beside...)
}

func (h *History) append(ctx context.Context, r limen.Record, beside ...journal.Pair) (limen.Receipt, error) {
	body, err := r.Encode()
	if err != nil {
		return limen.Receipt{}, fmt.Errorf("cannot encode record: %w", err)
	}
	receipt, err := h.journal.AppendDraft(ctx, journal.Draft{Body: body, Keys: keysOf(r), Beside: beside})
	if err != nil {
		return limen.Receipt{}, fmt.Errorf("cannot store record: %w", err)
	}
	return limen.Receipt{Index: receipt.Index, Size: receipt.Size, Root: receipt.Root}, nil
}

// Bounds of an answer: an officer reads a handful.
const (
	maxEarlier = 50   // on the line
	maxFound   = 1000 // to a question
)

// sight is an inspection with what was said about it.
type sight struct {
	index   uint64
	reasons []limen.Reason // why referred
	earlier limen.Earlier
}

// sights are a document's inspections since a time, newest first, at most n.
// What officers say of one comes after it, and so is met before.
func (h *History) sights(ctx context.Context, p limen.Pseudonym, since time.Time, n int) (out []sight, err error) {
	said := map[string]*limen.Earlier{}
	of := func(record string) *limen.Earlier {
		if said[record] == nil {
			said[record] = &limen.Earlier{}
		}
		return said[record]
	}
	for entry, err := range h.journal.FindBodies(documentKey(p), since) {
		if entry.Erased && err == nil {
			continue // just now
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, fmt.Errorf("cannot look for earlier checks: %w", err)
		}
		r, err := limen.DecodeRecord(entry.Body)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", entry.Index, err)
		}
		switch {
		case r.Officer != nil:
			if e := of(r.Officer.Inspection); e.Officer == "" { // the last word counts
				e.Officer = r.Decision.Outcome
			}
		case r.Correction != nil:
			if e := of(r.Correction.Record); e.Correction == "" {
				e.Correction = r.Correction.Says
			}
		case r.Kind == limen.KindInspection:
			e := of(r.ID)
			out = append(out, sight{entry.Index, r.Decision.Reasons, limen.Earlier{
				Record: r.ID, At: r.Started.Time(), Site: r.Site, Device: r.Device, Outcome: r.Decision.Outcome,
				Officer: e.Officer, Correction: e.Correction, Lost: wasLost(r),
				Pseudonym: r.Document.Pseudonym, Proof: r.Chip.Proof, SODMark: r.Chip.SODMark, KeyMark: r.Chip.KeyMark,
			}})
		}
		if len(out) == n {
			break
		}
	}
	return out, nil
}

func wasLost(r limen.Record) bool {
	for _, c := range r.Checks {
		for _, why := range c.Reasons {
			if why.Code == limen.ReportedLost {
				return true
			}
		}
	}
	return false
}

// Earlier implements limen.History: the document's inspections since a time, here
// and on other devices of the region, newest first, at most 50.
func (h *History) Earlier(ctx context.Context, about limen.Subject, since time.Time) ([]limen.Earlier, error) {
	seen, err := h.sights(ctx, about.Pseudonym, since, maxEarlier)
	if err != nil {
		return nil, err
	}
	var out []limen.Earlier
	for _, s := range seen {
		out = append(out, s.earlier)
	}
	others, _, err := h.elsewhere(about, since, maxEarlier)
	if err != nil {
		return nil, err
	}
	out = append(out, others...)
	slices.SortStableFunc(out, newestFirst)
	return out[:min(len(out), maxEarlier)], nil
}

// Shown is one entry as commands print it.
type Shown struct {
	Index       uint64        `json:"index"`
	Leaf        string        `json:"leaf"`
	Erased      bool          `json:"erased,omitempty"`
	Record      *limen.Record `json:"record,omitempty"`
	Document    string        `json:"document,omitempty"`    // first hex digits of the pseudonym, also of a question's
	Corrections []string      `json:"corrections,omitempty"` // what later entries say is wrong in it
}

// Show returns up to n entries up to and including index last; the newest
// when last is negative.
func (h *History) Show(last int64, n int) ([]Shown, error) {
	size := h.journal.Size()
	if size == 0 {
		return []Shown{}, nil
	}
	end := size - 1
	if last >= 0 {
		if uint64(last) >= size {
			return nil, fmt.Errorf("there is no entry %d: the journal has %d, from 0", last, size)
		}
		end = uint64(last)
	}
	out := []Shown{}
	for i := end; len(out) < n; i-- {
		s, err := h.show(i)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if i == 0 {
			break
		}
	}
	return out, nil
}

func (h *History) show(i uint64) (Shown, error) {
	entry, err := h.journal.Entry(i)
	if err != nil {
		return Shown{}, err
	}
	s := Shown{Index: entry.Index, Leaf: fmt.Sprintf("%x", entry.Leaf[:]), Erased: entry.Erased}
	if entry.Erased {
		return s, nil
	}
	r, err := limen.DecodeRecord(entry.Body)
	if err != nil {
		return s, fmt.Errorf("entry %d: %w", i, err)
	}
	s.Record = &r
	p := r.Document.Pseudonym
	if r.Question != nil {
		p, err = h.askedAbout(i)
	}
	if p != (limen.Pseudonym{}) {
		s.Document = hex.EncodeToString(p[:4])
	}
	if err == nil {
		s.Corrections, err = h.corrections(r.ID)
	}
	return s, err
}

// corrections are what corrections say of a record, newest first.
func (h *History) corrections(record string) (out []string, err error) {
	for entry, err := range h.journal.FindBodies(aboutKey(record), time.Time{}) {
		if err != nil {
			return nil, err
		}
		if entry.Erased {
			continue // just now
		}
		r, err := limen.DecodeRecord(entry.Body)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", entry.Index, err)
		}
		if r.Correction != nil {
			out = append(out, r.Correction.Says)
		}
	}
	return out, nil
}

// Close closes the journal.
func (h *History) Close() error { return h.journal.Close() }

// newID is a random 128-bit identifier.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
