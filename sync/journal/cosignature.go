package journal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A cosignature is a witness's word that a checkpoint is consistent with all
// it saw of that journal before (C2SP tlog-cosignature, the Ed25519 kind):
//
//	"cosignature/v1\ntime " seconds "\n" note text    signed as    seconds, 8 bytes big-endian ‖ Ed25519 signature
const (
	algCosignature  = 0x04 // in the key ID, where a log's own key has 0x01
	cosignatureSize = 8 + ed25519.SignatureSize
)

// Cosigner signs checkpoints as a witness.
type Cosigner struct {
	*CosignatureVerifier
	key Signer
	now func() time.Time
}

// NewCosigner lets key sign under a witness's name; now stamps (time.Now when
// nil). The header of what is signed keeps it apart from everything else the
// same key signs.
func NewCosigner(name string, key Signer, now func() time.Time) (*Cosigner, error) {
	v, err := NewCosignatureVerifier(name, key.PublicKey())
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Cosigner{v, key, now}, nil
}

// Sign implements note.Signer.
func (c *Cosigner) Sign(text []byte) ([]byte, error) {
	at := c.now().Unix()
	if at < 0 {
		return nil, errors.New("the clock is before 1970: set it")
	}
	signature, err := c.key.Sign(cosigned(uint64(at), text))
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(at)), signature...), nil
}

// Lines are the signature lines that c adds to a checkpoint's text.
func (c *Cosigner) Lines(text string) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: text}, c)
	if err != nil {
		return nil, fmt.Errorf("cannot cosign: %w", err)
	}
	return signed[len(text)+1:], nil
}

func cosigned(at uint64, text []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text...)
}

// CosignatureVerifier checks one witness's cosignatures; it is a note.Verifier.
type CosignatureVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewCosignatureVerifier checks cosignatures made under name by key.
func NewCosignatureVerifier(name string, key []byte) (*CosignatureVerifier, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key of witness %.60q has %d bytes; an Ed25519 public key has %d", name, len(key), ed25519.PublicKeySize)
	}
	if _, err := Verifier(name, key); err != nil { // names have one rule
		return nil, err
	}
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{algCosignature})
	h.Write(key)
	return &CosignatureVerifier{name, binary.BigEndian.Uint32(h.Sum(nil)), append(ed25519.PublicKey(nil), key...)}, nil
}

// ParseCosignatureKey reads a witness's key as String writes it, the "vkey" of
// C2SP signed-note with type 0x04.
func ParseCosignatureKey(text string) (*CosignatureVerifier, error) {
	name, rest, _ := strings.Cut(text, "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) != 1+ed25519.PublicKeySize {
		return nil, errors.New("it is no witness key: it has the form name+hash+base64 and holds an Ed25519 key")
	}
	if b[0] != algCosignature {
		return nil, fmt.Errorf("its type is %#x and a witness's is %#x: it is a key for something else", b[0], algCosignature)
	}
	v, err := NewCosignatureVerifier(name, b[1:])
	if err != nil {
		return nil, err
	}
	if hash != fmt.Sprintf("%08x", v.hash) {
		return nil, errors.New("the witness key's name and hash do not belong together: copy it whole")
	}
	return v, nil
}

// String is the key as ParseCosignatureKey reads it.
func (v *CosignatureVerifier) String() string {
	return fmt.Sprintf("%s+%08x+%s", v.name, v.hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, v.key...)))
}

// Name implements note.Verifier.
func (v *CosignatureVerifier) Name() string { return v.name }

// KeyHash implements note.Verifier.
func (v *CosignatureVerifier) KeyHash() uint32 { return v.hash }

// Verify implements note.Verifier.
func (v *CosignatureVerifier) Verify(text, signature []byte) bool {
	if len(signature) != cosignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	return at < 1<<63 && ed25519.Verify(v.key, cosigned(at, text), signature[8:])
}

// Cosignature is one that verified.
type Cosignature struct {
	Witness string
	At      time.Time
}

// Cosignatures are those on a signed checkpoint that verify under one of
// witnesses. Others' lines are let be, as C2SP signed-note wants it; one that
// claims to be a known witness's and does not verify is an error.
func Cosignatures(signed []byte, witnesses ...*CosignatureVerifier) ([]Cosignature, error) {
	var list []note.Verifier
	for _, w := range witnesses {
		list = append(list, w)
	}
	n, err := note.Open(signed, note.VerifierList(list...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("its cosignatures: %w", err)
	}
	var out []Cosignature
	for _, s := range n.Sigs {
		b, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(b) != 4+cosignatureSize {
			return nil, errors.New("a cosignature has another size than it verified with")
		}
		out = append(out, Cosignature{s.Name, time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC()})
	}
	return out, nil
}
