package access

import (
	"bytes"
	"strings"
	"testing"

	"limen/mrtd/apdu"
)

func TestActiveAuthenticationLe(t *testing.T) {
	challenge := unhex(t, "0102030405060708")
	short, long := "00880000080102030405060708"+"00", "00880000"+"000008"+"0102030405060708"+"0000"
	signature := strings.Repeat("5A", 128)
	for _, c := range []struct {
		name     string
		extended bool
		size     int
		answers  []string
		sent     []string
		want     string          // the signature
		declined apdu.StatusWord // where there is none
	}{
		{"short will do", true, 128, []string{signature + "9000"}, []string{short}, signature, 0},
		{"size not known", true, 0, []string{signature + "9000"}, []string{short}, signature, 0},
		{"short is refused", true, 128, []string{"6700", signature + "9000"}, []string{short, long}, signature, 0},
		{"short is refused, and no other to be had", false, 128, []string{"6700"}, []string{short}, "", 0x6700},
		{"both are refused", true, 128, []string{"6700", "6F00"}, []string{short, long}, "", 0x6F00},
		{"the right Le is named", true, 128, []string{"6C80", signature + "9000"}, []string{short, short[:len(short)-2] + "80"}, signature, 0},
		{"the rest is held back", true, 128, []string{signature[:200] + "611C", signature[200:] + "9000"}, []string{short, "00C000001C"}, signature, 0},
		{"long signatures ask for extended first", true, 384, []string{strings.Repeat("5A", 384) + "9000"}, []string{long}, strings.Repeat("5A", 384), 0},
		{"extended answers nothing", true, 384, []string{"9000", strings.Repeat("5A", 250) + "6186", strings.Repeat("5A", 134) + "9000"}, []string{long, short, "00C0000086"}, strings.Repeat("5A", 384), 0},
		{"short cuts off", true, 128, []string{signature[:240] + "9000", signature + "9000"}, []string{short, long}, signature, 0},
		{"less than asked for, with a warning", true, 128, []string{signature + "6282"}, []string{short}, signature, 0},
		{"all that came counts", true, 128, []string{signature[:240] + "9000", "6700"}, []string{short, long}, signature[:240], 0},
		{"nothing came", true, 128, []string{"9000", "9000"}, []string{short, long}, "", 0},
		{"the protocol is declined", true, 128, []string{"6985"}, []string{short}, "", 0x6985},
		{"no such instruction", true, 384, []string{"6D00"}, []string{long}, "", 0x6D00},
		{"lost after a part", true, 128, []string{signature[:240] + "9000"}, []string{short, long}, "", 0},
	} {
		s := script{answers: c.answers, extended: c.extended}
		got, err := ActiveAuthentication(t.Context(), s.card(t), challenge, c.size)
		if !bytes.Equal(got, unhex(t, c.want)) || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %d bytes, %v; want %d", c.name, len(got), err, len(c.want)/2)
		}
		if sw, _ := Declined(err); sw != c.declined {
			t.Errorf("%s: declined with %v, want %v", c.name, sw, c.declined)
		}
		if got, want := strings.Join(s.sent, " "), strings.Join(c.sent, " "); got != want {
			t.Errorf("%s: sent %s, want %s", c.name, got, want)
		}
	}
	if _, err := ActiveAuthentication(t.Context(), (&script{}).card(t), challenge[:4], 0); err == nil {
		t.Error("a challenge of 4 bytes was sent")
	}
}

// A refusal outside secure messaging keeps the counter in step; one that ends
// the session is told from a chip that declines.
func TestActiveAuthenticationKeepsStep(t *testing.T) {
	s := suites(t)[0]
	challenge := make([]byte, 8)
	signature := bytes.Repeat([]byte{0x5A}, 128)
	for _, c := range []struct {
		name    string
		answers [][]byte
		ok      bool
	}{
		{"the chip goes on", [][]byte{{0x67, 0}, sealed(s, counterAt(s, 4), signature, apdu.Success)}, true},
		{"the chip has ended it", [][]byte{{0x67, 0}, {0x69, 0x88}}, false},
	} {
		answers := c.answers
		session, err := NewSession(extended{cardFunc(func([]byte) ([]byte, error) {
			a := answers[0]
			answers = answers[1:]
			return a, nil
		})}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ActiveAuthentication(t.Context(), session, challenge, len(signature))
		if c.ok != (err == nil) || c.ok && !bytes.Equal(got, signature) {
			t.Errorf("%s: got %d bytes, %v", c.name, len(got), err)
		}
		if !c.ok && !KeysDiffer(err) {
			t.Errorf("%s: got %v, want the chip's 6988", c.name, err)
		}
	}
}
