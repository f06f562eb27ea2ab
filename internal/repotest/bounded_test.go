package repotest

import "testing"

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink []byte

func TestBounded(t *testing.T) {
	allocate := func(pieces, size int) func() {
		return func() {
			for range pieces {
				sink = make([]byte, size)
			}
		}
	}
	for _, c := range []struct {
		name    string
		n       int
		parse   func()
		exceeds bool
	}{
		{"nothing", 0, func() {}, false},
		{"the base in one piece", 0, allocate(1, AllocBase), false},
		{"more than the base in one piece", 0, allocate(1, AllocBase+8192), true},
		{"more than the base in small pieces", 0, allocate(2*AllocBase/48, 48), true},
		{"what a long input may cost", 1 << 16, allocate(AllocFactor<<10, 64), false},
		{"twice what a long input may cost", 1 << 16, allocate(2*AllocFactor<<10+AllocBase/64, 64), true},
	} {
		r := &recorder{TB: t}
		Bounded(r, c.n, c.parse)
		if r.failed != c.exceeds {
			t.Errorf("%s: found to exceed the bound: got %v, want %v", c.name, r.failed, c.exceeds)
		}
	}
}

func BenchmarkBounded(b *testing.B) {
	for range b.N {
		Bounded(b, 100, func() {})
	}
}
