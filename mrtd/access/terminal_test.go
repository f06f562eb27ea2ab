package access_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// terminalExample is a worked example: named values, and the commands with
// their answers that come of them.
type terminalExample struct {
	t         *testing.T
	values    map[string]string
	exchanges [][2][]byte
	limit     int // raw command bytes the card says it carries; 0 is that of extended length
}

func (e *terminalExample) bytes(s string) []byte {
	e.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

func (e *terminalExample) value(name string) []byte { e.t.Helper(); return e.bytes(e.values[name]) }

func readTerminalExample(t *testing.T, name string) *terminalExample {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	e := &terminalExample{t: t, values: map[string]string{}}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			e.exchanges = append(e.exchanges, [2][]byte{e.bytes(line[2:])})
		case strings.HasPrefix(line, "< "):
			e.exchanges[len(e.exchanges)-1][1] = e.bytes(line[2:])
		case line[0] != '#':
			key, value, _ := strings.Cut(line, "=")
			e.values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return e
}

// Transmit answers the example's commands in their order and no others.
func (e *terminalExample) Transmit(_ context.Context, command []byte) ([]byte, error) {
	if len(e.exchanges) == 0 {
		return nil, fmt.Errorf("command %X after the last", command)
	}
	next := e.exchanges[0]
	e.exchanges = e.exchanges[1:]
	if !bytes.Equal(command, next[0]) {
		return nil, fmt.Errorf("command %X where %X belongs", command, next[0])
	}
	return next[1], nil
}

func (e *terminalExample) Limits() (command, response int) {
	if e.limit != 0 {
		return e.limit, 258
	}
	return 65544, 65538
}

func (e *terminalExample) certificate(name string) *cvc.Certificate {
	e.t.Helper()
	c, err := cvc.Parse(e.value(name))
	if err != nil {
		e.t.Fatalf("%s: %v", name, err)
	}
	return c
}

// scripted is a terminal with one chain and one signature.
type scripted struct {
	chain []*cvc.Certificate
	sign  func(c *cvc.Certificate, message []byte) ([]byte, error)
}

func (s scripted) Chain([]string) ([]*cvc.Certificate, error) { return s.chain, nil }

func (s scripted) Sign(_ context.Context, c *cvc.Certificate, message []byte) ([]byte, error) {
	return s.sign(c, message)
}

var terminalExamples = []string{"ta_ecdh.txt", "ta_dh.txt"}

func TestWorkedExamplesTerminalAuthentication(t *testing.T) {
	for _, name := range terminalExamples {
		e := readTerminalExample(t, name)
		cvca, dv, terminal := e.certificate("cvca"), e.certificate("dv"), e.certificate("terminal")
		issuer := cvca.Key
		for _, c := range []*cvc.Certificate{cvca, dv, terminal} {
			if err := c.VerifySignatureBy(issuer); err != nil {
				t.Errorf("%s: certificate %s: %v", name, c, err)
			}
			var err error
			if issuer, err = c.Key.Inherit(issuer); err != nil {
				t.Fatalf("%s: certificate %s: %v", name, c, err)
			}
		}
		if got := issuer.Algorithm.String(); got != e.values["algorithm"] {
			t.Errorf("%s: algorithm %s, want %s", name, got, e.values["algorithm"])
		}
		key, err := cvc.ParseKey(e.value("key"))
		if err != nil || !key.Certified(terminal) {
			t.Errorf("%s: key: %v; want the one certified", name, err)
		}
		for public, compressed := range map[string]string{"chip_public": "chip_id", "ephemeral_public": "ephemeral"} {
			if got := compress(e.value(public)); !bytes.Equal(got, e.value(compressed)) {
				t.Errorf("%s: %s compressed: got %X, want %X", name, public, got, e.value(compressed))
			}
		}
		sign := func(c *cvc.Certificate, message []byte) ([]byte, error) {
			if c != terminal {
				return nil, fmt.Errorf("asked to sign as %s", c)
			}
			want := append(append(e.value("chip_id"), e.value("challenge")...), e.value("ephemeral")...)
			if !bytes.Equal(message, want) {
				t.Errorf("%s: message\n got %X\nwant %X", name, message, want)
			}
			// RSA PKCS#1 v1.5 has one signature; ECDSA one for each of its random numbers.
			signature := e.value("signature")
			system := &cvc.InspectionSystem{Keys: map[string]cvc.Signer{c.Holder: key}}
			resolved := *c
			resolved.Key = issuer
			own, err := system.Sign(t.Context(), &resolved, message)
			if err != nil || c.Key.Algorithm.Scheme == trust.RSAPKCS1 && !bytes.Equal(own, signature) {
				t.Errorf("%s: signature made here: got %X, %v; want %X", name, own, err, signature)
			}
			return signature, issuer.Verify(message, signature)
		}
		if _, err := access.TerminalAuthentication(t.Context(), e, []string{cvca.Holder}, scripted{[]*cvc.Certificate{dv, terminal}, sign},
			access.ChipID(e.value("chip_id")), e.value("ephemeral")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(e.exchanges) > 0 {
			t.Errorf("%s: %d exchanges never happened", name, len(e.exchanges))
		}
	}
}

// compress is Comp of a public key: the x-coordinate of an uncompressed point of
// brainpoolP256r1, or the hash of a number.
func compress(public []byte) []byte {
	if len(public) == 65 && public[0] == 4 {
		return public[1:33]
	}
	h := sha1.Sum(public)
	return h[:]
}

// A card that carries short commands alone is sent the same in a chain.
func TestLongCommandsAreChained(t *testing.T) {
	e := readTerminalExample(t, "ta_dh.txt")
	e.limit = 261
	var short [][2][]byte
	for _, x := range e.exchanges {
		c, err := apdu.ParseCommand(x[0])
		if err != nil {
			t.Fatal(err)
		}
		for len(c.Data) > 255 {
			raw, _ := apdu.Command{CLA: 0x10, INS: c.INS, P1: c.P1, P2: c.P2, Data: c.Data[:255]}.Encode()
			short, c.Data = append(short, [2][]byte{raw, {0x90, 0}}), c.Data[255:]
		}
		raw, _ := c.Encode()
		short = append(short, [2][]byte{raw, x[1]})
	}
	if len(short) == len(e.exchanges) {
		t.Fatal("the example has no long command")
	}
	e.exchanges = short
	terminal := scripted{[]*cvc.Certificate{e.certificate("dv"), e.certificate("terminal")}, func(*cvc.Certificate, []byte) ([]byte, error) { return e.value("signature"), nil }}
	if _, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, access.ChipID(e.value("chip_id")), e.value("ephemeral")); err != nil || len(e.exchanges) > 0 {
		t.Errorf("got %v, %d exchanges left", err, len(e.exchanges))
	}
}

// Whatever the chip declines on the way, and whatever of its answers is no
// answer, ends the run and says so.
func TestTerminalAuthenticationEndsWhereTheChipDeclines(t *testing.T) {
	for step := range 7 {
		e := readTerminalExample(t, "ta_ecdh.txt")
		if len(e.exchanges) != 7 {
			t.Fatalf("the example has %d exchanges, want 7", len(e.exchanges))
		}
		e.exchanges = e.exchanges[:step+1]
		e.exchanges[step][1] = []byte{0x63, 0x00}
		terminal := scripted{[]*cvc.Certificate{e.certificate("dv"), e.certificate("terminal")}, func(*cvc.Certificate, []byte) ([]byte, error) { return e.value("signature"), nil }}
		_, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, access.ChipID("x"), []byte("y"))
		var status *apdu.StatusError
		if !errors.Is(err, access.ErrTerminalRefused) || !errors.As(err, &status) || status.SW != apdu.AuthenticationFailed {
			t.Errorf("step %d: got %v, want ErrTerminalRefused and 6300", step, err)
		}
	}
	for name, change := range map[string]func(*terminalExample){
		"challenge of 7 bytes": func(e *terminalExample) { e.exchanges[5][1] = e.exchanges[5][1][1:] },
		"no challenge":         func(e *terminalExample) { e.exchanges[5][1] = []byte{0x90, 0} },
		"no answer":            func(e *terminalExample) { e.exchanges = e.exchanges[:3] },
	} {
		e := readTerminalExample(t, "ta_ecdh.txt")
		change(e)
		terminal := scripted{[]*cvc.Certificate{e.certificate("dv"), e.certificate("terminal")}, func(*cvc.Certificate, []byte) ([]byte, error) { return e.value("signature"), nil }}
		if _, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, access.ChipID("x"), []byte("y")); err == nil || errors.Is(err, access.ErrTerminalRefused) {
			t.Errorf("%s: got %v, want an error that is no refusal", name, err)
		}
	}
}

