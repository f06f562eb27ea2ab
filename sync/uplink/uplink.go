// Package uplink carries the outbox to the centre over MQTT 3.1.1 with mutual
// TLS: a batch at a time, sent again until the centre's receipt arrives. It
// never stands in an inspection's way: it only reads the journal, holds one
// batch in memory and waits out a broker that is away.
//
// The broker is trusted with nothing. Its PUBACK is not waited for, its
// sessions are not used (every connection starts clean), and what it delivers
// counts only by the centre's signature.
package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"limen/sync/outbox"
	"limen/sync/wire"
)

// Phase is where an uplink stands.
//
//	Away ──connected──▶ Connected ──receipts fail, line lost──▶ Away
//	                        │  ▲
//	     the centre refuses ▼  │ a receipt
//	                      Refused ──line lost──▶ Away
//	any ──ctx ends──▶ Stopped
type Phase string

// The phases.
const (
	Away      Phase = "away"      // no connection to the broker
	Connected Phase = "connected" // and the centre gives receipts, or nothing waits for one
	Refused   Phase = "refused"   // the centre answers, and refuses; Reason says why
	Stopped   Phase = "stopped"
)

// State is what an uplink can say of itself.
type State struct {
	Phase  Phase
	Since  time.Time // when the phase or its reason began
	Reason error     // why Away or Refused
	Held   uint64    // entries the centre gave a receipt for
	Behind uint64    // entries it has not
}

// Options say where the centre is and who asks. Zero durations take the
// defaults named.
type Options struct {
	Broker string         // host:port of the MQTT listener; of a cluster's several, separated by commas
	Device string         // also the MQTT client id and the identity in the certificate
	TLS    *tls.Config    // the device's certificate and the authority of the broker's
	Outbox *outbox.Outbox // what to carry
	// Software and Session go into the device's status; Session is fresh at
	// each start of the appliance (default: random).
	Software, Session string
	// Health, when set, says how the device is: at its birth, whenever Tell is
	// called, and every HealthEvery. It must not block.
	Health         func() wire.Health
	HealthEvery    time.Duration // (1 min)
	KeepAlive      time.Duration // a broker misses a dead device after 1.5 of it (6 s)
	ConnectTimeout time.Duration // for dialing, TLS and MQTT each (10 s)
	ReceiptTimeout time.Duration // until a batch is sent again (15 s)
	RefusedPause   time.Duration // until a refused batch is tried again (1 min)
	BackoffMin     time.Duration // pause after a lost connection, doubling … (1 s)
	BackoffMax     time.Duration // … up to this (1 min)
	MaxEntries     int           // of one batch (64)
	OnState        func(State)   // called with each change; must not block
	// Cosigned is given the centre's cosignature lines on the checkpoint of
	// size entries, unchecked. What it does with them delays the next batch.
	Cosigned func(size uint64, lines []byte)
	// Commanded is given what comes as a command, unchecked, maybe several at
	// the same time.
	Commanded func(sealed []byte)
	Log       *slog.Logger
}

// Uplink is one device's way to the centre.
type Uplink struct {
	opts    Options
	pace    *pace
	brokers []string // the first is dialed next; Run moves one that was lost to the end

	mu    sync.Mutex
	state State
	tell  chan struct{}              // the device's health has changed
	line  *line                      // nil while away
	asked map[string]chan wire.Reply // by the ask's id
}

