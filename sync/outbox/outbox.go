// Package outbox knows how far the centre holds the device's journal. Its
// position moves on only with a receipt: signed by the centre's receipt key,
// naming this device, a size the journal has and the root the journal itself
// has at that size. What a broker acknowledged moves nothing.
//
// The last receipt is the position: the file holds it as the centre signed it
// and is verified again at each start.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/journal"
	"limen/sync/wire"
)

// ErrRewritten means that a receipt the centre truly signed speaks of a
// history this journal does not have.
var ErrRewritten = errors.New("the centre's receipt speaks of another history than the journal's: the journal was cut, changed or replaced; have the device examined and enrol it under a new name")

// Options say whose outbox it is.
type Options struct {
	Journal *journal.Journal // its name is wire.Origin(Device)
	Device  string
	Centre  note.Verifier // the centre's receipt key
	Path    string        // file of the last receipt
	Log     *slog.Logger  // may be nil
}

// Outbox is the way from the journal to the centre.
type Outbox struct {
	opts Options

	mu     sync.Mutex
	held   uint64 // entries the centre gave a receipt for
	cursor uint64 // where Next begins; behind held when the centre lost something
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
	if err := j.Wait(ctx, from); err != nil {
		return wire.Batch{}, err
	}
	b := wire.Batch{Device: o.opts.Device, First: from}
	limit = min(max(limit, 1), wire.MaxEntries)
	bytes := 0
	var erased []uint64
	for i := from; i < j.Size() && len(b.Entries) < limit; i++ {
		e, err := j.Entry(i)
		if err != nil {
			return wire.Batch{}, err
		}
		if bytes += len(e.Body); bytes > wire.MaxBatchBytes && len(b.Entries) > 0 {
			break
		}
		b.Entries = append(b.Entries, wire.Entry{Leaf: e.Leaf[:], Salt: e.Salt, Body: e.Body})
		if e.Erased {
			erased = append(erased, i)
		}
	}
	var err error
	if len(erased) > 0 {
		if b.Vouched, err = j.Vouch(ctx, erased); err != nil {
			return b, err
		}
	}
	b.Checkpoint, err = j.CheckpointAt(ctx, from+uint64(len(b.Entries)))
	return b, err
}

// Acknowledge takes a receipt. It moves the position on when the receipt is
// valid and stored, and tells how many entries the centre now holds; an older
// valid receipt changes nothing.
func (o *Outbox) Acknowledge(signed []byte) (uint64, error) {
	r, err := o.verify(signed)
	if err != nil {
		return o.Position(), err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Size > o.held {
		if err := store(o.opts.Path, signed); err != nil {
			return o.held, fmt.Errorf("cannot store the receipt: %w", err)
		}
		o.held = r.Size
	}
	o.cursor = max(o.cursor, r.Size)
	return o.held, nil
}

// Rewind makes Next begin at an earlier entry, because the centre says that
// it holds no more; never at a later one, because that takes a receipt. The
// position stays: it says what was acknowledged once.
func (o *Outbox) Rewind(to uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursor = min(o.cursor, to)
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
