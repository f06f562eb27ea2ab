package fleet

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"limen/sync/outbox"
	"limen/sync/uplink"
)

// The plug is pulled, put back, and goes dead, again and again, while the
// device goes on appending.
func TestPlugPulledBetweenDeviceAndCentre(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	p := newCable(t, s.MQTTAddr())
	d.connect(p.Addr())
	for round := range 6 {
		d.append(7)
		switch round % 3 {
		case 0:
			p.Pull() // in the midst
		case 1:
			p.Set(true, false) // dead: the device must find out by itself
			d.append(7)
			until(t, "given up a dead line", func() bool { return drainedTo(d, uplink.Away) })
			p.Set(false, false)
		case 2:
			p.Set(false, true) // out for a while: every attempt fails
			d.append(7)
			until(t, "away", func() bool { return drainedTo(d, uplink.Away) })
			p.Set(false, false)
		}
		d.append(3)
	}
	s.settled(d)
	v, err := s.records.Verify(t.Context())
	if err != nil || len(v) != 1 || v[0].Fault != nil || v[0].Size != d.journal.Size() {
		t.Errorf("Verify: got %+v, %v; want %d entries without fault", v, err, d.journal.Size())
	}
}

// drainedTo takes noted states and tells whether phase was among them.
func drainedTo(d *device, phase uplink.Phase) bool {
	for {
		select {
		case s := <-d.states:
			if s.Phase == phase {
				return true
			}
		default:
			return false
		}
	}
}

// freeAddress is one where nobody is yet.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestBrokerAwayAtStart(t *testing.T) {
	s := newSite(t)
	s.addr = freeAddress(t)
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDevice("gate-1", 1, key)
	d.append(3)
	d.connect(s.addr)
	until(t, "told that the broker is away", func() bool { return drainedTo(d, uplink.Away) })
	d.append(3) // nothing stands in the device's way
	s.start(d.enrolled())
	s.settled(d)
}

