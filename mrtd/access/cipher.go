// Package access opens a chip: Basic Access Control, PACE with generic,
// integrated and chip authentication mapping over elliptic curves and modulo
// primes, and the secure messaging that follows either; and it has the chip
// prove itself, by chip authentication and active authentication (Doc 9303-11,
// 4.3, 4.4, 6 and 9.8).
//
//	password -> BAC or PACE -> Session, a Card that protects what it passes on -> ChipAuthentication -> Session
//
// It leaves out curves with a cofactor and terminal authentication. Randomness
// comes from the caller. Keys print as redacted.
package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // BAC and old PACE suites are defined over it
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Key is a symmetric key or the password it comes from. It prints as redacted.
type Key []byte

const redacted = "key (redacted)"

// Format prints no byte of the key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue redacts the key in logs.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts the key in encoders.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Cipher is a symmetric algorithm with the modes Doc 9303-11 puts it to.
type Cipher int

// The ciphers of BAC, PACE and chip authentication.
const (
	TripleDES Cipher = iota + 1
	AES128
	AES192
	AES256
)

// String returns the cipher's name.
func (c Cipher) String() string {
	switch c {
	case TripleDES:
		return "3DES"
	case AES128:
		return "AES-128"
	case AES192:
		return "AES-192"
	case AES256:
		return "AES-256"
	}
	return "no cipher"
}

// BlockSize is that of the cipher, in bytes; secure messaging pads to it.
func (c Cipher) BlockSize() int {
	if c == TripleDES {
		return des.BlockSize
	}
	return aes.BlockSize
}

// keyLen is the length of the cipher's keys in bytes; 3DES has two.
func (c Cipher) keyLen() int {
	return map[Cipher]int{TripleDES: 16, AES128: 16, AES192: 24, AES256: 32}[c]
}

// Counters of the key derivation function (9.7.2 to 9.7.4).
const (
	forEncryption = 1
	forMAC        = 2
	forPassword   = 3
)

// Derive is KDF(secret, counter) of 9.7.1: SHA-1 for keys of 128 bits, SHA-256
// beyond. DES parity bits are set, as the worked examples show them.
func (c Cipher) Derive(secret []byte, counter uint32) Key {
	in := binary.BigEndian.AppendUint32(append(make([]byte, 0, len(secret)+4), secret...), counter)
	switch c {
	case AES192:
		h := sha256.Sum256(in)
		return h[:24]
	case AES256:
		h := sha256.Sum256(in)
		return h[:]
	}
	h := sha1.Sum(in)
	key := h[:16]
	if c == TripleDES {
		setParity(key)
	}
	return key
}

// setParity gives every byte an odd number of ones.
func setParity(key []byte) {
	for i, b := range key {
		b &^= 1
		ones := b
		ones ^= ones >> 4
		ones ^= ones >> 2
		ones ^= ones >> 1
		key[i] = b | ^ones&1
	}
}

// Suite is a cipher with an encryption key and a MAC key.
type Suite struct {
	cipher Cipher
	block  cipher.Block
	macKey Key
	mac    cipher.Block // CMAC's block cipher; nil for 3DES
}

// NewSuite sets up a cipher with keys of its size.
func NewSuite(c Cipher, enc, mac Key) (*Suite, error) {
	size := c.keyLen()
	if size == 0 || len(enc) != size || len(mac) != size {
		return nil, fmt.Errorf("access: keys of %d and %d bytes do not fit %s", len(enc), len(mac), c)
	}
	s := &Suite{cipher: c, macKey: append(Key(nil), mac...)}
	var err error
	if s.block, err = blockOf(c, enc); err == nil && c != TripleDES {
		s.mac, err = blockOf(c, mac)
	}
	return s, err
}

// SessionSuite derives both keys of a session from a shared secret (9.7.4).
func SessionSuite(c Cipher, secret []byte) (*Suite, error) {
	return NewSuite(c, c.Derive(secret, forEncryption), c.Derive(secret, forMAC))
}

func blockOf(c Cipher, key Key) (cipher.Block, error) {
	if c == TripleDES {
		return des.NewTripleDESCipher(append(append([]byte(nil), key...), key[:8]...)) // two keys: K1 K2 K1
	}
	return aes.NewCipher(key)
}

// Format prints the cipher and none of the keys.
func (s *Suite) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s suite (keys redacted)", s.cipher) }

