package journal

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// keepEvery says which checkpoints stay: the newest, and the last of each
// block of so many entries, so that Verify can say where a lie begins.
const keepEvery = 256

// Checkpoint is a tree head (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
}

// Text is the note text: origin, size and base64 root, a line each.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// ParseCheckpoint reads a note text; extension lines are let be.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return Checkpoint{}, errors.New("a checkpoint has three lines: origin, size, root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, errors.New("the checkpoint's second line is no tree size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("the checkpoint's third line is no base64 hash of %d bytes", tlog.HashSize)
	}
	if lines[0] == "" {
		return Checkpoint{}, errors.New("the checkpoint's first line, its origin, is empty")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: Hash(root)}, nil
}

// OpenCheckpoint checks a signed checkpoint: it carries verifier's signature
// and verifier's name as origin.
func OpenCheckpoint(signed []byte, verifier note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint is not signed by %s: %w", verifier.Name(), err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != verifier.Name() {
		return Checkpoint{}, fmt.Errorf("the checkpoint is of %q, not of %q", c.Origin, verifier.Name())
	}
	return c, nil
}

// Verifier checks notes signed by an Ed25519 key under a name.
func Verifier(name string, key []byte) (note.Verifier, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key of %s has %d bytes; an Ed25519 public key has %d", name, len(key), ed25519.PublicKeySize)
	}
	text, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return nil, fmt.Errorf("cannot name a key %q: %w", name, err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no name for a checkpoint's key: it has neither spaces nor plus signs", name)
	}
	return v, nil
}

func noteKeys(name string, s Signer) (note.Signer, note.Verifier, error) {
	v, err := Verifier(name, s.PublicKey())
	if err != nil {
		return nil, nil, err
	}
	return noteSigner{v, s}, v, nil
}

// noteSigner lets the device's key sign notes.
type noteSigner struct {
	note.Verifier
	key Signer
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.key.Sign(msg) }

func (j *Journal) sign(size uint64, root Hash) ([]byte, error) {
	text := Checkpoint{Origin: j.opts.Name, Size: size, Root: root}.Text()
	signed, err := note.Sign(&note.Note{Text: text}, j.signer)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the checkpoint of size %d: %w", size, err)
	}
	return signed, nil
}

func (j *Journal) putCheckpoint(txn *badger.Txn, before, size uint64, signed []byte) error {
	if before > 0 && before != size && before/keepEvery == size/keepEvery {
		if err := txn.Delete(checkpointKey(before)); err != nil {
			return err
		}
	}
	return txn.Set(checkpointKey(size), signed)
}

// Checkpoint is the signed head of the whole tree. It is on disk: made with
// the last append or, where the key was away then, now.
func (j *Journal) Checkpoint(ctx context.Context) ([]byte, error) {
	size, _ := j.Head()
	return j.CheckpointAt(ctx, size)
}

// CheckpointAt is the signed head of the first size entries.
func (j *Journal) CheckpointAt(ctx context.Context, size uint64) (signed []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var root Hash
	err = j.view(func(txn *badger.Txn) error {
		if have, _ := j.Head(); size > have {
			return fmt.Errorf("no checkpoint of size %d: the journal has %d entries", size, have)
		}
		if signed, err = get(txn, checkpointKey(size)); err == nil || !errors.Is(err, badger.ErrKeyNotFound) {
			return err
		}
		root, err = tlog.TreeHash(int64(size), hashReader(txn))
		return err
	})
	if err != nil || signed != nil {
		return signed, err
	}
	if signed, err = j.sign(size, root); err != nil {
		return nil, err
	}
	if have, _ := j.Head(); have != size || size == 0 {
		return signed, nil
	}
	if err := j.room(j.opts.Reserve); err != nil {
		return nil, err
	}
	j.write.Lock()
	defer j.write.Unlock()
	if err := j.update(func(txn *badger.Txn) error { return txn.Set(checkpointKey(size), signed) }); err != nil {
		return nil, fmt.Errorf("cannot store the checkpoint of size %d: %w", size, err)
	}
	return signed, nil
}
