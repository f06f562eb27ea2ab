package seal

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func TestC40Examples(t *testing.T) {
	for _, c := range []struct{ text, want, back string }{
		{"XK<CD", "EB0466A9", "XK CD"}, // Doc 9303-13, appendix C.1
		{"XKCD", "EB11FE45", "XKCD"},   // C.2
		{"VISA01", "DE515826", "VISA01"},
		{"D<<", "6ABC", "D  "}, // BSI TR-03137-1, annex C
		{"DETS00027", "6D32C8A519FC", "DETS00027"},
		{"", "", ""},
	} {
		b, err := encodeC40(c.text)
		if err != nil || strings.ToUpper(hex.EncodeToString(b)) != c.want {
			t.Errorf("%q: encoded as %X, %v; want %s", c.text, b, err, c.want)
		}
		if back, err := decodeC40(b); err != nil || back != c.back {
			t.Errorf("%q: decoded as %q, %v; want %q", c.text, back, err, c.back)
		}
	}
	for name, in := range map[string][]byte{
		"odd":                {0xEB},
		"zero":               {0, 0},
		"beyond":             {0xFA, 0x01},
		"shift in front":     {0x00, 0x01},
		"shift in between":   {0xEB, 0x01, 0xEB, 0x11}, // X, K, shift, and more behind
		"single not at end":  {0xFE, 0x45, 0xEB, 0x11},
		"single lower case":  {0xFE, 'a' + 1},
		"single of no value": {0xFE, 0},
	} {
		if text, err := decodeC40(in); err == nil {
			t.Errorf("%s: got %q", name, text)
		}
	}
	for _, bad := range []string{"abc", "Ü", "A-B"} {
		if b, err := encodeC40(bad); err == nil {
			t.Errorf("%q: encoded as %X", bad, b)
		}
	}
}

func FuzzC40(f *testing.F) {
	for _, s := range []string{"EB0466A9", "EB11FE45", "6ABC"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := repotest.Parsed(t, b, decodeC40)
		if err != nil {
			return
		}
		again, err := encodeC40(text)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeC40(again); err != nil || back != text || len(again) > len(b) {
			t.Errorf("%X is %q, which is %X", b, text, again)
		}
		if len(text)%3 != 1 && len(text)%3 != 2 && !bytes.Equal(again, b) {
			t.Errorf("%X is %q, which is %X", b, text, again)
		}
	})
}
