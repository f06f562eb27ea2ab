// Package history keeps records in the journal: it is the appliance's
// limen.History, and answers questions about it, also from other processes.
//
//	Record → deterministic CBOR → journal entry, found again by pseudonym
//
// The journal appends opaque bytes; this is where they mean something.
package history

import (
	"context"
	"fmt"
	"time"

	"limen"
	"limen/sync/journal"
)

// History is the records of one device.
type History struct {
	journal   *journal.Journal
	witnesses []*journal.CosignatureVerifier
	quorum    int
}

var _ limen.History = (*History)(nil)

// New keeps records in an open journal.
func New(j *journal.Journal) *History { return &History{journal: j} }

// documentKey is the index key of a document: a prefix that keeps it apart
// from any other index, and the pseudonym.
func documentKey(p limen.Pseudonym) []byte { return append([]byte("doc\x00"), p[:]...) }

// keysOf are the index keys of a record, all of them.
func keysOf(r limen.Record) [][]byte {
	if r.Document.Pseudonym == (limen.Pseudonym{}) {
		return nil
	}
	return [][]byte{documentKey(r.Document.Pseudonym)}
}

// meaning is what a body says of its own entry: nothing where this version
// cannot read it.
func meaning(body []byte) (journal.Meaning, bool) {
	r, err := limen.DecodeRecord(body)
	if err != nil {
		return journal.Meaning{}, false
	}
	return journal.Meaning{Keys: keysOf(r), At: max(r.Started, r.Ended).Time()}, true
}

// Append implements limen.History.
func (h *History) Append(ctx context.Context, r limen.Record) (limen.Receipt, error) {
	body, err := r.Encode()
	if err != nil {
		return limen.Receipt{}, fmt.Errorf("cannot encode record: %w", err)
	}
	receipt, err := h.journal.Append(ctx, body, keysOf(r)...)
	if err != nil {
		return limen.Receipt{}, fmt.Errorf("cannot store record: %w", err)
	}
	return limen.Receipt{Index: receipt.Index, Size: receipt.Size, Root: receipt.Root}, nil
}

// maxEarlier bounds an answer: an officer reads a handful.
const maxEarlier = 50

// Earlier implements limen.History: the document's inspections since a time,
// newest first, at most 50.
func (h *History) Earlier(ctx context.Context, p limen.Pseudonym, since time.Time) ([]limen.Earlier, error) {
	var out []limen.Earlier
	for entry, err := range h.journal.Find(documentKey(p), since) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for earlier checks: %w", err)
		}
		r, err := limen.DecodeRecord(entry.Body)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", entry.Index, err)
		}
		if r.Kind != limen.KindInspection {
			continue
		}
		out = append(out, limen.Earlier{At: r.Started.Time(), Site: r.Site, Device: r.Device, Outcome: r.Decision.Outcome})
		if len(out) == maxEarlier {
			break
		}
	}
	return out, nil
}

// Shown is one entry as commands print it.
type Shown struct {
	Index  uint64        `json:"index"`
	Leaf   string        `json:"leaf"`
	Erased bool          `json:"erased,omitempty"`
	Record *limen.Record `json:"record,omitempty"`
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
		entry, err := h.journal.Entry(i)
		if err != nil {
			return nil, err
		}
		s := Shown{Index: entry.Index, Leaf: fmt.Sprintf("%x", entry.Leaf[:]), Erased: entry.Erased}
		if !entry.Erased {
			r, err := limen.DecodeRecord(entry.Body)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", i, err)
			}
			s.Record = &r
		}
		out = append(out, s)
		if i == 0 {
			break
		}
	}
	return out, nil
}

// Witnessed tells Verify whose cosignatures count, and how many of them a
// checkpoint needs. It is called before the history is used.
func (h *History) Witnessed(witnesses []*journal.CosignatureVerifier, quorum int) {
	h.witnesses, h.quorum = witnesses, quorum
}

// Verify recomputes the whole journal; see journal.Verify.
func (h *History) Verify(ctx context.Context) (journal.Verdict, error) {
	return h.journal.Verify(ctx, journal.Check{Meaning: meaning, Witnesses: h.witnesses, Quorum: h.quorum})
}

// Close closes the journal.
func (h *History) Close() error { return h.journal.Close() }
