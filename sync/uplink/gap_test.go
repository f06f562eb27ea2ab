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

// A broker that answers every batch with a gap, which takes no signature, gets
// a few batches and then the pauses of a lost line.
func TestEndlessGapsAreGivenUp(t *testing.T) {
	certified := certificate(t, "centre")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var batches atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			lie(t, tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certified}}), &batches)
		}
	}()
	defer func() { l.Close(); <-ended }()

	o, _, _ := device(t)
	opts := options(t, o, l.Addr().String())
	leaf, err := x509.ParseCertificate(certified.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	opts.TLS.RootCAs = x509.NewCertPool()
	opts.TLS.RootCAs.AddCert(leaf)
	opts.ConnectTimeout, opts.ReceiptTimeout, opts.MaxEntries = 5*time.Second, 5*time.Second, 1
	opts.BackoffMin, opts.BackoffMax = time.Minute, time.Minute // one connection
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
	case why := <-away:
		if why == nil || !strings.Contains(why.Error(), "gaps in a row") {
			t.Errorf("away because of %v, want gaps in a row", why)
		}
	case <-time.After(20 * time.Second):
		t.Error("not given up")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := batches.Load(); n > maxGaps+1 {
		t.Errorf("%d batches were sent, want at most %d", n, maxGaps+1)
	}
	if o.Position() != 0 {
		t.Errorf("position %d, want 0: nothing was acknowledged", o.Position())
	}
}

// lie is a broker whose every answer names another gap.
func lie(t *testing.T, c net.Conn, batches *atomic.Int64) {
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
			if p.TopicName != wire.Topic("gate-1", wire.KindEntries) {
				continue
			}
			batches.Add(1)
			b, err := wire.DecodeBatch(p.Payload)
			if err != nil {
				t.Errorf("the batch cannot be read: %v", err)
				return
			}
			answer, err := wire.Answer{Device: "gate-1", Refusal: wire.RefusedGap, Have: (b.First + 1) % 2}.Encode()
			if err != nil {
				t.Error(err)
				return
			}
			out := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			out.TopicName, out.Payload = wire.Topic("gate-1", wire.KindReceipt), answer
			out.Write(c)
		}
	}
}
