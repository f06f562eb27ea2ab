package repotest

import (
	"math"
	"runtime"
	"runtime/metrics"
	"testing"
)

// What a parser may allocate in all, garbage included, while it reads n octets
// from a stranger: AllocFactor*n + AllocBase bytes. The factor is that of a list
// of empty elements, two octets each, of which each costs a struct of two slices
// once or twice; the base is what one signature costs, verified over the largest
// modulus that is taken.
const (
	AllocFactor = 64
	AllocBase   = 256 << 10
)

// Bounded runs parse over n octets of input and fails the test where it
// allocated more than the bound. It is meant for the inside of a fuzz target:
// the first look costs a microsecond and is off by what the allocator has not
// counted yet, at most a span of each size; only where that comes to half the
// bound is parse run again, twice, and counted exactly. So parse must do the same
// each time, and what other goroutines allocate meanwhile counts only if they do
// so every time.
func Bounded(t testing.TB, n int, parse func()) {
	t.Helper()
	Metered(t, func() int { parse(); return n })
}

// Metered is Bounded where only talk tells how many octets there were, those
// sent to the stranger among them.
func Metered(t testing.TB, talk func() (octets int)) {
	t.Helper()
	before := roughly()
	n := talk()
	bound := uint64(AllocFactor*n + AllocBase)
	if roughly()-before <= bound/2 {
		return
	}
	least := uint64(math.MaxUint64)
	for range 2 {
		before := exactly()
		talk()
		least = min(least, exactly()-before)
	}
	if least > bound {
		t.Errorf("%d octets cost %d bytes, want at most %d", n, least, bound)
	}
}

// roughly is what was ever allocated, without what lies in spans in use.
func roughly() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}

// exactly stops the world for its answer.
func exactly() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Parsed is what parse makes of b within the bound.
func Parsed[T any](t testing.TB, b []byte, parse func([]byte) (T, error)) (out T, err error) {
	t.Helper()
	Bounded(t, len(b), func() { out, err = parse(b) })
	return out, err
}
