package history

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"limen"
	"limen/sync/journal"
	"limen/sync/wire"
)

// What other devices of the region recorded lies beside the log as well:
//
//	far key hash time device number   sighting
//	farpos                            how far the index goes, as of when
var (
	nameFar    = []byte("far\x00")
	nameFarPos = []byte("farpos\x00")
)

// Region is how far a device knows what others recorded.
type Region struct {
	To    uint64    `json:"to"` // in the centre's order of arrival
	AsOf  time.Time `json:"as_of"`
	Whole bool      `json:"whole"` // the centre had no more then
}

func farPrefix(t limen.Trace) []byte { return slices.Concat(nameFar, t.Key[:], t.Hash[:]) }

func farName(t limen.Trace, s wire.Sighting) []byte {
	b := binary.BigEndian.AppendUint64(farPrefix(t), uint64(s.At))
	return binary.BigEndian.AppendUint64(append(b, s.Device...), s.Number)
}

// ErrGap means that a delta does not follow what the device has.
var ErrGap = errors.New("it does not follow what this device has of the index")

// Region is how far this device knows what others recorded; the zero Region
// where it knows nothing.
func (h *History) Region() (r Region, err error) {
	b, err := h.journal.Beside(nameFarPos)
	if errors.Is(err, journal.ErrNoEntry) || err == nil && len(b) != 17 {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return Region{binary.BigEndian.Uint64(b), time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:]))).UTC(), b[16] == 1}, nil
}

// Learn takes a delta of the index, signed by the centre. It must follow what
// the device has (ErrGap says from where to ask), or begin anew from 0, which
// takes the place of everything.
func (h *History) Learn(ctx context.Context, signed []byte) (Region, error) {
	have, err := h.Region()
	if err != nil {
		return have, err
	}
	if h.opts.Centre == nil {
		return have, errors.New("the centre's key is not known here: set uplink.receipt_key")
	}
	d, err := wire.OpenDelta(signed, h.opts.Centre)
	switch {
	case err != nil:
		return have, err
	case d.Device != h.opts.Device:
		return have, fmt.Errorf("the delta is for device %s, not for %s", d.Device, h.opts.Device)
	case d.From != 0 && d.From != have.To:
		return have, fmt.Errorf("the delta begins after %d, and this device has what arrived up to %d: %w; ask for what follows that, or for all", d.From, have.To, ErrGap)
	case time.UnixMilli(d.AsOf).Before(have.AsOf): // it would bring back what others erased meanwhile
		return have, fmt.Errorf("the index of %s is older than the one of %s that is here", time.UnixMilli(d.AsOf).UTC().Format(time.RFC3339), have.AsOf.Format(time.RFC3339))
	}
	if d.From == 0 {
		if err := h.forgetRegion(ctx); err != nil {
			return have, err
		}
	}
	var pairs []journal.Pair
	live := h.liveKeys()
	for _, key := range live {
		pairs = append(pairs, journal.Pair{Name: slices.Concat(nameKey, key[:])}) // so that Tidy knows of it
	}
	for _, s := range d.Sightings {
		value, err := cbor.Marshal(s)
		if err != nil {
			return have, err
		}
		for _, t := range s.Traces {
			if !slices.Contains(live, [4]byte(t.Key)) {
				continue // nobody here can ask for it
			}
			pairs = append(pairs, journal.Pair{Name: farName(limen.Trace{Key: [4]byte(t.Key), Hash: [32]byte(t.Hash)}, s), Value: value})
		}
	}
	for some := range slices.Chunk(pairs, 128) {
		if err := h.journal.PutBeside(ctx, some...); err != nil {
			return have, fmt.Errorf("cannot store the index: %w", err)
		}
	}
	now := Region{d.To, time.UnixMilli(d.AsOf).UTC(), !d.More}
	pos := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, now.To), uint64(d.AsOf))
	return now, h.journal.PutBeside(ctx, journal.Pair{Name: nameFarPos, Value: append(pos, map[bool]byte{true: 1}[now.Whole])})
}

// forgetRegion forgets all that others recorded.
func (h *History) forgetRegion(ctx context.Context) error {
	any, err := h.any(nameFar)
	if err != nil || !any {
		return err
	}
	return h.journal.Forget(ctx, journal.Erasure{Beside: [][]byte{nameFar, nameFarPos}})
}

// expireRegion forgets the index of a device that heard nothing of the centre
// for a time: a stolen one is not to know for ever who was where.
func (h *History) expireRegion(ctx context.Context, after time.Duration) error {
	r, err := h.Region()
	if err != nil || after <= 0 || r.AsOf.IsZero() || h.opts.Now().Sub(r.AsOf) <= after {
		return err
	}
	return h.forgetRegion(ctx)
}

// elsewhere are a document's inspections by other devices since a time, with
// what was said about them.
func (h *History) elsewhere(about []limen.Trace, since time.Time) (out []sight, err error) {
	seen := map[string]bool{}
	said := map[string]*limen.Earlier{}
	var inspections []wire.Sighting
	for _, t := range about {
		for pair, err := range h.journal.BesideUnder(farPrefix(t)) {
			if err != nil {
				return nil, err
			}
			var s wire.Sighting
			if err := errors.Join(cbor.Unmarshal(pair.Value, &s), s.Check()); err != nil {
				return nil, fmt.Errorf("a sighting of the index: the store is damaged: %w", err)
			}
			id := fmt.Sprint(s.Device, " ", s.Number)
			if seen[id] || s.Device == h.opts.Device {
				continue
			}
			seen[id] = true
			switch {
			case s.Said && s.Corrected != "":
				said[s.Record] = saidOf(said[s.Record], func(e *limen.Earlier) { e.Correction = s.Corrected })
			case s.Said:
				said[s.Record] = saidOf(said[s.Record], func(e *limen.Earlier) { e.Officer = limen.Outcome(s.Outcome) })
			case !time.UnixMilli(s.At).Before(since):
				inspections = append(inspections, s)
			}
		}
	}
	for _, s := range inspections {
		e := limen.Earlier{Record: s.Record, At: time.UnixMilli(s.At).UTC(), Site: s.Site, Device: s.Device, Outcome: limen.Outcome(s.Outcome), Lost: s.Lost,
			Pseudonym: limen.Pseudonym(s.Pseudonym), Proof: s.Proof, SODMark: s.SODMark, KeyMark: s.KeyMark}
		if o := said[s.Record]; o != nil {
			e.Officer, e.Correction = o.Officer, o.Correction
		}
		out = append(out, sight{index: s.Number, earlier: e})
	}
	return out, nil
}

func saidOf(e *limen.Earlier, change func(*limen.Earlier)) *limen.Earlier {
	if e == nil {
		e = &limen.Earlier{}
	}
	change(e) // in order of time: the last word counts
	return e
}

// everywhere are a document's inspections, by this device and by others, newest
// first, at most n.
func (h *History) everywhere(ctx context.Context, about limen.Subject, since time.Time, n int) ([]sight, error) {
	here, err := h.sights(ctx, about.Pseudonym, since, n)
	if err != nil {
		return nil, err
	}
	there, err := h.elsewhere(about.Traces, since)
	if err != nil || len(there) == 0 {
		return here, err
	}
	all := append(here, there...)
	slices.SortStableFunc(all, func(a, b sight) int { return cmp.Compare(b.earlier.At.UnixMilli(), a.earlier.At.UnixMilli()) })
	return all[:min(len(all), n)], nil
}
