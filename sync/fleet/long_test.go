package fleet

import (
	"flag"
	"testing"
	"time"
)

// plugOut is how long the plug stays out in TestPlugPulledForLong: a minute
// is for a person who wants to see it, not for every run.
var plugOut = flag.Duration("plug", 0, "how long TestPlugPulledForLong leaves the plug out")

// Checks go on while the plug is out for long; afterwards nothing is missing
// at the centre and nothing is there twice.
func TestPlugPulledForLong(t *testing.T) {
	if *plugOut == 0 {
		t.Skip("give -args -plug 60s to pull the plug for a minute")
	}
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	p := newCable(t, s.MQTTAddr())
	d.connect(p.Addr())
	d.append(10)
	s.settled(d)
	p.Set(false, true)
	p.Pull()
	each := time.NewTicker(250 * time.Millisecond)
	defer each.Stop()
	for out := time.After(*plugOut); ; {
		select {
		case <-each.C:
			d.append(1)
			continue
		case <-out:
		}
		break
	}
	held, err := s.Stored(d.name)
	if err != nil || held != 10 {
		t.Errorf("while the plug was out: the centre holds %d entries, %v; want 10", held, err)
	}
	p.Set(false, false)
	s.settled(d)
	v, err := s.records.Verify(t.Context())
	if err != nil || len(v) != 1 || v[0].Fault != nil || v[0].Size != d.journal.Size() {
		t.Errorf("Verify: got %+v, %v; want %d entries without fault", v, err, d.journal.Size())
	}
	t.Logf("out for %v: %d entries waited, all %d are at the centre once", *plugOut, d.journal.Size()-10, d.journal.Size())
}
