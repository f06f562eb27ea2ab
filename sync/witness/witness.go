// Package witness gives and gets cosignatures on checkpoints: the word of one
// who saw a journal's earlier checkpoints that the newest is consistent with
// them. Whoever rewrites a journal, however completely, cannot take that word
// back.
//
//	journal ──checkpoint, proof from the last one──▶ witness: same key, same beginning? ──▶ kept on disk ──▶ cosignature
//
// It is C2SP tlog-witness over HTTP with C2SP tlog-cosignature's Ed25519 kind,
// so that any such witness will do: a neighbor on the site, another
// organization's, or the centre, whose cosignature comes with its receipt. A
// cosignature attests consistency; only a receipt attests storage.
//
// A request reveals the number of a device's entries and nothing of what they
// say.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/time/rate"

	"limen/sync/journal"
)

// Options say whose witness it is and what it cosigns.
type Options struct {
	Dir    string          // what was cosigned last, and evidence of forks; made where missing
	Name   string          // of the witness, as cosignatures carry it
	Key    journal.Signer  // Ed25519
	Logs   []note.Verifier // the keys of the journals it cosigns; a journal is known by its key's name
	Now    func() time.Time
	Log    *slog.Logger
	OnFork func(origin string) // told of evidence, once for each piece
	// Rate is how many requests a second are judged in all and, with a tenth of
	// it, of each journal (default 50); Burst how many more at once (100).
	Rate  float64
	Burst int
}

// Witness cosigns checkpoints. It never cosigns two roots of one size, nor a
// tree that does not begin with the last one it cosigned.
type Witness struct {
	opts     Options
	cosigner *journal.Cosigner
	logs     map[string]*log
	state    *state
	all      *rate.Limiter
	busy     chan struct{}
}

// log is one journal. Its lock makes comparing and keeping one step: else a
// slower request could take the kept size back.
type log struct {
	keys  []note.Verifier
	limit *rate.Limiter
	mu    sync.Mutex
	last  journal.Checkpoint // zero: none yet
}

// Open opens the witness that keeps its state in opts.Dir, or begins one.
func Open(opts Options) (*Witness, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Rate <= 0 {
		opts.Rate = 50
	}
	if opts.Burst <= 0 {
		opts.Burst = 100
	}
	if opts.Key == nil {
		return nil, errors.New("the witness has no key to sign with")
	}
	cosigner, err := journal.NewCosigner(opts.Name, opts.Key, opts.Now)
	if err != nil {
		return nil, err
	}
	w := &Witness{opts: opts, cosigner: cosigner, logs: map[string]*log{}, all: rate.NewLimiter(rate.Limit(opts.Rate), opts.Burst), busy: make(chan struct{}, 16)}
	for _, key := range opts.Logs {
		l := w.logs[key.Name()]
		if l == nil {
			l = &log{limit: rate.NewLimiter(rate.Limit(opts.Rate/10), max(opts.Burst/10, 1))}
			w.logs[key.Name()] = l
		}
		l.keys = append(l.keys, key)
	}
	if w.state, err = openState(opts.Dir); err != nil {
		return nil, err
	}
	for origin, l := range w.logs {
		if err := w.load(origin, l); err != nil {
			return nil, errors.Join(err, w.state.close())
		}
	}
	return w, nil
}

// load reads what was cosigned last. A state that cannot be read is no reason
// to begin anew: that would cosign whatever comes.
func (w *Witness) load(origin string, l *log) error {
	signed, err := w.state.last(origin)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		l.last, err = open(signed, l.keys)
	}
	if err != nil {
		return fmt.Errorf("what was cosigned last for %s, in %s, cannot be used; put the file back from its backup, or take the journal from the list: %w", origin, w.opts.Dir, err)
	}
	return nil
}

// Key is the witness's key, as journal.ParseCosignatureKey reads it.
func (w *Witness) Key() string { return w.cosigner.String() }

// Close gives the folder up.
func (w *Witness) Close() error { return w.state.close() }

// Refusal is why a checkpoint is not cosigned: Status is the HTTP status that
// C2SP tlog-witness gives the case, Size with a conflict what was cosigned last.
type Refusal struct {
	Status int
	Size   uint64
	Why    string
}

func (r *Refusal) Error() string { return r.Why }

