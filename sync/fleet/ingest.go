package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"limen"
	"limen/sync/journal"
	"limen/sync/wire"
)

// refused is why a batch gets no receipt.
type refused struct {
	code   wire.Refusal
	detail string
}

func refuse(code wire.Refusal, format string, args ...any) *refused {
	return &refused{code, fmt.Sprintf(format, args...)}
}

// message is one delivery of the broker: who published it, which its
// permissions vouch for, and what.
type message struct {
	device  string
	kind    wire.Kind
	payload []byte
	at      time.Time
}

// take stores what the messages say, in one transaction, and returns the
// answers to send now that it is committed. After an error nothing was stored.
func (r *Records) take(ctx context.Context, messages []message, receipts note.Signer) ([]wire.Answer, error) {
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot begin to store: %w", err)
	}
	defer tx.Rollback() // no effect once committed
	var answers []wire.Answer
	for _, m := range messages {
		if m.kind == wire.KindStatus {
			err = takeStatus(ctx, tx, m)
		} else {
			var a wire.Answer
			a, err = takeBatch(ctx, tx, m, receipts)
			answers = append(answers, a)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("cannot store: %w", err)
	}
	return answers, nil
}

// takeStatus notes what a device says of itself. A last will of an older
// session says nothing of the present one; one that cannot be read, nothing.
func takeStatus(ctx context.Context, tx *sql.Tx, m message) error {
	s, err := wire.DecodeStatus(m.payload)
	if err != nil || s.Device != m.device {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE devices SET state = ?, session = ?, software = ?, seen = ?
		WHERE name = ? AND (session = ? OR ? <> 'lost')`, s.State, s.Session, s.Software, m.at.UnixMilli(), m.device, s.Session, s.State)
	return err
}

// takeBatch judges and stores one batch. The receipt it makes is sent after
// the commit, never before.
func takeBatch(ctx context.Context, tx *sql.Tx, m message, receipts note.Signer) (wire.Answer, error) {
	a := wire.Answer{Device: m.device}
	h, err := readHolding(ctx, tx, m.device)
	if errors.Is(err, ErrNotEnrolled) {
		a.Refusal, a.Detail = wire.RefusedUnknown, "the centre knows no key of this device; have it enrolled"
		return a, nil
	}
	if err != nil {
		return a, err
	}
	b, malformed := wire.DecodeBatch(m.payload)
	var no *refused
	switch {
	case malformed != nil:
		no = refuse(wire.RefusedMalformed, "%v", malformed)
	case b.Device != m.device:
		no = refuse(wire.RefusedMalformed, "the batch is of %s and came from %s", b.Device, m.device)
	default:
		h, no, err = store(ctx, tx, h, b, m.at)
	}
	if err != nil {
		return a, err
	}
	if no != nil {
		a.Refusal, a.Have, a.Detail = no.code, h.size, truncate(no.detail)
		return a, noteRefusal(ctx, tx, m, b, no)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE devices SET seen = ?, state = 'running', refusal = '', detail = '' WHERE name = ?", m.at.UnixMilli(), m.device); err != nil {
		return a, err
	}
	a.Receipt, err = wire.Receipt{Device: m.device, Size: h.size, Root: h.root}.Sign(receipts)
	return a, err
}

// noteRefusal keeps why. Of a device that signed another history it keeps the
// first such checkpoint: no proof can join it to the one held. A gap is
// ordinary: the device mends it at once.
func noteRefusal(ctx context.Context, tx *sql.Tx, m message, b wire.Batch, no *refused) error {
	at := m.at.UnixMilli()
	if no.code == wire.RefusedGap {
		_, err := tx.ExecContext(ctx, "UPDATE devices SET seen = ? WHERE name = ?", at, m.device)
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE devices SET seen = ?, refusal = ?, detail = ?, refused = ? WHERE name = ?", at, no.code, truncate(no.detail), at, m.device)
	if err == nil && no.code == wire.RefusedHistory {
		_, err = tx.ExecContext(ctx, "UPDATE devices SET rewritten = ?, evidence = ? WHERE name = ? AND rewritten = 0", at, b.Checkpoint, m.device)
	}
	return err
}

// truncate keeps a detail within an answer's bound.
func truncate(s string) string {
	const most = 200
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

// store verifies a batch against what is held and stores what is new of it.
// It returns what is held then; of a refused batch nothing is written.
//
// Only the device's signature says that it changed its history: another root
// for what is held, or a root of more to which another leaf than the held one
// truly leads. Leaves that lead to no signed root are anybody's.
func store(ctx context.Context, tx *sql.Tx, h holding, b wire.Batch, now time.Time) (holding, *refused, error) {
	verifier, err := journal.Verifier(wire.Origin(b.Device), h.key)
	if err != nil {
		return h, nil, err
	}
	end := b.First + uint64(len(b.Entries))
	c, err := journal.OpenCheckpoint(b.Checkpoint, verifier)
	switch {
	case err != nil:
		return h, refuse(wire.RefusedSignature, "%v", err), nil
	case c.Size != end:
		return h, refuse(wire.RefusedMalformed, "the checkpoint is of %d entries and the batch ends at %d", c.Size, end), nil
	case b.First > h.size:
		return h, refuse(wire.RefusedGap, "the batch begins at entry %d and %d are held", b.First, h.size), nil
	}
	held := &tree{ctx, tx, b.Device, map[int64]tlog.Hash{}}
	if end <= h.size {
		root, err := tlog.TreeHash(int64(end), held)
		if err != nil {
			return h, nil, err
		}
		if root != c.Root {
			return h, refuse(wire.RefusedHistory, "the device signed another root for the first %d entries than those the centre stored have: its history was changed", end), nil
		}
	}
	if no := contents(b, verifier); no != nil {
		return h, no, nil
	}
	sent, err := held.extend(h.size, b)
	if err != nil {
		return h, nil, err
	}
	switch {
	case sent.root != c.Root:
		return h, refuse(wire.RefusedMalformed, "the entries do not have the root the device signed for the first %d: they were changed on their way, or follow others than the centre stored", end), nil
	case sent.changed != nil:
		return h, refuse(wire.RefusedHistory, "entry %d is not the one the centre stored, and the device signed it: its history was changed", *sent.changed), nil
	}
	if err := fill(ctx, tx, h.size, b); err != nil {
		return h, nil, err
	}
	if end <= h.size {
		return h, nil, nil // sent again
	}
	after := holding{key: h.key, size: end, root: sent.root}
	return after, nil, after.write(ctx, tx, h, b, sent, now)
}

// fill gives entries held without content the content that a good batch has
// of them. It takes none away.
func fill(ctx context.Context, tx *sql.Tx, held uint64, b wire.Batch) error {
	for k, e := range b.Entries {
		i := b.First + uint64(k)
		if i >= held {
			return nil
		}
		if e.Erased() {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE entries SET salt = ?, body = ?, document = ? WHERE device = ? AND number = ? AND body IS NULL",
			e.Salt, e.Body, document(e.Body), b.Device, i); err != nil {
			return fmt.Errorf("cannot fill in entry %d of %s: %w", i, b.Device, err)
		}
	}
	return nil
}

// keepEvery is the journal's: of earlier checkpoints one per block stays.
const keepEvery = 256

// write stores what is new of a batch that was found good.
func (h holding) write(ctx context.Context, tx *sql.Tx, before holding, b wire.Batch, x extension, now time.Time) error {
	entries, err := tx.PrepareContext(ctx, "INSERT INTO entries (device, number, leaf, salt, body, received, document) VALUES (?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer entries.Close()
	for k, e := range b.Entries {
		if i := b.First + uint64(k); i >= before.size {
			if _, err := entries.ExecContext(ctx, b.Device, i, e.Leaf, orNull(e.Salt), orNull(e.Body), now.UnixMilli(), document(e.Body)); err != nil {
				return fmt.Errorf("cannot store entry %d of %s: %w", i, b.Device, err)
			}
		}
	}
	hashes, err := tx.PrepareContext(ctx, "INSERT INTO hashes (device, number, hash) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer hashes.Close()
	for _, n := range x.hashes {
		if _, err := hashes.ExecContext(ctx, b.Device, n.number, n.hash[:]); err != nil {
			return fmt.Errorf("cannot store the tree of %s: %w", b.Device, err)
		}
	}
	if before.size > 0 && before.size/keepEvery == h.size/keepEvery {
		if _, err := tx.ExecContext(ctx, "DELETE FROM checkpoints WHERE device = ? AND size = ?", b.Device, before.size); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO checkpoints (device, size, note) VALUES (?, ?, ?)", b.Device, h.size, b.Checkpoint); err != nil {
		return fmt.Errorf("cannot store the checkpoint of %s: %w", b.Device, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE devices SET size = ?, root = ? WHERE name = ?", h.size, h.root[:], b.Device)
	return err
}

// orNull keeps "erased" apart from "empty".
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// document is the pseudonym an inspection can be found by. A body this
// version cannot read is stored all the same: the device's journal is the
// truth, and newer software may read it.
func document(body []byte) any {
	r, err := limen.DecodeRecord(body)
	if err != nil || r.Document.Pseudonym == (limen.Pseudonym{}) {
		return nil
	}
	return r.Document.Pseudonym[:]
}
