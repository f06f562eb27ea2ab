package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Witnessed is what cosignatures say of a journal.
type Witnessed struct {
	Witnesses []Witness `json:"witnesses,omitempty"` // known ones, by name
	Quorum    int       `json:"quorum,omitempty"`    // how many a checkpoint needs
	Covered   uint64    `json:"covered"`             // entries under a checkpoint with that many
	At        time.Time `json:"at,omitzero"`         // when the last of those was given
}

// Witness is what one witness cosigned.
type Witness struct {
	Name        string    `json:"name"`
	Checkpoints int       `json:"checkpoints"` // that are kept with its cosignature
	Size        uint64    `json:"size"`        // entries the newest of them covers
	At          time.Time `json:"at,omitzero"` // and when it was given
}

// String says it in one line, as of now.
func (w Witnessed) String() string {
	if len(w.Witnesses) == 0 {
		return "no witness is known"
	}
	var parts []string
	for _, one := range w.Witnesses {
		if one.Checkpoints == 0 {
			parts = append(parts, one.Name+" none")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s up to entry %d, at %s", one.Name, one.Size, stamp(one.At)))
	}
	return fmt.Sprintf("%d of %d witnesses cover %d entries (%s)", w.Quorum, len(w.Witnesses), w.Covered, strings.Join(parts, "; "))
}

// cosigned checks the cosigned checkpoint of the first size entries, where kept.
func (w *walk) cosigned(size uint64) error {
	signed, err := get(w.txn, cosignedKey(size))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the cosigned checkpoint of size %d: %w", size, err)
	}
	c, err := OpenCheckpoint(signed, w.verifier)
	switch {
	case err != nil:
		w.fault(size-1, "cosignature", "%v", err)
		return nil
	case c.Size != size:
		w.fault(size-1, "cosignature", "it speaks of %d entries where %d belong", c.Size, size)
		return nil
	case c.Root != w.peaks.Root():
		w.fault(size-1, "cosignature", "another root was cosigned for the first %d entries", size)
		return nil
	}
	list, err := Cosignatures(signed, w.check.Witnesses...)
	if err != nil {
		w.fault(size-1, "cosignature", "%v", err)
		return nil
	}
	var times []time.Time
	for _, one := range list {
		seen := w.seen[one.Witness]
		if seen == nil {
			seen = &Witness{Name: one.Witness}
			w.seen[one.Witness] = seen
		}
		seen.Checkpoints++
		seen.Size, seen.At = size, one.At
		times = append(times, one.At)
	}
	if len(times) == 0 {
		return nil
	}
	slices.SortFunc(times, time.Time.Compare)
	w.shown = times[len(times)-1]
	if w.ahead.at.After(times[0].Add(clockSlack)) {
		w.misdated(w.ahead.i, "it is dated %s, and a witness saw it at %s already: the clock was fast or was set", stamp(w.ahead.at), stamp(times[0]))
	}
	w.ahead = dated{}
	if q := w.check.Quorum; q > 0 && len(times) >= q {
		w.verdict.Witnessed.Covered, w.verdict.Witnessed.At = size, w.shown
	}
	return nil
}

// witnesses tells of every known one, also of those that cosigned nothing.
func (w *walk) witnesses() {
	out := &w.verdict.Witnessed
	out.Quorum = w.check.Quorum
	for _, v := range w.check.Witnesses {
		one := Witness{Name: v.Name()}
		if seen := w.seen[v.Name()]; seen != nil {
			one = *seen
		}
		out.Witnesses = append(out.Witnesses, one)
	}
	slices.SortFunc(out.Witnesses, func(a, b Witness) int { return strings.Compare(a.Name, b.Name) })
}