func refuse(status int, why string, args ...any) *Refusal {
	return &Refusal{Status: status, Why: fmt.Sprintf(why, args...)}
}

// open checks a checkpoint against any of keys, all of one journal.
func open(signed []byte, keys []note.Verifier) (c journal.Checkpoint, err error) {
	for _, key := range keys {
		if c, err = journal.OpenCheckpoint(signed, key); err == nil {
			return c, nil
		}
	}
	return c, err
}

// Add judges a request and returns the cosignature lines. What it returns is
// on disk first. An error is a *Refusal, or the state could not be written.
func (w *Witness) Add(ctx context.Context, r Request) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := w.logs[r.origin]
	if l == nil {
		return nil, refuse(http.StatusNotFound, "this witness does not know the journal %.60q", r.origin)
	}
	c, err := open(r.Checkpoint, l.keys)
	if err != nil {
		return nil, refuse(http.StatusForbidden, "%v", err)
	}
	if !l.limit.Allow() {
		return nil, refuse(http.StatusTooManyRequests, "%s asks too often", c.Origin)
	}
	if r.Old > c.Size {
		return nil, refuse(http.StatusBadRequest, "the old size %d is over the checkpoint's %d", r.Old, c.Size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.Size == l.last.Size && l.last.Origin != "" && c.Root != l.last.Root:
		w.fork(c.Origin, r.Checkpoint, "two roots of one size")
		return nil, &Refusal{http.StatusConflict, l.last.Size, "another root of this size was cosigned: the journal was forked"}
	case r.Old != l.last.Size:
		return nil, &Refusal{http.StatusConflict, l.last.Size, fmt.Sprintf("the last size cosigned is %d", l.last.Size)}
	}
	if err := consistent(l.last, c, r.Proof); err != nil {
		if l.last.Size > 0 {
			// By itself no evidence: anybody may put a good checkpoint beside a bad proof.
			w.fork(c.Origin, r.Checkpoint, "no proof from the one to the other")
		}
		return nil, refuse(http.StatusUnprocessableEntity, "the checkpoint is not proven to begin with the last one cosigned")
	}
	n, err := note.Open(r.Checkpoint, note.VerifierList(l.keys...))
	if err != nil {
		return nil, err
	}
	lines, err := w.cosigner.Lines(n.Text)
	if err != nil {
		return nil, err
	}
	if c != l.last {
		if err := w.state.keep(c.Origin, r.Checkpoint); err != nil {
			return nil, fmt.Errorf("cannot keep the checkpoint of %s: %w", c.Origin, err)
		}
		l.last = c
	}
	return lines, nil
}

// consistent checks that newer begins with older (RFC 6962, 2.1.2).
func consistent(older, newer journal.Checkpoint, proof []tlog.Hash) error {
	empty, err := tlog.TreeHash(0, nil)
	switch {
	case err != nil:
		return err
	case newer.Size == 0 && newer.Root != empty:
		return errors.New("an empty tree has another root")
	case older.Size == 0 || older.Size == newer.Size:
		if len(proof) > 0 {
			return errors.New("a proof where none belongs")
		}
		if older.Size > 0 && older.Root != newer.Root {
			return errors.New("another root")
		}
		return nil
	}
	return tlog.CheckTree(proof, int64(newer.Size), newer.Root, int64(older.Size), older.Root)
}

// fork keeps the checkpoint that does not fit beside the one that was cosigned.
func (w *Witness) fork(origin string, shown []byte, why string) {
	fresh, err := w.state.fork(origin, shown, why)
	if err != nil {
		w.opts.Log.Error("witness cannot keep evidence", "journal", origin, "error", err)
	}
	if fresh {
		w.opts.Log.Warn("witness was shown two histories", "journal", origin, "why", why)
		if w.opts.OnFork != nil {
			w.opts.OnFork(origin)
		}
	}
}

// Evidence is two checkpoints that a journal's key signed and of which one
// does not begin with the other as far as anybody could prove.
type Evidence struct {
	Held  string `json:"held"`  // signed note: what was cosigned
	Shown string `json:"shown"` // signed note: what came
	Why   string `json:"why"`
}

// Evidence returns what is held against a journal: the first of each kind.
func (w *Witness) Evidence(origin string) ([]Evidence, error) { return w.state.evidence(origin) }
