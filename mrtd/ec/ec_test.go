package ec

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"strings"
	"testing"
)

func TestCurvesHaveTheirOrder(t *testing.T) {
	for _, c := range curves() {
		generic := *c
		generic.native = nil
		if !c.Contains(c.G) || !generic.ScalarMult(c.G, c.N).Infinity() {
			t.Errorf("%s: the generator does not have the stated order", c.Name)
		}
		if !c.P.ProbablyPrime(8) || !c.N.ProbablyPrime(8) {
			t.Errorf("%s: field or order is not prime", c.Name)
		}
		if ByOID(c.OID()) != c || ByParameterID(c.ParameterID()) != c || ByName(c.Name) != c {
			t.Errorf("%s: not found again by its names", c.Name)
		}
	}
}

func TestGenericArithmeticAgreesWithNative(t *testing.T) {
	for _, name := range []string{"P-224", "P-256", "P-384", "P-521"} {
		c := ByName(name)
		generic := *c
		generic.native = nil
		k, want, err := c.GenerateKey(rand.Reader, Point{})
		if err != nil {
			t.Fatal(err)
		}
		if got := generic.ScalarMult(c.G, k); !got.Equal(want) {
			t.Errorf("%s: generic arithmetic disagrees with crypto/elliptic", name)
		}
	}
}

// The field must be right for every modulus that explicit parameters may
// bring, the largest and those that fill their last limb among them.
func TestFieldAgreesWithBigInt(t *testing.T) {
	for bits := 160; bits <= maxBits; bits += 32 {
		for range 50 {
			p, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
			if err != nil {
				t.Fatal(err)
			}
			p.SetBit(p.SetBit(p, bits-1, 1), 0, 1)
			x, _ := rand.Int(rand.Reader, p)
			y := new(big.Int).Sub(p, big.NewInt(1))
			f := newField(p, x)
			a, b := f.from(x), f.from(y)
			var product, sum, difference element
			f.mul(&product, &a, &b)
			f.add(&sum, &a, &b)
			f.sub(&difference, &a, &b)
			for _, c := range []struct {
				name string
				got  *element
				want *big.Int
			}{
				{"·", &product, new(big.Int).Mul(x, y)},
				{"+", &sum, new(big.Int).Add(x, y)},
				{"-", &difference, new(big.Int).Sub(x, y)},
			} {
				if got := f.to(c.got); got.Cmp(mod(c.want, p)) != 0 {
					t.Fatalf("%x %s %x modulo %x: got %x, want %x", x, c.name, y, p, got, mod(c.want, p))
				}
			}
		}
	}
}

func TestSignVerify(t *testing.T) {
	digest := sha256.Sum256([]byte("threshold"))
	for _, c := range curves() {
		d, q, err := c.GenerateKey(rand.Reader, Point{})
		if err != nil {
			t.Fatal(err)
		}
		r, s, err := c.Sign(rand.Reader, d, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if !c.Verify(q, digest[:], r, s) {
			t.Errorf("%s: own signature refused", c.Name)
		}
		if c.Verify(q, digest[:], r, new(big.Int).Add(s, big.NewInt(1))) || c.Verify(q, []byte("other"), r, s) {
			t.Errorf("%s: changed signature accepted", c.Name)
		}
		back, err := c.Unmarshal(c.Marshal(q))
		if err != nil || !back.Equal(q) {
			t.Errorf("%s: point does not survive its encoding: %v", c.Name, err)
		}
		compressed := append([]byte{2 + byte(q.Y.Bit(0))}, c.Marshal(q)[1:1+c.ByteLen()]...)
		if back, err := c.Unmarshal(compressed); err != nil || !back.Equal(q) {
			t.Errorf("%s: compressed point: %v", c.Name, err)
		}
	}
}

func TestVerifyAgreesWithCryptoECDSA(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("threshold"))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if !ByName("P-384").Verify(Point{key.X, key.Y}, digest[:], r, s) {
		t.Error("signature by crypto/ecdsa refused")
	}
}

// A curve with as many points as its field has elements, and one whose
// logarithms are those of a field of twice its bits.
func TestExplicitParametersOfEasyCurves(t *testing.T) {
	for name, c := range map[string]struct {
		p, a, b, x, y, n string
		h                int
	}{
		"anomalous": {
			"b00000000000000000000000000002f9c000000000000000000000000003383d", "297829cbc14e5e0a72f05397829cbcc861f58d0fac687d6343eb1a1f58d1bcf9",
			"90fac687d6343eb1a1f58d0fac687fd6c14e5e0a72f05397829cbc14e5e34e24", "4",
			"7b44bb88e37438115d98dceda9ef9f5a88e523772e4973f40448e2990f41a3b1", "b00000000000000000000000000002f9c000000000000000000000000003383d", 1,
		},
		"supersingular": {
			"1000000000000000000000000000000000000000000000000000000000005c71b", "1", "0", "9",
			"2e7747715d4d93590d71e3a793c20a27a23db80ede9e9030e1a98a9ae53378c1", "40000000000000000000000000000000000000000000000000000000000171c7", 4,
		},
	} {
		if _, err := Explicit(hex(c.p), hex(c.a), hex(c.b), hex(c.x), hex(c.y), hex(c.n), c.h); err == nil || !strings.Contains(err.Error(), "easy") {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	for _, c := range curves() {
		if easy(c.P, c.N) {
			t.Errorf("%s is taken for an easy curve", c.Name)
		}
	}
}

func TestExplicitParameters(t *testing.T) {
	c := ByName("brainpoolP320r1")
	got, err := Explicit(c.P, c.A, c.B, c.G.X, c.G.Y, c.N, 1)
	if err != nil || got != c {
		t.Errorf("explicit brainpoolP320r1: got %v, %v; want the named curve", got, err)
	}
	// Another generator is another curve: the trick of CVE-2020-0601.
	g := c.ScalarMult(c.G, big.NewInt(7))
	got, err = Explicit(c.P, c.A, c.B, g.X, g.Y, c.N, 1)
	if err != nil || got == c || got.Name != "" {
		t.Errorf("changed generator: got %v, %v; want an unnamed curve", got, err)
	}
	if _, err := Explicit(c.P, c.A, new(big.Int).Add(c.B, big.NewInt(1)), g.X, g.Y, c.N, 1); err == nil {
		t.Error("generator off the curve accepted")
	}
}

func TestUnmarshalRefusesPointsOffTheCurve(t *testing.T) {
	c := ByName("brainpoolP256r1")
	b := c.Marshal(c.G)
	b[len(b)-1] ^= 1
	if _, err := c.Unmarshal(b); err == nil {
		t.Error("point off the curve accepted")
	}
}

func BenchmarkVerifyBrainpoolP256(b *testing.B) {
	c := ByName("brainpoolP256r1")
	digest := sha256.Sum256(nil)
	d, q, _ := c.GenerateKey(rand.Reader, Point{})
	r, s, _ := c.Sign(rand.Reader, d, digest[:])
	for b.Loop() {
		c.Verify(q, digest[:], r, s)
	}
}

func BenchmarkScalarMult(b *testing.B) {
	for _, name := range []string{"brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"} {
		c := ByName(name)
		k, q, _ := c.GenerateKey(rand.Reader, Point{})
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.ScalarMult(q, k)
			}
		})
	}
}