// Without a chain, a key of chip authentication or a signature nothing, or
// nothing more, is sent.
func TestTerminalAuthenticationNeedsItsParts(t *testing.T) {
	e := readTerminalExample(t, "ta_dh.txt")
	all := len(e.exchanges)
	chain := []*cvc.Certificate{e.certificate("dv"), e.certificate("terminal")}
	broken := errors.New("the token is gone")
	terminal := scripted{chain, func(*cvc.Certificate, []byte) ([]byte, error) { return nil, broken }}
	if _, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, access.ChipID("x"), nil); err == nil {
		t.Error("before chip authentication: no error")
	}
	if _, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, nil, []byte("y")); err == nil {
		t.Error("without the chip's identifier: no error")
	}
	if _, err := access.TerminalAuthentication(t.Context(), e, nil, scripted{}, access.ChipID("x"), []byte("y")); !errors.Is(err, cvc.ErrNoChain) {
		t.Errorf("without a chain: got %v, want ErrNoChain", err)
	}
	if len(e.exchanges) != all {
		t.Errorf("%d commands were sent", all-len(e.exchanges))
	}
	if _, err := access.TerminalAuthentication(t.Context(), e, nil, terminal, access.ChipID("x"), []byte("y")); !errors.Is(err, broken) {
		t.Errorf("without a signature: got %v", err)
	}
	if len(e.exchanges) != 1 {
		t.Errorf("%d exchanges left, want EXTERNAL AUTHENTICATE", len(e.exchanges))
	}
}

