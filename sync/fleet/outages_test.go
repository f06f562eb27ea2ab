package fleet

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// load is devices that go on appending until the test ends it.
type load struct {
	devices []*device
	end     func() // stops appending
}

func (s *site) load(devices int) *load {
	s.t.Helper()
	l := &load{}
	ctx, cancel := context.WithCancel(context.Background())
	var appending sync.WaitGroup
	for k := range devices {
		d := s.newDevice(fmt.Sprintf("gate-%d", k+1), byte(k+1), s.receiptKey())
		l.devices = append(l.devices, d)
		appending.Go(func() {
			each := time.NewTicker(5 * time.Millisecond)
			defer each.Stop()
			for ctx.Err() == nil {
				if d.outbox.Behind() > 200 { // a busy machine need not catch up for minutes
					<-each.C
					continue
				}
				if _, err := d.journal.Append(context.Background(), d.record(d.journal.Size())); err != nil {
					s.t.Error(err)
					return
				}
				<-each.C
			}
		})
	}
	var once sync.Once
	l.end = func() { once.Do(func() { cancel(); appending.Wait() }) }
	s.t.Cleanup(l.end)
	return l
}

// acknowledged is how many entries of all devices have a receipt.
func (l *load) acknowledged() (n uint64) {
	for _, d := range l.devices {
		n += d.outbox.Position()
	}
	return n
}

// flows waits until receipts come.
func (s *site) flows(l *load, when string) {
	s.t.Helper()
	before := l.acknowledged()
	until(s.t, "receipts "+when, func() bool { return l.acknowledged() >= before+uint64(20*len(l.devices)) })
}

// allHeld ends the load and checks every entry.
func (s *site) allHeld(l *load) {
	s.t.Helper()
	l.end()
	for _, d := range l.devices {
		s.settled(d)
	}
	v, err := s.records.Verify(s.t.Context())
	if err != nil || len(v) != len(l.devices) {
		s.t.Fatalf("Verify: got %d devices, %v", len(v), err)
	}
	for _, d := range v {
		if d.Fault != nil {
			s.t.Errorf("%s: %v", d.Device, d.Fault)
		}
	}
	s.t.Logf("%d entries acknowledged, each held once", l.acknowledged())
}

// One of three NATS nodes is killed under load and comes back, and then
// another one.
func TestClusterLosesANode(t *testing.T) {
	s := newSite(t)
	nodes := s.cluster()
	l := s.load(3)
	at := s.shared(l.devices...)
	for range 2 {
		s.worker(Queue{NATS: clients(nodes), Replicas: 3}, at)
	}
	for _, d := range l.devices {
		d.connect(listeners(nodes))
	}
	s.flows(l, "with three nodes")
	for _, n := range nodes[:2] {
		n.process.Kill()
		s.flows(l, "without "+n.Cluster.Name)
		n.start()
		n.await()
	}
	s.flows(l, "with all again")
	s.allHeld(l)
}

// PostgreSQL is killed under load and comes back, again and again.
func TestPostgresKilledUnderLoad(t *testing.T) {
	s := newSite(t)
	server := needsPostgres(t)
	l := s.load(3)
	addr, at := s.mosquitto(), s.shared(l.devices...)
	for range 2 {
		s.worker(Queue{MQTT: "tls://" + addr}, at)
	}
	for _, d := range l.devices {
		d.connect(addr)
	}
	s.flows(l, "at first")
	for range 3 {
		server.Kill()
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		s.flows(l, "after PostgreSQL was killed")
	}
	s.allHeld(l)
}

// JetStream does not mend a store whose disk was full: the broker begins anew,
// on the same address, and devices find it.
func TestBrokenBrokerBeginsAnew(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	d.append(20)
	d.connect(s.MQTTAddr())
	s.settled(d)
	for range 2 {
		before := s.broker.running()
		said := &brokerLog{log: s.cfg.Log, broken: s.broker.broken}
		said.Errorf("JetStream stream '$G > %s' critical write error: no space left on device", streamName)
		until(t, "another server", func() bool { now := s.broker.running(); return now != nil && now != before })
		d.append(20)
		s.settled(d)
	}
}

// A message that the database never takes holds up nobody else's.
func TestOneMessageHoldsUpNobodyElse(t *testing.T) {
	s := newSite(t)
	s.start()
	var devices []*device
	for k := range 3 {
		d := s.newDevice(fmt.Sprintf("gate-%d", k+1), byte(k+1), s.ReceiptKey())
		if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d)
	}
	const odd = "CREATE TRIGGER odd BEFORE INSERT ON checkpoints WHEN NEW.device = 'gate-1' BEGIN SELECT RAISE(ABORT, 'odd'); END"
	if _, err := s.records.write.Exec(odd); err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		d.append(40)
		d.connect(s.MQTTAddr())
	}
	s.settled(devices[1])
	s.settled(devices[2])
	if n, err := s.Stored("gate-1"); n != 0 || err != nil {
		t.Errorf("of gate-1: got %d stored, %v; want none", n, err)
	}
	if _, err := s.records.write.Exec("DROP TRIGGER odd"); err != nil {
		t.Fatal(err)
	}
	s.settled(devices[0])
}
