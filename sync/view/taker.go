package view

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// Options say whose requests they are and how they are granted.
type Options struct {
	Device string
	Keys   note.Verifiers // the centre's receipt key
	Centre Asker
	// Show answers the browser's offer, or says why not; ended then has one
	// word, once nobody watches any more. What it needs recorded is recorded
	// before it returns.
	Show    func(ctx context.Context, r Request, offer string) (answer string, ended <-chan string, err error)
	Refused func(Refusal) // told of refusals, the same ones at most once a minute
	Now     func() time.Time
	Log     *slog.Logger
}

// Asker is the way to the centre.
type Asker interface {
	// Ask fails when there is no reply before ctx ends, or no connection.
	Ask(ctx context.Context, a wire.Ask) (wire.Reply, error)
}

// Taker takes a device's requests, one at a time.
type Taker struct {
	opts Options

	mu   sync.Mutex
	last int64 // when the last one was issued, milliseconds since 1970
	told map[Why]*telling
}

// telling keeps a hostile broker from filling the journal with refusals.
type telling struct {
	at    time.Time
	times int // since then
}

// New makes a taker. A request lives too short to be remembered on disk: what
// was issued before the start is a repetition.
func New(o Options) *Taker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Taker{opts: o, last: o.Now().UnixMilli(), told: map[Why]*telling{}}
}

// Take judges what came as a request, has it granted where it is good, and
// tells the centre. It returns when nobody watches any more. A *Refusal says
// that the request itself was bad.
func (t *Taker) Take(ctx context.Context, signed []byte) error {
	t.mu.Lock()
	r, no := judge(signed, t.opts.Keys, t.opts.Device, t.last, t.opts.Now())
	if no == nil {
		t.last = r.Issued
	}
	t.mu.Unlock()
	if no != nil {
		t.tell(*no)
		return no
	}
	reply, err := t.ask(ctx, wire.ViewAsk{ID: r.ID})
	if err != nil {
		return err
	}
	if !bytes.Equal(HashOf(reply.View), r.Offer) {
		no := refuse(WhyOffer, "what came as the browser's offer is not the one that was signed")
		t.tell(*no)
		return no
	}
	answer, ended, err := t.opts.Show(ctx, r, reply.View)
	if err != nil {
		t.opts.Log.Info("live view not shown", "error", err)
		_, err = t.ask(ctx, wire.ViewAsk{ID: r.ID, Refused: cut(err.Error())})
		return err
	}
	// An answer that does not arrive ends by itself: nobody connects.
	if _, err := t.ask(ctx, wire.ViewAsk{ID: r.ID, Answer: answer}); err != nil {
		t.opts.Log.Warn("answer to a live view not told", "error", err)
	}
	_, err = t.ask(ctx, wire.ViewAsk{ID: r.ID, Ended: cut(<-ended)})
	return err
}

// patience is how long one reply is waited for.
const patience = 10 * time.Second

func (t *Taker) ask(ctx context.Context, a wire.ViewAsk) (wire.Reply, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return t.opts.Centre.Ask(ctx, wire.Ask{View: &a})
}

// cut keeps a word within its bound.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), 150)], "") }

// tell tells of a refusal, unless one like it was told within the minute.
func (t *Taker) tell(no Refusal) {
	t.opts.Log.Warn("live view refused", "why", no.Why)
	t.mu.Lock()
	now := t.opts.Now()
	known := t.told[no.Why]
	if known != nil && now.Sub(known.at) < time.Minute {
		known.times++
		t.mu.Unlock()
		return
	}
	if known != nil {
		no.Times += known.times
	}
	t.told[no.Why] = &telling{at: now}
	t.mu.Unlock()
	if t.opts.Refused != nil {
		t.opts.Refused(no)
	}
}
