package dh

import (
	"crypto/rand"
	"math/big"
	"testing"

	"limen/internal/repotest"
)

func TestGroupsHaveTheirOrder(t *testing.T) {
	for i, g := range groups() {
		if !g.P.ProbablyPrime(8) || !g.Q.ProbablyPrime(8) {
			t.Errorf("%s: modulus or order is not prime", g.Name)
		}
		if !g.Contains(g.G) || new(big.Int).Mod(g.order(), g.Q).Sign() != 0 {
			t.Errorf("%s: the generator does not have the stated order", g.Name)
		}
		if g.ParameterID() != i || ByParameterID(i) != g || ByName(g.Name) != g {
			t.Errorf("%s: not found again by its names", g.Name)
		}
	}
}

func TestBothSidesAgree(t *testing.T) {
	for _, g := range groups() {
		base := g.Exp(big.NewInt(3), g.Cofactor())
		for _, base := range []*big.Int{nil, base} {
			a, public, err := g.GenerateKey(rand.Reader, base)
			if err != nil {
				t.Fatal(err)
			}
			b, theirs, err := g.GenerateKey(rand.Reader, base)
			if err != nil {
				t.Fatal(err)
			}
			if g.Exp(public, b).Cmp(g.Exp(theirs, a)) != 0 {
				t.Errorf("%s: two sides agreed on two numbers", g.Name)
			}
			back, err := g.Unmarshal(g.Marshal(public))
			if err != nil || back.Cmp(public) != 0 {
				t.Errorf("%s: a key does not survive its encoding: %v", g.Name, err)
			}
		}
	}
}

// A number outside the subgroup betrays the exponent modulo a small order.
func TestUnmarshalRefusesWhatIsOutsideTheSubgroup(t *testing.T) {
	for _, g := range groups() {
		minus := new(big.Int).Sub(g.P, one)
		for name, y := range map[string]*big.Int{
			"0": new(big.Int), "1": one, "-1": minus, "p": g.P, "p+1": new(big.Int).Add(g.P, one),
			"element of small order": smallOrder(t, g),
			"element of twice order": g.Mul(g.G, minus),
		} {
			if _, err := g.Unmarshal(y.Bytes()); err == nil {
				t.Errorf("%s: %s accepted", g.Name, name)
			}
		}
		if _, err := g.Unmarshal(append([]byte{0}, g.Marshal(g.G)...)); err == nil {
			t.Errorf("%s: key longer than the modulus accepted", g.Name)
		}
	}
}

// smallOrder finds an element whose order is a small prime beyond 2.
func smallOrder(t *testing.T, g *Group) *big.Int {
	for r := int64(3); r < 100000; r += 2 {
		exponent, rest := new(big.Int).QuoRem(g.order(), big.NewInt(r), new(big.Int))
		if rest.Sign() != 0 {
			continue
		}
		if y := g.Exp(big.NewInt(2), exponent); y.Cmp(one) != 0 {
			return y
		}
	}
	t.Fatalf("%s: no small factor of p-1 found", g.Name)
	return nil
}

func TestExplicitParameters(t *testing.T) {
	g := ByParameterID(1)
	for _, q := range []*big.Int{g.Q, nil} {
		if got, err := Explicit(g.P, g.G, q); err != nil || got != g {
			t.Errorf("explicit %s: got %v, %v; want the named group", g.Name, got, err)
		}
	}
	other := g.Exp(g.G, big.NewInt(7))
	got, err := Explicit(g.P, other, g.Q)
	if err != nil || got == g || got.Name != "" || got.ParameterID() != -1 {
		t.Errorf("another generator: got %v, %v; want an unnamed group", got, err)
	}
	if got, err = Explicit(g.P, other, nil); err != nil || got.Cofactor() != nil {
		t.Errorf("without an order: got %v, %v", got, err)
	}
	if _, public, err := got.GenerateKey(rand.Reader, nil); err != nil || !got.Contains(public) {
		t.Errorf("key without an order: %v", err)
	}
	two := big.NewInt(2)
	for name, c := range map[string][3]*big.Int{
		"even modulus":           {new(big.Int).Sub(g.P, one), other, g.Q},
		"negative modulus":       {new(big.Int).Neg(g.P), other, g.Q},
		"short modulus":          {new(big.Int).Rsh(g.P, 1100), other, nil},
		"long modulus":           {new(big.Int).Lsh(one, 5000), other, nil},
		"composite modulus":      {new(big.Int).Add(g.P, two), other, nil},
		"generator 1":            {g.P, one, g.Q},
		"generator -1":           {g.P, new(big.Int).Sub(g.P, one), g.Q},
		"generator beyond":       {g.P, g.P, g.Q},
		"generator out of order": {g.P, two, g.Q},
		"order that is none":     {g.P, other, new(big.Int).Sub(g.Q, two)},
		"order not prime":        {g.P, other, new(big.Int).Lsh(g.Q, 1)},
		"order 2":                {g.P, other, two},
		"negative order":         {g.P, other, new(big.Int).Neg(g.Q)},
		"order of the field":     {g.P, other, g.order()},
	} {
		if _, err := Explicit(c[0], c[1], c[2]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzExplicit(f *testing.F) {
	g := ByParameterID(0)
	f.Add(g.P.Bytes(), g.G.Bytes(), g.Q.Bytes(), g.G.Bytes())
	f.Add(g.P.Bytes(), g.Exp(g.G, big.NewInt(5)).Bytes(), []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, p, generator, q, y []byte) {
		repotest.Bounded(t, len(p)+len(generator)+len(q)+len(y), func() {
			var order *big.Int
			if len(q) > 0 {
				order = new(big.Int).SetBytes(q)
			}
			g, err := Explicit(new(big.Int).SetBytes(p), new(big.Int).SetBytes(generator), order)
			if err != nil {
				return
			}
			if y, err := g.Unmarshal(y); err == nil && !g.Contains(y) {
				t.Error("a key outside its group")
			}
		})
	})
}

func BenchmarkKeyAgreement(b *testing.B) {
	for _, g := range groups() {
		private, public, err := g.GenerateKey(rand.Reader, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(g.Name, func(b *testing.B) {
			for b.Loop() {
				g.Exp(public, private)
			}
		})
	}
}
