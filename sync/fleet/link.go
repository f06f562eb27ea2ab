package fleet

import (
	"context"
	"fmt"
	"time"

	"limen/sync/wire"
)

// link is the way to the devices through a broker.
type link interface {
	// receive hands over what devices send until ctx ends. After an error it
	// is called again.
	receive(ctx context.Context, to chan<- delivery) error
	// answer sends a device its answer, its reply or a command; flush waits until
	// the broker has all.
	answer(device string, kind wire.Kind, payload []byte) error
	flush() error
	close()
}

// delivery is one message, and what to tell the broker of it.
type delivery struct {
	message
	done  func() // it is stored, and answered
	again func() // it is not: later, please
}

// How much is taken into one transaction, and how long others are waited for.
const (
	maxGroup      = 32
	maxWaiting    = 4 * maxGroup // deliveries under way, of all workers
	retryPause    = 500 * time.Millisecond
	flushPatience = 5 * time.Second
)

// ingest gathers what is waiting, stores it in one transaction, and answers
// only then.
func (c *Centre) ingest(ctx context.Context) error {
	waiting := make(chan delivery)
	received := make(chan struct{})
	go func() {
		defer close(received)
		for ctx.Err() == nil {
			err := c.link.receive(ctx, waiting)
			if err == nil || ctx.Err() != nil {
				continue
			}
			c.cfg.Log.Warn("nothing comes from the broker; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}()
	defer func() { <-received }()
	for {
		var group []delivery
		select {
		case <-ctx.Done():
			return nil
		case d := <-waiting:
			group = append(group, d)
		}
	gather:
		for len(group) < maxGroup {
			select {
			case d := <-waiting:
				group = append(group, d)
			default:
				break gather
			}
		}
		for k := range group {
			group[k].at = c.cfg.Now()
		}
		c.settle(ctx, group)
	}
}

// settle stores a group and answers. What cannot be stored as a group is
// tried alone, so that one device's message does not hold up the others'.
func (c *Centre) settle(ctx context.Context, group []delivery) {
	err := c.settleGroup(ctx, group)
	if err == nil {
		return
	}
	failed := 0
	for _, d := range group {
		// Where two fail alone the database is away, not the messages odd.
		if len(group) > 1 && failed < 2 {
			if err = c.settleGroup(ctx, []delivery{d}); err == nil {
				continue
			}
			failed++
		}
		d.again()
	}
	c.cfg.Log.Error("entries not stored; they come again", "messages", len(group), "error", err)
}

// settleGroup stores a group in one transaction, answers, and tells the
// broker. After an error nothing was stored and nobody was told.
func (c *Centre) settleGroup(ctx context.Context, group []delivery) error {
	// A transaction that has begun is finished: ctx ends between groups.
	ctx = context.WithoutCancel(ctx)
	group = c.settleAsks(ctx, group)
	if len(group) == 0 {
		return nil
	}
	messages := make([]message, len(group))
	for k, d := range group {
		messages[k] = d.message
	}
	began := time.Now()
	answers, err := c.records.take(ctx, messages, c.signer)
	if err != nil {
		c.metrics.failed.Inc()
		return err
	}
	c.metrics.stored(answers, time.Since(began))
	if c.cfg.committed != nil {
		if err := c.cfg.committed(); err != nil {
			return nil
		}
	}
	c.cosign(answers)
	if err := c.answer(answers); err != nil {
		c.cfg.Log.Warn("receipts not sent; the devices ask again", "error", err)
	}
	for _, d := range group {
		d.done()
	}
	return nil
}

// settleAsks replies to what is asked, and returns the rest of the group.
func (c *Centre) settleAsks(ctx context.Context, group []delivery) (rest []delivery) {
	for _, d := range group {
		if d.kind != wire.KindAsk {
			rest = append(rest, d)
			continue
		}
		if err := c.respond(ctx, d.message); err != nil {
			c.cfg.Log.Warn("ask not answered; it comes again", "device", d.device, "error", err)
			d.again()
			continue
		}
		d.done()
	}
	if len(rest) < len(group) {
		if err := c.link.flush(); err != nil {
			c.cfg.Log.Warn("replies not sent; the devices ask again", "error", err)
		}
	}
	return rest
}

// answer publishes receipts and refusals to the devices they are for.
func (c *Centre) answer(answers []wire.Answer) error {
	for _, a := range answers {
		if a.Refusal != "" {
			c.cfg.Log.Warn("batch refused", "device", a.Device, "refusal", a.Refusal, "detail", a.Detail, "have", a.Have)
		}
		b, err := a.Encode()
		if err == nil {
			err = c.link.answer(a.Device, wire.KindReceipt, b)
		}
		if err != nil {
			return fmt.Errorf("cannot answer %s: %w", a.Device, err)
		}
	}
	return c.link.flush()
}
