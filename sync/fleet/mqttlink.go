package fleet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"limen/sync/uplink"
	"limen/sync/wire"
)

// mqttLink takes from any broker that offers shared subscriptions to MQTT
// 3.1.1 clients, as Mosquitto, EMQX and HiveMQ do: of a topic
// $share/<group>/<filter> each message goes to one of the group.
type mqttLink struct {
	addr    string
	secured *tls.Config

	mu      sync.Mutex
	client  mqtt.Client // nil while there is no connection
	waiting []mqtt.Token
}

const (
	shareGroup    = "$share/limen-ingest/"
	mqttPatience  = 10 * time.Second
	maxMQTTPacket = wire.MaxMessage + 1<<10 // and topic and header
)

func newMQTTLink(q Queue, secured *tls.Config) (*mqttLink, error) {
	addr, ok := strings.CutPrefix(q.MQTT, "tls://")
	host, _, err := net.SplitHostPort(addr)
	if !ok || err != nil {
		return nil, fmt.Errorf("%q is not the address of a broker, such as tls://broker.example:8883", q.MQTT)
	}
	secured = secured.Clone()
	secured.ServerName = host
	return &mqttLink{addr: addr, secured: secured}, nil
}

// receive implements link. Of entries and asks each worker gets a share; statuses go to
// all of them, because brokers send what is retained to no shared subscription.
func (l *mqttLink) receive(ctx context.Context, to chan<- delivery) error {
	lost := make(chan error, 1)
	client, conn, err := l.dial(ctx, lost)
	if err != nil {
		return err
	}
	defer func() {
		l.mu.Lock()
		l.client, l.waiting = nil, nil
		l.mu.Unlock()
		client.Disconnect(100)
		conn.Close()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	take := func(_ mqtt.Client, m mqtt.Message) {
		device, kind, err := wire.ParseTopic(m.Topic())
		if err != nil || !fromDevice(kind) {
			m.Ack()
			return
		}
		select {
		// What is not stored comes again from the device itself.
		case to <- delivery{message: message{device: device, kind: kind, payload: m.Payload()}, done: m.Ack, again: m.Ack}:
		case <-ctx.Done():
		}
	}
	filters := map[string]byte{shareGroup + wire.Topic("+", wire.KindEntries): 1, shareGroup + wire.Topic("+", wire.KindAsk): 1, wire.Topic("+", wire.KindStatus): 1}
	token := client.SubscribeMultiple(filters, take)
	if err := within(ctx, token); err != nil {
		return fmt.Errorf("cannot subscribe at %s: %w", l.addr, err)
	}
	for topic, qos := range token.(*mqtt.SubscribeToken).Result() {
		if qos > 2 {
			return fmt.Errorf("the broker refuses the subscription to %s: check the worker's permissions, and that the broker offers $share", topic)
		}
	}
	l.mu.Lock()
	l.client = client
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil
	case err := <-lost:
		return fmt.Errorf("lost the broker at %s: %w", l.addr, err)
	}
}

func (l *mqttLink) dial(ctx context.Context, lost chan<- error) (mqtt.Client, net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, mqttPatience)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	secured := tls.Client(raw, l.secured)
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("no TLS with the broker at %s: %w", l.addr, err)
	}
	conn := uplink.Bound(secured, maxMQTTPacket)
	client := mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker("tls://" + l.addr).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return conn, nil }).
		SetProtocolVersion(4).
		SetClientID("limen-ingest-" + rand.Text()[:10]).
		SetCleanSession(true). // whatever is under way comes again from the devices
		SetAutoReconnect(false).SetConnectRetry(false).
		SetAutoAckDisabled(true). // after the commit
		SetOrderMatters(false).
		SetKeepAlive(30 * time.Second).SetPingTimeout(10 * time.Second).SetWriteTimeout(mqttPatience).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	if err := within(ctx, client.Connect()); err != nil {
		raw.Close()
		client.Disconnect(0)
		return nil, nil, fmt.Errorf("the broker at %s does not take the worker: %w", l.addr, err)
	}
	return client, raw, nil
}

func within(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-time.After(mqttPatience):
		return fmt.Errorf("no answer within %v", mqttPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer implements link.
func (l *mqttLink) answer(device string, kind wire.Kind, payload []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return errors.New("there is no connection to the broker")
	}
	l.waiting = append(l.waiting, l.client.Publish(wire.Topic(device, kind), 1, false, payload))
	return nil
}

// flush implements link.
func (l *mqttLink) flush() error {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, t := range waiting {
		if !t.WaitTimeout(flushPatience) {
			return errors.New("the broker does not take answers")
		}
		if err := t.Error(); err != nil {
			return err
		}
	}
	return nil
}

func (l *mqttLink) close() {}
