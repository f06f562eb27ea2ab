package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"limen"
	"limen/sync/journal"
)

// Document names a document to ask about, as its MRZ does.
type Document struct {
	Issuer string `json:"issuer"` // three-letter issuing state
	Number string `json:"number"`
}

// LogValue redacts.
func (Document) LogValue() slog.Value { return slog.StringValue("[document]") }

// String redacts.
func (Document) String() string { return "[document]" }

// Asker is who asks, and why: both go into the journal before the answer goes out.
type Asker struct {
	Who string `json:"who"` // identifier, not a name
	Why string `json:"why"`
}

// FoundCheck is an inspection as an answer has it.
type FoundCheck struct {
	Index uint64 `json:"index"` // in this journal, unless elsewhere
	limen.Earlier
	Elsewhere bool           `json:"elsewhere,omitempty"` // another device's, known by the region's index or from the centre
	Reasons   []limen.Reason `json:"reasons,omitempty"`   // why referred
}

// DeviceCount is how often one device has seen a document.
type DeviceCount struct {
	Site   string    `json:"site"`
	Device string    `json:"device"`
	Times  int       `json:"times"`
	Last   time.Time `json:"last"`
}

// Source is a history that was asked, and how fresh its answer is.
type Source struct {
	Device  string    `json:"device"`
	AsOf    time.Time `json:"as_of"`
	Entries uint64    `json:"entries"`           // it has in all
	Partial bool      `json:"partial,omitempty"` // the centre had more to tell
}

// Found is the answer to a question: how often, where, when, with which
// outcome, from which devices, and how fresh that is.
type Found struct {
	Times   int           `json:"times"`
	First   *time.Time    `json:"first,omitempty"`
	Last    *time.Time    `json:"last,omitempty"`
	Devices []DeviceCount `json:"devices"`
	Checks  []FoundCheck  `json:"checks"`         // newest first
	More    bool          `json:"more,omitempty"` // there are more than the answer holds
	Sources []Source      `json:"sources"`
}

// errNoKeys means that documents cannot be looked for.
var errNoKeys = errors.New("this history has no fleet key: documents cannot be looked for in it")

// subject is a document as this history knows it, and whether it does.
func (h *History) subject(ctx context.Context, d Document) (s limen.Subject, known bool, err error) {
	if h.opts.Pseudonyms == nil {
		return s, false, errNoKeys
	}
	if d.Issuer == "" || d.Number == "" {
		return s, false, errors.New("a document is named by its issuing state and its number")
	}
	traces := h.opts.Pseudonyms.Traces(d.Issuer, d.Number)
	found, err := h.known(traces)
	if err != nil {
		return s, false, err
	}
	s, err = h.Subject(ctx, traces)
	return s, len(found) > 0, err
}

// Find answers where and how often a document was checked. The question is
// recorded first, also that about a document that was never seen: else nobody
// would know who looked for it.
func (h *History) Find(ctx context.Context, d Document, by Asker) (Found, error) {
	about, _, err := h.subject(ctx, d)
	if err != nil {
		return Found{}, err
	}
	seen, err := h.sights(ctx, about.Pseudonym, time.Time{}, maxFound+1)
	if err != nil {
		return Found{}, err
	}
	others, from, err := h.ask(ctx, about)
	if err != nil {
		return Found{}, err
	}
	if err := h.note(ctx, "find", by, about, len(seen)+len(others)); err != nil {
		return Found{}, err
	}
	f := Found{Devices: []DeviceCount{}, Checks: []FoundCheck{}, Sources: []Source{{Device: h.opts.Device, AsOf: h.opts.Now().UTC(), Entries: h.journal.Size()}}}
	if from != nil {
		f.Sources = append(f.Sources, *from)
	}
	for _, s := range seen {
		f.Checks = append(f.Checks, FoundCheck{Index: s.index, Earlier: s.earlier, Reasons: s.reasons})
	}
	for _, e := range others {
		f.Checks = append(f.Checks, FoundCheck{Earlier: e, Elsewhere: true})
	}
	slices.SortStableFunc(f.Checks, func(a, b FoundCheck) int { return newestFirst(a.Earlier, b.Earlier) })
	if len(f.Checks) > maxFound {
		f.Checks, f.More = f.Checks[:maxFound], true
	}
	f.Times = len(f.Checks)
	if f.Times > 0 {
		f.First, f.Last = &f.Checks[f.Times-1].At, &f.Checks[0].At
	}
	f.Devices = countDevices(f.Checks)
	return f, nil
}

func countDevices(checks []FoundCheck) []DeviceCount {
	out := []DeviceCount{}
	for _, c := range checks { // newest first
		i := slices.IndexFunc(out, func(d DeviceCount) bool { return d.Site == c.Site && d.Device == c.Device })
		if i < 0 {
			out = append(out, DeviceCount{c.Site, c.Device, 1, c.At})
			continue
		}
		out[i].Times++
	}
	slices.SortStableFunc(out, func(a, b DeviceCount) int { return cmp.Compare(b.Times, a.Times) })
	return out
}

// note records that somebody asked. What it was about lies beside the log.
func (h *History) note(ctx context.Context, what string, by Asker, about limen.Subject, found int) error {
	r, err := limen.NewQuestion(limen.Question{Who: by.Who, What: what, Why: by.Why, Found: found}, h.opts.Site, h.opts.Device, newID(), h.opts.Now())
	if err != nil {
		return err
	}
	var beside []journal.Pair
	if about.Pseudonym != (limen.Pseudonym{}) {
		if beside, err = h.lead(about.Pseudonym, about.Traces); err != nil {
			return err
		}
		beside = append(beside, journal.Pair{Name: askPrefix(about.Pseudonym), Indexed: true}, journal.Pair{Name: nameAsi, Value: about.Pseudonym[:], Indexed: true})
	}
	if _, err := h.append(ctx, r, beside...); err != nil {
		return fmt.Errorf("the question cannot be recorded, so it is not answered: %w", err)
	}
	return nil
}

// Notice records what the centre sent the device, and what became of it.
func (h *History) Notice(ctx context.Context, n limen.Notice) error {
	_, err := h.append(ctx, limen.NewNotice(n, h.opts.Site, h.opts.Device, newID(), h.opts.Now()))
	return err
}

// Correct records what an entry says wrongly; the entry stays as it is.
func (h *History) Correct(ctx context.Context, index uint64, says string, by Asker) (limen.Receipt, error) {
	if h.opts.Signer == nil {
		return limen.Receipt{}, errors.New("no key signs corrections here")
	}
	entry, err := h.journal.Entry(index)
	if err != nil {
		return limen.Receipt{}, err
	}
	if entry.Erased {
		return limen.Receipt{}, fmt.Errorf("entry %d is erased: there is nothing to correct", index)
	}
	about, err := limen.DecodeRecord(entry.Body)
	if err != nil {
		return limen.Receipt{}, fmt.Errorf("entry %d: %w", index, err)
	}
	r, err := limen.NewCorrection(about, index, by.Who, says, newID(), h.opts.Now(), h.opts.Signer)
	if err != nil {
		return limen.Receipt{}, err
	}
	return h.append(ctx, r)
}
