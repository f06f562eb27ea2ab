package fleet

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"limen/sync/wire"
)

// A device that sends more than the whole buffer holds does not push out
// another device's batch.
func TestFloodPushesOutNobodyElse(t *testing.T) {
	s := newSite(t)
	d := s.newDevice("gate-2", 2, mustReceiptKey(t, s))
	d.append(3)
	batch, err := d.outbox.Next(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := batch.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	cfg.Devices = []Enrolled{d.enrolled(), {"gate-1", newKey(1).PublicKey()}}
	c, err := Open(cfg) // not run yet: nothing is taken out of the buffer
	if err != nil {
		t.Fatal(err)
	}
	s.Centre = c
	js, err := jetstream.New(c.link.(*natsLink).conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject("gate-2", wire.KindEntries), payload); err != nil {
		t.Fatal(err)
	}
	flood := make([]byte, wire.MaxMessage)
	for range streamBytes/len(flood) + 8 {
		if _, err := js.Publish(t.Context(), subject("gate-1", wire.KindEntries), flood); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != perSubject+1 {
		t.Errorf("in the buffer: got %d messages, want %d of gate-1 and one of gate-2", got, perSubject)
	}
	background(t, "centre", c.Run)
	until(t, "the batch of gate-2 stored", func() bool { n, err := s.Stored("gate-2"); return n == 3 && err == nil })
}

func mustReceiptKey(t *testing.T, s *site) string {
	t.Helper()
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	return key
}
