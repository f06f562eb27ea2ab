package fleet

import (
	"testing"
	"time"

	"limen/sync/journal"
	"limen/sync/uplink"
	"limen/sync/witness"
)

// The centre's cosignature comes with its receipt, and the device keeps it
// where it is the centre's and on its own checkpoint.
func TestCentreCosignsWhatItHolds(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	centre, err := journal.ParseCosignatureKey(s.WitnessKey())
	if err != nil {
		t.Fatal(err)
	}
	if prepared, err := PrepareWitnessKey(s.folder()); err != nil || prepared != s.WitnessKey() {
		t.Errorf("the key beforehand: got %s, %v; want %s", prepared, err, s.WitnessKey())
	}
	kept := make(chan error, 100)
	u, err := uplink.New(uplink.Options{
		Broker: s.MQTTAddr(), Device: d.name, TLS: d.tls, Outbox: d.outbox, BackoffMin: 10 * time.Millisecond, MaxEntries: 16,
		Cosigned: func(size uint64, lines []byte) {
			kept <- witness.Keep(t.Context(), d.journal, size, lines, centre)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.append(40)
	background(t, "uplink", u.Run)
	s.settled(d)
	check := journal.Check{Witnesses: []*journal.CosignatureVerifier{centre}, Quorum: 1}
	until(t, "all 40 cosigned", func() bool {
		v, err := d.journal.Verify(t.Context(), check)
		if err != nil || v.Fault != nil {
			t.Fatalf("Verify: got %+v, %v", v, err)
		}
		return v.Witnessed.Covered == 40
	})
	for len(kept) > 0 {
		if err := <-kept; err != nil {
			t.Errorf("a cosignature was not kept: %v", err)
		}
	}
	v, err := d.journal.Verify(t.Context(), check)
	if got := v.Witnessed; err != nil || len(got.Witnesses) != 1 || got.Witnesses[0].Name != "limen-centre" || time.Since(got.At) > time.Hour {
		t.Errorf("got %+v, %v; want the centre's, just now", got, err)
	}
}
