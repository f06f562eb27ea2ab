package fleet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// dialMQTT connects as any program could that has got hold of a certificate.
func dialMQTT(t *tls.Config, addr, id string, change ...func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker("tls://" + addr).SetTLSConfig(t).SetClientID(id).SetProtocolVersion(4).
		SetConnectTimeout(2 * time.Second).SetAutoReconnect(false).SetConnectRetry(false)
	for _, f := range change {
		f(o)
	}
	c := mqtt.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(patience) {
		return nil, errors.New("no answer")
	}
	return c, token.Error()
}

// falseCentre is a broker with somebody else behind it.
type falseCentre struct {
	t              *testing.T
	addr, key      string
	signer, forger note.Signer
	heard          atomic.Int64
	say            func(subject string, payload []byte) []byte
}

func (s *site) falseCentre(say func(subject string, payload []byte) []byte) *falseCentre {
	t := s.t.(*testing.T)
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "limen-centre")
	if err != nil {
		t.Fatal(err)
	}
	f := &falseCentre{t: t, key: public, say: say}
	f.signer, _ = note.NewSigner(private)
	private, _, _ = note.GenerateKey(rand.Reader, "limen-centre")
	f.forger, _ = note.NewSigner(private)
	config, err := serverTLS(s.authority.CAPath(), s.server.Certificate, s.server.Key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := startBroker(t.TempDir(), "127.0.0.1:0", config, "secret", nil, s.config().withDefaults().Log)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = b.addr
	conn, err := nats.Connect("", nats.InProcessServer(b), nats.Token("secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); b.stop() })
	if _, err := conn.Subscribe("limen.v1.*.entries", func(m *nats.Msg) {
		f.heard.Add(1)
		if a := f.say(m.Subject, m.Data); a != nil {
			conn.Publish(strings.Replace(m.Subject, ".entries", ".receipt", 1), a)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *falseCentre) receipt(by note.Signer, device string, size uint64, root [32]byte) []byte {
	signed, err := wire.Receipt{Device: device, Size: size, Root: root}.Sign(by)
	if err != nil {
		f.t.Error(err)
	}
	b, err := wire.Answer{Device: "gate-1", Receipt: signed}.Encode()
	if err != nil {
		f.t.Error(err)
	}
	return b
}

// A device may publish its own entries and status and hear its own receipts.
func TestForeignTopicsAreRefused(t *testing.T) {
	s := newSite(t)
	s.start()
	one, two := s.newDevice("gate-1", 1, s.ReceiptKey()), s.newDevice("gate-2", 2, s.ReceiptKey())
	for _, d := range []*device{one, two} {
		if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
			t.Fatal(err)
		}
	}
	one.append(3)
	batch, err := one.outbox.Next(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	entries, _ := batch.Encode()
	lost, _ := wire.Status{Device: "gate-1", Session: "s", State: wire.StateLost}.Encode()
	mine, _ := wire.Status{Device: "gate-2", Session: "s", State: wire.StateRunning}.Encode()

	// Whatever reached the stream's subjects is counted, not only what was stored.
	var heard atomic.Int64
	if _, err := s.link.(*natsLink).conn.Subscribe("limen.>", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Subject, "limen.v1.gate-2.") {
			heard.Add(1)
			t.Errorf("the broker let %s through", m.Subject)
		}
	}); err != nil {
		t.Fatal(err)
	}
	c, err := dialMQTT(two.tls, s.MQTTAddr(), "gate-2", func(o *mqtt.ClientOptions) {
		o.SetBinaryWill("limen/v1/gate-1/status", lost, 1, true)
	})
	if err != nil {
		t.Fatal(err)
	}
	for topic, b := range map[string][]byte{"limen/v1/gate-1/entries": entries, "limen/v1/gate-1/status": lost, "limen/v1/gate-1/receipt": entries, "anything": lost} {
		c.Publish(topic, 1, true, b).WaitTimeout(patience)
	}
	for _, topic := range []string{"limen/v1/gate-1/receipt", "limen/v1/gate-1/entries", "limen/v1/+/receipt", "limen/#", "#", "$MQTT/sub/x", "$MQTT/rmsgs/#"} {
		token := c.Subscribe(topic, 1, nil)
		// A filter under $MQTT ends the connection instead.
		if token.WaitTimeout(patience); token.Error() == nil && token.(*mqtt.SubscribeToken).Result()[topic] != 0x80 {
			t.Errorf("subscription to %s: got %v, want 0x80", topic, token.(*mqtt.SubscribeToken).Result())
		}
		if !c.IsConnectionOpen() {
			if c, err = dialMQTT(two.tls, s.MQTTAddr(), "gate-2", func(o *mqtt.ClientOptions) {
				o.SetBinaryWill("limen/v1/gate-1/status", lost, 1, true)
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Its own status comes after all of that on the same line.
	if token := c.Publish("limen/v1/gate-2/status", 1, true, mine); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	until(t, "heard of gate-2", func() bool {
		v, err := s.records.Devices(t.Context())
		return err == nil && len(v) == 2 && v[1].State == "running" && v[0].State == "unseen"
	})
	c.Disconnect(500)
	until(t, "gate-2 gone", func() bool { return len(s.broker.connected()) == 0 })
	if err := s.link.(*natsLink).conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Stored("gate-1"); n != 0 || err != nil || heard.Load() != 0 {
		t.Errorf("of gate-1: got %d entries stored, %d messages, %v; want none", n, heard.Load(), err)
	}
}

func TestOnlyCertifiedDevicesConnect(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	_, stop := d.connect(s.MQTTAddr()) // the rightful owner of the name
	until(t, "connected", func() bool { return s.broker.connected()["gate-1"] })

	another, err := NewAuthority(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := another.Device("gate-1")
	two, _ := s.authority.Device("gate-2")
	pair := func(f Files) []tls.Certificate { return clientTLS(t, s.authority, f).Certificates }
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		id           string
	}{
		"no certificate":                 {nil, "gate-1"},
		"of another authority":           {pair(foreign), "gate-1"},
		"the centre's own":               {pair(s.server), "gate-1"},
		"of another device than the id":  {pair(two), "gate-1"},
		"without an id":                  {pair(two), ""},
		"an id that only begins as ours": {pair(two), "gate-22"},
	} {
		c, err := dialMQTT(&tls.Config{RootCAs: d.tls.RootCAs, Certificates: test.certificates}, s.MQTTAddr(), test.id)
		if err == nil {
			t.Errorf("%s: let in", name)
			c.Disconnect(500)
		}
	}
	if !s.broker.connected()["gate-1"] {
		t.Error("the rightful device was thrown out")
	}
	if got := fmt.Sprint(s.broker.connected()); got != "map[gate-1:true]" {
		t.Errorf("connected: got %s, want gate-1", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A device whose certificate is good and whose key is not known is told so.
func TestDeviceNotEnrolledIsToldSo(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	d.append(2)
	u, _ := d.connect(s.MQTTAddr())
	until(t, "told", func() bool {
		st := u.State()
		return st.Reason != nil && strings.Contains(st.Reason.Error(), "unknown: the centre knows no key of this device")
	})
	if err := s.Enrol(d.name, newKey(9).PublicKey()); err != nil {
		t.Fatal(err)
	}
	until(t, "told of the wrong key", func() bool {
		st := u.State()
		return st.Reason != nil && strings.Contains(st.Reason.Error(), "signature")
	})
	if err := s.Enrol(d.name, d.key.PublicKey()); err == nil {
		t.Error("a second key under one name was taken")
	}
	if _, err := s.Stored("nobody"); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("Stored: got %v, want ErrNotEnrolled", err)
	}
}

func TestOneCentrePerFolder(t *testing.T) {
	s := newSite(t)
	s.start()
	if _, err := Open(s.config()); err == nil || !strings.Contains(err.Error(), "another centre runs in") {
		t.Errorf("got %v; want it refused", err)
	}
	cfg := s.config()
	cfg.Dir, cfg.MQTT = t.TempDir(), s.MQTTAddr()
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "does not start on") {
		t.Errorf("an address in use: got %v; want it named", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg.MQTT = "127.0.0.1:0"
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Errorf("Run with an ended context: got %v", err)
	}
}
