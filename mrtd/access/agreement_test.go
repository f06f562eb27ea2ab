package access

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
)

// Keys in a group are sent without leading zeros; chips that keep them must
// open too, one run in 128 having such a key on one side.
func TestKeysWithLeadingZeros(t *testing.T) {
	g := inGroup{dh.ByParameterID(0)}
	var short []*big.Int // keys of less than the modulus's length
	for k := int64(2); len(short) < 2; k++ {
		if y := g.Exp(g.G, big.NewInt(k)); len(y.Bytes()) < g.ByteLen() {
			short = append(short, y)
		}
	}
	suite := suites(t)[1]
	own := public[*big.Int]{short[0], g.encode(short[0])}
	theirs := public[*big.Int]{short[1], g.padded(short[1])} // as this chip sends it
	token := func(key []byte) []byte {
		return suite.Token(ber.Encode(0x7F49, ber.EncodeOID(oidPACE+"1.2"), ber.Encode(0x84, key)))
	}
	for _, c := range []struct {
		name   string
		answer []byte
		ok     bool
	}{
		{"token over the key as sent", token(own.encoded), true},
		{"token over the key with its zeros", token(g.padded(own.element)), true},
		{"token over the key with one more", token(append([]byte{0}, g.padded(own.element)...)), false},
		{"the reader's own token", token(theirs.encoded), false},
	} {
		card := cardFunc(func(command []byte) ([]byte, error) {
			parsed, err := apdu.ParseCommand(command)
			if err != nil {
				return nil, err
			}
			if want := ber.Encode(0x7C, ber.Encode(0x85, token(theirs.encoded))); !bytes.Equal(parsed.Data, want) {
				t.Errorf("%s: the reader's token is not over the chip's key as it was sent", c.name)
			}
			return append(ber.Encode(0x7C, ber.Encode(0x86, c.answer)), 0x90, 0), nil
		})
		p := pace{t.Context(), card, Variant{OID: oidPACE + "1.2", Mapping: GM, Cipher: AES128, Group: g.Group}, nil}
		_, err := authenticate(p, domain[*big.Int](g), suite, own, theirs)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if secret := g.secret(short[0]); len(secret) != g.ByteLen() {
		t.Errorf("shared secret of %d bytes, want the modulus's %d", len(secret), g.ByteLen())
	}
}

func TestInfinityAndOneAreNoKeys(t *testing.T) {
	g := inGroup{dh.ByParameterID(2)}
	for name, err := range map[string]error{
		"y^q":      second(g.power(g.G, g.Q)),
		"y/y":      second(g.combine(g.G, new(big.Int).ModInverse(g.G, g.P))),
		"f_g(1)":   second(g.fromField(big.NewInt(1))),
		"f_g(0)":   second(g.fromField(new(big.Int))),
		"no order": second(inGroup{&dh.Group{P: g.P, G: g.G}}.fromField(big.NewInt(5))),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[A any](_ A, err error) error { return err }
