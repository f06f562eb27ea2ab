package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"limen/sync/wire"
)

// line is one MQTT connection. It is never mended: when anything fails it is
// closed and another one dialed.
type line struct {
	u       *Uplink
	broker  string
	client  mqtt.Client
	conn    net.Conn // under TLS: closing it ends whatever hangs
	answers chan []byte
	ctx     context.Context // ends when the line is lost
	lose    context.CancelCauseFunc
}

// farewell is how long a closing line may take to say so.
const farewell = 300 * time.Millisecond

// dial connects, subscribes to what the centre says to the device, and announces it.
func (u *Uplink) dial(ctx context.Context) (*line, error) {
	l := &line{u: u, broker: u.brokers[0], answers: make(chan []byte, 8)}
	l.ctx, l.lose = context.WithCancelCause(context.Background())
	will, err := u.status(wire.StateLost)
	if err != nil {
		return nil, err
	}
	conn, secured, err := u.open(ctx, l.broker)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	l.client = mqtt.NewClient(l.options(secured, will))
	if err := l.await(ctx, l.client.Connect(), "connecting"); err != nil {
		l.close(false)
		return nil, fmt.Errorf("the broker at %s does not take the device: %w", l.broker, err)
	}
	// At QoS 0: what is lost comes with the next sending or the next ask, and to a
	// broker a subscription at QoS 1 costs a queue on its disk.
	topics := map[string]byte{}
	for _, kind := range []wire.Kind{wire.KindReceipt, wire.KindReply, wire.KindCommand} {
		topics[wire.Topic(u.opts.Device, kind)] = 0
	}
	token := l.client.SubscribeMultiple(topics, l.hear)
	err = l.await(ctx, token, "subscribing")
	if err == nil {
		// 0x80 in a SUBACK is no error to paho.
		for topic, qos := range token.(*mqtt.SubscribeToken).Result() {
			if qos > 2 {
				err = fmt.Errorf("the broker refuses the subscription to %s: check the device's permissions", topic)
			}
		}
	}
	if err == nil {
		var birth []byte
		if birth, err = u.status(wire.StateRunning); err == nil {
			err = l.publish(wire.KindStatus, birth, true)
		}
	}
	if err != nil {
		l.close(false)
		return nil, err
	}
	return l, nil
}

// hear takes what the broker delivers.
func (l *line) hear(_ mqtt.Client, m mqtt.Message) {
	switch _, kind, _ := wire.ParseTopic(m.Topic()); kind {
	case wire.KindReceipt:
		select {
		case l.answers <- m.Payload():
		default: // a flood of answers: the batch is sent again, and answered again
		}
	case wire.KindReply:
		l.u.hear(m.Payload())
	case wire.KindCommand:
		if l.u.opts.Commanded != nil {
			l.u.opts.Commanded(m.Payload())
		}
	}
}

// open dials and secures the connection that paho will use.
func (u *Uplink) open(ctx context.Context, broker string) (conn, secured net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.opts.ConnectTimeout)
	defer cancel()
	conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", broker)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	c := u.opts.TLS.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(broker)
	}
	t := tls.Client(conn, c)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("no TLS with the broker at %s: %w", broker, err)
	}
	return conn, Bound(t, maxPacket), nil
}

func (l *line) options(secured net.Conn, will []byte) *mqtt.ClientOptions {
	o := l.u.opts
	return mqtt.NewClientOptions().
		AddBroker("tls://"+l.broker).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return secured, nil }).
		SetProtocolVersion(4). // 3.1.1, without falling back to 3.1 on a connection already used
		SetClientID(o.Device).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(o.ConnectTimeout).
		SetWriteTimeout(o.ReceiptTimeout).
		SetKeepAlive(o.KeepAlive).
		SetPingTimeout(10*time.Second).
		SetOrderMatters(false).
		SetBinaryWill(wire.Topic(o.Device, wire.KindStatus), will, 1, true).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lose(fmt.Errorf("lost the broker: %w", err)) })
}

func (u *Uplink) status(s wire.State) ([]byte, error) {
	o := u.opts
	said := wire.Status{Device: o.Device, Session: o.Session, State: s, Software: o.Software, Size: o.Outbox.Size()}
	if s == wire.StateRunning && o.Health != nil {
		h := o.Health()
		said.Health = &h
	}
	return said.Encode()
}

// report sends the device's health now and then, until ctx ends or the line
// is lost.
func (l *line) report(ctx context.Context) {
	if l.u.opts.Health == nil {
		return
	}
	regularly := time.NewTicker(l.u.opts.HealthEvery)
	defer regularly.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-regularly.C:
		case <-l.u.tell:
		}
		said, err := l.u.status(wire.StateRunning)
		if err == nil {
			err = l.publish(wire.KindStatus, said, true)
		}
		if err != nil {
			l.u.opts.Log.Warn("the device's health was not sent", "error", err)
		}
	}
}

// await waits for paho at most ConnectTimeout, and closes the connection
// under it where it takes longer.
func (l *line) await(ctx context.Context, t mqtt.Token, doing string) error {
	ctx, cancel := context.WithTimeout(ctx, l.u.opts.ConnectTimeout)
	defer cancel()
	select {
	case <-t.Done():
		return t.Error()
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	case <-ctx.Done():
		l.conn.Close()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no answer to %s within %v", doing, l.u.opts.ConnectTimeout)
		}
		return ctx.Err()
	}
}

// publish hands a payload to the line, at QoS 1. That the broker has it is
// nothing to wait for.
func (l *line) publish(kind wire.Kind, payload []byte, retained bool) error {
	token := l.client.Publish(wire.Topic(l.u.opts.Device, kind), 1, retained, payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("cannot publish %s: %w", kind, err)
		}
	default:
	}
	return nil
}

// drain forgets answers to earlier sendings.
func (l *line) drain() {
	for {
		select {
		case <-l.answers:
		default:
			return
		}
	}
}

// cause prefers why the line was lost to what followed from it.
func (l *line) cause(err error) error {
	if lost := context.Cause(l.ctx); lost != nil {
		return lost
	}
	return err
}

// close leaves nothing open and nothing running. A device that stops says
// farewell first; a line that is given up is left for the last will to speak of.
func (l *line) close(stopping bool) {
	if stopping && l.ctx.Err() == nil && l.client.IsConnectionOpen() {
		timer := time.AfterFunc(3*farewell, func() { l.conn.Close() })
		defer timer.Stop()
		if bye, err := l.u.status(wire.StateStopped); err == nil {
			l.client.Publish(wire.Topic(l.u.opts.Device, wire.KindStatus), 1, true, bye).WaitTimeout(farewell)
		}
	} else {
		l.conn.Close() // whatever hangs in it ends
	}
	// Paho takes a connection closed under it for one it closed itself, and
	// would leave its goroutines behind.
	l.client.Disconnect(uint(farewell / time.Millisecond))
	l.conn.Close()
	l.lose(errors.New("the line was closed"))
}
