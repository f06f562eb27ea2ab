package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/wire"
)

// Asker is the way to the centre.
type Asker interface {
	// Ask fails when there is no reply before ctx ends, or no connection.
	Ask(ctx context.Context, a wire.Ask) (wire.Reply, error)
}

// Client keeps an index as the centre's, and asks the centre what is older.
type Client struct {
	Index        *Index
	Centre       Asker
	Site, Device string
	Receipts     note.Verifier // the centre's receipt key
	Every        time.Duration // between asks, on average
	Patience     time.Duration // for one reply (30 s)
	Log          *slog.Logger
}

// Run fetches deltas until ctx ends. That the centre is away is no error.
func (c *Client) Run(ctx context.Context) error {
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	if err := c.Index.Tidy(); err != nil {
		c.Log.Error("the index was not tidied", "error", err)
	}
	for {
		pause := c.Every
		if _, err := c.Fetch(ctx); err != nil && ctx.Err() == nil {
			c.Log.Info("the region's index is not as the centre's; asking again", "error", err)
			pause = min(pause, 5*time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-daily.C:
			if err := c.Index.Tidy(); err != nil {
				c.Log.Error("the index was not tidied", "error", err)
			}
		case <-time.After(pause/2 + rand.N(pause)): // a fleet does not ask in step
		}
	}
}

// Fetch takes the deltas that wait, and tells how many those were.
func (c *Client) Fetch(ctx context.Context) (taken int, err error) {
	for {
		region, number, _ := c.Index.Fresh()
		n, err := c.next(ctx, number)
		if err != nil {
			return taken, err
		}
		if n.Region != region && number > 0 { // the site belongs to another region now
			if n, err = c.next(ctx, 0); err != nil {
				return taken, err
			}
		}
		if n.Number == n.After {
			return taken, c.Index.Current(n)
		}
		packed, err := c.pieces(ctx, n)
		if err != nil {
			return taken, err
		}
		d, err := n.unpack(packed)
		if err != nil { // made anew meanwhile, or by somebody else
			return taken, fmt.Errorf("part %d of the index: %w", n.Number, err)
		}
		if err := c.Index.Apply(n, d); err != nil {
			return taken, err
		}
		taken++
	}
}

func (c *Client) ask(ctx context.Context, a wire.Ask) (wire.Reply, error) {
	ctx, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	return c.Centre.Ask(ctx, a)
}

func (c *Client) next(ctx context.Context, after uint64) (Next, error) {
	reply, err := c.ask(ctx, wire.Ask{Index: &wire.IndexAsk{Site: c.Site, After: after}})
	if err != nil {
		return Next{}, err
	}
	n, err := OpenNext(reply.Index, c.Receipts)
	if err == nil && (n.Site != c.Site || n.After != after) {
		err = errors.New("it is about another site or another number")
	}
	if err != nil {
		return Next{}, fmt.Errorf("the centre's word about the index: %w", err)
	}
	return n, nil
}

func (c *Client) pieces(ctx context.Context, n Next) (packed []byte, err error) {
	most := int(n.Size + n.Size/64 + 64<<10) // what does not compress grows a little
	for i := uint64(0); ; i++ {
		reply, err := c.ask(ctx, wire.Ask{Piece: &wire.PieceAsk{Name: PieceName(n.Region), Number: n.Number, Piece: i}})
		if err != nil {
			return nil, fmt.Errorf("part %d of the index: %w", n.Number, err)
		}
		if packed = append(packed, reply.Piece...); len(packed) > most {
			return nil, fmt.Errorf("part %d of the index has more than %d bytes packed", n.Number, most)
		}
		if len(reply.Piece) < wire.PieceSize {
			return packed, nil
		}
	}
}

// Online asks the centre where a document was checked since a time, and as of
// when that is; the newest first, at most wire.MaxSeen.
func (c *Client) Online(ctx context.Context, about []limen.Trace, since time.Time) ([]limen.Earlier, time.Time, error) {
	a := wire.SeenAsk{Since: max(since.UnixMilli(), 0)}
	for _, t := range about[:min(len(about), wire.MaxTraces)] {
		a.Traces = append(a.Traces, slices.Concat(t.Key[:], t.Hash[:]))
	}
	reply, err := c.Centre.Ask(ctx, wire.Ask{Seen: &a})
	if err != nil {
		return nil, time.Time{}, err
	}
	return openAnswer(reply, c.Device, c.Receipts)
}