// The centre stops after its database committed and before anyone was told.
func TestCentreStopsBetweenCommitAndReceipt(t *testing.T) {
	s := newSite(t)
	stored := make(chan struct{}, 100)
	s.committed = func() error { stored <- struct{}{}; return errors.New("the power went") }
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDevice("gate-1", 1, key)
	d.append(20)
	s.start(d.enrolled())
	d.connect(s.addr)
	until(t, "stored", func() bool { n, _ := s.Stored(d.name); return n == 16 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if at := d.outbox.Position(); at != 0 {
		t.Fatalf("position without a receipt: got %d, want 0", at)
	}
	s.committed = nil
	s.start()
	s.settled(d)
}

// A database that takes nothing brings no receipt and loses nothing.
func TestDatabaseFailsForAWhile(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.records.write.Exec("CREATE TRIGGER full BEFORE INSERT ON checkpoints BEGIN SELECT RAISE(ABORT, 'disk full'); END"); err != nil {
		t.Fatal(err)
	}
	d.append(5)
	d.connect(s.MQTTAddr())
	until(t, "given up a centre that gives no receipt", func() bool { return drainedTo(d, uplink.Away) })
	if n, err := s.Stored(d.name); n != 0 || err != nil || d.outbox.Position() != 0 {
		t.Errorf("got %d stored, position %d, %v; want nothing", n, d.outbox.Position(), err)
	}
	if _, err := s.records.write.Exec("DROP TRIGGER full"); err != nil {
		t.Fatal(err)
	}
	s.settled(d)
}

// The broker acknowledges (MQTT's PUBACK) and the centre says nothing.
func TestBrokersWordMovesNothing(t *testing.T) {
	s := newSite(t)
	f := s.falseCentre(func(string, []byte) []byte { return nil })
	d := s.newDevice("gate-1", 1, f.key)
	d.append(5)
	c, err := dialMQTT(d.tls, f.addr, d.name)
	if err != nil {
		t.Fatal(err)
	}
	if token := c.Publish("limen/v1/gate-1/entries", 1, false, []byte("x")); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("the broker's acknowledgement: got %v; want one", token.Error())
	}
	c.Disconnect(500)
	d.connect(f.addr)
	until(t, "sent three times", func() bool { return f.heard.Load() >= 4 })
	if at := d.outbox.Position(); at != 0 {
		t.Errorf("position: got %d, want 0", at)
	}
}

func TestForgedReceiptsAreRefused(t *testing.T) {
	s := newSite(t)
	for name, test := range map[string]struct {
		answer  func(f *falseCentre, d *device) []byte
		refused error
	}{
		"signed by another":        {answer: func(f *falseCentre, d *device) []byte { return f.receipt(f.forger, d.name, 5, d.journal.Root()) }},
		"for another device":       {answer: func(f *falseCentre, d *device) []byte { return f.receipt(f.signer, "gate-2", 5, d.journal.Root()) }},
		"of another root":          {answer: func(f *falseCentre, d *device) []byte { return f.receipt(f.signer, d.name, 5, [32]byte{1}) }, refused: outbox.ErrRewritten},
		"of more than there is":    {answer: func(f *falseCentre, d *device) []byte { return f.receipt(f.signer, d.name, 6, d.journal.Root()) }, refused: outbox.ErrRewritten},
		"no answer of ours at all": {answer: func(*falseCentre, *device) []byte { return bytes.Repeat([]byte{0xff}, 300) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{t: t, dir: s.dir, authority: s.authority, server: s.server}
			var d *device
			ready := make(chan struct{})
			f := s.falseCentre(func(_ string, _ []byte) []byte { <-ready; return nil })
			d = s.newDevice("gate-1", 1, f.key)
			d.append(5)
			f.say = func(string, []byte) []byte { return test.answer(f, d) }
			close(ready)
			u, _ := d.connect(f.addr)
			until(t, "sent twice", func() bool { return f.heard.Load() >= 2 })
			if test.refused != nil {
				until(t, "refused", func() bool { return errors.Is(u.State().Reason, test.refused) })
			}
			if at := d.outbox.Position(); at != 0 {
				t.Errorf("position: got %d, want 0", at)
			}
		})
	}
}

// A device whose journal was replaced is refused, told so, and shown as such.
func TestRewrittenHistoryIsRefused(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	d.append(6)
	_, stop := d.connect(s.MQTTAddr())
	s.settled(d)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	true0 := d.journal.Root()

	d.journal, d.dir = d.openJournal("another"), t.TempDir()
	if _, err := d.journal.Append(t.Context(), []byte("what never happened")); err != nil {
		t.Fatal(err)
	}
	d.append(7)
	d.open(s.ReceiptKey())
	u, _ := d.connect(s.MQTTAddr())
	until(t, "told that it is refused", func() bool {
		st := u.State()
		return st.Phase == uplink.Refused && strings.Contains(st.Reason.Error(), "history: entry 0 is not the one the centre stored")
	})
	if at := d.outbox.Position(); at != 0 {
		t.Errorf("position: got %d, want 0", at)
	}
	views, err := s.records.Devices(t.Context())
	if err != nil || len(views) != 1 || views[0].Rewritten == 0 || views[0].Refusal != "history" || views[0].Held != 6 {
		t.Errorf("shown: got %+v, %v; want history rewritten, 6 held", views, err)
	}
	v, err := s.records.Verify(t.Context())
	if err != nil || v[0].Fault != nil || v[0].Size != 6 {
		t.Errorf("Verify: got %+v, %v; want 6 entries, unharmed", v, err)
	}
	var root, evidence []byte
	if err := s.records.read.QueryRow("SELECT root, evidence FROM devices").Scan(&root, &evidence); err != nil || !bytes.Equal(root, true0[:]) || !bytes.Contains(evidence, []byte("limen/gate-1\n8\n")) {
		t.Errorf("got root %x, evidence %q, %v; want %x and the checkpoint of the other history", root, evidence, err, true0)
	}
}

func TestDeviceIsSeenComingAndGoing(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	state := func(want string, connected bool) func() bool {
		return func() bool {
			v, err := s.records.Devices(t.Context())
			return err == nil && v[0].State == want && s.broker.connected()[d.name] == connected
		}
	}
	p := newCable(t, s.MQTTAddr())
	_, stop := d.connect(p.Addr())
	until(t, "running", state("running", true))
	p.Set(false, true)
	until(t, "lost, by its last will", state("lost", false))
	p.Set(false, false)
	until(t, "running again", state("running", true))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	until(t, "stopped, by its own word", state("stopped", false))
	if v, _ := s.records.Devices(t.Context()); v[0].Seen == 0 || v[0].Software != "test" || time.Since(v[0].Seen.Time()) > time.Minute {
		t.Errorf("got %+v; want it seen now, with its software", v[0])
	}
}
