package keystore

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func say(word string) Passphrase { return func() ([]byte, error) { return []byte(word), nil } }

func create(t *testing.T, ask Passphrase) (*Keystore, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := Create(dir, nil, ask)
	if err != nil {
		t.Fatal(err)
	}
	return k, dir
}

func TestKeysSurviveReopening(t *testing.T) {
	for name, ask := range map[string]Passphrase{"plain": nil, "sealed": say("correct horse")} {
		t.Run(name, func(t *testing.T) {
			made, dir := create(t, ask)
			k, err := Open(dir, ask)
			if err != nil {
				t.Fatal(err)
			}
			if k.StoreKey() != made.StoreKey() || k.FleetKey() != made.FleetKey() || !bytes.Equal(k.Signer().PublicKey(), made.Signer().PublicKey()) {
				t.Error("reopened keys differ from those made")
			}
			message := []byte("tree head")
			signature, err := k.Signer().Sign(message)
			if err != nil || !ed25519.Verify(made.Signer().PublicKey(), message, signature) {
				t.Errorf("signature does not verify (%v)", err)
			}
			raw, err := os.ReadFile(filepath.Join(dir, fileName))
			if err != nil {
				t.Fatal(err)
			}
			var f file
			if err := json.Unmarshal(raw, &f); err != nil {
				t.Fatal(err)
			}
			store := made.StoreKey()
			if found := bytes.Contains(f.Body, store[:]); found != (ask == nil) {
				t.Errorf("store key lies open in the file: %v, want %v", found, ask == nil)
			}
		})
	}
}

func TestPassphraseMissingOrWrong(t *testing.T) {
	_, dir := create(t, say("right"))
	for name, ask := range map[string]Passphrase{"missing": nil, "wrong": say("Right")} {
		if _, err := Open(dir, ask); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: got %v, want ErrPassphrase", name, err)
		}
	}
}

func TestPassphraseIsWiped(t *testing.T) {
	word := []byte("secret")
	create(t, func() ([]byte, error) { return word, nil })
	if !bytes.Equal(word, make([]byte, 6)) {
		t.Errorf("passphrase is still %q in memory, want it wiped", word)
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	made, dir := create(t, nil)
	if _, err := Create(dir, nil, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: got %v, want fs.ErrExist", err)
	}
	k, err := Open(dir, nil)
	if err != nil || k.StoreKey() != made.StoreKey() {
		t.Errorf("the first keys are gone after the second Create (%v)", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("folder has %v (%v), want the key file alone", left, err)
	}
	if _, err := Open(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no keys: got %v, want fs.ErrNotExist", err)
	}
}

func TestModesAreTightAndLooseOnesRefused(t *testing.T) {
	_, dir := create(t, nil)
	path := filepath.Join(dir, fileName)
	for name, tight := range map[string]fs.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != tight {
			t.Errorf("%s has mode %v (%v), want %v", name, info.Mode().Perm(), err, tight)
		}
		for _, loose := range []fs.FileMode{tight | 0o040, tight | 0o001, tight | 0o020} {
			if err := os.Chmod(name, loose); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, nil)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("chmod %04o %s", tight, name)) {
				t.Errorf("mode %v: got %v, want an error that says chmod %04o", loose, err, tight)
			}
		}
		if err := os.Chmod(name, tight); err != nil {
			t.Fatal(err)
		}
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(moved, path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err == nil {
		t.Error("a link in the key file's place was followed, want an error")
	}
}

// Whatever byte of the file changes, other keys must not come out of it.
func TestDamageIsNoticed(t *testing.T) {
	_, dir := create(t, nil)
	path := filepath.Join(dir, fileName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := unseal(good, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x04
		if got, err := unseal(bad, nil); err == nil && !bytes.Equal(got.bytes(), want.bytes()) {
			t.Fatalf("byte %d changed: other keys came out, want an error", i)
		}
	}
}

func TestSealedHeaderCannotBeChanged(t *testing.T) {
	_, dir := create(t, say("word"))
	good, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*file){
		"costs too much":  func(f *file) { f.KDF.MemoryKiB = 1 << 30 },
		"costs little":    func(f *file) { f.KDF.MemoryKiB = 8 },
		"other public":    func(f *file) { f.Public[0] ^= 1 },
		"other version":   func(f *file) { f.Version = 2 },
		"other seal":      func(f *file) { f.Seal = sealNone },
		"no derivation":   func(f *file) { f.KDF = nil },
		"short nonce":     func(f *file) { f.Nonce = f.Nonce[:5] },
		"changed content": func(f *file) { f.Body[7] ^= 1 },
	} {
		var f file
		if err := json.Unmarshal(good, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		bad, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unseal(bad, say("word")); err == nil {
			t.Errorf("%s: the keys opened, want an error", name)
		}
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	k, _ := create(t, nil)
	store, fleet := k.StoreKey(), k.FleetKey()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "keystore", k, "store", store, "signer", k.Signer(), "pointer", &store)
	for _, v := range []any{k, *k, store, &store, fleet, k.Signer(), *k.Signer(), []Key{store}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d\n", v, v, v, v, v, v, v)
		_ = json.NewEncoder(&out).Encode(v)
	}
	said := strings.ToLower(out.String())
	for name, secret := range map[string][]byte{"store": store[:], "fleet": fleet[:], "seed": k.signer.key[:32]} {
		for form, trace := range map[string]string{
			"hex": hex.EncodeToString(secret[:6]), "decimal": strings.Trim(fmt.Sprint(secret[:4]), "[]"),
			"go": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret[:3]), "[]byte{"), "}"),
		} {
			if strings.Contains(said, trace) {
				t.Errorf("%s key is printed (%s)", name, form)
			}
		}
	}
}

func FuzzUnseal(f *testing.F) {
	plain, err := seal(secrets{seed: Key{1}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte(`{"version":1,"seal":"argon2id+xchacha20-poly1305","kdf":{"time":3,"memory_kib":65536,"threads":4}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := repotest.Parsed(t, b, func(b []byte) (secrets, error) { return unseal(b, nil) }); err == nil && !fits(len(s.bytes())) {
			t.Error("keys of another size")
		}
	})
}
