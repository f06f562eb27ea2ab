package set

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"limen/sync/wire"
)

// Asker is the way to the centre.
type Asker interface {
	// Ask fails when there is no reply before ctx ends, or no connection.
	Ask(ctx context.Context, a wire.Ask) (wire.Reply, error)
}

// Client fetches what a store is offered.
type Client struct {
	Store    *Store
	Centre   Asker
	Every    time.Duration // between asks, on average (5 min)
	Patience time.Duration // for one reply (30 s: a piece takes 2 s at 64 kbit/s)
	Log      *slog.Logger
	now      chan struct{} // look at once
}

// NewClient fetches for a store.
func NewClient(s *Store, centre Asker, log *slog.Logger) *Client {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{Store: s, Centre: centre, Every: 5 * time.Minute, Patience: 30 * time.Second, Log: log, now: make(chan struct{}, 1)}
}

// Look makes Run ask at once.
func (c *Client) Look() {
	select {
	case c.now <- struct{}{}:
	default:
	}
}

// Run asks for sets until ctx ends. That the centre is away is no error.
func (c *Client) Run(ctx context.Context) error {
	for {
		pause := c.Every
		if _, err := c.Fetch(ctx); err != nil && ctx.Err() == nil {
			c.Log.Info("sets not fetched; asking again", "error", err)
			pause = min(pause, 5*time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.now:
		case <-time.After(pause/2 + rand.N(pause)): // a fleet does not ask in step
		}
	}
}

// Fetch reports what the device runs, and takes what it is offered; it tells
// how many sets it took. Refusals are the store's to tell.
func (c *Client) Fetch(ctx context.Context) (taken int, err error) {
	for {
		o := c.Store.opts
		reply, err := c.ask(ctx, wire.Ask{Sets: &wire.SetsAsk{Site: o.Site, Runs: c.Store.Runs()}})
		if err != nil {
			return taken, err
		}
		before := taken
		for _, offer := range reply.Offers {
			if c.Store.known(offer.Manifest) {
				continue
			}
			err := c.take(ctx, offer)
			if no := (*Refusal)(nil); errors.As(err, &no) {
				continue
			}
			if err != nil {
				return taken, err
			}
			taken++
		}
		if taken == before { // and the report of what is run now was heard
			return taken, nil
		}
	}
}

func (c *Client) ask(ctx context.Context, a wire.Ask) (wire.Reply, error) {
	ctx, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	return c.Centre.Ask(ctx, a)
}

// take judges an offer and, where it is good, fetches it: as a delta where
// there is one for what is here, and whole when that leads nowhere.
func (c *Client) take(ctx context.Context, offer wire.Offer) error {
	s := c.Store
	m, no := judge(offer.Manifest, s.opts.Keys.Now(), s.opts.Site, s.opts.Device, s.opts.Now(), s.Number)
	if no == nil && s.opts.Apply[m.Name] == nil {
		no = refuse(m, WhyUnfit, "this device runs no such set")
	}
	if no != nil {
		return s.refuse(offer.Manifest, no)
	}
	if offer.Base != 0 && offer.Base == s.Number(m.Name) {
		content, err := c.delta(ctx, m, offer)
		if err != nil {
			return err
		}
		if content != nil {
			return s.take(m, offer.Manifest, content)
		}
		c.Log.Info("a delta did not lead to the set; fetching it whole", "set", m.Name, "number", m.Number, "base", offer.Base)
	}
	packed, path, err := c.pieces(ctx, m, 0)
	if err != nil {
		return err
	}
	content, err := Unpack(packed, m.Size)
	if err == nil && !m.holds(content) {
		err = errors.New("the content is not what the manifest names")
	}
	if err != nil {
		os.Remove(path)
		return s.refuse(offer.Manifest, refuse(m, WhyContent, "%v", err))
	}
	return s.take(m, offer.Manifest, content)
}

// delta is the content made of the one that is here; nil when it is none.
func (c *Client) delta(ctx context.Context, m Manifest, offer wire.Offer) ([]byte, error) {
	c.Store.mu.Lock()
	here := c.Store.held[m.Name].Manifest
	c.Store.mu.Unlock()
	base, err := c.Store.read(here)
	if err != nil {
		return nil, nil
	}
	packed, path, err := c.pieces(ctx, m, offer.Base)
	if err != nil {
		return nil, err
	}
	content, err := UnpackDelta(base, packed, m.Size)
	if err != nil || !m.holds(content) {
		os.Remove(path)
		return nil, nil
	}
	return content, nil
}

// pieces fetches a packed form, from where it stopped the last time. It ends
// with the first piece that is not full.
func (c *Client) pieces(ctx context.Context, m Manifest, base uint64) (packed []byte, path string, err error) {
	path = c.Store.path(m.Name, fmt.Sprintf("part-%d-%d", m.Number, base))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, path, fmt.Errorf("cannot keep set %s: %w", m.Name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, path, fmt.Errorf("cannot keep set %s: %w", m.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, path, err
	}
	size := info.Size() - info.Size()%wire.PieceSize // an end that is not whole may be torn
	if err := f.Truncate(size); err != nil {
		return nil, path, err
	}
	// What does not compress grows a little.
	most := int64(m.Size + m.Size/64 + 64<<10)
	for {
		reply, err := c.ask(ctx, wire.Ask{Piece: &wire.PieceAsk{Name: m.Name, Number: m.Number, Base: base, Piece: uint64(size / wire.PieceSize)}})
		if err != nil {
			return nil, path, fmt.Errorf("set %s number %d, from byte %d: %w", m.Name, m.Number, size, err)
		}
		if _, err := f.Write(reply.Piece); err != nil {
			return nil, path, fmt.Errorf("cannot keep set %s: %w", m.Name, err)
		}
		if size += int64(len(reply.Piece)); size > most {
			return nil, path, errors.Join(fmt.Errorf("set %s number %d has more than %d bytes packed", m.Name, m.Number, most), os.Remove(path))
		}
		if len(reply.Piece) < wire.PieceSize {
			break
		}
	}
	packed = make([]byte, size)
	_, err = f.ReadAt(packed, 0)
	if size == 0 {
		err = nil
	}
	return packed, path, err
}
