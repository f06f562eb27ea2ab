package set

import (
	"bytes"
	"slices"
	"testing"
)

// BenchmarkDelta is what it takes to make a stop list's delta at the centre and
// to follow it on a device: a million sorted entries of 10 bytes, of which a
// thousand are new and as many have gone.
func BenchmarkDelta(b *testing.B) {
	const size, entries, changed = 10, 1_000_000, 1000
	random := content(1, size*(entries+changed))
	var all [][]byte
	for e := range slices.Chunk(random, size) {
		all = append(all, e)
	}
	list := func(of [][]byte) []byte {
		of = slices.Clone(of)
		slices.SortFunc(of, bytes.Compare)
		return slices.Concat(of...)
	}
	base, made := list(all[:entries]), list(all[changed:])
	packed := PackDelta(base, made)
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			PackDelta(base, made)
		}
		b.ReportMetric(float64(len(packed))/1e3, "kB")
	})
	b.Run("follow", func(b *testing.B) {
		for b.Loop() {
			if got, err := UnpackDelta(base, packed, uint64(len(made))); err != nil || len(got) != len(made) {
				b.Fatal(len(got), err)
			}
		}
	})
}
