package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

func suites(t testing.TB) []*Suite {
	var out []*Suite
	for c := TripleDES; c <= AES256; c++ {
		s, err := SessionSuite(c, []byte("a shared secret"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// sealed protects a response as a chip would whose counter stands at ssc.
func sealed(s *Suite, ssc, data []byte, sw apdu.StatusWord) []byte {
	var body []byte
	if data != nil {
		body = ber.Encode(doSealed, []byte{1}, s.Encrypt(s.IV(ssc), Pad(data, s.cipher.BlockSize())))
	}
	body = append(body, ber.Encode(doStatus, []byte{byte(sw >> 8), byte(sw)})...)
	mac := s.MAC(append(append([]byte(nil), ssc...), Pad(body, s.cipher.BlockSize())...))
	return apdu.Response{Data: append(body, ber.Encode(doMAC, mac)...), SW: sw}.Encode()
}

type cardFunc func([]byte) ([]byte, error)

func (f cardFunc) Transmit(_ context.Context, c []byte) ([]byte, error) { return f(c) }

// counterAt is the send sequence counter after n steps from zero.
func counterAt(s *Suite, n byte) []byte {
	ssc := make([]byte, s.cipher.BlockSize())
	ssc[len(ssc)-1] = n
	return ssc
}

func TestSessionRefusesWhatDoesNotVerify(t *testing.T) {
	for _, s := range suites(t) {
		data := []byte("sixteen bytes it")
		good := sealed(s, counterAt(s, 2), data, apdu.Success)
		try := func(response []byte) (apdu.Response, *Session, error) {
			session, err := NewSession(cardFunc(func([]byte) ([]byte, error) { return response, nil }), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 16))
			return r, session, err
		}
		if r, _, err := try(good); err != nil || !bytes.Equal(r.Data, data) {
			t.Fatalf("%s: the good answer gave %v, %v", s.cipher, r, err)
		}
		// Every byte but the two outside the protection is authenticated.
		for i := range len(good) - 2 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 0x20
			_, session, err := try(bad)
			if !errors.Is(err, ErrIntegrity) {
				t.Errorf("%s: byte %d changed: got %v, want ErrIntegrity", s.cipher, i, err)
			}
			if _, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 16)); !errors.Is(err, ErrSessionOver) {
				t.Errorf("%s: after that: got %v, want ErrSessionOver", s.cipher, err)
			}
		}
		outer := append([]byte(nil), good...)
		copy(outer[len(outer)-2:], []byte{0x69, 0x82})
		if r, _, err := try(outer); err != nil || r.SW != apdu.Success {
			t.Errorf("%s: status outside: got %v, %v; want the authenticated one", s.cipher, r.SW, err)
		}
		for name, bad := range map[string][]byte{
			"replayed counter":  sealed(s, counterAt(s, 1), data, apdu.Success),
			"no checksum":       append(ber.Encode(doStatus, []byte{0x90, 0}), 0x90, 0),
			"plain data":        append(append([]byte(nil), data...), 0x90, 0),
			"objects reordered": reorder(t, good),
			"trailing object":   append(append(append([]byte(nil), good[:len(good)-2]...), 0x99, 2, 0x90, 0), 0x90, 0),
		} {
			if _, _, err := try(bad); !errors.Is(err, ErrIntegrity) {
				t.Errorf("%s: %s: got %v, want ErrIntegrity", s.cipher, name, err)
			}
		}
	}
}

// Some chips leave the status object out. A success without it is taken and
// told of, an error without it refused; one without checksum is a bare error.
func TestSessionStatusOutside(t *testing.T) {
	for _, s := range suites(t) {
		ssc, data := counterAt(s, 2), []byte("sixteen bytes it")
		body := ber.Encode(doSealed, []byte{paddingISO}, s.Encrypt(s.IV(ssc), Pad(data, s.cipher.BlockSize())))
		mac := ber.Encode(doMAC, s.MAC(append(append([]byte(nil), ssc...), Pad(body, s.cipher.BlockSize())...)))
		whole := append(append([]byte(nil), body...), mac...)
		var plain *PlainStatusError
		for _, c := range []struct {
			name    string
			data    []byte
			sw      apdu.StatusWord
			want    func(apdu.Response, error) bool
			outside bool
		}{
			{"success", whole, apdu.Success, func(r apdu.Response, err error) bool { return err == nil && bytes.Equal(r.Data, data) }, true},
			{"end of file", whole, apdu.EndOfFile, func(_ apdu.Response, err error) bool { return errors.Is(err, ErrIntegrity) }, false},
			{"success without checksum", body, apdu.Success, func(_ apdu.Response, err error) bool { return errors.Is(err, ErrIntegrity) }, false},
			{"end of file without checksum", body, apdu.EndOfFile, func(r apdu.Response, err error) bool {
				return errors.As(err, &plain) && plain.SW == apdu.EndOfFile && len(r.Data) == 0
			}, false},
		} {
			answer := apdu.Response{Data: c.data, SW: c.sw}.Encode()
			session, err := NewSession(cardFunc(func([]byte) ([]byte, error) { return answer, nil }), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 16)); !c.want(r, err) {
				t.Errorf("%s: %s: got %v with %d bytes, %v", s.cipher, c.name, r.SW, len(r.Data), err)
			}
			if session.StatusOutside() != c.outside {
				t.Errorf("%s: %s: status outside: got %v, want %v", s.cipher, c.name, session.StatusOutside(), c.outside)
			}
		}
	}
}

