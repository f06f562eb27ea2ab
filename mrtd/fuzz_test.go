package mrtd_test

import (
	"context"
	"errors"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// scripted is a chip that gives answers in their order, whatever it is asked:
// each is an octet of length and as many octets.
type scripted struct{ left []byte }

func (s *scripted) Transmit(context.Context, []byte) ([]byte, error) {
	if len(s.left) == 0 {
		return nil, errors.New("no answer left")
	}
	n := min(int(s.left[0]), len(s.left)-1)
	answer := s.left[1 : 1+n]
	s.left = s.left[1+n:]
	return answer, nil
}

func script(answers ...[]byte) (out []byte) {
	for _, a := range answers {
		out = append(append(out, byte(len(a))), a...)
	}
	return out
}

// FuzzAnswers reads a chip that says anything at all: no protocol that takes
// keys opens it, and the reading ends.
func FuzzAnswers(f *testing.F) {
	ok, missing := []byte{0x90, 0}, []byte{0x6A, 0x82}
	announced := ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oidGM+"2"), []byte{2, 1, 2}, []byte{2, 1, 12}))
	nonce := append(ber.Encode(0x7C, ber.Encode(0x80, make([]byte, 16))), ok...)
	curve := ec.ByName("P-256")
	key := append(ber.Encode(0x7C, ber.Encode(0x82, curve.Marshal(curve.G))), ok...)
	f.Add(script(ok, append(announced, ok...), ok, nonce, key, key, ok), false)
	f.Add(script(missing, missing, ok, append(make([]byte, 8), ok...), append(make([]byte, 40), ok...)), true)
	f.Add(script([]byte{0x61, 4}, append(announced[:4], 0x61, 0), append(announced[4:], ok...), []byte{0x6C, 0x10}), false)
	f.Fuzz(func(t *testing.T, answers []byte, extended bool) {
		repotest.Metered(t, func() int {
			opt := mrtd.Options{Random: seeded(1)}
			if extended {
				opt.MaxLe = apdu.MaxLe
			}
			r, err := mrtd.Read(t.Context(), &scripted{answers}, mrtd.Key{MRZ: specimenKey, CAN: specimenCAN}, opt)
			if r.Access.Protocol == mrtd.ProtocolBAC || r.Access.Protocol == mrtd.ProtocolPACE {
				t.Errorf("a chip without keys opened by %q, %v", r.Access.Protocol, err)
			}
			return r.Stats.BytesSent + r.Stats.BytesReceived
		})
	})
}

// FuzzFiles reads a chip that opens as it should and holds anything at all: what
// is read is what it holds, cut off where it says that it ends.
func FuzzFiles(f *testing.F) {
	for _, bac := range []bool{true, false} {
		p := passport(700, bac)
		f.Add(p.Files[0x011E], p.Files[0x011D], p.Files[0x0101], p.Files[0x0102], p.Files[0x010E], bac, byte(0))
	}
	f.Add([]byte{0x60, 0x80, 0x5C, 2, 0x61, 0x75, 0, 0}, []byte{0x77, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, []byte{0x61, 0}, []byte{0x75, 0x83, 0x10, 0, 0}, []byte{0x6E}, true, byte(224))
	f.Fuzz(func(t *testing.T, com, sod, dg1, dg2, dg14 []byte, bac bool, le byte) {
		p := passport(0, bac)
		p.Files = map[lds.Path][]byte{0x011E: com, 0x011D: sod, 0x0101: dg1, 0x0102: dg2, 0x010E: dg14}
		for path, b := range p.Files {
			p.Files[path] = b[:min(len(b), 4<<10)] // longer ones cost time and show nothing more
		}
		repotest.Metered(t, func() int {
			card := chipsim.New(p, chipsim.Options{Random: seeded(2)})
			r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{Random: seeded(1), MaxLe: max(64, int(le))})
			if errors.Is(err, mrtd.ErrAccessDenied) || errors.Is(err, access.ErrIntegrity) {
				t.Errorf("the chip did not open: %v", err)
			}
			for path, b := range r.Files {
				if held := p.Files[path]; len(b) > len(held) || string(b) != string(held[:len(b)]) {
					t.Errorf("file %04X: read %d octets of %d", path, len(b), len(held))
				}
			}
			return r.Stats.BytesSent + r.Stats.BytesReceived
		})
	})
}
