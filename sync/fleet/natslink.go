package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"limen/sync/wire"
)

// The buffer between broker and database.
const (
	streamName   = "LIMEN"
	streamBytes  = 128 << 20
	streamAge    = time.Hour // by then the device has sent it again
	perSubject   = 8         // batches, or statuses, of one device; it has one under way
	consumerName = "ingest"
	// A cluster that is choosing a leader answers nobody, and what it was asked
	// is lost.
	askPatience = 2 * time.Second
)

// natsLink takes from a JetStream stream: that of the broker in this process,
// or of a cluster whose durable consumer all ingest workers share.
type natsLink struct {
	conn     *nats.Conn
	replicas int
	own      *broker // where it is embedded; nil for a cluster
}

// inProcess connects to the embedded broker.
func inProcess(b *broker, secret string) (*natsLink, error) {
	conn, err := nats.Connect("", nats.InProcessServer(b), nats.Token(secret), nats.Name("limen-fleet"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the broker: %w", err)
	}
	return &natsLink{conn: conn, replicas: 1, own: b}, nil
}

// dialNATS connects to any server of a cluster, and to another one when that
// goes away.
func dialNATS(q Queue, secured *tls.Config, log *slog.Logger) (*natsLink, error) {
	options := []nats.Option{
		nats.Name("limen-fleet ingest"), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond), nats.Timeout(5 * time.Second),
		nats.Secure(secured),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("broker lost", "error", err) }),
		nats.ReconnectHandler(func(c *nats.Conn) { log.Info("broker found again", "at", c.ConnectedUrlRedacted()) }),
	}
	if q.Credentials != "" {
		options = append(options, nats.UserCredentials(q.Credentials))
	}
	conn, err := nats.Connect(strings.Join(q.NATS, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the NATS cluster at %s: %w", strings.Join(q.NATS, ", "), err)
	}
	return &natsLink{conn: conn, replicas: max(1, q.Replicas)}, nil
}

// consumer makes the stream and its durable consumer, where others have not.
// It is a work queue: the workers of one cluster share it.
func (l *natsLink) consumer(ctx context.Context) (jetstream.Consumer, error) {
	patience := askPatience
	if l.own != nil { // it loses nothing, and a busy machine may take its time
		patience = brokerStart
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	js, err := jetstream.New(l.conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subject("*", wire.KindEntries), subject("*", wire.KindStatus), subject("*", wire.KindAsk)},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: l.replicas,
		// A device that floods pushes out what is its own, and nobody else's.
		MaxMsgsPerSubject: perSubject,
		MaxBytes:          streamBytes, MaxAge: streamAge, Discard: jetstream.DiscardOld,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the broker's buffer: %w", err)
	}
	c, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: maxWaiting,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the broker's consumer: %w", err)
	}
	return c, nil
}

// receive implements link.
func (l *natsLink) receive(ctx context.Context, to chan<- delivery) error {
	var broken chan struct{}
	if l.own != nil {
		broken = l.own.broken
		failed := l.own.running() == nil // the last attempt
		select {
		case <-broken:
			failed = true
		default:
		}
		if failed {
			if err := l.own.renew(); err != nil {
				return err
			}
		}
	}
	entries, err := l.consumer(ctx)
	if err != nil {
		return err
	}
	consuming, err := entries.Consume(func(m jetstream.Msg) {
		device, kind, err := deviceOf(m.Subject())
		if err != nil || !fromDevice(kind) {
			m.Term() // the stream's subjects let no such through
			return
		}
		d := delivery{
			message: message{device: device, kind: kind, payload: m.Data()},
			done:    func() { m.Ack() },
			again:   func() { m.NakWithDelay(retryPause) },
		}
		select {
		case to <- d:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(maxGroup))
	if err != nil {
		return fmt.Errorf("cannot take what devices send: %w", err)
	}
	select {
	case <-ctx.Done():
		err = nil
	case <-consuming.Closed():
		err = errors.New("the broker has lost its buffer")
	case <-broken:
		consuming.Stop()
		err = errors.Join(errors.New("the broker's disk took nothing, so it begins anew"), l.own.renew())
	}
	consuming.Stop()
	<-consuming.Closed()
	return err
}

// answer implements link.
func (l *natsLink) answer(device string, kind wire.Kind, payload []byte) error {
	return l.conn.Publish(subject(device, kind), payload)
}

// flush implements link.
func (l *natsLink) flush() error { return l.conn.FlushTimeout(flushPatience) }

func (l *natsLink) close() { l.conn.Close() }
