package access_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// A chip that returns the reader's own keys, or one outside the group, is an attack.
func TestPACERefusesBadKeys(t *testing.T) {
	ecGM, ecIM, dhGM, dhIM := readExample(t, "pace_gm_ecdh.txt"), readExample(t, "pace_im_ecdh.txt"), readExample(t, "pace_gm_dh.txt"), readExample(t, "pace_im_dh.txt")
	g := dh.ByParameterID(0)
	minus := new(big.Int).Sub(g.P, big.NewInt(1))
	small := g.Exp(big.NewInt(3), new(big.Int).Div(minus, big.NewInt(2*5))) // of order 10 at most
	for _, c := range []struct {
		name   string
		e      example
		at     int
		change func(e example, answer []byte) []byte
	}{
		{"mapping key echoed", ecGM, 2, echo(2, 0x82)},
		{"agreement key echoed", ecGM, 3, echo(3, 0x84)},
		{"mapping key off the curve", ecGM, 2, flip},
		{"agreement key off the curve", ecGM, 3, flip},
		{"compressed point", ecGM, 2, compressed},
		{"infinity", ecGM, 3, key(0x84, []byte{0})},
		{"no key", ecGM, 2, say("7C009000")},
		{"token changed", ecGM, 4, flip},
		{"no token", ecGM, 4, say("7C009000")},
		{"nonce of odd length", ecGM, 1, say("7C0380010A9000")},
		{"empty nonce", ecGM, 1, say("7C0280009000")},

		{"nonce too long for the mapping", ecIM, 1, key(0x80, make([]byte, 32))},
		{"agreement key echoed", ecIM, 3, echo(3, 0x84)},
		{"agreement key off the curve", ecIM, 3, flip},
		{"token changed", ecIM, 4, flip},

		{"mapping key echoed", dhGM, 2, echo(2, 0x82)},
		{"agreement key echoed", dhGM, 3, echo(3, 0x84)},
		{"mapping key 0", dhGM, 2, key(0x82, []byte{0})},
		{"mapping key 1", dhGM, 2, key(0x82, []byte{1})},
		{"mapping key -1", dhGM, 2, key(0x82, minus.Bytes())},
		{"mapping key of small order", dhGM, 2, key(0x82, small.Bytes())},
		{"mapping key of twice the order", dhGM, 2, key(0x82, g.Mul(g.G, minus).Bytes())},
		{"empty mapping key", dhGM, 2, key(0x82, nil)},
		{"agreement key p", dhGM, 3, key(0x84, g.P.Bytes())},
		{"agreement key of small order", dhGM, 3, key(0x84, small.Bytes())},
		{"agreement key too long", dhGM, 3, key(0x84, append(make([]byte, 1), g.Marshal(g.G)...))},
		{"token changed", dhGM, 4, func(_ example, b []byte) []byte { b[5] ^= 1; return b }},

		{"agreement key echoed", dhIM, 3, echo(3, 0x84)},
		{"agreement key of small order", dhIM, 3, key(0x84, small.Bytes())},
	} {
		v := c.e.variant(t)
		exchanges := append([][2][]byte(nil), c.e.exchanges...)
		exchanges[c.at][1] = c.change(c.e, append([]byte(nil), exchanges[c.at][1]...))
		_, err := access.PACE(t.Context(), access.NewPlayback(t, exchanges), v, c.e.password(), c.e.randomness(t, v, "nonce_ifd", "map_private_ifd", "dh_private_ifd"))
		if err == nil {
			t.Errorf("%s, %s: accepted", v.Name(), c.name)
		}
		if c.at == 4 != errors.Is(err, access.ErrRefused) {
			t.Errorf("%s, %s: got %v", v.Name(), c.name, err)
		}
	}
}

func say(answer string) func(example, []byte) []byte {
	return func(example, []byte) []byte {
		b, err := hex.DecodeString(answer)
		if err != nil {
			panic(err)
		}
		return b
	}
}

func key(tag ber.Tag, value []byte) func(example, []byte) []byte {
	return func(example, []byte) []byte {
		return append(ber.Encode(0x7C, ber.Encode(tag, value)), 0x90, 0)
	}
}

func flip(_ example, b []byte) []byte {
	b[len(b)-3] ^= 1
	return b
}

// compressed is the chip's own point in the form that 4.4.3.2 rules out.
func compressed(_ example, b []byte) []byte {
	x, y := b[5:37], b[37:69]
	return append(append([]byte{0x7C, 0x23, 0x82, 0x21, 2 + y[31]&1}, x...), 0x90, 0)
}

// echo is the reader's own key under the chip's tag.
func echo(at int, tag ber.Tag) func(example, []byte) []byte {
	return func(e example, _ []byte) []byte {
		c, _ := apdu.ParseCommand(e.exchanges[at][0])
		outer, _ := ber.Parse(c.Data, 0x7C)
		inner, _ := outer.Children()
		return append(ber.Encode(0x7C, ber.Encode(tag, inner[0].Value)), 0x90, 0)
	}
}

