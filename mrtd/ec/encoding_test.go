package ec

import (
	"crypto/rand"
	"math/big"
	"testing"
)

func TestFromFieldGivesPoints(t *testing.T) {
	for _, c := range curves() {
		if c.Name == "P-224" {
			if _, err := c.FromField(big.NewInt(5)); err == nil || c.EncodesField() {
				t.Error("P-224, whose prime is 1 modulo 4, got an encoding")
			}
			continue
		}
		for range 20 {
			x, err := rand.Int(rand.Reader, c.P)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.FromField(x)
			if err != nil || !c.Contains(got) {
				t.Errorf("%s: %x: got %v, %v; want a point of the curve", c.Name, x, got, err)
			}
			// The point's x comes from the square: a number and its negative share it.
			minus, err := c.FromField(new(big.Int).Sub(c.P, x))
			if err != nil || minus.X.Cmp(got.X) != 0 {
				t.Errorf("%s: %x and its negative have two x", c.Name, x)
			}
		}
		for _, x := range []*big.Int{new(big.Int), big.NewInt(1), new(big.Int).Sub(c.P, big.NewInt(1))} {
			if p, err := c.FromField(x); err == nil {
				t.Errorf("%s: %x has no point, got %v", c.Name, x, p)
			}
		}
	}
}

func BenchmarkFromField(b *testing.B) {
	for _, name := range []string{"P-256", "brainpoolP256r1", "brainpoolP512r1"} {
		c := ByName(name)
		x := new(big.Int).Sub(c.P, big.NewInt(12345))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.FromField(x)
			}
		})
	}
}
