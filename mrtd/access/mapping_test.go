package access

import (
	"math/big"
	"testing"
)

func TestPseudoRandomOfEveryCipher(t *testing.T) {
	v := readVector(t, "pseudo_random.txt")
	p := new(big.Int).SetBytes(v.hex(t, "prime"))
	for c, name := range map[Cipher]string{TripleDES: "3des", AES128: "aes_128", AES192: "aes_192", AES256: "aes_256"} {
		s, nonce := v.hex(t, name+"_s"), v.hex(t, name+"_t")
		got, err := pseudoRandom(c, s, nonce, p)
		if want := new(big.Int).SetBytes(v.hex(t, name+"_r")); err != nil || got.Cmp(want) != 0 {
			t.Errorf("%s: got %X, %v; want %X", c, got, err, want)
		}
		for _, short := range [][2][]byte{{s[1:], nonce}, {s, nonce[1:]}, {append(s, s...), nonce}, {nil, nil}} {
			if got, err := pseudoRandom(c, short[0], short[1], p); err == nil {
				t.Errorf("%s: nonces of %d and %d bytes gave %X", c, len(short[0]), len(short[1]), got)
			}
		}
	}
}