// What the chip sends to prove its static key is judged apart from access: a
// copy of a passport opens as the passport does.
func TestCAMProof(t *testing.T) {
	e := readExample(t, "pace_cam.txt")
	v := e.variant(t)
	holder := e.infos(t).PublicKeys[0]
	open := func(change func([]byte) []byte) *access.CAMProof {
		exchanges := append([][2][]byte(nil), e.exchanges...)
		exchanges[4][1] = change(append([]byte(nil), exchanges[4][1]...))
		opened, err := access.PACE(t.Context(), access.NewPlayback(t, exchanges), v, e.password(), e.randomness(t, v, "map_private_ifd", "dh_private_ifd"))
		if err != nil {
			t.Fatal(err)
		}
		return opened.CAM
	}
	token := e.exchanges[4][1][2:12]
	sent := func(do []byte) func([]byte) []byte {
		return func([]byte) []byte { return append(ber.Encode(0x7C, token, do), 0x90, 0) }
	}
	for name, proof := range map[string]*access.CAMProof{
		"data changed":         open(func(b []byte) []byte { b[20] ^= 1; return b }),
		"padding changed":      open(func(b []byte) []byte { b[len(b)-3] ^= 1; return b }),
		"no data":              open(sent(nil)),
		"empty data":           open(sent([]byte{0x8A, 0})),
		"data of half a block": open(sent(ber.Encode(0x8A, make([]byte, 24)))),
		"data without an end":  open(sent(ber.Encode(0x8A, make([]byte, 4000)))),
	} {
		if err := proof.Verify(holder); !errors.Is(err, access.ErrChipKey) {
			t.Errorf("%s: got %v, want ErrChipKey", name, err)
		}
	}
	proof := open(func(b []byte) []byte { return b })
	other, off, foreign := holder, holder, holder
	other.Point = holder.Curve.Add(holder.Point, holder.Curve.G)
	off.Point = ec.Point{X: holder.Point.Y, Y: holder.Point.X}
	foreign.Curve = ec.ByName("P-256")
	foreign.Point = foreign.Curve.G
	if err := proof.Verify(other); !errors.Is(err, access.ErrChipKey) {
		t.Errorf("another key: got %v, want ErrChipKey", err)
	}
	for name, k := range map[string]lds.ChipAuthenticationPublicKeyInfo{
		"key over another curve": foreign, "key off its curve": off, "key in a group": {Group: dh.ByParameterID(2)},
	} {
		if err := proof.Verify(k); err == nil || errors.Is(err, access.ErrChipKey) {
			t.Errorf("%s: got %v, want that it cannot be judged", name, err)
		}
	}
	for _, c := range []struct {
		keys    []lds.ChipAuthenticationPublicKeyInfo
		ok, bad bool
	}{
		{[]lds.ChipAuthenticationPublicKeyInfo{foreign, other, holder}, true, false},
		{[]lds.ChipAuthenticationPublicKeyInfo{foreign, other}, false, true},
		{[]lds.ChipAuthenticationPublicKeyInfo{foreign}, false, false},
		{nil, false, false},
	} {
		err := proof.VerifyAmong(c.keys)
		if (err == nil) != c.ok || errors.Is(err, access.ErrChipKey) != c.bad {
			t.Errorf("among %d keys: got %v", len(c.keys), err)
		}
	}
}

// proofs answers BAC as a chip with the key would, but for what change does to
// the plain proof RND.IC || RND.IFD || K.IC.
func proofs(t *testing.T, change func(proof []byte)) apdu.Card {
	suite, err := access.DocumentAccessSuite("L898902C<369080619406236")
	if err != nil {
		t.Fatal(err)
	}
	zero := make([]byte, 8)
	return cardFunc(func(command []byte) ([]byte, error) {
		if command[1] == 0x84 {
			return access.Unhex(t, "4608F919887022129000"), nil
		}
		s, err := suite.Decrypt(zero, command[5:37])
		if err != nil {
			return nil, err
		}
		proof := append(append(append([]byte(nil), s[8:16]...), s[:8]...), make([]byte, 16)...)
		change(proof)
		cryptogram := suite.Encrypt(zero, proof)
		return append(append(cryptogram, suite.Token(cryptogram)...), 0x90, 0), nil
	})
}

type cardFunc func([]byte) ([]byte, error)

func (f cardFunc) Transmit(_ context.Context, c []byte) ([]byte, error) { return f(c) }

func TestBACRefusesProofOfAnotherSession(t *testing.T) {
	bac := func(card apdu.Card) error {
		_, err := access.BAC(t.Context(), card, "L898902C<369080619406236", bytes.NewReader(make([]byte, 24)))
		return err
	}
	for name, at := range map[string]int{"RND.IC": 0, "RND.IFD": 15} {
		if err := bac(proofs(t, func(b []byte) { b[at] ^= 1 })); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%s changed: got %v, want ErrRefused", name, err)
		}
	}
	honest := proofs(t, func([]byte) {})
	forged := cardFunc(func(command []byte) ([]byte, error) {
		b, err := honest.Transmit(t.Context(), command)
		if err == nil && len(b) == 42 {
			b[39] ^= 1
		}
		return b, err
	})
	if err := bac(forged); !errors.Is(err, access.ErrRefused) {
		t.Errorf("checksum changed: got %v, want ErrRefused", err)
	}
	if err := bac(proofs(t, func([]byte) {})); err != nil {
		t.Errorf("true proof: %v", err)
	}
}
