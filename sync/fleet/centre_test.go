package fleet

import "testing"

func TestEntriesArriveOnceAndReceiptsMoveTheOutbox(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	d.append(40)
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	d.connect(s.MQTTAddr())
	s.settled(d)
	d.append(5) // while connected
	s.settled(d)
}
