package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
)

// Data objects of secure messaging (Doc 9303-11, 9.8.4).
const (
	doData      ber.Tag = 0x85 // cryptogram, odd instructions
	doSealed    ber.Tag = 0x87 // padding indicator and cryptogram, even instructions
	doLe        ber.Tag = 0x97
	doStatus    ber.Tag = 0x99
	doMAC       ber.Tag = 0x8E
	classSM             = 0x0C
	paddingISO          = 0x01
	macOverhead         = 4 + 10 // DO'99' and DO'8E'
)

// ErrIntegrity says that a protected response was not made with the session's
// keys and counter. The session is over.
var ErrIntegrity = errors.New("access: the chip's protected answer does not verify")

// ErrSessionOver says that the session ended at an earlier error.
var ErrSessionOver = errors.New("access: secure messaging has ended")

// PlainStatusError is a status word that came outside secure messaging. By 9.8.3
// the chip has then ended the session; some chips have not, and for those the
// counter has been moved on as if the answer had been a protected one.
type PlainStatusError struct {
	SW apdu.StatusWord
}

// Error names what the chip said.
func (e *PlainStatusError) Error() string {
	return fmt.Sprintf("chip answered %s outside secure messaging", e.SW)
}

// Session is secure messaging over a card, and itself a Card: plain commands
// go in, plain responses come out, and between them both are encrypted and
// authenticated (9.8). It is used by one caller at a time.
type Session struct {
	card  apdu.Card
	suite *Suite
	ssc   []byte
	over  bool

	answered bool // a protected answer has verified: the chip has the keys
	outside  bool // see StatusOutside
}

// NewSession starts secure messaging with fresh keys. The counter starts at
// ssc, whose length is the cipher's block; nil is zero (9.8.6.3, 9.8.7.3).
func NewSession(card apdu.Card, suite *Suite, ssc []byte) (*Session, error) {
	n := suite.cipher.BlockSize()
	if ssc == nil {
		ssc = make([]byte, n)
	}
	if len(ssc) != n {
		return nil, fmt.Errorf("access: counter of %d bytes does not fit %s", len(ssc), suite.cipher)
	}
	return &Session{card: card, suite: suite, ssc: append([]byte(nil), ssc...)}, nil
}

// Format prints the cipher and none of the keys.
func (s *Session) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "secure messaging with %s (keys redacted)", s.suite.cipher)
}

// LogValue redacts the session in logs.
func (s *Session) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// Cipher is the algorithm the session uses.
func (s *Session) Cipher() Cipher { return s.suite.cipher }

// Card is the card below the session: a protocol that replaces the keys (chip
// authentication) puts the new session on it.
func (s *Session) Card() apdu.Card { return s.card }

// StatusOutside tells that the chip left DO'99' out of an answer (9.8.4 demands
// it): the status word was then not authenticated. The data was, so what a
// middleman gains is to pass a refusal off as success.
func (s *Session) StatusOutside() bool { return s.outside }

// Limits are those of the card, less what protection adds.
func (s *Session) Limits() (command, response int) {
	command, response = apdu.Limits(s.card)
	return command - 40, s.MaxPlain(response-2) + 2
}

// MaxPlain is how many plain bytes fit a protected response of at most n bytes
// of data, status word not counted; 0 where none do.
func (s *Session) MaxPlain(n int) int {
	block := s.suite.cipher.BlockSize()
	for k := n / block; k > 0; k-- {
		value := 1 + k*block // the padding indicator and k blocks
		if 1+len(ber.EncodeLength(value))+value+macOverhead <= n {
			return k*block - 1 // padding takes a byte at least
		}
	}
	return 0
}

// Transmit protects a command, sends it and returns the plain response. The
// errors are those of the card, a *PlainStatusError, ErrIntegrity, or
// ErrSessionOver after that.
func (s *Session) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if s.over {
		return nil, ErrSessionOver
	}
	plain, err := apdu.ParseCommand(command)
	if err != nil {
		return nil, err
	}
	protected, err := s.protect(plain)
	if err != nil {
		return nil, err
	}
	r, err := apdu.Exchange(ctx, s.card, protected)
	if err != nil {
		s.over = true // the chip may have counted or not: the keys are of no more use
		return nil, err
	}
	s.step() // an answer outside secure messaging counts as one, see PlainStatusError
	if len(r.Data) == 0 || r.SW != apdu.Success && unsealed(r.Data) {
		if r.SW == apdu.SMObjectsMissing || r.SW == apdu.SMObjectsIncorrect {
			s.over = true
		}
		return nil, &PlainStatusError{r.SW}
	}
	out, err := s.unprotect(r)
	if err != nil {
		s.over = true
		return nil, err
	}
	s.answered = true
	return out.Encode(), nil
}

