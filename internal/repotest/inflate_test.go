package repotest

import (
	"encoding/asn1"
	"testing"
)

func TestInflate(t *testing.T) {
	seed, err := asn1.Marshal(struct {
		Number int
		Inner  []byte
		List   []string
	}{7, []byte{0x30, 0x03, 0x02, 0x01, 0x05}, []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	Inflate(seed, func(b []byte) {
		var whole asn1.RawValue
		if rest, err := asn1.Unmarshal(b[:6], &whole); err == nil {
			t.Errorf("not longer than the seed: rest %X", rest)
		}
		if tag, value, after, ok := element(b); !ok || tag[0] != 0x30 || len(value) < inflated || len(after) > 0 {
			t.Errorf("got tag %X with %d octets and %d after it", tag, len(value), len(after))
		}
		n++
	})
	// Lists: the outermost, the one in the octet string and the string itself, and
	// the list of strings, two ways filled twice; the numbers and strings once.
	if want := 4*4 + 4; n != want {
		t.Errorf("got %d values, want %d", n, want)
	}
}
