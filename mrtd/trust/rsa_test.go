package trust

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"testing"

	"limen/mrtd/ber"
)

var everyHash = []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}

// crypto/rsa signs, the arithmetic here verifies.
func TestRSAAgreesWithCryptoRSA(t *testing.T) {
	message := []byte("threshold")
	for _, bits := range []int{2048, 2049, 2055} { // PSS blocks of whole and of broken octets
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		key := &PublicKey{Modulus: private.N, Exponent: big.NewInt(int64(private.E))}
		for _, hash := range everyHash {
			h := hash.New()
			h.Write(message)
			sum := h.Sum(nil)
			v15, err := rsa.SignPKCS1v15(nil, private, hash, sum)
			if err != nil {
				t.Fatal(err)
			}
			judge(t, key, Algorithm{Scheme: RSAPKCS1, Hash: hash}, message, v15)
			for _, salt := range []int{0, 17, rsa.PSSSaltLengthEqualsHash, rsa.PSSSaltLengthAuto} {
				pss, err := rsa.SignPSS(rand.Reader, private, hash, sum, &rsa.PSSOptions{SaltLength: salt, Hash: hash})
				if err != nil {
					t.Fatal(err)
				}
				judge(t, key, Algorithm{Scheme: RSAPSS, Hash: hash, MGF: hash}, message, pss)
			}
		}
	}
}

func judge(t *testing.T, key *PublicKey, a Algorithm, message, signature []byte) {
	t.Helper()
	if err := Verify(key, a, 0, message, signature); err != nil {
		t.Errorf("%s, %s: %v", key, a, err)
	}
	for _, i := range []int{0, len(signature) / 2, len(signature) - 1} {
		changed := bytes.Clone(signature)
		changed[i] ^= 1
		if err := Verify(key, a, 0, message, changed); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, %s: changed signature: got %v", key, a, err)
		}
	}
	if err := Verify(key, a, 0, append([]byte("x"), message...), signature); !errors.Is(err, ErrSignature) {
		t.Errorf("%s, %s: other message: got %v", key, a, err)
	}
}

// A mask hash that is not the message's, as RFC 4055 parameters can say.
func TestPSSWithAnotherMaskHash(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sum := crypto.SHA256.New()
	sum.Write([]byte("threshold"))
	salt := []byte("five.")
	h := crypto.SHA256.New()
	h.Write(make([]byte, 8))
	h.Write(sum.Sum(nil))
	h.Write(salt)
	seed := h.Sum(nil)
	db := append(append(make([]byte, 256-32-1-1-len(salt)), 1), salt...)
	MGF1(crypto.SHA1, seed, db)
	db[0] &= 0x7F
	block := new(big.Int).SetBytes(append(append(db, seed...), 0xBC))
	signature := block.Exp(block, private.D, private.N).FillBytes(make([]byte, 256))
	key := &PublicKey{Modulus: private.N, Exponent: big.NewInt(int64(private.E))}
	if err := Verify(key, Algorithm{Scheme: RSAPSS, Hash: crypto.SHA256, MGF: crypto.SHA1}, 0, []byte("threshold"), signature); err != nil {
		t.Error(err)
	}
	if err := Verify(key, Algorithm{Scheme: RSAPSS, Hash: crypto.SHA256, MGF: crypto.SHA256}, 0, []byte("threshold"), signature); !errors.Is(err, ErrSignature) {
		t.Errorf("another mask hash: got %v, want ErrSignature", err)
	}
}

// What ICAO's list of September 2023 has: DigestInfo without its NULL.
func TestDigestInfoWithoutNullIsRefused(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA256.New()
	h.Write([]byte("threshold"))
	info := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID(HashOID(crypto.SHA256))), ber.Encode(ber.OctetString, h.Sum(nil)))
	raw, err := rsa.SignPKCS1v15(nil, private, 0, info)
	if err != nil {
		t.Fatal(err)
	}
	key := &PublicKey{Modulus: private.N, Exponent: big.NewInt(int64(private.E))}
	if err := Verify(key, Algorithm{Scheme: RSAPKCS1, Hash: crypto.SHA256}, 0, []byte("threshold"), raw); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v, want ErrSignature", err)
	}
}

func TestPSSParameters(t *testing.T) {
	hash := func(h crypto.Hash) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(HashOID(h)), ber.Encode(ber.Null))
	}
	mgf := func(h crypto.Hash) []byte {
		return ber.Encode(0xA1, ber.Encode(ber.Sequence, ber.EncodeOID(oidMGF1), hash(h)))
	}
	for _, c := range []struct {
		name       string
		parameters []byte
		hash, mgf  crypto.Hash
		scheme     Scheme
	}{
		{"absent", nil, 0, 0, RSAPSS},
		{"NULL", ber.Encode(ber.Null), 0, 0, RSAPSS},
		{"empty", ber.Encode(ber.Sequence), crypto.SHA1, crypto.SHA1, RSAPSS},
		{"hash only", ber.Encode(ber.Sequence, ber.Encode(0xA0, hash(crypto.SHA256))), crypto.SHA256, crypto.SHA1, RSAPSS},
		{"all, odd salt", ber.Encode(ber.Sequence, ber.Encode(0xA0, hash(crypto.SHA384)), mgf(crypto.SHA512), ber.Encode(0xA2, []byte{2, 1, 99}), ber.Encode(0xA3, []byte{2, 1, 1})), crypto.SHA384, crypto.SHA512, RSAPSS},
		{"unknown hash", ber.Encode(ber.Sequence, ber.Encode(0xA0, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.3")))), 0, 0, ""},
	} {
		tlv, err := ber.Parse(ber.Encode(ber.Sequence, ber.EncodeOID(oidPSS), c.parameters), ber.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		a, err := parseAlgorithm(tlv)
		if err != nil || a.Hash != c.hash || a.MGF != c.mgf || a.Scheme != c.scheme {
			t.Errorf("%s: got %+v, %v; want %v, %v, %q", c.name, a, err, c.hash, c.mgf, c.scheme)
		}
	}
}
