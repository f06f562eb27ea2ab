package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"limen/internal/repotest"
)

func TestTPMSealsTheKeys(t *testing.T) {
	path, _ := repotest.StartTPM(t, t.TempDir())
	for name, with := range map[string]Seal{
		"alone":                        {TPM: &TPM{Path: path}},
		"with a passphrase":            {TPM: &TPM{Path: path}, Passphrase: say("correct horse")},
		"to registers":                 {TPM: &TPM{Path: path, PCRs: []int{7, 0, 7}}},
		"to registers, and passphrase": {TPM: &TPM{Path: path, PCRs: []int{7}}, Passphrase: say("correct horse")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			made, err := CreateSealed(dir, nil, with)
			if err != nil {
				t.Fatal(err)
			}
			k, err := OpenSealed(dir, with)
			if err != nil {
				t.Fatal(err)
			}
			if k.StoreKey() != made.StoreKey() || k.FleetKey() != made.FleetKey() || !bytes.Equal(k.Signer().PublicKey(), made.Signer().PublicKey()) {
				t.Error("reopened keys differ from those made")
			}
			raw, err := os.ReadFile(filepath.Join(dir, fileName))
			if err != nil {
				t.Fatal(err)
			}
			store := made.StoreKey()
			var f file
			if err := json.Unmarshal(raw, &f); err != nil || bytes.Contains(f.Body, store[:]) || bytes.Contains(f.TPM.Private, store[:]) {
				t.Errorf("the store key lies open in the file (%v)", err)
			}
			if with.Passphrase != nil {
				for word, ask := range map[string]Passphrase{"missing": nil, "empty": say(""), "wrong": say("Correct horse")} {
					if _, err := OpenSealed(dir, Seal{TPM: with.TPM, Passphrase: ask}); !errors.Is(err, ErrPassphrase) {
						t.Errorf("passphrase %s: got %v, want ErrPassphrase", word, err)
					}
				}
			}
			for change, bend := range map[string]func(*file){
				"body":            func(f *file) { f.Body[3] ^= 1 },
				"public key":      func(f *file) { f.Public[0] ^= 1 },
				"sealed object":   func(f *file) { f.TPM.Private[len(f.TPM.Private)-1] ^= 1 },
				"no passphrase":   func(f *file) { f.TPM.Passphrase = !f.TPM.Passphrase },
				"other registers": func(f *file) { f.TPM.PCRs = []int{3} },
				"not a register":  func(f *file) { f.TPM.PCRs = []int{24} },
				"no seal":         func(f *file) { f.TPM = nil },
			} {
				var f file
				if err := json.Unmarshal(raw, &f); err != nil {
					t.Fatal(err)
				}
				bend(&f)
				bad, err := json.Marshal(f)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := with.unseal(bad); err == nil {
					t.Errorf("%s changed: the keys opened", change)
				}
			}
		})
	}
}

// What became of the TPM is told, since what to do next differs.
func TestTPMThatIsNotTheOne(t *testing.T) {
	state := t.TempDir()
	path, stop := repotest.StartTPM(t, state)
	dir := filepath.Join(t.TempDir(), "keys")
	with := Seal{TPM: &TPM{Path: path, PCRs: []int{16}}} // 16 is the one a program may change
	made, err := CreateSealed(dir, nil, with)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(do func(tpm2.TPMHandle) error) {
		t.Helper()
		if err := do(tpm2.TPMRHLockout); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, with Seal, target error) {
		t.Helper()
		if _, err := OpenSealed(dir, with); !errors.Is(err, target) {
			t.Errorf("%s: got %v, want %v", what, err, target)
		}
	}

	another, _ := repotest.StartTPM(t, t.TempDir())
	want("another", Seal{TPM: &TPM{Path: another}}, ErrTPMOther)
	want("none", Seal{TPM: &TPM{Path: filepath.Join(t.TempDir(), "tpmrm0")}}, ErrTPMMissing)
	file := filepath.Join(t.TempDir(), "tpmrm0")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("a file in its place", Seal{TPM: &TPM{Path: file}}, ErrTPMMissing)

	raw(func(tpm2.TPMHandle) error {
		t, err := linuxudstpm.Open(path)
		if err != nil {
			return err
		}
		defer t.Close()
		_, err = tpm2.PCRExtend{
			PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(16), Auth: tpm2.PasswordAuth(nil)},
			Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: make([]byte, 32)}}},
		}.Execute(t)
		return err
	})
	want("another start", with, ErrTPMState)
	stop() // registers begin anew; the seeds stay
	path, _ = repotest.StartTPM(t, state)
	with.TPM.Path = path
	if k, err := OpenSealed(dir, with); err != nil || k.StoreKey() != made.StoreKey() {
		t.Fatalf("started as before: %v", err)
	}

	raw(func(lockout tpm2.TPMHandle) error {
		t, err := linuxudstpm.Open(path)
		if err != nil {
			return err
		}
		defer t.Close()
		_, err = tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: lockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(t)
		return err
	})
	want("cleared", with, ErrTPMCleared)
}

