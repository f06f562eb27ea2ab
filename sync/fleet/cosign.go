package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"limen/sync/journal"
	"limen/sync/wire"
)

// The centre is a witness of every device it gives receipts to: what it holds
// was verified to begin with what it held before, in one transaction, and is
// on disk. Its records are the state C2SP tlog-witness asks for. The
// cosignature travels beside the receipt and under a key of its own, since the
// one says "consistent" and the other "stored".

// witnessSeed is an Ed25519 key that signs as the centre.
type witnessSeed struct{ ed25519.PrivateKey }

func (k witnessSeed) Sign(m []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, m), nil }
func (k witnessSeed) PublicKey() []byte             { return k.Public().(ed25519.PublicKey) }

func witnessKeyPath(dir string) string { return filepath.Join(dir, "witness.key") }

// openCosigner reads the key that cosigns, or makes one.
func openCosigner(path string, now func() time.Time) (*journal.Cosigner, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		if err := writeNew(path, []byte(base64.StdEncoding.EncodeToString(seed)+"\n")); err != nil {
			return nil, fmt.Errorf("cannot keep a new witness key: %w", err)
		}
	}
	return readCosigner(path, now)
}

// readCosigner reads the key that cosigns.
func readCosigner(path string, now func() time.Time) (*journal.Cosigner, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the witness key: %w", err)
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no witness key: put the centre's own back; cosignatures by another are none of the centre's", path)
	}
	return journal.NewCosigner("limen-centre", witnessSeed{ed25519.NewKeyFromSeed(seed)}, now)
}

// PrepareWitnessKey makes the key under which the centre in dir cosigns where
// there is none, and returns what devices check cosignatures with.
func PrepareWitnessKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	c, err := openCosigner(witnessKeyPath(dir), nil)
	if err != nil {
		return "", err
	}
	return c.String(), nil
}

// WitnessKey is the key devices check the centre's cosignatures with, as
// journal.ParseCosignatureKey reads it; empty where it does not cosign.
func (c *Centre) WitnessKey() string {
	if c.cosigner == nil {
		return ""
	}
	return c.cosigner.String()
}

// cosign puts the centre's cosignature beside each receipt, on the checkpoint
// of what the receipt is for.
func (c *Centre) cosign(answers []wire.Answer) {
	if c.cosigner == nil {
		return
	}
	for k := range answers {
		a := &answers[k]
		if len(a.Receipt) == 0 {
			continue
		}
		text, _, _ := strings.Cut(string(a.Receipt), "\n\n")
		r, err := wire.ParseReceipt(text + "\n")
		if err == nil {
			a.Cosignature, err = c.cosigner.Lines(journal.Checkpoint{Origin: wire.Origin(r.Device), Size: r.Size, Root: r.Root}.Text())
		}
		if err != nil { // the receipt is worth sending without
			c.cfg.Log.Warn("checkpoint not cosigned", "device", a.Device, "error", err)
		}
	}
}
