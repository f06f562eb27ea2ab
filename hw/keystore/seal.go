package keystore

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// secrets is what is sealed.
type secrets struct {
	seed, fleet, store Key
	earlier            []Key // fleet keys, newest first, at most MaxEarlier
}

// maxSecrets is the size of secrets with every fleet key there may be.
const (
	keySize    = 32
	minSecrets = 3 * keySize
	maxSecrets = minSecrets + MaxEarlier*keySize
)

// fits tells whether n bytes are whole secrets.
func fits(n int) bool { return n >= minSecrets && n <= maxSecrets && n%keySize == 0 }

// file is the key file, JSON. Public tells a reader whose keys these are
// without opening them.
type file struct {
	Version int      `json:"version"`
	Public  []byte   `json:"public"`
	Seal    string   `json:"seal"`
	KDF     *kdf     `json:"kdf,omitempty"`
	Nonce   []byte   `json:"nonce,omitempty"`
	TPM     *tpmSeal `json:"tpm,omitempty"`
	// Body is seed, fleet key, store key and earlier fleet keys, encrypted or,
	// with sealNone, followed by a SHA-256 that tells a damaged file.
	Body []byte `json:"body"`
}

const (
	version        = 1
	sealNone       = "none"
	sealPassphrase = "argon2id+xchacha20-poly1305"
	checkDomain    = "limen keystore check v1\n"
)

// kdf is how the passphrase becomes a key: Argon2id, RFC 9106.
type kdf struct {
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"`
}

// recommended is RFC 9106's second choice (section 4), for machines without
// 2 GiB to spare.
var recommended = kdf{Time: 3, MemoryKiB: 64 << 10, Threads: 4}

// bounded refuses a file that would take the machine's time or memory, or that
// somebody has made weak.
func (k *kdf) bounded() error {
	if k.Time < 1 || k.Time > 16 || k.MemoryKiB < 8<<10 || k.MemoryKiB > 512<<10 || k.Threads < 1 || k.Threads > 16 || len(k.Salt) != 16 {
		return errors.New("key derivation is out of bounds: restore the file from its backup")
	}
	return nil
}

func (k *kdf) key(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, k.Salt, k.Time, k.MemoryKiB, k.Threads, chacha20poly1305.KeySize)
}

func seal(s secrets, ask Passphrase) ([]byte, error) {
	f := file{Version: version, Public: s.public(), Seal: sealNone}
	plain := s.bytes()
	defer clear(plain)
	var passphrase []byte
	if ask != nil {
		var err error
		if passphrase, err = ask(); err != nil {
			return nil, fmt.Errorf("no passphrase: %w", err)
		}
		defer clear(passphrase)
	}
	if len(passphrase) == 0 {
		check := checksum(plain)
		f.Body = append(bytes.Clone(plain), check[:]...)
	} else {
		derive := recommended
		derive.Salt, f.Nonce = make([]byte, 16), make([]byte, chacha20poly1305.NonceSizeX)
		for _, random := range [][]byte{derive.Salt, f.Nonce} {
			if _, err := rand.Read(random); err != nil {
				return nil, fmt.Errorf("no randomness: %w", err)
			}
		}
		f.Seal, f.KDF = sealPassphrase, &derive
		aead, err := chacha20poly1305.NewX(derive.key(passphrase))
		if err != nil {
			return nil, err
		}
		f.Body = aead.Seal(nil, f.Nonce, plain, f.header())
	}
	out, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

func unseal(sealed []byte, ask Passphrase) (secrets, error) {
	return Seal{Passphrase: ask}.unseal(sealed)
}

func (w Seal) unseal(sealed []byte) (secrets, error) {
	var f file
	d := json.NewDecoder(bytes.NewReader(sealed))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		// The decoder's own words may quote the file.
		return secrets{}, errors.New("it is no key file: restore it from its backup")
	}
	if _, err := d.Token(); err != io.EOF {
		return secrets{}, errors.New("something follows the keys: restore the file from its backup")
	}
	if f.Version != version {
		return secrets{}, fmt.Errorf("version %d is not known here, only %d: use the limen that wrote it", f.Version, version)
	}
	plain, err := f.body(w)
	if err != nil {
		return secrets{}, err
	}
	defer clear(plain)
	var s secrets
	copy(s.seed[:], plain)
	copy(s.fleet[:], plain[32:])
	copy(s.store[:], plain[64:])
	for rest := plain[minSecrets:]; len(rest) > 0; rest = rest[keySize:] {
		s.earlier = append(s.earlier, Key(rest[:keySize]))
	}
	if !bytes.Equal(s.public(), f.Public) {
		return secrets{}, errors.New("public and private key do not belong together: restore the file from its backup")
	}
	return s, nil
}

// body decrypts or checks, and returns whole secrets.
func (f *file) body(w Seal) ([]byte, error) {
	ask := w.Passphrase
	switch f.Seal {
	case sealTPM:
		return f.tpmBody(w)
	case sealNone:
		n := len(f.Body) - sha256.Size
		if !fits(n) {
			return nil, fmt.Errorf("keys are %d bytes, want %d and %d for each earlier fleet key: restore the file from its backup", len(f.Body), minSecrets+sha256.Size, keySize)
		}
		if check := checksum(f.Body[:n]); !bytes.Equal(check[:], f.Body[n:]) {
			return nil, errors.New("the file is damaged: restore it from its backup")
		}
		return f.Body[:n], nil
	case sealPassphrase:
		if f.KDF == nil || len(f.Nonce) != chacha20poly1305.NonceSizeX || !fits(len(f.Body)-chacha20poly1305.Overhead) {
			return nil, errors.New("the seal is incomplete: restore the file from its backup")
		}
		if err := f.KDF.bounded(); err != nil {
			return nil, err
		}
		if ask == nil {
			return nil, fmt.Errorf("%w: the keys are sealed, give their passphrase", ErrPassphrase)
		}
		passphrase, err := ask()
		if err != nil {
			return nil, fmt.Errorf("no passphrase: %w", err)
		}
		defer clear(passphrase)
		aead, err := chacha20poly1305.NewX(f.KDF.key(passphrase))
		if err != nil {
			return nil, err
		}
		plain, err := aead.Open(nil, f.Nonce, f.Body, f.header())
		if err != nil {
			return nil, fmt.Errorf("%w, or the file was changed: try again, or restore it from its backup", ErrPassphrase)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("seal %q is not known here: use the limen that wrote it", f.Seal)
}

// header is what the seal binds besides the keys: nobody can change it unseen.
func (f *file) header() []byte {
	b := fmt.Appendf(nil, "limen keystore seal v%d\n%s\n", f.Version, f.Seal)
	b = binary.BigEndian.AppendUint32(b, f.KDF.Time)
	b = binary.BigEndian.AppendUint32(b, f.KDF.MemoryKiB)
	b = append(b, f.KDF.Threads)
	b = append(b, f.KDF.Salt...)
	return append(b, f.Public...)
}

func (s secrets) public() []byte {
	return ed25519.NewKeyFromSeed(s.seed[:]).Public().(ed25519.PublicKey)
}

func (s secrets) bytes() []byte {
	b := append(make([]byte, 0, maxSecrets), s.seed[:]...)
	b = append(append(b, s.fleet[:]...), s.store[:]...)
	for _, k := range s.earlier {
		b = append(b, k[:]...)
	}
	return b
}

func checksum(plain []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(checkDomain), plain...))
}