func TestReadTrustPoints(t *testing.T) {
	file := "420B5554435643413030303032420B5554435643413030303031" + strings.Repeat("00", 10)
	custom := lds.File{Name: "EF.CVCA", FID: 0x012C}
	for _, c := range []struct {
		name      string
		f         lds.File
		exchanges [][2]string
		refused   apdu.StatusWord
	}{
		{"by short identifier", lds.EFCVCA, [][2]string{{"00B09C0024", file + "9000"}}, 0},
		{"a file that is shorter", lds.EFCVCA, [][2]string{{"00B09C0024", file[:52] + "6282"}}, 0},
		{"selected where short identifiers are not known", lds.EFCVCA, [][2]string{{"00B09C0024", "6A86"}, {"00A4020C02011C", "9000"}, {"00B0000024", file + "9000"}}, 0},
		{"selected where the info says", custom, [][2]string{{"00A4020C02012C", "9000"}, {"00B0000024", file + "9000"}}, 0},
		{"closed", lds.EFCVCA, [][2]string{{"00B09C0024", "6982"}}, apdu.SecurityStatus},
		{"absent", lds.EFCVCA, [][2]string{{"00B09C0024", "6A82"}, {"00A4020C02011C", "6A82"}}, apdu.FileNotFound},
	} {
		e := &terminalExample{t: t}
		for _, x := range c.exchanges {
			e.exchanges = append(e.exchanges, [2][]byte{e.bytes(x[0]), e.bytes(x[1])})
		}
		got, err := access.ReadTrustPoints(t.Context(), e, c.f)
		if want := (lds.CVCA{Current: "UTCVCA00002", Previous: "UTCVCA00001"}); c.refused == 0 && (err != nil || got != want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, want)
		}
		var status *apdu.StatusError
		if c.refused != 0 && (!errors.As(err, &status) || status.SW != c.refused) {
			t.Errorf("%s: got %+v, %v; want %s", c.name, got, err, c.refused)
		}
		if len(e.exchanges) > 0 {
			t.Errorf("%s: %d exchanges left", c.name, len(e.exchanges))
		}
	}
}

func TestDocumentChipID(t *testing.T) {
	// The number with its check digit, long ones of TD1 and TD2 too (Doc 9303-11, D.2).
	for information, want := range map[string]string{
		"L898902C36" + "7408122" + "1204159":         "L898902C36",
		"L898902C<3" + "6908061" + "9406236":         "L898902C<3",
		"D23145890734" + "9" + "3407127" + "9507122": "D231458907349",
		"": "",
	} {
		id := access.DocumentChipID(information)
		if string(id) != want {
			t.Errorf("%q: got %q, want %q", information, string(id), want)
		}
		if text := fmt.Sprintf("%v %s %+v", id, id, struct{ ID access.ChipID }{id}); want != "" && strings.Contains(text, want) {
			t.Errorf("printed: %s", text)
		}
	}
}