func reorder(t *testing.T, response []byte) []byte {
	list, err := ber.List(response[:len(response)-2])
	if err != nil || len(list) != 3 {
		t.Fatalf("%d objects, %v", len(list), err)
	}
	out := append(append([]byte(nil), list[1].Raw...), list[0].Raw...)
	return append(append(out, list[2].Raw...), response[len(response)-2:]...)
}

// An authentic answer whose padding is broken is refused too.
func TestSessionChecksPadding(t *testing.T) {
	for _, s := range suites(t) {
		block, ssc := s.cipher.BlockSize(), counterAt(s, 2)
		for _, c := range []struct {
			indicator byte
			padded    []byte
		}{
			{1, make([]byte, block)},
			{1, append([]byte{0x80}, make([]byte, 2*block-1)...)},
			{1, bytes.Repeat([]byte{1}, block)},
			{2, Pad([]byte{1, 2}, block)},
		} {
			body := append(ber.Encode(doSealed, []byte{c.indicator}, s.Encrypt(s.IV(ssc), c.padded)), ber.Encode(doStatus, []byte{0x90, 0})...)
			mac := s.MAC(append(append([]byte(nil), ssc...), Pad(body, block)...))
			answer := apdu.Response{Data: append(body, ber.Encode(doMAC, mac)...), SW: apdu.Success}.Encode()
			session, err := NewSession(cardFunc(func([]byte) ([]byte, error) { return answer, nil }), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 16)); !errors.Is(err, ErrIntegrity) {
				t.Errorf("%s: indicator %d, padding %X: got %v, want ErrIntegrity", s.cipher, c.indicator, c.padded, err)
			}
		}
	}
}

// A bare error is a typed one, and the counter has moved by two: a chip that
// kept the session is still in step.
func TestSessionBareError(t *testing.T) {
	for _, s := range suites(t) {
		answers := [][]byte{{0x67, 0x00}, sealed(s, counterAt(s, 4), []byte{1, 2}, apdu.Success)}
		session, err := NewSession(cardFunc(func([]byte) ([]byte, error) {
			a := answers[0]
			answers = answers[1:]
			return a, nil
		}), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = apdu.Send(t.Context(), session, apdu.ReadBinary(0, 231))
		var plain *PlainStatusError
		if !errors.As(err, &plain) || plain.SW != apdu.WrongLength {
			t.Fatalf("%s: got %v, want a plain 6700", s.cipher, err)
		}
		r, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 2))
		if err != nil || !bytes.Equal(r.Data, []byte{1, 2}) {
			t.Errorf("%s: next command: got %v, %v", s.cipher, r, err)
		}
	}
}

