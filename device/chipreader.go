package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"limen"
	"limen/hw/pn532"
	"limen/hw/serialport"
)

// nameChipReader is the reader's name on the board of states.
const nameChipReader = "chip reader"

// contactless is an open reader: a PN532 or a PC/SC reader.
type contactless interface {
	// poll looks for a card for at most wait, at least once; errNoCard when
	// none came. Any other error means that the reader must be opened again.
	poll(ctx context.Context, wait time.Duration) (card, error)
}

// card is a chip that poll selected.
type card interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
	Limits() (command, response int) // as apdu.Limited has it
	Release(ctx context.Context) error
}

var errNoCard = errors.New("no chip in the field")

// chipReader implements limen.ChipReader over whatever reader is open at the
// moment. One goroutine owns the reader; Connect asks it for a card.
//
//	away ──opened──▶ idle ──Connect, card found──▶ in session ──Close──▶ idle
//	  ▲                │                                │
//	  └────────────────┴──────── reader failed ─────────┘
type chipReader struct {
	requests chan connectRequest
	states   *board
	log      *slog.Logger
}

type connectRequest struct {
	ctx    context.Context
	answer chan<- connectAnswer
}

type connectAnswer struct {
	chip *chip
	err  error
}

func newChipReader(states *board, log *slog.Logger) *chipReader {
	return &chipReader{requests: make(chan connectRequest), states: states, log: log}
}

// idleLook is how often an idle reader is asked whether it is still there.
const idleLook = 2 * time.Second

// Connect implements limen.ChipReader.
func (r *chipReader) Connect(ctx context.Context) (limen.Chip, error) {
	answer := make(chan connectAnswer, 1)
	select {
	case r.requests <- connectRequest{ctx, answer}:
	case <-ctx.Done():
		return nil, &limen.Unable{Reason: limen.Reason{Code: limen.ChipReaderAway}, Err: errors.New("the chip reader is not to be had")}
	}
	a := <-answer // the owner always answers: poll ends with ctx
	if a.err != nil {
		return nil, a.err
	}
	return a.chip, nil
}

// serve answers Connect with cards of an open reader until ctx ends or the
// reader fails, whose error it returns.
func (r *chipReader) serve(ctx context.Context, reader contactless) error {
	look := time.NewTicker(idleLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case req := <-r.requests:
			if err := r.session(ctx, reader, req); err != nil {
				return err
			}
		case <-look.C:
			c, err := reader.poll(ctx, 0)
			if err == nil {
				err = c.Release(ctx)
			}
			if err != nil && !errors.Is(err, errNoCard) && ctx.Err() == nil {
				return err
			}
		}
	}
}

// session serves one Connect until its chip is closed. The error is the
// reader's failure; that no card came is only the caller's.
func (r *chipReader) session(ctx context.Context, reader contactless, req connectRequest) error {
	wait := time.Minute
	if deadline, ok := req.ctx.Deadline(); ok {
		wait = time.Until(deadline)
	}
	c, err := reader.poll(req.ctx, wait)
	switch {
	case errors.Is(err, errNoCard), err != nil && req.ctx.Err() != nil:
		req.answer <- connectAnswer{err: &limen.Unable{Reason: limen.Reason{Code: limen.ChipNoAnswer}, Err: errNoCard}}
		return nil
	case err != nil:
		req.answer <- connectAnswer{err: readerAway(err)}
		return err
	}
	session := &chip{card: c, closed: make(chan struct{})}
	req.answer <- connectAnswer{chip: session}
	select {
	case <-session.closed:
	case <-ctx.Done():
		<-session.closed // the inspection's own context ends with ours
	}
	if err := session.failure(); err != nil {
		return err
	}
	release, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if err := c.Release(release); err != nil && !gone(err) {
		return err
	}
	return nil
}

func readerAway(err error) error {
	return &limen.Unable{Reason: limen.Reason{Code: limen.ChipReaderAway}, Err: err}
}

// chip is a card in session; it remembers when the reader itself failed.
type chip struct {
	card
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	broken error
}

// Transmit passes an APDU on. A reader that failed is told apart from a chip
// that left.
func (c *chip) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	response, err := c.card.Transmit(ctx, command)
	if err != nil && !gone(err) && ctx.Err() == nil && readerGone(err) {
		c.mu.Lock()
		c.broken = err
		c.mu.Unlock()
		return nil, readerAway(err)
	}
	return response, err
}

// Close ends the session.
func (c *chip) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *chip) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// readerGone tells whether err says that the reader itself is away.
func readerGone(err error) bool {
	if errors.Is(err, serialport.ErrUnplugged) {
		return true
	}
	g, ok := errors.AsType[interface {
		error
		ReaderGone() bool
	}](err)
	return ok && g.ReaderGone()
}

// gone tells whether err says that the card left the field.
func gone(err error) bool {
	g, ok := errors.AsType[interface {
		error
		CardGone() bool
	}](err)
	return ok && g.CardGone()
}

// runPN532 owns the PN532 on a serial port until ctx ends, over unplugging.
func (r *chipReader) runPN532(ctx context.Context, path string) error {
	keeper := serialport.Keeper{
		Path: path, Mode: serialport.Mode{Baud: 115200},
		Use: func(ctx context.Context, port *serialport.Port) error {
			reader, err := pn532.Open(ctx, port, pn532.Options{Log: r.log})
			if err != nil {
				return err
			}
			r.states.set(nameChipReader, Working, fmt.Sprintf("%s on %s at %d baud", reader.Firmware(), path, reader.Baud()))
			err = r.serve(ctx, pn532Reader{reader})
			closing, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer stop()
			if cerr := reader.Close(closing); err == nil && ctx.Err() == nil {
				err = cerr
			}
			return err
		},
		Report: func(rep serialport.Report) { reportPort(r.states, nameChipReader, rep) },
	}
	return keeper.Run(ctx)
}

// pn532Reader is a PN532 as a contactless reader.
type pn532Reader struct{ *pn532.Reader }

func (r pn532Reader) poll(ctx context.Context, wait time.Duration) (card, error) {
	target, err := r.Poll(ctx, wait)
	if errors.Is(err, pn532.ErrNoCard) || errors.Is(err, pn532.ErrNotISO14443_4) {
		return nil, errNoCard
	}
	if err != nil {
		return nil, err
	}
	return target, nil
}
