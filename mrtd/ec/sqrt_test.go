package ec

import (
	"math/big"
	"math/rand"
	"testing"
)

func TestSquareRootsAreThoseOfTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	primes := []*big.Int{}
	for _, c := range curves() {
		primes = append(primes, c.P)
	}
	// A prime whose predecessor is divisible by a high power of two.
	steep := big.NewInt(0)
	for k := int64(1); ; k += 2 {
		steep.Add(steep.Lsh(big.NewInt(k), 300), one)
		if steep.ProbablyPrime(20) {
			break
		}
	}
	for _, p := range append(primes, steep) {
		f := newField(p, big.NewInt(1))
		for i := range 60 {
			x := new(big.Int).Rand(r, p)
			if i < 3 {
				x.SetInt64(int64(i))
			}
			got, ok := f.sqrt(x)
			want := new(big.Int).ModSqrt(x, p)
			if ok != (want != nil) {
				t.Fatalf("%v modulo %v: has a root: got %v, want %v", x, p, ok, want != nil)
			}
			if ok && mod(new(big.Int).Mul(got, got), p).Cmp(x) != 0 {
				t.Fatalf("%v modulo %v: got %v, which is no root", x, p, got)
			}
		}
	}
}

func TestPrimesAreThoseOfTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	numbers := []*big.Int{}
	for _, c := range curves() {
		numbers = append(numbers, c.P, c.N, new(big.Int).Mul(c.P, big.NewInt(3)))
	}
	for bits := uint(17); bits <= maxBits; bits += 31 {
		n := new(big.Int).Rand(r, new(big.Int).Lsh(one, bits-1))
		n.SetBit(n, int(bits-1), 1).SetBit(n, 0, 1)
		for range 40 {
			numbers = append(numbers, new(big.Int).Set(n))
			n.Add(n, big.NewInt(2))
		}
		for !n.ProbablyPrime(20) {
			n.Add(n, big.NewInt(2))
		}
		numbers = append(numbers, n)
	}
	// Carmichael numbers, which pass Fermat's test to every base without a factor of theirs.
	numbers = append(numbers, big.NewInt(825265), big.NewInt(321197185), big.NewInt(5394826801), big.NewInt(232250619601))
	primes := 0
	for _, n := range numbers {
		if n.BitLen() > maxBits {
			continue
		}
		got, want := probablyPrime(n), n.ProbablyPrime(20)
		if got != want {
			t.Errorf("%v is prime: got %v, want %v", n, got, want)
		}
		if got {
			primes++
		}
	}
	if primes < 40 {
		t.Errorf("%d primes of %d numbers", primes, len(numbers))
	}
	if probablyPrime(big.NewInt(1<<40)) || probablyPrime(new(big.Int)) {
		t.Error("an even number is taken for a prime")
	}
}

func BenchmarkDecompress(b *testing.B) {
	for _, name := range []string{"P-224", "P-256", "brainpoolP512r1"} {
		c := ByName(name)
		compressed := append([]byte{2}, c.G.X.FillBytes(make([]byte, c.ByteLen()))...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Unmarshal(compressed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