// LogValue redacts the keys in logs.
func (s *Suite) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// Cipher is the suite's algorithm.
func (s *Suite) Cipher() Cipher { return s.cipher }

// IV is the initialization vector for a message: zero for 3DES (9.8.6.1), the
// encrypted send sequence counter for AES (9.8.7.1).
func (s *Suite) IV(ssc []byte) []byte {
	iv := make([]byte, s.cipher.BlockSize())
	if s.cipher != TripleDES {
		s.block.Encrypt(iv, ssc)
	}
	return iv
}

// Encrypt is CBC over whole blocks.
func (s *Suite) Encrypt(iv, plain []byte) []byte {
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(s.block, iv).CryptBlocks(out, plain)
	return out
}

// Decrypt is CBC over whole blocks; other lengths are an error.
func (s *Suite) Decrypt(iv, sealed []byte) ([]byte, error) {
	if len(sealed)%s.cipher.BlockSize() != 0 {
		return nil, fmt.Errorf("access: %d bytes are no whole blocks of %s", len(sealed), s.cipher)
	}
	out := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(s.block, iv).CryptBlocks(out, sealed)
	return out, nil
}

// MAC is the 8-byte checksum of a message that fills whole blocks, as secure
// messaging has padded it (9.8.6.2, 9.8.7.2).
func (s *Suite) MAC(padded []byte) []byte {
	if s.mac != nil {
		return cmac(s.mac, padded)[:8]
	}
	return retailMAC(s.macKey, padded)
}

// Token is the 8-byte checksum of a message of any length, padded by the
// algorithm itself: PACE tokens (4.4.3.4) and BAC cryptograms (4.3.3.2).
func (s *Suite) Token(message []byte) []byte {
	if s.mac != nil {
		return cmac(s.mac, message)[:8]
	}
	return retailMAC(s.macKey, Pad(message, des.BlockSize))
}

// equal compares checksums in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// retailMAC is ISO/IEC 9797-1 MAC algorithm 3: DES-CBC under the first key,
// the last block then decrypted under the second and encrypted under the first.
func retailMAC(key Key, padded []byte) []byte {
	first, second := mustDES(key[:8]), mustDES(key[8:16])
	acc := make([]byte, des.BlockSize)
	for i := 0; i+des.BlockSize <= len(padded); i += des.BlockSize {
		subtle.XORBytes(acc, acc, padded[i:i+des.BlockSize])
		first.Encrypt(acc, acc)
	}
	second.Decrypt(acc, acc)
	first.Encrypt(acc, acc)
	return acc
}

func mustDES(key []byte) cipher.Block {
	b, err := des.NewCipher(key)
	if err != nil {
		panic("access: a DES key is not 8 bytes: " + err.Error())
	}
	return b
}

// cmac is CMAC (NIST SP 800-38B, 6.2) over a cipher of 16-byte blocks.
func cmac(b cipher.Block, message []byte) []byte {
	subkey := make([]byte, aes.BlockSize)
	b.Encrypt(subkey, subkey)
	double(subkey)
	last := message
	acc := make([]byte, aes.BlockSize)
	for len(last) > aes.BlockSize {
		subtle.XORBytes(acc, acc, last[:aes.BlockSize])
		b.Encrypt(acc, acc)
		last = last[aes.BlockSize:]
	}
	if len(last) < aes.BlockSize {
		double(subkey)
		last = Pad(last, aes.BlockSize)
	}
	subtle.XORBytes(acc, acc, last)
	subtle.XORBytes(acc, acc, subkey)
	b.Encrypt(acc, acc)
	return acc
}

// double multiplies by x in GF(2^128).
func double(b []byte) {
	carry := b[0] >> 7
	for i := range len(b) - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ carry*0x87
}

// Pad appends 80 00… up to a whole block (ISO/IEC 9797-1, padding method 2).
func Pad(b []byte, block int) []byte {
	out := make([]byte, (len(b)/block+1)*block)
	copy(out, b)
	out[len(b)] = 0x80
	return out
}

// ErrPadding says that decrypted data does not end in 80 00….
var ErrPadding = errors.New("access: decrypted data is not padded as it must be")

// Unpad removes padding method 2 of at most one block.
func Unpad(b []byte, block int) ([]byte, error) {
	for i := len(b) - 1; i >= 0 && len(b)-i <= block; i-- {
		switch b[i] {
		case 0x80:
			return b[:i], nil
		case 0:
		default:
			return nil, ErrPadding
		}
	}
	return nil, ErrPadding
}