// unsealed tells an answer without checksum. A chip that checks only its
// successes sends 6282 like that, with a cryptogram, which is not looked at.
func unsealed(data []byte) bool {
	list, err := ber.List(data)
	return err == nil && !slices.ContainsFunc(list, func(t ber.TLV) bool { return t.Tag == doMAC || t.Tag == doStatus })
}

// step increments the send sequence counter, as a big-endian number.
func (s *Session) step() {
	for i := len(s.ssc) - 1; i >= 0; i-- {
		if s.ssc[i]++; s.ssc[i] != 0 {
			return
		}
	}
}

// protect wraps a command: header, [85 or 87], [97], 8E (figure 5).
func (s *Session) protect(c apdu.Command) (apdu.Command, error) {
	if c.CLA&classSM != 0 {
		return c, fmt.Errorf("access: class %02X already says secure messaging", c.CLA)
	}
	s.step()
	block := s.suite.cipher.BlockSize()
	out := apdu.Command{CLA: c.CLA | classSM, INS: c.INS, P1: c.P1, P2: c.P2, Le: 256}
	var body []byte
	if len(c.Data) > 0 {
		sealed := s.suite.Encrypt(s.suite.IV(s.ssc), Pad(c.Data, block))
		if c.INS&1 == 1 {
			body = ber.Encode(doData, sealed)
		} else {
			body = ber.Encode(doSealed, []byte{paddingISO}, sealed)
		}
	}
	switch {
	case c.Le > 256:
		body = append(body, ber.Encode(doLe, []byte{byte(c.Le >> 8), byte(c.Le)})...)
	case c.Le > 0:
		body = append(body, ber.Encode(doLe, []byte{byte(c.Le)})...)
	}
	m := append([]byte(nil), s.ssc...)
	m = append(m, Pad([]byte{out.CLA, c.INS, c.P1, c.P2}, block)...)
	if len(body) > 0 {
		m = append(m, Pad(body, block)...)
	}
	out.Data = append(body, ber.Encode(doMAC, s.suite.MAC(m))...)
	if _, response := apdu.Limits(s.card); c.Le > 256 || len(out.Data) > 255 || c.Le < 256 && c.Le > s.MaxPlain(256) && response > 258 {
		out.Le = apdu.MaxLe // what is asked for does not fit a short response
	}
	return out, nil
}

// unprotect verifies and opens a response: [85 or 87], 99, 8E (figure 6). The
// status word is that of DO'99': the one outside is not authenticated.
func (s *Session) unprotect(r apdu.Response) (apdu.Response, error) {
	var sealed, status, mac ber.TLV
	signed := 0
	for rest := r.Data; len(rest) > 0; {
		t, after, err := ber.Next(rest)
		if err != nil {
			return apdu.Response{}, fmt.Errorf("%w: %v", ErrIntegrity, err)
		}
		switch {
		case (t.Tag == doData || t.Tag == doSealed) && sealed.Tag == 0 && status.Tag == 0:
			sealed = t
		case t.Tag == doStatus && status.Tag == 0 && len(t.Value) == 2:
			status = t
		case t.Tag == doMAC && (status.Tag != 0 || r.SW == apdu.Success) && len(after) == 0:
			mac, signed = t, len(r.Data)-len(rest)
		default:
			return apdu.Response{}, fmt.Errorf("%w: object %X is out of place", ErrIntegrity, t.Tag)
		}
		rest = after
	}
	if mac.Tag == 0 {
		return apdu.Response{}, fmt.Errorf("%w: it carries no checksum", ErrIntegrity)
	}
	block := s.suite.cipher.BlockSize()
	m := append(append([]byte(nil), s.ssc...), Pad(r.Data[:signed], block)...)
	if !equal(s.suite.MAC(m), mac.Value) {
		return apdu.Response{}, ErrIntegrity
	}
	out := apdu.Response{SW: r.SW}
	if status.Tag != 0 {
		out.SW = apdu.StatusWord(status.Value[0])<<8 | apdu.StatusWord(status.Value[1])
	}
	s.outside = s.outside || status.Tag == 0
	if sealed.Tag == 0 {
		return out, nil
	}
	cryptogram := sealed.Value
	if sealed.Tag == doSealed {
		if len(cryptogram) == 0 || cryptogram[0] != paddingISO {
			return apdu.Response{}, fmt.Errorf("%w: unknown padding indicator", ErrIntegrity)
		}
		cryptogram = cryptogram[1:]
	}
	padded, err := s.suite.Decrypt(s.suite.IV(s.ssc), cryptogram)
	if err == nil {
		out.Data, err = Unpad(padded, block)
	}
	if err != nil {
		return apdu.Response{}, fmt.Errorf("%w: %v", ErrIntegrity, err)
	}
	return out, nil
}
