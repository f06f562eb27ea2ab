package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// Proof is why an entry is believed: its leaf leads to the root of a
// checkpoint that the device signed.
type Proof struct {
	Index uint64 `json:"index"`
	Size  uint64 `json:"size"` // entries of the checkpoint
	// Bundle is a C2SP tlog-proof whose extra data are salt and body: whoever
	// has the device's public key can check it without the centre (cmd/limen-verify).
	Bundle []byte `json:"-"`
}

// ErrProof means that an entry does not lead to what its device signed: the
// centre's rows were changed.
var ErrProof = errors.New("the entry does not lead to what the device signed: the centre's records were changed; `limen-fleet verify` tells more")

// ErrErased means that there is nothing left to prove.
var ErrErased = errors.New("the entry was erased: its leaf alone remains")

// ErrNoEntry means that the centre holds no such entry.
var ErrNoEntry = errors.New("the centre holds no such entry")

// Prove proves entry number of a device against the newest checkpoint it
// signed, from the stored tree.
func (r *Records) Prove(ctx context.Context, device string, number uint64) (Proof, error) {
	tx, err := r.read.BeginTx(ctx, r.database.snapshot())
	if err != nil {
		return Proof{}, fmt.Errorf("cannot prove the entry: %w", err)
	}
	defer tx.Rollback()
	return prove(ctx, tx, device, number)
}

func prove(ctx context.Context, tx *sql.Tx, device string, number uint64) (Proof, error) {
	h, err := readHolding(ctx, tx, device)
	if err != nil {
		return Proof{}, err
	}
	var leaf, salt, body, signed []byte
	err = tx.QueryRowContext(ctx, "SELECT leaf, salt, body FROM entries WHERE device = $1 AND number = $2", device, number).Scan(&leaf, &salt, &body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Proof{}, ErrNoEntry
	case err != nil:
		return Proof{}, fmt.Errorf("cannot prove the entry: %w", err)
	case len(body) == 0:
		return Proof{}, ErrErased
	case len(leaf) != tlog.HashSize || journal.Commitment(salt, body) != journal.Hash(leaf):
		return Proof{}, ErrProof
	}
	if err := tx.QueryRowContext(ctx, "SELECT note FROM checkpoints WHERE device = $1 ORDER BY size DESC LIMIT 1", device).Scan(&signed); err != nil {
		return Proof{}, fmt.Errorf("%w (no checkpoint: %v)", ErrProof, err)
	}
	verifier, err := journal.Verifier(wire.Origin(device), h.key)
	if err != nil {
		return Proof{}, err
	}
	c, err := journal.OpenCheckpoint(signed, verifier)
	if err != nil || number >= c.Size {
		return Proof{}, fmt.Errorf("%w (checkpoint: %v)", ErrProof, err)
	}
	path, err := tlog.ProveRecord(int64(c.Size), int64(number), &tree{ctx, tx, device, map[int64]tlog.Hash{}})
	if err != nil {
		return Proof{}, fmt.Errorf("%w (%v)", ErrProof, err)
	}
	if tlog.CheckRecord(path, int64(c.Size), c.Root, int64(number), tlog.RecordHash(leaf)) != nil {
		return Proof{}, ErrProof
	}
	return Proof{Index: number, Size: c.Size, Bundle: journal.WriteBundle(number, salt, body, path, signed)}, nil
}
