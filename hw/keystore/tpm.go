package keystore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// DefaultTPM is the kernel's TPM with its resource manager.
const DefaultTPM = "/dev/tpmrm0"

// What is wrong with a TPM, where the keys need one.
var (
	ErrTPMMissing = errors.New("the TPM cannot be reached: switch it on in the firmware's settings, and let limen use its device (group tss)")
	ErrTPMCleared = errors.New("the TPM was cleared since it sealed the keys, which are lost: enrol the device anew, under a new name")
	ErrTPMOther   = errors.New("another TPM sealed the keys: put them back into the machine they were made in, or enrol this one as a new device")
	ErrTPMState   = errors.New("the machine did not start as it did when the keys were sealed (firmware, boot loader or their settings changed): start it as before, then seal the keys anew")
	ErrTPMLocked  = errors.New("the TPM takes no more passphrases for a while, after too many wrong ones: wait and try again")
)

// TPM is a TPM 2.0 that seals the keys.
type TPM struct {
	Path string // device, or the unix socket of a software TPM; DefaultTPM when empty
	// PCRs are platform configuration registers of the SHA-256 bank, which hold
	// what was started (7: secure boot's state). The keys open only while these
	// are as they were when the keys were sealed. None when empty.
	PCRs []int
}

// tpmSeal is what the key file says of a TPM's seal: a data object under the
// TPM's storage root key, which that TPM alone can load.
type tpmSeal struct {
	Parent      []byte `json:"parent"`      // name of the storage root key: another once the TPM is cleared
	Endorsement []byte `json:"endorsement"` // name of the endorsement key: another in another TPM
	Public      []byte `json:"public"`
	Private     []byte `json:"private"`
	PCRs        []int  `json:"pcrs,omitempty"`
	Passphrase  bool   `json:"passphrase,omitempty"` // one is needed besides; the TPM counts wrong ones
}

const maxTPMBlob = 2 << 10 // bytes of each

func (s *tpmSeal) bounded() error {
	for _, b := range [][]byte{s.Parent, s.Endorsement, s.Public, s.Private} {
		if len(b) == 0 || len(b) > maxTPMBlob {
			return errors.New("the TPM's seal is incomplete: restore the file from its backup")
		}
	}
	return checkPCRs(s.PCRs)
}

func checkPCRs(pcrs []int) error {
	for _, n := range pcrs {
		if n < 0 || n > 23 {
			return fmt.Errorf("there is no platform configuration register %d: name some of 0 to 23", n)
		}
	}
	return nil
}

// tpmSession is a TPM and its storage root key while both are in use.
type tpmSession struct {
	transport.TPMCloser
	root tpm2.CreatePrimaryResponse
	pub  *tpm2.TPMTPublic
}

func openTPM(path string) (*tpmSession, error) {
	if path == "" {
		path = DefaultTPM
	}
	info, err := os.Stat(path)
	var t transport.TPMCloser
	switch {
	case err != nil:
	case info.Mode()&fs.ModeSocket != 0:
		t, err = linuxudstpm.Open(path)
	default:
		t, err = linuxtpm.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrTPMMissing, err)
	}
	root, err := primary(t, tpm2.TPMRHOwner, tpm2.ECCSRKTemplate)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w (no storage root key: %v)", ErrTPMMissing, err), t.Close())
	}
	pub, err := root.OutPublic.Contents()
	if err == nil {
		// The name is compared with the file's, and the key talked to: it must be this key's.
		var name *tpm2.TPM2BName
		if name, err = tpm2.ObjectName(pub); err == nil && !bytes.Equal(name.Buffer, root.Name.Buffer) {
			err = errors.New("the TPM names another storage root key than it shows")
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return &tpmSession{t, *root, pub}, nil
}

// primary makes a primary key again: the same one as long as the hierarchy's
// seed is the same.
func primary(t transport.TPM, hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic) (*tpm2.CreatePrimaryResponse, error) {
	return tpm2.CreatePrimary{PrimaryHandle: hierarchy, InPublic: tpm2.New2B(template)}.Execute(t)
}

func (t *tpmSession) flush(h tpm2.TPMHandle) { tpm2.FlushContext{FlushHandle: h}.Execute(t) }

func (t *tpmSession) close() {
	t.flush(t.root.ObjectHandle)
	t.Close()
}

// endorsement is the name of the TPM's endorsement key, which clearing leaves.
func (t *tpmSession) endorsement() ([]byte, error) {
	key, err := primary(t, tpm2.TPMRHEndorsement, tpm2.ECCEKTemplate)
	if err != nil {
		return nil, fmt.Errorf("the TPM shows no endorsement key: %w", err)
	}
	t.flush(key.ObjectHandle)
	return key.Name.Buffer, nil
}

// secretly encrypts what a command carries on its way to the TPM and back, to
// a key only the TPM has: the bus may be listened to.
func (t *tpmSession) secretly(more ...tpm2.AuthOption) []tpm2.AuthOption {
	return append(more, tpm2.Salted(t.root.ObjectHandle, *t.pub))
}

var (
	bothWays = tpm2.AESEncryption(128, tpm2.EncryptInOut)
	back     = tpm2.AESEncryption(128, tpm2.EncryptOut) // of commands that carry nothing there
)

func pcrSelection(pcrs []int) tpm2.TPMLPCRSelection {
	var n []uint
	for _, p := range pcrs {
		n = append(n, uint(p))
	}
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(n...)}}}
}

