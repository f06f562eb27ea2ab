// Package outbox knows how far the centre holds the device's journal. Its
// position moves on only with a receipt: signed by the centre's receipt key,
// naming this device, a size the journal has and the root the journal itself
// has at that size. What a broker acknowledged moves nothing.
//
// The last receipt is the position: the file holds it as the centre signed it
// and is verified again at each start.
package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// ErrRewritten means that a receipt the centre truly signed speaks of a
// history this journal does not have.
var ErrRewritten = errors.New("the centre's receipt speaks of another history than the journal's: the journal was cut, changed or replaced; have the device examined and enrol it under a new name")

// Beside is what travels with entries and is in no leaf.
type Beside interface {
	// Mappings lead to the pseudonyms an entry is about.
	Mappings(e journal.Entry) ([]wire.Mapping, error)
	// Gone names up to limit entries that are erased and that the centre may
	// hold, in random order, each with the name by which it is told.
	Gone(limit int) (names [][]byte, entries []uint64, err error)
	// Told takes them off that list.
	Told(ctx context.Context, names [][]byte) error
	// Retell puts every entry before one that is erased on the list again.
	Retell(ctx context.Context, before uint64) error
}

// Options say whose outbox it is.
type Options struct {
	Journal *journal.Journal // its name is wire.Origin(Device)
	Device  string
	Centre  note.Verifier // the centre's receipt key
	Path    string        // file of the last receipt
	Beside  Beside        // may be nil: nothing travels but entries
	Log     *slog.Logger  // may be nil
}

// Outbox is the way from the journal to the centre.
type Outbox struct {
	opts Options

	mu     sync.Mutex
	held   uint64 // entries the centre gave a receipt for
	cursor uint64 // where Next begins; behind held when the centre lost something
	told   told
}

// told are the tombstones of the batch made last, and how long the journal was.
type told struct {
	names, tombstones [][]byte
	size              uint64
}

// carried tells whether the last batch had these tombstones already. A centre
// that does not take them gets them again with the next entry, not at once.
func (o *Outbox) carried(size uint64, t told) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told.size == size && slices.EqualFunc(o.told.names, t.names, bytes.Equal)
}

// Open reads the last receipt. A file that holds no valid one counts as none:
// sending everything again harms nobody. A valid receipt that the journal
// contradicts is ErrRewritten.
func Open(opts Options) (*Outbox, error) {
	if err := wire.CheckIdentifier(opts.Device); err != nil {
		return nil, err
	}
	if want := wire.Origin(opts.Device); opts.Journal.Name() != want {
		return nil, fmt.Errorf("the journal is that of %q; device %s needs %q", opts.Journal.Name(), opts.Device, want)
	}
	if opts.Centre == nil {
		return nil, errors.New("the centre's receipt key is missing; without it no receipt can be told from a forged one")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	o := &Outbox{opts: opts}
	signed, err := os.ReadFile(opts.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the last receipt: %w", err)
	}
	r, err := o.verify(signed)
	switch {
	case errors.Is(err, ErrRewritten):
		return nil, err
	case err != nil:
		opts.Log.Warn("outbox begins anew: the last receipt is not valid", "file", opts.Path, "error", err)
	default:
		o.held, o.cursor = r.Size, r.Size
	}
	return o, nil
}

// Position is how many entries the centre holds for certain.
func (o *Outbox) Position() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held
}

// Behind is how many entries the centre has not acknowledged.
func (o *Outbox) Behind() uint64 {
	size := o.opts.Journal.Size()
	o.mu.Lock()
	defer o.mu.Unlock()
	return size - min(size, o.held, o.cursor)
}

// Size is the number of entries in the journal.
func (o *Outbox) Size() uint64 { return o.opts.Journal.Size() }

// Next is the batch that follows what the centre acknowledged: at most limit
// entries, within the bounds of a message. It waits until there is one.
// Without a receipt in between, Next begins where it began before.
func (o *Outbox) Next(ctx context.Context, limit int) (wire.Batch, error) {
	o.mu.Lock()
	from := o.cursor
	o.mu.Unlock()
	j := o.opts.Journal
	graves, err := o.tombstones(from)
	if err != nil {
		return wire.Batch{}, err
	}
	if size := j.Size(); len(graves.names) > 0 && from == size && !o.carried(size, graves) {
		from-- // nothing new waits, and so the last entry carries them
	}
	if err := j.Wait(ctx, from); err != nil {
		return wire.Batch{}, err
	}
	graves.size = j.Size()
	b := wire.Batch{Tombstones: graves.tombstones, Device: o.opts.Device, First: from}
	limit = min(max(limit, 1), wire.MaxEntries)
	bytes := 0
	for i := from; i < j.Size() && len(b.Entries) < limit; i++ {
		e, err := j.Entry(i)
		if err != nil {
			return wire.Batch{}, err
		}
		if bytes += len(e.Body); bytes > wire.MaxBatchBytes && len(b.Entries) > 0 {
			break
		}
		if e.Erased {
			if len(b.Tombstones) == wire.MaxTombstones {
				break
			}
			signed, err := j.Tombstone(i)
			if err != nil {
				return b, err
			}
			if !slices.ContainsFunc(b.Tombstones, func(t []byte) bool { return string(t) == string(signed) }) {
				b.Tombstones = append(b.Tombstones, signed)
			}
		}
		b.Entries = append(b.Entries, wire.Entry{Leaf: e.Leaf[:], Salt: e.Salt, Body: e.Body})
		if e.Erased {
			continue
		}
		if err := o.addMappings(&b, e); err != nil {
			return b, err
		}
	}
	graves.tombstones = b.Tombstones
	o.mu.Lock()
	o.told = graves
	o.mu.Unlock()
	if len(b.Mappings) > 0 {
		if b.Mapped, err = j.Word(wire.MappedHead, wire.Spoken(b.Mappings)); err != nil {
			return b, err
		}
	}
	b.Checkpoint, err = j.CheckpointAt(ctx, from+uint64(len(b.Entries)))
	return b, err
}

