package attack

import "testing"

// What the attacks are made of is what their comments say.
func TestParts(t *testing.T) {
	if p := longPrime(); p.BitLen() != 3072 || !p.ProbablyPrime(1) {
		t.Errorf("the long prime has %d bits and is none", p.BitLen())
	}
	if picture := scans(64, 80, 3); len(picture) > 400 {
		t.Errorf("three empty scans take %d octets", len(picture))
	}
}