// New checks the options; nothing is dialed before Run.
func New(opts Options) (*Uplink, error) {
	if err := wire.CheckIdentifier(opts.Device); err != nil {
		return nil, err
	}
	brokers := strings.Split(opts.Broker, ",")
	for k, b := range brokers {
		brokers[k] = strings.TrimSpace(b)
		if host, port, err := net.SplitHostPort(brokers[k]); err != nil || host == "" || !isPort(port) {
			return nil, fmt.Errorf("broker %q is not host:port, such as centre.example:8883", b)
		}
	}
	if opts.Outbox == nil {
		return nil, errors.New("the uplink has no outbox")
	}
	if err := checkIdentity(opts.TLS, opts.Device); err != nil {
		return nil, err
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opts.ConnectTimeout, 10*time.Second)
	def(&opts.HealthEvery, time.Minute)
	def(&opts.KeepAlive, 6*time.Second)
	def(&opts.ReceiptTimeout, 15*time.Second)
	def(&opts.RefusedPause, time.Minute)
	def(&opts.BackoffMin, time.Second)
	def(&opts.BackoffMax, time.Minute)
	opts.BackoffMax = max(opts.BackoffMax, opts.BackoffMin)
	if opts.MaxEntries <= 0 {
		opts.MaxEntries = 64
	}
	if opts.Session == "" {
		opts.Session = fmt.Sprintf("%016x", rand.Uint64())
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Uplink{
		opts: opts, brokers: brokers, pace: newPace(opts.MaxEntries, opts.ReceiptTimeout),
		state: State{Phase: Away, Since: time.Now()}, tell: make(chan struct{}, 1),
		asked: map[string]chan wire.Reply{},
	}, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// checkIdentity finds a wrong certificate before a broker does.
func checkIdentity(c *tls.Config, device string) error {
	if c == nil || len(c.Certificates) == 0 {
		return errors.New("the uplink has no client certificate; enrol the device (`limen-fleet enrol`) and name its certificate and key")
	}
	if c.InsecureSkipVerify {
		return errors.New("the uplink would not check the broker's certificate; remove InsecureSkipVerify")
	}
	leaf, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		return fmt.Errorf("cannot read the client certificate: %w", err)
	}
	if leaf.Subject.CommonName != device {
		return fmt.Errorf("the client certificate is that of %q, not of device %s: the broker would refuse it", leaf.Subject.CommonName, device)
	}
	return nil
}

// State is where the uplink stands now.
func (u *Uplink) State() State {
	u.mu.Lock()
	s := u.state
	u.mu.Unlock()
	s.Held, s.Behind = u.opts.Outbox.Position(), u.opts.Outbox.Behind()
	return s
}

// Tell has the device's health sent soon; it never blocks.
func (u *Uplink) Tell() {
	select {
	case u.tell <- struct{}{}:
	default:
	}
}

func (u *Uplink) enter(phase Phase, reason error) {
	u.mu.Lock()
	same := u.state.Phase == phase && fmt.Sprint(u.state.Reason) == fmt.Sprint(reason)
	if !same {
		u.state = State{Phase: phase, Reason: reason, Since: time.Now()}
	}
	u.mu.Unlock()
	if same {
		return
	}
	s := u.State()
	u.opts.Log.Info("uplink", "phase", phase, "reason", reason, "behind", s.Behind)
	if u.opts.OnState != nil {
		u.opts.OnState(s)
	}
}

// Run carries the outbox until ctx ends, and returns nil once the connection
// is closed. It is called once.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.enter(Stopped, nil)
	backoff := u.opts.BackoffMin
	for ctx.Err() == nil {
		progress, err := u.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		u.enter(Away, err)
		u.brokers = append(u.brokers[1:], u.brokers[0])
		if progress {
			backoff = u.opts.BackoffMin
		}
		// A fleet that lost its broker comes back spread out.
		pause := backoff/2 + rand.N(backoff/2+1)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		backoff = min(2*backoff, u.opts.BackoffMax)
	}
	return nil
}

