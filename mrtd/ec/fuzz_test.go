package ec

import (
	"math/big"
	"testing"

	"limen/internal/repotest"
)

func FuzzExplicit(f *testing.F) {
	for _, name := range []string{"brainpoolP224r1", "P-192"} {
		if c := ByName(name); c != nil {
			f.Add(c.P.Bytes(), c.A.Bytes(), c.B.Bytes(), c.G.X.Bytes(), c.G.Y.Bytes(), c.N.Bytes(), uint8(1), c.Marshal(c.G))
			// The same curve by another generator is none that is known by name.
			g := c.ScalarMult(c.G, big.NewInt(3))
			f.Add(c.P.Bytes(), c.A.Bytes(), c.B.Bytes(), g.X.Bytes(), g.Y.Bytes(), c.N.Bytes(), uint8(1), append([]byte{2}, c.G.X.FillBytes(make([]byte, c.ByteLen()))...))
		}
	}
	f.Fuzz(func(t *testing.T, p, a, b, x, y, n []byte, h uint8, point []byte) {
		number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
		repotest.Bounded(t, len(p)+len(a)+len(b)+len(x)+len(y)+len(n)+len(point), func() {
			c, err := Explicit(number(p), number(a), number(b), number(x), number(y), number(n), int(h))
			if err != nil {
				return
			}
			q, err := c.Unmarshal(point)
			if err != nil {
				return
			}
			if !c.Contains(q) {
				t.Error("a point off its curve")
			}
			if !c.ScalarMult(q, c.N).Infinity() && h == 1 {
				t.Error("a point of another order than the curve's")
			}
			c.Verify(q, point, number(x), number(y))
		})
	})
}

// FuzzUnmarshal reads points of every curve that has a name, in both forms.
func FuzzUnmarshal(f *testing.F) {
	all := curves()
	for i, c := range all {
		f.Add(uint8(i), c.Marshal(c.G), []byte{1, 2, 3}, []byte{4, 5, 6})
		f.Add(uint8(i), append([]byte{3}, c.G.X.FillBytes(make([]byte, c.ByteLen()))...), c.N.Bytes(), []byte{0})
	}
	f.Fuzz(func(t *testing.T, which uint8, b, r, s []byte) {
		c := all[int(which)%len(all)]
		repotest.Bounded(t, len(b)+len(r)+len(s), func() {
			p, err := c.Unmarshal(b)
			if err != nil {
				return
			}
			if again, err := c.Unmarshal(c.Marshal(p)); err != nil || !again.Equal(p) {
				t.Errorf("%s: a point does not survive its own encoding: %v", c.Name, err)
			}
			if c.Verify(p, b, new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)) {
				t.Errorf("%s: a signature nobody made verifies", c.Name)
			}
		})
	})
}
