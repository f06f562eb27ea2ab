package keystore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Why a vault gives nothing out.
var (
	ErrLocked  = errors.New("the keys are locked: sign in")
	ErrExpired = errors.New("the center was not reached for too long: connect the device; until then documents' histories cannot be asked for")
	ErrRevoked = errors.New("the keys were destroyed because the device was revoked: enrol it anew, under a new name and in another folder")
)

const (
	contactName = "contact.json" // beside the key file
	revokedName = "revoked.json" // in its place
)

// setBack is how far a clock may go back before it counts as set back.
const setBack = 5 * time.Minute

// VaultOptions say how a vault is sealed and when it expires.
type VaultOptions struct {
	TPM  *TPM
	Away time.Duration // how long the fleet key may be used without contact; no limit when zero
	Now  func() time.Time
}

// Vault holds the keys of a device that may be lost: locked until the officer
// signs in, its fleet key of no use once the centre was not reached for too
// long, all of it destroyed on command.
//
//	Locked ──Unlock──▶ Unlocked ──Lock──▶ Locked
//	any ──Revoke──▶ Revoked
//
// The deadline holds as long as the program is the one that keeps it: who has
// the passphrase and opens the file with a program of his own is not held by
// it. Against that stands revoking, and rotating the fleet key.
type Vault struct {
	dir  string
	opts VaultOptions

	mu      sync.RWMutex
	keys    *secrets // nil: locked
	contact contact
}

// contact is what is noted of the centre's being reached, in seconds since
// 1970. The MAC, under a key that comes from the store key, keeps others from
// writing it; an older one put back only brings the deadline nearer.
type contact struct {
	At   int64  `json:"at"`   // the last contact
	Seen int64  `json:"seen"` // the latest time the clock showed
	MAC  []byte `json:"mac"`
}

// NewVault is the vault over the keys in dir, locked.
func NewVault(dir string, opts VaultOptions) *Vault {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Vault{dir: dir, opts: opts}
}

// Unlock opens the keys. It fails as OpenSealed does; when it fails the vault
// is as it was.
func (v *Vault) Unlock(passphrase Passphrase) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, err := read(v.dir, Seal{Passphrase: passphrase, TPM: v.opts.TPM})
	if err != nil {
		return err
	}
	v.wipe() // those of an earlier sign-in
	v.keys, v.contact = &s, readContact(v.dir, s)
	return v.seen()
}

// seen notes how late it is.
func (v *Vault) seen() error {
	if now := v.opts.Now().Unix(); v.contact.MAC != nil && now > v.contact.Seen {
		v.contact.Seen = now
		return v.writeContact()
	}
	return nil
}

// Lock forgets the keys.
func (v *Vault) Lock() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		return nil
	}
	err := v.seen()
	v.wipe()
	return err
}

func (v *Vault) wipe() {
	if v.keys != nil {
		clear(v.keys.earlier)
		*v.keys = secrets{}
		v.keys = nil
	}
}

// Use gives f the device's own keys: the one that signs and the one of the
// store, and no fleet key. They are of no use after f returned. It fails with
// ErrLocked and ErrRevoked.
func (v *Vault) Use(f func(*Keystore) error) error {
	return v.use(func(s secrets) error {
		s.fleet, s.earlier = Key{}, nil
		return f(s.open())
	})
}

// UseFleet gives f all keys. It fails with ErrLocked, ErrRevoked and
// ErrExpired.
func (v *Vault) UseFleet(f func(*Keystore) error) error {
	return v.use(func(s secrets) error {
		if v.expired() {
			return fmt.Errorf("keystore: %w", ErrExpired)
		}
		return f(s.open())
	})
}

func (v *Vault) use(f func(secrets) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		if err := revoked(v.dir); err != nil {
			return err
		}
		return fmt.Errorf("keystore: %w", ErrLocked)
	}
	return f(*v.keys)
}

// expired tells whether the deadline has passed, or the clock was set back so
// that it would not. Without a note of a contact it has.
func (v *Vault) expired() bool {
	if v.opts.Away == 0 {
		return false
	}
	now := v.opts.Now()
	return v.contact.MAC == nil || !now.Before(v.deadline()) || now.Before(time.Unix(v.contact.Seen, 0).Add(-setBack))
}

