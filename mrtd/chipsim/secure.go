package chipsim

import (
	"crypto/subtle"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
)

// secure is the chip's end of secure messaging (Doc 9303-11, 9.8). The counter
// is kept as two halves so that this side shares no arithmetic with the reader's.
type secure struct {
	suite  *access.Suite
	hi, lo uint64 // hi only for AES's 128 bits
}

func newSecure(suite *access.Suite, ssc uint64) *secure { return &secure{suite: suite, lo: ssc} }

func (s *secure) block() int { return s.suite.Cipher().BlockSize() }

// next moves the counter on and returns its bytes.
func (s *secure) next() []byte {
	if s.lo++; s.lo == 0 {
		s.hi++
	}
	out := make([]byte, 16)
	for i := range 8 {
		out[i] = byte(s.hi >> (56 - 8*i))
		out[8+i] = byte(s.lo >> (56 - 8*i))
	}
	return out[16-s.block():]
}

// open verifies a protected command and returns the plain one; otherwise 6987
// for missing objects and 6988 for wrong ones.
func (s *secure) open(cmd apdu.Command) (apdu.Command, apdu.StatusWord) {
	ssc := s.next()
	plain := apdu.Command{CLA: cmd.CLA &^ 0x0C, INS: cmd.INS, P1: cmd.P1, P2: cmd.P2}
	objects, err := ber.List(cmd.Data)
	if err != nil {
		return plain, apdu.SMObjectsIncorrect
	}
	if len(objects) == 0 || objects[len(objects)-1].Tag != 0x8E {
		return plain, apdu.SMObjectsMissing
	}
	mac := objects[len(objects)-1]
	signed := cmd.Data[:len(cmd.Data)-len(mac.Raw)]
	message := append(ssc[:len(ssc):len(ssc)], access.Pad([]byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2}, s.block())...)
	if len(signed) > 0 {
		message = append(message, access.Pad(signed, s.block())...)
	}
	if subtle.ConstantTimeCompare(s.suite.MAC(message), mac.Value) != 1 {
		return plain, apdu.SMObjectsIncorrect
	}
	last := ber.Tag(0) // objects come in the order [85 or 87] [97], each once
	for _, o := range objects[:len(objects)-1] {
		switch {
		case o.Tag == 0x97 && last != 0x97:
			if plain.Le = le(o.Value); plain.Le == 0 {
				return plain, apdu.SMObjectsIncorrect
			}
		case last == 0 && (o.Tag == 0x87 && cmd.INS&1 == 0 || o.Tag == 0x85 && cmd.INS&1 == 1):
			data, ok := s.decrypt(o, ssc)
			if !ok {
				return plain, apdu.SMObjectsIncorrect
			}
			plain.Data = data
		default:
			return plain, apdu.SMObjectsIncorrect
		}
		last = o.Tag
	}
	return plain, apdu.Success
}

func (s *secure) decrypt(o ber.TLV, ssc []byte) ([]byte, bool) {
	cryptogram := o.Value
	if o.Tag == 0x87 {
		if len(cryptogram) == 0 || cryptogram[0] != 1 {
			return nil, false
		}
		cryptogram = cryptogram[1:]
	}
	padded, err := s.suite.Decrypt(s.suite.IV(ssc), cryptogram)
	if err != nil {
		return nil, false
	}
	data, err := access.Unpad(padded, s.block())
	return data, err == nil && len(data) > 0
}

// le reads DO'97': one byte, or two for an extended command; 0 is no valid one.
func le(b []byte) int {
	switch {
	case len(b) == 1 && b[0] == 0:
		return 256
	case len(b) == 1:
		return int(b[0])
	case len(b) == 2 && b[0] == 0 && b[1] == 0:
		return apdu.MaxLe
	case len(b) == 2:
		return int(b[0])<<8 | int(b[1])
	}
	return 0
}

// seal protects a response; the counter moves even when it is then sent bare.
func (s *secure) seal(cmd apdu.Command, r apdu.Response, withoutStatus bool) apdu.Response {
	ssc := s.next()
	var body []byte
	if len(r.Data) > 0 {
		sealed := s.suite.Encrypt(s.suite.IV(ssc), access.Pad(r.Data, s.block()))
		if cmd.INS&1 == 1 {
			body = ber.Encode(0x85, sealed)
		} else {
			body = ber.Encode(0x87, []byte{1}, sealed)
		}
	}
	if !withoutStatus {
		body = append(body, ber.Encode(0x99, []byte{byte(r.SW >> 8), byte(r.SW)})...)
	}
	message := append(ssc[:len(ssc):len(ssc)], access.Pad(body, s.block())...)
	return apdu.Response{Data: append(body, ber.Encode(0x8E, s.suite.MAC(message))...), SW: r.SW}
}

// sealedLen is how many bytes n bytes of data become under protection.
func (s *secure) sealedLen(n int) int {
	if n == 0 {
		return 14
	}
	sealed := 1 + (n/s.block()+1)*s.block()
	return 1 + len(ber.EncodeLength(sealed)) + sealed + 14
}
