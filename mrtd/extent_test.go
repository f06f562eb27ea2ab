package mrtd

import (
	"bytes"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// The end of an element is found in pieces where package ber finds it in the
// whole, and no sooner.
func FuzzEnding(f *testing.F) {
	f.Add([]byte{0x77, 0x80, 0x30, 0x80, 0x04, 0x02, 1, 2, 0, 0, 0x05, 0, 0, 0, 0xFF}, 1)
	f.Add([]byte{0x77, 0x80, 0, 0}, 3)
	f.Add(append([]byte{0x77, 0x80}, bytes.Repeat([]byte{0x30, 0x80}, 40)...), 7)
	f.Add([]byte{0x77, 0x80, 0x04, 0x82, 0x01, 0x00, 1}, 2)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		if len(data) < 2 || data[0] != 0x77 || data[1] != 0x80 || step < 1 {
			return
		}
		var e ending
		for n := min(step, len(data)); ; n = min(n+step, len(data)) {
			var total int
			var whole bool
			var err error
			next := e
			repotest.Bounded(t, n, func() {
				next = e
				total, whole, err = extent(lds.EFSOD, data[:n], &next)
			})
			e = next
			want, _, werr := ber.Next(data[:n])
			switch {
			case whole && (werr != nil || total != len(want.Raw)):
				t.Fatalf("%d bytes: got an end at %d, want %d, %v", n, total, len(want.Raw), werr)
			case !whole && err == nil && werr == nil:
				t.Fatalf("%d bytes: got no end, want %d", n, len(want.Raw))
			}
			if whole || err != nil || n == len(data) {
				return
			}
		}
	})
}
