package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"limen"
)

// Region is the index of what other devices of the region saw.
type Region interface {
	// Seen are a document's checks since a time, newest first, at most n, and as
	// of when that is.
	Seen(about []limen.Trace, since time.Time, n int) ([]limen.Earlier, time.Time, error)
	// Entries is how many there are in all.
	Entries() uint64
	// Forget drops a document's checks.
	Forget(about []limen.Trace) error
	// Expire drops everything where nothing was heard of the centre since a time.
	Expire(since time.Time) error
}

// Online asks the centre what any device saw since a time, and as of when that is.
type Online func(ctx context.Context, about []limen.Trace, since time.Time) ([]limen.Earlier, time.Time, error)

// onlinePatience is how long an officer waits for the centre.
const onlinePatience = 5 * time.Second

// elsewhere is what the region's index has of other devices' checks.
func (h *History) elsewhere(about limen.Subject, since time.Time, n int) ([]limen.Earlier, time.Time, error) {
	if h.opts.Region == nil {
		return nil, time.Time{}, nil
	}
	seen, asOf, err := h.opts.Region.Seen(about.Traces, since, n)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("cannot ask the region's index: %w", err)
	}
	return h.others(seen), asOf, nil
}

// others leaves out this device's own: its journal knows them better.
func (h *History) others(seen []limen.Earlier) []limen.Earlier {
	return slices.DeleteFunc(seen, func(e limen.Earlier) bool { return e.Device == h.opts.Device })
}

// ask asks the centre, which also knows what is older than the index, and the
// index where the centre does not answer.
func (h *History) ask(ctx context.Context, about limen.Subject) (seen []limen.Earlier, from *Source, err error) {
	if h.opts.Online != nil {
		asking, stop := context.WithTimeout(ctx, onlinePatience)
		defer stop()
		seen, asOf, err := h.opts.Online(asking, about.Traces, time.Time{})
		if err == nil {
			return h.others(seen), &Source{Device: "centre", AsOf: asOf}, nil
		}
		h.opts.Log.Info("the centre was not asked; the region's index was", "error", err)
	}
	seen, asOf, err := h.elsewhere(about, time.Time{}, maxFound)
	if err != nil || asOf.IsZero() {
		return nil, nil, err
	}
	return seen, &Source{Device: "region", AsOf: asOf, Entries: h.opts.Region.Entries()}, nil
}

// newestFirst joins what is known of one document.
func newestFirst(a, b limen.Earlier) int { return b.At.Compare(a.At) }
