package keystore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxEarlier is how many fleet keys may overlap with the current one.
const MaxEarlier = 2

// KeyID names a fleet key and tells nothing of it.
type KeyID [4]byte

// Keyed is a keyed hash and the fleet key it was made under.
type Keyed struct {
	Key  KeyID
	Hash [32]byte
}

// Domains separate the uses of a fleet key.
const (
	idDomain       = "limen fleet key id v1\n"
	documentDomain = "limen document pseudonym v1\n"
	markDomain     = "limen chip mark v1\n"
)

// fleetKeys are the current fleet key and those that overlap with it.
func (k *Keystore) fleetKeys() []Key { return append([]Key{k.fleet}, k.earlier...) }

// FleetKeyIDs name the fleet keys, the current one first.
func (k *Keystore) FleetKeyIDs() (out []KeyID) {
	for _, key := range k.fleetKeys() {
		out = append(out, key.id())
	}
	return out
}

func (k Key) id() KeyID { return KeyID(k.mac(idDomain)[:4]) }

// mac is HMAC-SHA-256 over a domain and parts, each with its length before it,
// so that none can run into the next.
func (k Key) mac(domain string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(domain))
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// Traces are the first step of a document's pseudonym: HMAC-SHA-256 of issuer
// and number under each fleet key, the current one first. Letter case, spaces
// and the MRZ's filler '<' do not matter, so that the printed and the
// machine-read number give the same.
func (k *Keystore) Traces(issuer, number string) (out []Keyed) {
	for _, key := range k.fleetKeys() {
		out = append(out, Keyed{key.id(), [32]byte(key.mac(documentDomain, []byte(plain(issuer)), []byte(plain(number))))})
	}
	return out
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '<' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(s))
}

// Marks stand for something of a document's chip, such as its key, so that
// another chip is noticed: HMAC-SHA-256 under each fleet key over what it is,
// the document's pseudonym in one history, and the value. Two histories' marks
// of one chip have nothing in common.
func (k *Keystore) Marks(what string, pseudonym [32]byte, value []byte) (out []Keyed) {
	for _, key := range k.fleetKeys() {
		out = append(out, Keyed{key.id(), [32]byte(key.mac(markDomain, []byte(what), pseudonym[:], value))})
	}
	return out
}

// Rotate makes fleet the current fleet key of the keys in dir, or a new one
// where it is nil, and keeps the newest `keep` of those before it: until they
// go, a document is found under them too. The overlap is to be as long as
// records are kept. It returns the keys as they are then.
func Rotate(dir string, fleet *Key, keep int, passphrase Passphrase) (*Keystore, error) {
	return RotateSealed(dir, fleet, keep, Seal{Passphrase: passphrase})
}

// RotateSealed is Rotate where the keys may be sealed by a TPM.
func RotateSealed(dir string, fleet *Key, keep int, with Seal) (*Keystore, error) {
	if keep < 0 || keep > MaxEarlier {
		return nil, fmt.Errorf("keystore: %d earlier fleet keys; 0 to %d can overlap", keep, MaxEarlier)
	}
	return change(dir, with, func(s *secrets) error {
		var next Key
		if fleet != nil {
			next = *fleet
		} else if _, err := rand.Read(next[:]); err != nil {
			return fmt.Errorf("no randomness: %w", err)
		}
		switch {
		case next == (Key{}):
			return errors.New("the fleet key is all zeros: give the fleet's own")
		case next == s.fleet:
			return errors.New("this is the current fleet key already")
		}
		earlier := slices.DeleteFunc(append([]Key{s.fleet}, s.earlier...), func(k Key) bool { return k == next })
		s.fleet, s.earlier = next, earlier[:min(keep, len(earlier))]
		return nil
	})
}

// Retire ends the overlap: the earlier fleet keys go.
func Retire(dir string, passphrase Passphrase) (*Keystore, error) {
	return RetireSealed(dir, Seal{Passphrase: passphrase})
}

// RetireSealed is Retire where the keys may be sealed by a TPM.
func RetireSealed(dir string, with Seal) (*Keystore, error) {
	return change(dir, with, func(s *secrets) error {
		s.earlier = nil
		return nil
	})
}

// change opens the keys, changes them and seals them as they were sealed.
func change(dir string, with Seal, how func(*secrets) error) (*Keystore, error) {
	if err := revoked(dir); err != nil {
		return nil, err
	}
	sealed, err := readGuarded(dir)
	if err != nil {
		return nil, err
	}
	s, err := with.unseal(sealed)
	if err != nil {
		return nil, fmt.Errorf("keystore: cannot open the keys in %s: %w", dir, err)
	}
	if err := how(&s); err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	if sealed, err = with.like(sealed).seal(s); err != nil {
		return nil, fmt.Errorf("keystore: cannot seal the keys: %w", err)
	}
	if err := errors.Join(replace(dir, fileName, sealed), sweep(dir)); err != nil {
		return nil, fmt.Errorf("keystore: cannot write keys: %w", err)
	}
	return s.open(), nil
}

// fleetHead begins a fleet key on its way between devices.
const fleetHead = "limen-fleet-key-v1 "

// FleetText writes a fleet key for another device of the fleet, one line. Who
// reads it can find out which documents a history knows.
func (k Key) FleetText() string { return fleetHead + base64.StdEncoding.EncodeToString(k[:]) + "\n" }

// ParseFleet reads what FleetText wrote.
func ParseFleet(text string) (Key, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), fleetHead)
	b, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(b) != keySize {
		return Key{}, errors.New("keystore: this is no fleet key: export it on a device of the fleet")
	}
	return Key(b), nil
}