func (v *Vault) deadline() time.Time { return time.Unix(v.contact.At, 0).Add(v.opts.Away) }

// Deadline is when the fleet key expires; false where it does not, or where
// there was no contact yet or the vault is locked.
func (v *Vault) Deadline() (time.Time, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.deadline(), v.opts.Away > 0 && v.keys != nil && v.contact.MAC != nil
}

// Contact notes that the centre was reached at a time, which the caller has
// from something the centre signed. Enrolling is the first contact. A time
// before that of the last contact changes nothing. It needs the keys unlocked.
func (v *Vault) Contact(at time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		return fmt.Errorf("keystore: cannot note the contact: %w", ErrLocked)
	}
	if v.contact.MAC != nil && at.Unix() < v.contact.At {
		return nil
	}
	// The centre's clock is right where the device's went back.
	v.contact.At, v.contact.Seen = at.Unix(), max(at.Unix(), v.opts.Now().Unix())
	return v.writeContact()
}

func (c contact) mac(s secrets) []byte {
	key := hmac.New(sha256.New, s.store[:])
	key.Write([]byte("limen keystore contact v1\n"))
	m := hmac.New(sha256.New, key.Sum(nil))
	fmt.Fprintf(m, "%d\n%d\n", c.At, c.Seen)
	return m.Sum(nil)
}

func (v *Vault) writeContact() error {
	v.contact.MAC = v.contact.mac(*v.keys)
	b, err := json.Marshal(v.contact)
	if err == nil {
		err = replace(v.dir, contactName, b)
	}
	if err != nil {
		return fmt.Errorf("keystore: cannot note the contact: %w", err)
	}
	return nil
}

// readContact is the note, or none: a damaged one is as good as a missing one,
// and the fleet key waits for the next contact.
func readContact(dir string, s secrets) contact {
	f, err := os.Open(filepath.Join(dir, contactName))
	if err != nil {
		return contact{}
	}
	defer f.Close()
	var c contact
	b := make([]byte, 1<<10)
	n, _ := f.Read(b)
	if json.Unmarshal(b[:n], &c) != nil || !hmac.Equal(c.MAC, c.mac(s)) {
		return contact{}
	}
	return c
}

// Revoke destroys the keys, locked or not: in memory, and in the file, which
// is overwritten before it is removed. A flash disk may keep what was
// overwritten; then it is as safe as its seal, so that keys of handhelds are
// never left open. Revoking twice is no error.
func (v *Vault) Revoke() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wipe()
	var noted error
	if revoked(v.dir) == nil {
		note, err := json.Marshal(map[string]time.Time{"revoked": v.opts.Now().UTC()})
		if err == nil {
			// First, so that a power cut leaves no keys that could be opened here again.
			err = replace(v.dir, revokedName, append(note, '\n'))
		}
		if err != nil { // the disk may be full: the keys go all the same
			noted = fmt.Errorf("keystore: cannot note that the keys are revoked: %w", err)
		}
	}
	err := errors.Join(shred(filepath.Join(v.dir, fileName)), sweep(v.dir))
	if err != nil {
		err = fmt.Errorf("keystore: the keys cannot be destroyed: %w", err)
	}
	return errors.Join(noted, err, syncDir(v.dir))
}

// sweep destroys what the power left of key files that were being written.
func sweep(dir string) error {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if f.Type().IsRegular() && strings.HasPrefix(f.Name(), newName) {
			err = errors.Join(err, shred(filepath.Join(dir, f.Name())))
		}
	}
	return err
}

// shred overwrites a file in its place and removes it.
func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		noise := make([]byte, info.Size())
		rand.Read(noise)
		_, err = f.WriteAt(noise, 0)
	}
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

// revoked is ErrRevoked where the keys in dir were destroyed.
func revoked(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, revokedName)); err == nil {
		return fmt.Errorf("keystore: %s: %w", dir, ErrRevoked)
	}
	return nil
}
