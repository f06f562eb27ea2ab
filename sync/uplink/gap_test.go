package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"limen/sync/wire"
)

// A broker that answers every batch with another gap, which takes no
// signature, gets a few batches and then the pauses of a lost line.
func TestEndlessGapsAreGivenUp(t *testing.T) {
	var batches atomic.Int64
	addr, trust := falseBroker(t, func(c net.Conn) { lie(t, c, &batches) })
	o, j, centre := device(t)
	for j.Size() < 20 {
		if _, err := j.Append(t.Context(), []byte("an entry")); err != nil {
			t.Fatal(err)
		}
	}
	root, err := j.RootAt(10)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := wire.Receipt{Device: "gate-1", Size: 10, Root: root}.Sign(centre)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Acknowledge(signed); err != nil {
		t.Fatal(err)
	}
	opts := options(t, o, addr)
	opts.TLS.RootCAs, opts.MaxEntries = trust, 1
	why := awayBecause(t, opts)
	if why == nil || !strings.Contains(why.Error(), "gaps in a row") {
		t.Errorf("away because of %v, want gaps in a row", why)
	}
	if n := batches.Load(); n > maxGaps+1 {
		t.Errorf("%d batches were sent, want at most %d", n, maxGaps+1)
	}
	if o.Position() != 10 {
		t.Errorf("position %d, want 10: nothing more was acknowledged", o.Position())
	}
}

// falseBroker serves one connection after the other until the test ends.
func falseBroker(t *testing.T, serve func(net.Conn)) (addr string, trust *x509.CertPool) {
	t.Helper()
	certified := certificate(t, "centre")
	leaf, err := x509.ParseCertificate(certified.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(leaf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certified}}))
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String(), trust
}

// awayBecause runs an uplink for one connection and returns why it lost it.
func awayBecause(t *testing.T, opts Options) (why error) {
	t.Helper()
	opts.ConnectTimeout, opts.ReceiptTimeout = 5*time.Second, 5*time.Second
	opts.BackoffMin, opts.BackoffMax = time.Minute, time.Minute
	away := make(chan error, 1)
	opts.OnState = func(s State) {
		if s.Phase == Away {
			select {
			case away <- s.Reason:
			default:
			}
		}
	}
	u, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	select {
	case why = <-away:
	case <-time.After(20 * time.Second):
		t.Error("not given up")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return why
}

// lie is a broker whose every answer names a gap before what was sent.
func lie(t *testing.T, c net.Conn, batches *atomic.Int64) {
	speak(c, func(p *packets.PublishPacket) {
		batches.Add(1)
		b, err := wire.DecodeBatch(p.Payload)
		if err != nil {
			t.Errorf("the batch cannot be read: %v", err)
			return
		}
		answer, err := wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: b.First - min(b.First, 1)}.Encode()
		if err != nil {
			t.Error(err)
			return
		}
		out := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		out.TopicName, out.Payload = wire.Topic("gate-1", wire.KindReceipt), answer
		out.Write(c)
	})
}

// speak is a broker's part of a connection; said takes each batch.
func speak(c net.Conn, said func(*packets.PublishPacket)) {
	defer c.Close()
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch p := p.(type) {
		case *packets.ConnectPacket:
			packets.NewControlPacket(packets.Connack).Write(c)
		case *packets.SubscribePacket:
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID, ack.ReturnCodes = p.MessageID, []byte{1}
			ack.Write(c)
		case *packets.PublishPacket:
			if p.TopicName == wire.Topic("gate-1", wire.KindEntries) {
				said(p)
			}
		}
	}
}