// policy makes a session hold what the seal asks for: the registers as they
// are, and the passphrase.
func (s *tpmSeal) policy(t transport.TPM, session tpm2.TPMISHPolicy) error {
	if _, err := (tpm2.PolicyPCR{PolicySession: session, Pcrs: pcrSelection(s.PCRs)}).Execute(t); err != nil {
		return fmt.Errorf("cannot ask for the platform's registers: %w", err)
	}
	if !s.Passphrase {
		return nil
	}
	_, err := tpm2.PolicyAuthValue{PolicySession: session}.Execute(t)
	return err
}

func (s *tpmSeal) policyDigest(t transport.TPM) ([]byte, error) {
	session, end, err := tpm2.PolicySession(t, tpm2.TPMAlgSHA256, 16, tpm2.Trial())
	if err != nil {
		return nil, err
	}
	defer end()
	if err := s.policy(t, session.Handle()); err != nil {
		return nil, err
	}
	d, err := tpm2.PolicyGetDigest{PolicySession: session.Handle()}.Execute(t)
	if err != nil {
		return nil, err
	}
	return d.PolicyDigest.Buffer, nil
}

// tpmAuth is the passphrase as the TPM is told it.
func tpmAuth(passphrase []byte) []byte {
	if len(passphrase) == 0 {
		return nil
	}
	h := sha256.Sum256(append([]byte("limen keystore tpm passphrase v1\n"), passphrase...))
	return h[:]
}

// sealIn gives a secret of up to 128 bytes into the TPM's keeping.
func sealIn(where TPM, secret, passphrase []byte) (*tpmSeal, error) {
	if err := checkPCRs(where.PCRs); err != nil {
		return nil, err
	}
	t, err := openTPM(where.Path)
	if err != nil {
		return nil, err
	}
	defer t.close()
	pcrs := slices.Clone(where.PCRs)
	slices.Sort(pcrs)
	s := &tpmSeal{Parent: t.root.Name.Buffer, PCRs: slices.Compact(pcrs), Passphrase: len(passphrase) > 0}
	if s.Endorsement, err = t.endorsement(); err != nil {
		return nil, err
	}
	template := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
		// Without NoDA the TPM counts wrong passphrases and stops taking them.
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: len(s.PCRs) == 0, NoDA: !s.Passphrase},
	}
	if len(s.PCRs) > 0 {
		digest, err := s.policyDigest(t)
		if err != nil {
			return nil, err
		}
		template.AuthPolicy = tpm2.TPM2BDigest{Buffer: digest}
	}
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: t.root.ObjectHandle, Name: t.root.Name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 16, t.secretly(bothWays)...)},
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			UserAuth: tpm2.TPM2BAuth{Buffer: tpmAuth(passphrase)},
			Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret}),
		}},
		InPublic: tpm2.New2B(template),
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("the TPM does not seal: %w", err)
	}
	s.Public, s.Private = made.OutPublic.Bytes(), made.OutPrivate.Buffer
	return s, nil
}

// open takes the secret back.
func (s *tpmSeal) open(path string, passphrase []byte) ([]byte, error) {
	t, err := openTPM(path)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if !bytes.Equal(t.root.Name.Buffer, s.Parent) {
		if same, err := t.endorsement(); err == nil && bytes.Equal(same, s.Endorsement) {
			return nil, ErrTPMCleared
		}
		return nil, ErrTPMOther
	}
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: t.root.ObjectHandle, Name: t.root.Name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 16, t.secretly(bothWays)...)},
		InPrivate:    tpm2.TPM2BPrivate{Buffer: s.Private},
		InPublic:     tpm2.BytesAs2B[tpm2.TPMTPublic](s.Public),
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("the TPM does not take its own seal back, so the file was changed: restore it from its backup (%w)", err)
	}
	defer t.flush(loaded.ObjectHandle)
	options := t.secretly(back, tpm2.Auth(tpmAuth(passphrase)))
	auth := tpm2.HMAC(tpm2.TPMAlgSHA256, 16, options...)
	if len(s.PCRs) > 0 {
		auth = tpm2.Policy(tpm2.TPMAlgSHA256, 16, func(tt transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
			return s.policy(tt, session)
		}, options...)
	}
	out, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: auth}}.Execute(t)
	switch {
	case err == nil:
		return out.OutData.Buffer, nil
	case errors.Is(err, tpm2.TPMRCLockout):
		return nil, ErrTPMLocked
	case errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCBadAuth):
		return nil, ErrPassphrase
	case errors.Is(err, tpm2.TPMRCPolicyFail), errors.Is(err, tpm2.TPMRCValue) && len(s.PCRs) > 0:
		return nil, ErrTPMState
	}
	return nil, fmt.Errorf("the TPM does not open its seal: %w", err)
}
