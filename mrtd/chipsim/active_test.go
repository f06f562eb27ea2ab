package chipsim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ec"
)

func rsaKey(t testing.TB, bits int, hash crypto.Hash) *ActiveKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return &ActiveKey{Modulus: k.N, Private: k.D, Hash: hash}
}

// Appendix F of Doc 9303-11, the chip's steps 3 to 9.
func TestWorkedExampleActiveAuthentication(t *testing.T) {
	b, err := os.ReadFile("../authn/testdata/active_rsa.txt")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if key, value, ok := strings.Cut(line, " = "); ok && line[0] != '#' {
			values[strings.TrimSpace(key)] = value
		}
	}
	got := representative(crypto.SHA1, unhex(t, values["m1"]), unhex(t, values["challenge"]), trailers[crypto.SHA1])
	if want := unhex(t, values["representative"]); !bytes.Equal(got, want) {
		t.Errorf("message representative: got %X, want %X", got, want)
	}
}

func TestActiveAuthenticationStatusWords(t *testing.T) {
	signs, mute, locked := specimen(false), specimen(false), specimen(true)
	signs.ActiveAuth = rsaKey(t, 2048, crypto.SHA256)
	locked.ActiveAuth = signs.ActiveAuth
	selected := [2]string{"00A4040C07A0000002471001", "9000"}
	const ask = "0088000008" + "0102030405060708"
	for _, c := range []struct {
		name   string
		p      Passport
		faults Faults
		rows   [][2]string
	}{
		{"no key", mute, Faults{}, [][2]string{selected, {ask + "00", "6D00"}}},
		{"not in the master file", signs, Faults{}, [][2]string{{ask + "00", "6985"}}},
		{"before access control", locked, Faults{}, [][2]string{selected, {ask + "00", "6982"}}},
		{"forms", signs, Faults{}, [][2]string{
			selected, {ask, "6700"}, {"00880000070102030405060700", "6700"}, {"0088010008010203040506070800", "6A86"}, {"0088000000", "6700"},
			{ask + "80", "6700"}, {ask + "00", "9000"}, {"00880000000008" + "0102030405060708" + "0000", "9000"},
		}},
		{"declined", signs, Faults{ActiveAuthRefused: apdu.SecurityStatus}, [][2]string{selected, {ask + "00", "6982"}}},
		{"extended alone", signs, Faults{ActiveAuthLe: apdu.MaxLe}, [][2]string{selected, {ask + "00", "6700"}, {"00880000000008" + "0102030405060708" + "0000", "9000"}}},
	} {
		card := New(c.p, Options{Faults: c.faults})
		for _, row := range c.rows {
			r, err := card.Transmit(t.Context(), unhex(t, row[0]))
			if err != nil || len(r) < 2 {
				t.Fatalf("%s: %s: %X, %v", c.name, row[0], r, err)
			}
			if got := strings.ToUpper(hex.EncodeToString(r[len(r)-2:])); got != row[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, row[0], got, row[1])
			}
		}
	}
}

// However a chip disagrees about Le, the reader gets the whole signature, in a
// session whose counter stays in step.
func TestSignaturesComeWhateverTheLe(t *testing.T) {
	small, large := rsaKey(t, 1024, crypto.SHA1), rsaKey(t, 2048, crypto.SHA256)
	challenge := []byte("01234567")
	for _, key := range []*ActiveKey{small, large} {
		for name, faults := range map[string]Faults{
			"none":                   {},
			"256 alone":              {ActiveAuthLe: 256},
			"65536 alone":            {ActiveAuthLe: apdu.MaxLe},
			"65536 alone, bare 6700": {ActiveAuthLe: apdu.MaxLe, BareErrors: true},
			"cut off":                {ActiveAuthCut: true},
			"empty when extended":    {ActiveAuthEmpty: true},
		} {
			for _, plain := range []bool{true, false} {
				p := specimen(!plain)
				p.ActiveAuth = key
				card := New(p, Options{Faults: faults})
				session := open(t, extended{card}, plain)
				size := key.Size()
				got, err := access.ActiveAuthentication(t.Context(), session, challenge, size)
				// 256 bytes are more than a short protected answer holds.
				fits := plain || size < 231 || faults.ActiveAuthLe != 256 && !faults.ActiveAuthEmpty
				if fits != (err == nil && len(got) == size) {
					t.Errorf("%s, %d bytes, plain %v: got %d bytes, %v", name, size, plain, len(got), err)
				}
				if r, err := apdu.Send(t.Context(), session, apdu.ReadBinarySFI(1, 4)); err != nil || r.SW != apdu.Success {
					t.Errorf("%s, %d bytes, plain %v: afterwards %v, %v", name, size, plain, r.SW, err)
				}
			}
		}
	}
}

func TestAnswersOutsideSecureMessagingAreNone(t *testing.T) {
	p := specimen(true)
	p.ActiveAuth = rsaKey(t, 1024, crypto.SHA256)
	session := open(t, New(p, Options{Faults: Faults{ActiveAuthPlain: true}}), false)
	if got, err := access.ActiveAuthentication(t.Context(), session, make([]byte, 8), 128); !access.KeysDiffer(err) || got != nil {
		t.Errorf("got %d bytes, %v; want an answer that does not verify", len(got), err)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	curve := ec.ByName("P-256")
	d := big.NewInt(0x1234567890ABCDEF)
	p := specimen(true)
	p.ActiveAuth = &ActiveKey{Curve: curve, Private: d, Hash: crypto.SHA256}
	p.ChipAuth = []ChipAuth{{OIDs: []string{oidCA + ".2.2"}, Key: ChipKey{Curve: curve, Private: d}}}
	for _, v := range []any{p, *p.ActiveAuth, p.ActiveAuth, p.ChipAuth, New(p, Options{})} {
		got := ""
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			got += strings.ToLower(fmt.Sprintf(verb, v))
		}
		if strings.Contains(got, "1234567890abcdef") || strings.Contains(got, d.String()) {
			t.Errorf("%T prints its key", v)
		}
	}
}
