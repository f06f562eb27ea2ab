package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"limen/sync/wire"
)

// The buffer between broker and database, and how much of it is taken into
// one transaction.
const (
	streamName   = "LIMEN"
	streamBytes  = 128 << 20
	streamAge    = time.Hour // by then the device has sent it again
	perSubject   = 8         // batches, or statuses, of one device; it has one under way
	consumerName = "ingest"
	maxGroup     = 32
	retryPause   = 500 * time.Millisecond
)

// consumer makes the stream and its durable consumer. It is a work queue:
// several centres in one cluster would share it.
func consumer(conn *nats.Conn) (jetstream.Consumer, error) {
	ctx, stop := context.WithTimeout(context.Background(), brokerStart)
	defer stop()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subject("*", wire.KindEntries), subject("*", wire.KindStatus)},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		// A device that floods pushes out what is its own, and nobody else's.
		MaxMsgsPerSubject: perSubject,
		MaxBytes:          streamBytes, MaxAge: streamAge, Discard: jetstream.DiscardOld,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the broker's buffer: %w", err)
	}
	c, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 2 * maxGroup,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the broker's consumer: %w", err)
	}
	return c, nil
}

// ingest is the one writer: it gathers what is waiting, stores it in one
// transaction, and answers only then.
func (c *Centre) ingest(ctx context.Context) error {
	waiting := make(chan jetstream.Msg)
	consuming, err := c.entries.Consume(func(m jetstream.Msg) {
		select {
		case waiting <- m:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(maxGroup))
	if err != nil {
		return fmt.Errorf("cannot take what devices send: %w", err)
	}
	defer func() {
		consuming.Stop()
		<-consuming.Closed()
	}()
	for {
		var group []jetstream.Msg
		select {
		case <-ctx.Done():
			return nil
		case m := <-waiting:
			group = append(group, m)
		}
	gather:
		for len(group) < maxGroup {
			select {
			case m := <-waiting:
				group = append(group, m)
			default:
				break gather
			}
		}
		c.settle(ctx, group)
	}
}

// settle stores a group and answers. What could not be stored stays in the
// broker's buffer and comes again.
func (c *Centre) settle(ctx context.Context, group []jetstream.Msg) {
	// A transaction that has begun is finished: ctx ends between groups.
	ctx = context.WithoutCancel(ctx)
	var messages []message
	for _, m := range group {
		device, kind, err := deviceOf(m.Subject())
		if err != nil || kind == wire.KindReceipt {
			continue // the stream's subjects let no such through
		}
		messages = append(messages, message{device, kind, m.Data(), c.cfg.Now()})
	}
	answers, err := c.records.take(ctx, messages, c.signer)
	if err != nil {
		c.cfg.Log.Error("entries not stored; they come again", "messages", len(messages), "error", err)
		for _, m := range group {
			m.NakWithDelay(retryPause)
		}
		return
	}
	if c.cfg.committed != nil {
		if err := c.cfg.committed(); err != nil {
			return
		}
	}
	c.cosign(answers)
	if err := c.answer(answers); err != nil {
		c.cfg.Log.Warn("receipts not sent; the devices ask again", "error", err)
	}
	for _, m := range group {
		m.Ack()
	}
}

// answer publishes receipts and refusals to the devices they are for.
func (c *Centre) answer(answers []wire.Answer) error {
	for _, a := range answers {
		if a.Refusal != "" {
			c.cfg.Log.Warn("batch refused", "device", a.Device, "refusal", a.Refusal, "detail", a.Detail, "have", a.Have)
		}
		b, err := a.Encode()
		if err == nil {
			err = c.conn.Publish(subject(a.Device, wire.KindReceipt), b)
		}
		if err != nil {
			return fmt.Errorf("cannot answer %s: %w", a.Device, err)
		}
	}
	return c.conn.Flush()
}