// session is one connection, from dialing to its loss. progress tells whether
// it brought a receipt.
func (u *Uplink) session(ctx context.Context) (progress bool, err error) {
	l, err := u.dial(ctx)
	if err != nil {
		return false, err
	}
	running := ctx
	defer func() { l.close(running.Err() != nil) }()
	u.use(l)
	defer u.use(nil)
	u.enter(Connected, nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(l.ctx, cancel) // Next waits on the journal, not on the line
	defer stop()
	var reporting sync.WaitGroup
	reporting.Go(func() { l.report(ctx) })
	defer func() { cancel(); reporting.Wait() }()
	live := u.opts.Outbox.Size() // entries from here on happen while this connection lasts
	for silent, gaps := 0, 0; ; {
		if live, err = u.ahead(ctx, l, live); err != nil {
			return progress, l.cause(err)
		}
		batch, err := u.opts.Outbox.Next(ctx, u.pace.entries())
		if err != nil {
			return progress, l.cause(err)
		}
		begun := time.Now()
		said, err := u.deliver(ctx, l, batch)
		u.pace.took(len(batch.Entries), time.Since(begun), said == settled)
		switch {
		case err != nil:
			return progress, l.cause(err)
		case said == gap:
			// A receipt follows a gap that was mended. Who only ever says gap, which
			// takes no signature, would have the journal sent round and round.
			if gaps++; gaps > maxGaps {
				return progress, fmt.Errorf("%d gaps in a row and no receipt: the broker or the centre is confused", gaps)
			}
			silent = 0
		case said == settled:
			progress, silent, gaps = true, 0, 0
		default:
			// A line that swallows everything looks alive to TCP for minutes.
			if silent++; silent >= 2 {
				return progress, fmt.Errorf("no receipt within %v, twice: the line or the centre is stuck", u.opts.ReceiptTimeout)
			}
		}
	}
}

// heard is what became of a batch.
type heard int

const (
	nothing heard = iota // no answer that counts
	settled              // a receipt for all of it, or a refusal that was waited out
	gap                  // the next batch begins where the centre says it is
)

// maxGaps is how many gaps in a row are mended on one connection.
const maxGaps = 3

// deliver sends one batch and waits for the centre's answer to it.
func (u *Uplink) deliver(ctx context.Context, l *line, batch wire.Batch) (heard, error) {
	payload, err := batch.Encode()
	if err != nil {
		return nothing, fmt.Errorf("cannot encode the batch from entry %d: %w", batch.First, err)
	}
	l.drain()
	if err := l.publish(wire.KindEntries, payload, false); err != nil {
		return nothing, err
	}
	timeout := time.NewTimer(u.opts.ReceiptTimeout)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return nothing, ctx.Err()
		case <-timeout.C:
			return nothing, nil
		case raw := <-l.answers:
			said, refusal := u.take(ctx, raw, batch)
			if refusal != nil {
				u.enter(Refused, refusal)
				return settled, pause(ctx, u.opts.RefusedPause)
			}
			if said != nothing {
				u.enter(Connected, nil)
				return said, nil
			}
		}
	}
}

// take judges an answer. After settled and gap Next will begin elsewhere; a
// refusal is one that the device cannot mend. Anything else is let be: the
// true answer may still come.
func (u *Uplink) take(ctx context.Context, raw []byte, batch wire.Batch) (said heard, refusal error) {
	a, err := wire.DecodeAnswer(raw)
	if err == nil && a.Device != u.opts.Device {
		err = fmt.Errorf("it is for device %s", a.Device)
	}
	if err != nil {
		u.opts.Log.Warn("uplink ignores an answer", "error", err)
		return nothing, nil
	}
	switch {
	case a.Refusal == wire.RefusedGap && a.Have >= batch.First:
		// No gap: late, or forged. It is unsigned, and so says nothing of the journal.
		u.opts.Log.Warn("uplink ignores a gap that is none", "sent from", batch.First, "have", a.Have)
		return nothing, nil
	case a.Refusal == wire.RefusedGap:
		u.opts.Outbox.Rewind(ctx, a.Have)
		return gap, nil
	case a.Refusal != "":
		return nothing, fmt.Errorf("the centre refuses the batch from entry %d: %s: %s", batch.First, a.Refusal, a.Detail)
	}
	size, err := u.opts.Outbox.Acknowledge(a.Receipt)
	switch {
	case errors.Is(err, outbox.ErrRewritten):
		return nothing, err
	case err != nil:
		u.opts.Log.Warn("uplink ignores a receipt", "error", err)
		return nothing, nil
	}
	if len(a.Forgotten) > 0 {
		if err := u.opts.Outbox.Forgotten(context.Background(), a.Forgotten); err != nil {
			u.opts.Log.Warn("uplink ignores a word about tombstones", "error", err)
		}
	}
	if len(a.Cosignature) > 0 && u.opts.Cosigned != nil {
		u.opts.Cosigned(size, a.Cosignature)
	}
	if size < batch.First+uint64(len(batch.Entries)) {
		return nothing, nil
	}
	return settled, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