func TestMaxPlainIsTheMost(t *testing.T) {
	for _, s := range suites(t) {
		session, err := NewSession(nil, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		size := func(plain int) int {
			return len(sealed(s, counterAt(s, 2), make([]byte, plain), apdu.Success)) - 2
		}
		for _, n := range []int{96, 128, 141, 142, 143, 160, 250, 254, 256, 261, 270, 272, 285, 286, 300, 1000, 65536} {
			most := session.MaxPlain(n)
			if size(most) > n || size(most+1) <= n {
				t.Errorf("%s in %d: %d plain bytes make %d, one more %d", s.cipher, n, most, size(most), size(most+1))
			}
		}
	}
	if got := (&Session{suite: suites(t)[0]}).MaxPlain(256); got != 231 {
		t.Errorf("3DES in a short response: got %d, want 231", got)
	}
	if got := (&Session{suite: suites(t)[1]}).MaxPlain(256); got != 223 {
		t.Errorf("AES in a short response: got %d, want 223", got)
	}
	if got := (&Session{suite: suites(t)[1]}).MaxPlain(10); got != 0 {
		t.Errorf("AES in 10 bytes: got %d, want 0", got)
	}
}

func TestCounterCarries(t *testing.T) {
	s := &Session{ssc: []byte{0, 0xFF, 0xFF}}
	s.step()
	if !bytes.Equal(s.ssc, []byte{1, 0, 0}) {
		t.Errorf("got %X, want 010000", s.ssc)
	}
}

func TestPadding(t *testing.T) {
	for n := range 40 {
		b := bytes.Repeat([]byte{0x80}, n)
		back, err := Unpad(Pad(b, 16), 16)
		if err != nil || !bytes.Equal(back, b) {
			t.Errorf("%d bytes: got %X, %v", n, back, err)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 16), {1}, append([]byte{0x80}, make([]byte, 16)...)} {
		if _, err := Unpad(bad, 16); !errors.Is(err, ErrPadding) {
			t.Errorf("%X: got %v, want ErrPadding", bad, err)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	suite := suites(t)[1]
	session, err := NewSession(nil, suite, nil)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{fmt.Sprintf("%x", []byte(suite.macKey)), strings.Trim(fmt.Sprint([]byte(suite.macKey)), "[]"), "424242", fmt.Sprintf("%x", "424242")}
	opened := &Opened{Session: session, ChipKey: suite.macKey, CAM: &CAMProof{data: new(big.Int).SetBytes(suite.macKey)}}
	for _, v := range []any{suite, session, suite.macKey, CANPassword("424242"), MRZPassword("424242"), struct{ K Key }{suite.macKey}, opened, *opened, opened.CAM, *opened.CAM} {
		j, _ := json.Marshal(v)
		got := string(j)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			got += fmt.Sprintf(verb, v)
		}
		for _, secret := range secrets {
			if strings.Contains(strings.ToLower(got), secret) {
				t.Errorf("%T prints %q", v, secret)
			}
		}
	}
}

func FuzzUnprotect(f *testing.F) {
	for i, s := range suites(f) {
		f.Add(byte(i), sealed(s, counterAt(s, 2), []byte("portrait"), apdu.Success))
	}
	f.Add(byte(0), []byte{0x99, 0x02, 0x90, 0x00, 0x8E, 0x80, 0x90, 0x00})
	list := suites(f)
	f.Fuzz(func(t *testing.T, which byte, response []byte) {
		s := list[int(which)%len(list)]
		r, err := repotest.Parsed(t, response, func([]byte) (apdu.Response, error) {
			session, err := NewSession(play(response), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			return apdu.Send(t.Context(), session, apdu.ReadBinary(0, 200))
		})
		if err == nil && len(r.Data) > len(response) {
			t.Errorf("%d bytes opened to %d", len(response), len(r.Data))
		}
	})
}

// A chip that says anything at any step of PACE or BAC must not break the reader.
func FuzzChipAnswers(f *testing.F) {
	nonce := []byte{0x7C, 0x12, 0x80, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0x00}
	variants := []Variant{
		{OID: oidPACE + "2.2", Mapping: GM, Cipher: AES128, ParameterID: 12, Curve: ec.ByName("P-256")},
		{OID: oidPACE + "4.2", Mapping: IM, Cipher: AES128, ParameterID: 13, Curve: ec.ByName("brainpoolP256r1")},
		{OID: oidPACE + "6.2", Mapping: CAM, Cipher: AES128, ParameterID: 13, Curve: ec.ByName("brainpoolP256r1")},
		{OID: oidPACE + "1.2", Mapping: GM, Cipher: AES128, ParameterID: 0, Group: dh.ByParameterID(0)},
		{OID: oidPACE + "3.2", Mapping: IM, Cipher: AES128, ParameterID: 0, Group: dh.ByParameterID(0)},
	}
	for i, v := range variants {
		key := []byte{0x7C, 0x03, 0x84, 0x01, 2, 0x90, 0x00}
		if v.Curve != nil {
			key = append(ber.Encode(0x7C, ber.Encode(0x82, v.Curve.Marshal(v.Curve.G))), 0x90, 0x00)
		}
		f.Add(byte(i), []byte{0x90, 0x00}, nonce, key, append(ber.Encode(0x7C, ber.Encode(0x84, key)), 0x90, 0x00), []byte{0x63, 0x00})
		f.Add(byte(i), []byte{0x90, 0x00}, nonce, []byte{0x7C, 0x00, 0x90, 0x00}, key, []byte{0x7C, 0x02, 0x86, 0x00, 0x90, 0x00})
	}
	f.Fuzz(func(t *testing.T, which byte, a, b, c, d, e []byte) {
		repotest.Bounded(t, len(a)+len(b)+len(c)+len(d)+len(e), func() {
			random := bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 5}, 64))
			if _, err := BAC(t.Context(), play(a, b, c, d, e), "L898902C<369080619406236", random); err == nil {
				t.Error("BAC opened on a chip without the key")
			}
			v := variants[int(which)%len(variants)]
			if _, err := PACE(t.Context(), play(a, b, c, d, e), v, CANPassword("123456"), random); err == nil {
				t.Error("PACE opened on a chip without the password")
			}
		})
	})
}

// A proof is made of whatever bytes the chip sends, and never holds.
func FuzzCAMProof(f *testing.F) {
	suite := suites(f)[1]
	curve := ec.ByName("brainpoolP256r1")
	f.Add(suite.Encrypt(suite.IV(bytes.Repeat([]byte{0xFF}, 16)), Pad(make([]byte, 32), 16)))
	f.Add([]byte{})
	key := lds.ChipAuthenticationPublicKeyInfo{Curve: curve, Point: curve.G}
	mapping := curve.ScalarMult(curve.G, big.NewInt(1234567))
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, err := ber.Parse(ber.Encode(0x7C, ber.Encode(0x8A, data)), 0x7C)
		if err != nil {
			t.Fatal(err)
		}
		repotest.Bounded(t, len(data), func() {
			proof := newCAMProof(suite, curve, curve.Marshal(mapping), answer)
			if err := proof.Verify(key); !errors.Is(err, ErrChipKey) {
				t.Errorf("got %v, want ErrChipKey", err)
			}
		})
	})
}
