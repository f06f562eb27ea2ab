package access

import (
	"context"
	"errors"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
)

// play is a chip that gives these answers, whatever it is asked.
func play(answers ...[]byte) apdu.Card {
	return extended{cardFunc(func([]byte) ([]byte, error) {
		if len(answers) == 0 {
			return nil, errors.New("no answer left")
		}
		r := answers[0]
		answers = answers[1:]
		return r, nil
	})}
}

// FuzzSealedAnswer is a chip that has the keys and is hostile all the same: the
// objects are its own, the checksum over them is right.
func FuzzSealedAnswer(f *testing.F) {
	for i, s := range suites(f) {
		good := sealed(s, counterAt(s, 2), []byte("portrait"), apdu.Success)
		f.Add(byte(i), good[:len(good)-2-10], uint16(apdu.Success))
	}
	f.Add(byte(1), []byte{0x87, 0x01, 0x01, 0x99, 0x02, 0x90, 0x00}, uint16(0x9000))
	f.Add(byte(2), []byte{0x85, 0x00}, uint16(0x6282))
	list := suites(f)
	f.Fuzz(func(t *testing.T, which byte, objects []byte, sw uint16) {
		s := list[int(which)%len(list)]
		ssc := counterAt(s, 2)
		mac := s.MAC(append(append([]byte(nil), ssc...), Pad(objects, s.cipher.BlockSize())...))
		response := apdu.Response{Data: append(append([]byte(nil), objects...), ber.Encode(doMAC, mac)...), SW: apdu.StatusWord(sw)}.Encode()
		repotest.Bounded(t, len(response), func() {
			session, err := NewSession(play(response), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 200))
			if err == nil && len(r.Data) > len(objects) {
				t.Errorf("%d bytes opened to %d", len(objects), len(r.Data))
			}
		})
	})
}

// anyTerminal has one certificate for whatever chip and signs nothing in particular.
type anyTerminal struct{ certificate *cvc.Certificate }

func (a anyTerminal) Chain([]string) ([]*cvc.Certificate, error) {
	return []*cvc.Certificate{a.certificate}, nil
}

func (anyTerminal) Sign(context.Context, *cvc.Certificate, []byte) ([]byte, error) {
	return make([]byte, 64), nil
}

// FuzzTerminalAnswers plays what a chip may say to a terminal that authenticates
// itself, and what it may name for trust points.
func FuzzTerminalAnswers(f *testing.F) {
	certificate := &cvc.Certificate{Authority: "UTCVCA00001", Holder: "UTIS00001", Body: ber.Encode(0x7F4E, make([]byte, 300)), Signature: make([]byte, 64)}
	success := []byte{0x90, 0}
	challenge := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0}
	trusted := append([]byte("\x42\x0bUTCVCA00001\x42\x0bUTCVCA00000"), 0x90, 0)
	f.Add(success, success, success, challenge, success, false)
	f.Add(success, []byte{0x67, 0}, success, success, challenge, true)
	f.Add(trusted, success, success, success, success, false)
	f.Add([]byte{0x6A, 0x82}, success, trusted, success, success, true)
	f.Fuzz(func(t *testing.T, a, b, c, d, e []byte, short bool) {
		answers := func() apdu.Card {
			card := play(a, b, c, d, e)
			if short {
				return card.(extended).Card
			}
			return card
		}
		repotest.Bounded(t, len(a)+len(b)+len(c)+len(d)+len(e), func() {
			done, err := TerminalAuthentication(t.Context(), answers(), []string{"UTCVCA00001"}, anyTerminal{certificate}, ChipID("L898902C3"), []byte{1, 2, 3})
			if err == nil && len(done.Certificates) != 1 {
				t.Errorf("accepted with %d certificates", len(done.Certificates))
			}
		})
		points, err := ReadTrustPoints(t.Context(), answers(), lds.EFCVCA)
		if n := len(points.References()); err == nil && n > 2 {
			t.Errorf("%d trust points", n)
		}
	})
}
