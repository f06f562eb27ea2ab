package history

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"limen"
	"limen/sync/journal"
)

// What lies beside the log. None of it is in a leaf; an erasure takes it away.
//
//	map key hash          pseudonym: what a document's trace leads to
//	rev pseudonym key hash                     … and the way back
//	ask pseudonym index                        questions about a document
//	asi index             pseudonym            … and the way back
//	key key                                    fleet keys that something was mapped under
//	gone random           index: erased, and the centre does not know
//	kept                  index: nothing before it can grow too old
var (
	nameMap  = []byte("map\x00")
	nameRev  = []byte("rev\x00")
	nameAsk  = []byte("ask\x00")
	nameAsi  = []byte("asi\x00")
	nameKey  = []byte("key\x00")
	nameGone = []byte("gone\x00")
	nameKept = []byte("kept\x00")
)

func mapName(t limen.Trace) []byte { return slices.Concat(nameMap, t.Key[:], t.Hash[:]) }
func revName(p limen.Pseudonym, t limen.Trace) []byte {
	return slices.Concat(nameRev, p[:], t.Key[:], t.Hash[:])
}
func revPrefix(p limen.Pseudonym) []byte { return slices.Concat(nameRev, p[:]) }
func askPrefix(p limen.Pseudonym) []byte { return slices.Concat(nameAsk, p[:]) }

// at adds an index to a name, as journal.Pair.Indexed does.
func at(name []byte, i uint64) []byte { return binary.BigEndian.AppendUint64(slices.Clone(name), i) }

// Subject implements limen.History.
func (h *History) Subject(_ context.Context, about []limen.Trace) (limen.Subject, error) {
	known, err := h.known(about)
	if err != nil {
		return limen.Subject{}, err
	}
	s := limen.Subject{Traces: about}
	if len(known) > 0 {
		s.Pseudonym = known[0]
	} else {
		rand.Read(s.Pseudonym[:])
	}
	return s, nil
}

// known are the pseudonyms that traces lead to, that of the first trace first.
func (h *History) known(about []limen.Trace) (out []limen.Pseudonym, err error) {
	for _, t := range about {
		b, err := h.journal.Beside(mapName(t))
		switch {
		case errors.Is(err, journal.ErrNoEntry):
			continue
		case err != nil:
			return nil, fmt.Errorf("cannot look a document up: %w", err)
		case len(b) != len(limen.Pseudonym{}):
			return nil, fmt.Errorf("a document's mapping has %d bytes: the store is damaged", len(b))
		}
		if p := limen.Pseudonym(b); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// lead is what has to lie beside the log so that a document's traces lead to
// its pseudonym: under every fleet key that overlaps, so that it is found as
// long as one of them stands, by this device and by those that have rotated
// sooner or later.
func (h *History) lead(p limen.Pseudonym, about []limen.Trace) (out []journal.Pair, err error) {
	if p == (limen.Pseudonym{}) {
		return nil, nil
	}
	for _, t := range about {
		known, err := h.known([]limen.Trace{t})
		if err != nil {
			return nil, err
		}
		if len(known) > 0 {
			continue
		}
		out = append(out, journal.Pair{Name: mapName(t), Value: p[:]}, journal.Pair{Name: revName(p, t)}, journal.Pair{Name: slices.Concat(nameKey, t.Key[:])})
	}
	return out, nil
}

// traces are what leads to a pseudonym.
func (h *History) traces(p limen.Pseudonym) (out []limen.Trace, err error) {
	for pair, err := range h.journal.BesideUnder(revPrefix(p)) {
		if err != nil {
			return nil, err
		}
		rest := pair.Name[len(revPrefix(p)):]
		if len(rest) != 36 {
			return nil, fmt.Errorf("a mapping's name ends with %d bytes: the store is damaged", len(rest))
		}
		out = append(out, limen.Trace{Key: [4]byte(rest), Hash: [32]byte(rest[4:])})
	}
	return out, nil
}

// askedAbout is the document that a question was about; none once it was erased.
func (h *History) askedAbout(i uint64) (limen.Pseudonym, error) {
	b, err := h.journal.Beside(at(nameAsi, i))
	if errors.Is(err, journal.ErrNoEntry) || err == nil && len(b) != len(limen.Pseudonym{}) {
		return limen.Pseudonym{}, nil
	}
	if err != nil {
		return limen.Pseudonym{}, err
	}
	return limen.Pseudonym(b), nil
}

// questions are the entries of questions about a document.
func (h *History) questions(p limen.Pseudonym) (out []uint64, err error) {
	for pair, err := range h.journal.BesideUnder(askPrefix(p)) {
		if err != nil {
			return nil, err
		}
		if rest := pair.Name[len(askPrefix(p)):]; len(rest) == 8 {
			out = append(out, binary.BigEndian.Uint64(rest))
		}
	}
	return out, nil
}

// besides is all that lies beside the log about a document.
func (h *History) besides(p limen.Pseudonym) (names [][]byte, err error) {
	traces, err := h.traces(p)
	if err != nil {
		return nil, err
	}
	for _, t := range traces {
		names = append(names, mapName(t))
	}
	asked, err := h.questions(p)
	if err != nil {
		return nil, err
	}
	for _, i := range asked {
		names = append(names, at(nameAsi, i))
	}
	return append(names, revPrefix(p), askPrefix(p)), nil
}

// liveKeys name the fleet keys that traces can be made under.
func (h *History) liveKeys() (out [][4]byte) {
	if h.opts.Pseudonyms != nil {
		for _, t := range h.opts.Pseudonyms.Traces("", "") {
			out = append(out, t.Key)
		}
	}
	return out
}

// Tidy forgets what was mapped under fleet keys that are gone: nobody can
// compute those traces anew, and nobody is to compare them with a list.
func (h *History) Tidy(ctx context.Context) error {
	if h.opts.Pseudonyms == nil {
		return nil
	}
	live := h.liveKeys()
	var e journal.Erasure
	for pair, err := range h.journal.BesideUnder(nameKey) {
		if err != nil {
			return err
		}
		key := bytes.TrimPrefix(pair.Name, nameKey)
		if slices.ContainsFunc(live, func(k [4]byte) bool { return bytes.Equal(k[:], key) }) {
			continue
		}
		under := slices.Concat(nameMap, key)
		e.Beside = append(e.Beside, under, pair.Name)
		for m, err := range h.journal.BesideUnder(under) {
			if err != nil {
				return err
			}
			if len(m.Value) == len(limen.Pseudonym{}) && len(m.Name) == len(under)+32 {
				e.Beside = append(e.Beside, slices.Concat(nameRev, m.Value, m.Name[len(nameMap):]))
			}
		}
	}
	if len(e.Beside) == 0 {
		return nil
	}
	if err := h.journal.Forget(ctx, e); err != nil {
		return fmt.Errorf("cannot forget what was mapped under a fleet key that is gone: %w", err)
	}
	return nil
}
