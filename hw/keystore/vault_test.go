package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// day is when these vaults are used.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

type vaultTest struct {
	t   *testing.T
	dir string
	now time.Time
	*Vault
}

func newVault(t *testing.T, away time.Duration) *vaultTest {
	t.Helper()
	_, dir := create(t, say("1234"))
	v := &vaultTest{t: t, dir: dir, now: day}
	v.again(away)
	return v
}

// again is the program started anew.
func (v *vaultTest) again(away time.Duration) {
	v.Vault = NewVault(v.dir, VaultOptions{Away: away, Now: func() time.Time { return v.now }})
}

func (v *vaultTest) unlock() {
	v.t.Helper()
	if err := v.Unlock(say("1234")); err != nil {
		v.t.Fatal(err)
	}
}

// want asks for both kinds of keys.
func (v *vaultTest) want(what string, device, fleet error) {
	v.t.Helper()
	look := func(k *Keystore) error {
		if k.StoreKey() == (Key{}) {
			v.t.Errorf("%s: no store key", what)
		}
		return nil
	}
	if err := v.Use(func(k *Keystore) error {
		if k.FleetKey() != (Key{}) {
			v.t.Errorf("%s: the device's keys come with the fleet's", what)
		}
		return look(k)
	}); !errors.Is(err, device) {
		v.t.Errorf("%s: the device's keys: got %v, want %v", what, err, device)
	}
	if err := v.UseFleet(look); !errors.Is(err, fleet) {
		v.t.Errorf("%s: the fleet's: got %v, want %v", what, err, fleet)
	}
}

// wiped tells whether nothing of the keys is left.
func wiped(s *secrets) bool {
	return s.seed == Key{} && s.fleet == Key{} && s.store == Key{} && len(s.earlier) == 0
}

func TestVaultIsLockedUntilSignIn(t *testing.T) {
	v := newVault(t, 0)
	v.want("at first", ErrLocked, ErrLocked)
	if err := v.Unlock(say("4321")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: got %v", err)
	}
	v.want("after it", ErrLocked, ErrLocked)
	v.unlock()
	v.want("unlocked", nil, nil)
	held := v.keys
	if err := v.Lock(); err != nil {
		t.Fatal(err)
	}
	if !wiped(held) {
		t.Error("the keys are still in memory")
	}
	v.want("locked", ErrLocked, ErrLocked)
}

func TestFleetKeyExpiresWithoutContact(t *testing.T) {
	const away = 72 * time.Hour
	v := newVault(t, away)
	v.unlock()
	v.want("before the first contact", nil, ErrExpired)
	if err := v.Contact(v.now); err != nil {
		t.Fatal(err)
	}
	v.want("after it", nil, nil)
	if at, ok := v.Deadline(); !ok || !at.Equal(day.Add(away)) {
		t.Errorf("deadline: got %v, %v; want %v", at, ok, day.Add(away))
	}
	v.now = day.Add(away - time.Second)
	v.want("just before the deadline", nil, nil)
	if err := v.Lock(); err != nil { // notes how late it is
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(v.dir, contactName))
	if err != nil {
		t.Fatal(err)
	}
	v.again(away)
	v.now = day.Add(away)
	v.unlock()
	v.want("at the deadline, after a restart", nil, ErrExpired)
	v.now = day.Add(time.Hour)
	v.want("the clock set back", nil, ErrExpired)
	v.now = day.Add(away + time.Hour)
	if err := v.Contact(v.now); err != nil {
		t.Fatal(err)
	}
	v.want("contact again", nil, nil)
	if err := v.Contact(day); err != nil {
		t.Fatal(err)
	}
	v.want("an older contact heard late", nil, nil)

	path := filepath.Join(v.dir, contactName)
	forged, err := json.Marshal(contact{At: v.now.Add(9 * away).Unix(), Seen: 1, MAC: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"put back": first, "forged": forged, "damaged": []byte("{"), "gone": nil} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if b == nil {
			os.Remove(path)
		}
		v.again(away)
		v.unlock()
		v.want("the note "+name, nil, ErrExpired)
	}
}

func TestRevokedKeysAreGone(t *testing.T) {
	v := newVault(t, 0)
	v.unlock()
	keys := filepath.Join(v.dir, fileName)
	body, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := os.Open(keys) // sees the file's own bytes also once it has no name
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	held := v.keys
	for range 2 {
		if err := v.Revoke(); err != nil {
			t.Fatal(err)
		}
	}
	v.want("revoked", ErrRevoked, ErrRevoked)
	after := make([]byte, len(body))
	if _, err := behind.Read(after); err != nil || bytes.Contains(after, body[:64]) || !wiped(held) {
		t.Errorf("the keys are still there (%v)", err)
	}
	for name, err := range map[string]error{
		"unlocking": v.Unlock(say("1234")),
		"opening":   func() error { _, err := Open(v.dir, say("1234")); return err }(),
		"making":    func() error { _, err := Create(v.dir, nil, say("1234")); return err }(),
	} {
		if !errors.Is(err, ErrRevoked) {
			t.Errorf("%s: got %v, want ErrRevoked", name, err)
		}
	}
	if err := os.WriteFile(keys, body, 0o600); err != nil { // a copy put back, or a power cut in the middle
		t.Fatal(err)
	}
	if err := v.Unlock(say("1234")); !errors.Is(err, ErrRevoked) {
		t.Errorf("with the file there again: got %v, want ErrRevoked", err)
	}
	if err := v.Revoke(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keys); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

// A note that cannot be written does not save the keys, nor does a power cut
// that once left a copy of them.
func TestRevokingLeavesNoCopy(t *testing.T) {
	v := newVault(t, 0)
	body, err := os.ReadFile(filepath.Join(v.dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.dir, ".keys-123"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	v.now = day.AddDate(9000, 0, 0) // a year that JSON has no room for
	if err := v.Revoke(); err == nil {
		t.Error("got no error, and there is no note")
	}
	if left, err := os.ReadDir(v.dir); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v; want no file", left, err)
	}
}

func TestRotationTakesWhatAPowerCutLeft(t *testing.T) {
	_, dir := create(t, say("1234"))
	left := filepath.Join(dir, ".keys-123")
	if err := os.WriteFile(left, []byte("sealed keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(dir, nil, 0, say("1234")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("what was left of an earlier writing: got %v, want it gone", err)
	}
}
