package history

import (
	"context"
	"errors"
	"slices"

	"limen"
	"limen/sync/journal"
)

// Verdict is what verifying a history found: the journal's, with fault part
// "mapping" where what leads to documents was changed.
type Verdict struct {
	journal.Verdict
	// Unmapped are records no document leads to any more: its fleet key has gone
	// and was tidied away, or somebody took the mapping away. The tree cannot
	// tell, since a mapping must be able to go without a trace.
	Unmapped uint64 `json:"unmapped"`
}

// Witnessed tells Verify whose cosignatures count, and how many of them a
// checkpoint needs. It is called before the history is used.
func (h *History) Witnessed(witnesses []*journal.CosignatureVerifier, quorum int) {
	h.witnesses, h.quorum = witnesses, quorum
}

// Verify recomputes the whole journal, see journal.Verify, and looks whether
// what leads to documents agrees with itself and with the records.
func (h *History) Verify(ctx context.Context) (v Verdict, err error) {
	var broken error
	v.Verdict, err = h.journal.Verify(ctx, journal.Check{
		Meaning: func(body []byte) (journal.Meaning, bool) {
			r, err := limen.DecodeRecord(body)
			if err != nil {
				return journal.Meaning{}, false // of a newer version
			}
			if p := r.Document.Pseudonym; p != (limen.Pseudonym{}) && broken == nil {
				var mapped bool
				if mapped, broken = h.any(revPrefix(p)); !mapped {
					v.Unmapped++
				}
			}
			return journal.Meaning{Keys: keysOf(r), At: max(r.Started, r.Ended).Time()}, true
		},
		Witnesses: h.witnesses, Quorum: h.quorum,
	})
	if err = errors.Join(err, broken); err != nil || v.Fault != nil {
		return v, err
	}
	what, err := h.verifyMapping(ctx)
	if what != "" {
		v.Fault = &journal.Fault{Index: v.Size, Part: "mapping", What: what}
	}
	return v, err
}

// any tells whether something lies beside the log under a prefix.
func (h *History) any(prefix []byte) (bool, error) {
	for _, err := range h.journal.BesideUnder(prefix) {
		return err == nil, err
	}
	return false, nil
}

// verifyMapping says what is wrong with the mapping: each way has its way back.
func (h *History) verifyMapping(ctx context.Context) (string, error) {
	const size = len(limen.Pseudonym{})
	for pair, err := range h.journal.BesideUnder(nameMap) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return "", err
		}
		t, ok := traceOf(pair.Name[len(nameMap):])
		if !ok || len(pair.Value) != size {
			return "a document's mapping has another size than it is written with", nil
		}
		back, err := h.has(revName(limen.Pseudonym(pair.Value), t))
		if err != nil {
			return "", err
		}
		if there, err := h.has(pair.Name); !back && there && err == nil { // not erased just now
			return "a document leads to a pseudonym that does not lead back to it: the mapping was changed", nil
		}
	}
	for pair, err := range h.journal.BesideUnder(nameRev) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return "", err
		}
		rest := pair.Name[len(nameRev):]
		if len(rest) < size {
			return "a mapping's way back has another size than it is written with", nil
		}
		t, ok := traceOf(rest[size:])
		if !ok {
			return "a mapping's way back has another size than it is written with", nil
		}
		to, err := h.journal.Beside(mapName(t))
		if err != nil && !errors.Is(err, journal.ErrNoEntry) {
			return "", err
		}
		if there, err := h.has(pair.Name); !slices.Equal(to, rest[:size]) && there && err == nil {
			return "a pseudonym belongs to a document that does not lead to it: the mapping was changed or taken away", nil
		}
	}
	return "", nil
}

func (h *History) has(name []byte) (bool, error) {
	_, err := h.journal.Beside(name)
	if errors.Is(err, journal.ErrNoEntry) {
		return false, nil
	}
	return err == nil, err
}

// traceOf is a trace as names hold it.
func traceOf(b []byte) (t limen.Trace, ok bool) {
	if len(b) != len(t.Key)+len(t.Hash) {
		return t, false
	}
	copy(t.Key[:], b)
	copy(t.Hash[:], b[len(t.Key):])
	return t, true
}
