// Package keystore holds the keys sealed on a device: the Ed25519 key that
// signs checkpoints and records, the fleet key under which documents get their
// pseudonyms, and the key that encrypts the store.
//
// Keys lie in one file that only its owner may read: open, under a passphrase,
// or sealed by the machine's TPM 2.0 with or without a passphrase besides, so
// that the file is worth nothing elsewhere. Vault holds them for a handheld:
// unlocked at sign-in, locked after, of no use without contact, destroyed on
// command. The fleet key rotates with overlap (Rotate); the others do not: a
// new signing key is a new device.
package keystore

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
)

// ErrPassphrase means that the keys are sealed and the passphrase was missing or
// wrong: asking again may help.
var ErrPassphrase = errors.New("passphrase missing or wrong")

// Passphrase is asked for the passphrase, only when one is needed. The slice is
// wiped after use.
type Passphrase func() ([]byte, error)

// Key is a secret of 32 bytes. It prints as redacted.
type Key [32]byte

const redacted = "[key]"

// Format redacts, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue redacts.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts: a key must not leave in JSON or YAML either.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Keystore holds the open keys. It prints as redacted.
type Keystore struct {
	signer  *Signer
	fleet   Key
	earlier []Key // fleet keys that overlap with it, newest first
	store   Key
}

// Format redacts, whatever the verb.
func (Keystore) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[keystore]")) }

// LogValue redacts.
func (Keystore) LogValue() slog.Value { return slog.StringValue("[keystore]") }

// Create makes new keys and writes them to dir, which it makes (0700) where it
// is missing. It fails with fs.ErrExist where dir has keys. fleet is the key
// all devices of a fleet share, so that one document has one pseudonym among
// them; nil makes a new one, for the first device. A nil passphrase, or one that
// is empty, leaves the file without encryption.
func Create(dir string, fleet *Key, passphrase Passphrase) (*Keystore, error) {
	return CreateSealed(dir, fleet, Seal{Passphrase: passphrase})
}

// makeKeys makes new keys and lets seal seal them.
func makeKeys(dir string, fleet *Key, seal func(secrets) ([]byte, error)) (*Keystore, error) {
	var s secrets
	for _, key := range []*Key{&s.seed, &s.fleet, &s.store} {
		if _, err := rand.Read(key[:]); err != nil {
			return nil, fmt.Errorf("keystore: no randomness: %w", err)
		}
	}
	if fleet != nil {
		if *fleet == (Key{}) {
			return nil, errors.New("keystore: the fleet key is all zeros: give the key of the fleet's first device")
		}
		s.fleet = *fleet
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if err := revoked(dir); err != nil {
		return nil, err
	}
	sealed, err := seal(s)
	if err != nil {
		return nil, fmt.Errorf("keystore: cannot seal the keys: %w", err)
	}
	if err := writeNew(dir, sealed); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("keystore: %s has keys already: open them, or choose another folder (%w)", dir, fs.ErrExist)
		}
		return nil, fmt.Errorf("keystore: cannot write keys: %w", err)
	}
	return s.open(), nil
}

// Open reads the keys in dir. It fails with fs.ErrNotExist where there are
// none, with ErrPassphrase, and where others than the owner could read or
// replace them; passphrase may be nil where the file is not encrypted.
func Open(dir string, passphrase Passphrase) (*Keystore, error) {
	return OpenSealed(dir, Seal{Passphrase: passphrase})
}

func (s secrets) open() *Keystore {
	return &Keystore{signer: &Signer{ed25519.NewKeyFromSeed(s.seed[:])}, fleet: s.fleet, earlier: s.earlier, store: s.store}
}

// Signer is the device's signing key.
func (k *Keystore) Signer() *Signer { return k.signer }

// StoreKey encrypts the device's store.
func (k *Keystore) StoreKey() Key { return k.store }

// FleetKey is what a further device of the fleet is created with, or given by
// Rotate. Whoever has it can find out which documents a history knows.
func (k *Keystore) FleetKey() Key { return k.fleet }

// Signer signs as the device (Ed25519, RFC 8032). It prints as redacted. What is
// signed must name its own purpose; the signer adds none.
type Signer struct{ key ed25519.PrivateKey }

// Sign returns the signature of 64 bytes.
func (s *Signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// PublicKey is the public key of 32 bytes.
func (s *Signer) PublicKey() []byte { return append([]byte(nil), s.key[ed25519.SeedSize:]...) }

// Format redacts, whatever the verb.
func (Signer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[signer]")) }

// LogValue redacts.
func (Signer) LogValue() slog.Value { return slog.StringValue("[signer]") }