// The TPM counts wrong passphrases, and then takes none for a while.
func TestTPMStopsGuessing(t *testing.T) {
	path, _ := repotest.StartTPM(t, t.TempDir())
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := CreateSealed(dir, nil, Seal{TPM: &TPM{Path: path}, Passphrase: say("1234")}); err != nil {
		t.Fatal(err)
	}
	var err error
	for tries := 0; !errors.Is(err, ErrTPMLocked); tries++ {
		if tries == 100 {
			t.Fatalf("after %d wrong passphrases: got %v, want ErrTPMLocked", tries, err)
		}
		if _, err = OpenSealed(dir, Seal{TPM: &TPM{Path: path}, Passphrase: say("4321")}); err == nil {
			t.Fatal("a wrong passphrase opened the keys")
		}
	}
	if _, err := OpenSealed(dir, Seal{TPM: &TPM{Path: path}, Passphrase: say("1234")}); !errors.Is(err, ErrTPMLocked) {
		t.Errorf("the right one then: got %v, want ErrTPMLocked", err)
	}
}

// Keys move into a TPM and out of it, and to another passphrase.
func TestReseal(t *testing.T) {
	path, _ := repotest.StartTPM(t, t.TempDir())
	made, dir := create(t, say("old"))
	in := Seal{TPM: &TPM{Path: path}, Passphrase: say("new")}
	if err := Reseal(dir, Seal{Passphrase: say("wrong")}, in); !errors.Is(err, ErrPassphrase) {
		t.Errorf("under the wrong passphrase: got %v", err)
	}
	for _, step := range []struct {
		name     string
		from, to Seal
	}{{"into", Seal{Passphrase: say("old")}, in}, {"out of", in, Seal{Passphrase: say("newer")}}} {
		if err := Reseal(dir, step.from, step.to); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if _, err := OpenSealed(dir, step.from); err == nil {
			t.Errorf("%s: the old seal opens still", step.name)
		}
		if k, err := OpenSealed(dir, step.to); err != nil || k.FleetKey() != made.FleetKey() {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	if err := Reseal(dir, Seal{Passphrase: say("newer")}, in); err != nil {
		t.Fatal(err)
	}
	rotated, err := RotateSealed(dir, nil, 1, in)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil || !bytes.Contains(raw, []byte(sealTPM)) {
		t.Errorf("the fleet key rotated, and the keys are no more sealed as they were (%v)", err)
	}
	if k, err := OpenSealed(dir, in); err != nil || k.FleetKey() != rotated.FleetKey() || k.FleetKey() == made.FleetKey() || len(k.FleetKeyIDs()) != 2 {
		t.Errorf("rotated: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the folder has %v (%v), want the key file alone", left, err)
	}
}

// What opening keys costs at the start of an appliance.
func BenchmarkOpen(b *testing.B) {
	path, _ := repotest.StartTPM(b, b.TempDir())
	for name, with := range map[string]Seal{"TPM": {TPM: &TPM{Path: path, PCRs: []int{7}}}, "passphrase": {Passphrase: say("correct horse")}} {
		b.Run(name, func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "keys")
			if _, err := CreateSealed(dir, nil, with); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := OpenSealed(dir, with); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