// addMappings adds what leads to an entry's pseudonyms, once each.
func (o *Outbox) addMappings(b *wire.Batch, e journal.Entry) error {
	if o.opts.Beside == nil {
		return nil
	}
	mappings, err := o.opts.Beside.Mappings(e)
	if err != nil {
		return err
	}
	for _, m := range mappings {
		had := func(o wire.Mapping) bool {
			return bytes.Equal(o.Pseudonym, m.Pseudonym) && bytes.Equal(o.Key, m.Key) && bytes.Equal(o.Hash, m.Hash)
		}
		if len(b.Mappings) < wire.MaxMappings && !slices.ContainsFunc(b.Mappings, had) {
			b.Mappings = append(b.Mappings, m)
		}
	}
	return nil
}

// maxGraves leaves room for those of the batch's own entries.
const maxGraves = wire.MaxTombstones / 2

// tombstones are some of those the centre must be told of: of entries that it
// holds, for the others travel as what they are.
func (o *Outbox) tombstones(held uint64) (t told, err error) {
	if o.opts.Beside == nil {
		return t, nil
	}
	names, entries, err := o.opts.Beside.Gone(maxGraves)
	if err != nil {
		return t, err
	}
	for k, i := range entries {
		if i >= held {
			continue
		}
		signed, err := o.opts.Journal.Tombstone(i)
		if errors.Is(err, journal.ErrNoEntry) {
			continue // it is being erased
		}
		if err != nil {
			return t, err
		}
		t.names, t.tombstones = append(t.names, names[k]), append(t.tombstones, signed)
	}
	return t, nil
}

// Forgotten takes the centre's word that it has erased what the last batch's
// tombstones name. They are not sent again.
func (o *Outbox) Forgotten(ctx context.Context, signed []byte) error {
	o.mu.Lock()
	t := o.told
	o.mu.Unlock()
	if len(t.tombstones) == 0 {
		return errors.New("the centre speaks of tombstones, and none were sent")
	}
	if err := wire.CheckForgotten(signed, o.opts.Device, t.tombstones, o.opts.Centre); err != nil {
		return err
	}
	if len(t.names) == 0 {
		return nil
	}
	return o.opts.Beside.Told(ctx, t.names)
}

// Acknowledge takes a receipt. It moves the position on when the receipt is
// valid and stored, and tells how many entries it is for; an older valid
// receipt changes nothing.
func (o *Outbox) Acknowledge(signed []byte) (uint64, error) {
	r, err := o.verify(signed)
	if err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Size > o.held {
		if err := store(o.opts.Path, signed); err != nil {
			return 0, fmt.Errorf("cannot store the receipt: %w", err)
		}
		o.held = r.Size
	}
	o.cursor = max(o.cursor, r.Size)
	return r.Size, nil
}

// Rewind makes Next begin at an earlier entry, because the centre says that
// it holds no more; never at a later one, because that takes a receipt. The
// position stays: it says what was acknowledged once. A centre that lost
// something was restored from a backup, and may hold what was erased since.
func (o *Outbox) Rewind(ctx context.Context, to uint64) {
	o.mu.Lock()
	o.cursor = min(o.cursor, to)
	lost := to < o.held
	o.mu.Unlock()
	if !lost || o.opts.Beside == nil {
		return
	}
	if err := o.opts.Beside.Retell(ctx, to); err != nil {
		o.opts.Log.Warn("outbox cannot tell a restored centre what is erased", "error", err)
	}
}

func (o *Outbox) verify(signed []byte) (wire.Receipt, error) {
	r, err := wire.OpenReceipt(signed, o.opts.Centre)
	if err != nil {
		return r, err
	}
	if r.Device != o.opts.Device {
		return r, fmt.Errorf("the receipt is for device %s, not for %s", r.Device, o.opts.Device)
	}
	if size := o.opts.Journal.Size(); r.Size > size {
		return r, fmt.Errorf("receipt for %d entries where the journal has %d: %w", r.Size, size, ErrRewritten)
	}
	root, err := o.opts.Journal.RootAt(r.Size)
	if err != nil {
		return r, err
	}
	if root != journal.Hash(r.Root) {
		return r, fmt.Errorf("receipt for %d entries with another root: %w", r.Size, ErrRewritten)
	}
	return r, nil
}

// store replaces the file so that after a power cut it holds either the old
// receipt or the new one, whole.
func store(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once it has been renamed
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
