package keystore

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealTPM: the body is encrypted with a key that a TPM keeps.
const sealTPM = "tpm2+xchacha20-poly1305"

// Seal is what the keys are sealed with. The zero Seal leaves them open.
type Seal struct {
	Passphrase Passphrase // asked for where there is one; nil for none
	TPM        *TPM       // nil: none when sealing, DefaultTPM where the file asks for one
}

// CreateSealed is Create with a seal that may be a TPM's.
func CreateSealed(dir string, fleet *Key, with Seal) (*Keystore, error) {
	return makeKeys(dir, fleet, func(s secrets) ([]byte, error) { return with.seal(s) })
}

// OpenSealed is Open with a seal that may be a TPM's. Besides Open's errors it
// fails with ErrTPMMissing, ErrTPMCleared, ErrTPMOther, ErrTPMState,
// ErrTPMLocked and ErrRevoked.
func OpenSealed(dir string, with Seal) (*Keystore, error) {
	s, err := read(dir, with)
	if err != nil {
		return nil, err
	}
	return s.open(), nil
}

func read(dir string, with Seal) (secrets, error) {
	if err := revoked(dir); err != nil { // also where a power cut left the file
		return secrets{}, err
	}
	sealed, err := readGuarded(dir)
	if err != nil {
		return secrets{}, err
	}
	s, err := with.unseal(sealed)
	if err != nil {
		return secrets{}, fmt.Errorf("keystore: cannot open the keys in %s: %w", dir, err)
	}
	return s, nil
}

// Reseal seals the keys in dir anew: into a TPM or out of it, to the machine
// as it starts now, under another passphrase. The file is replaced whole.
func Reseal(dir string, from, to Seal) error {
	s, err := read(dir, from)
	if err != nil {
		return err
	}
	sealed, err := to.seal(s)
	if err != nil {
		return fmt.Errorf("keystore: cannot seal the keys anew: %w", err)
	}
	if err := replace(dir, fileName, sealed); err != nil {
		return fmt.Errorf("keystore: cannot write keys: %w", err)
	}
	return nil
}

// like is w as the key file was sealed: into the TPM where it was, to the same
// registers, and under a passphrase only where there was one.
func (w Seal) like(sealed []byte) Seal {
	var f file
	if json.Unmarshal(sealed, &f) != nil || f.Seal != sealTPM || f.TPM == nil {
		return Seal{Passphrase: w.Passphrase}
	}
	where := TPM{PCRs: f.TPM.PCRs}
	if w.TPM != nil {
		where.Path = w.TPM.Path
	}
	if !f.TPM.Passphrase {
		return Seal{TPM: &where}
	}
	return Seal{TPM: &where, Passphrase: w.Passphrase}
}

func (w Seal) seal(s secrets) ([]byte, error) {
	if w.TPM == nil {
		return seal(s, w.Passphrase)
	}
	var passphrase []byte
	if w.Passphrase != nil {
		var err error
		if passphrase, err = w.Passphrase(); err != nil {
			return nil, fmt.Errorf("no passphrase: %w", err)
		}
		defer clear(passphrase)
	}
	key, plain := make([]byte, chacha20poly1305.KeySize), s.bytes()
	defer clear(plain)
	defer clear(key)
	f := file{Version: version, Public: s.public(), Seal: sealTPM, Nonce: make([]byte, chacha20poly1305.NonceSizeX)}
	rand.Read(key)
	rand.Read(f.Nonce)
	var err error
	if f.TPM, err = sealIn(*w.TPM, key, passphrase); err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	f.Body = aead.Seal(nil, f.Nonce, plain, f.tpmHeader())
	out, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

// tpmBody decrypts with the key that the TPM keeps.
func (f *file) tpmBody(w Seal) ([]byte, error) {
	if f.TPM == nil || len(f.Nonce) != chacha20poly1305.NonceSizeX || !fits(len(f.Body)-chacha20poly1305.Overhead) {
		return nil, errors.New("the TPM's seal is incomplete: restore the file from its backup")
	}
	if err := f.TPM.bounded(); err != nil {
		return nil, err
	}
	var passphrase []byte
	if f.TPM.Passphrase {
		if w.Passphrase == nil {
			return nil, fmt.Errorf("%w: the keys are sealed, give their passphrase", ErrPassphrase)
		}
		var err error
		if passphrase, err = w.Passphrase(); err != nil {
			return nil, fmt.Errorf("no passphrase: %w", err)
		}
		defer clear(passphrase)
		if len(passphrase) == 0 { // the TPM would count it
			return nil, ErrPassphrase
		}
	}
	path := ""
	if w.TPM != nil {
		path = w.TPM.Path
	}
	key, err := f.TPM.open(path, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, errors.New("the TPM keeps no key for this file: restore it from its backup")
	}
	plain, err := aead.Open(nil, f.Nonce, f.Body, f.tpmHeader())
	if err != nil {
		return nil, errors.New("the file was changed: restore it from its backup")
	}
	return plain, nil
}

// tpmHeader is what the seal binds besides the keys.
func (f *file) tpmHeader() []byte {
	b := fmt.Appendf(nil, "limen keystore seal v%d\n%s\n", f.Version, f.Seal)
	for _, part := range [][]byte{f.TPM.Parent, f.TPM.Endorsement, f.TPM.Public, f.TPM.Private, fmt.Append(nil, f.TPM.PCRs, f.TPM.Passphrase), f.Public} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return b
}
