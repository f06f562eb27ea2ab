package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
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
	// Workers that store for the same devices lock them in the same order.
	messages = slices.Clone(messages)
	slices.SortStableFunc(messages, func(a, b message) int { return strings.Compare(a.device, b.device) })
	for _, m := range messages {
		if err := r.database.ready(ctx, r.write, m.at); err != nil {
			return nil, fmt.Errorf("cannot make room for entries: %w", err)
		}
	}
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
	if slices.ContainsFunc(answers, func(a wire.Answer) bool { return len(a.Forgotten) > 0 }) {
		gone, err := r.database.forget(ctx, r.write)
		if err != nil {
			return nil, fmt.Errorf("cannot forget what was erased: %w", err)
		}
		// What is erased and still in a file is not forgotten: without the word
		// the device sends its tombstones again.
		for k := range answers {
			if !gone {
				answers[k].Forgotten = nil
			}
		}
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
	args := []any{s.State, text(s.Session), text(s.Software), m.at.UnixMilli(), m.device, s.Size}
	more := ""
	if h := s.Health; h != nil {
		kept, err := h.Encode()
		if err != nil {
			return nil
		}
		more = ", health = $7, site = $8, skew = $9"
		args = append(args, kept, text(h.Site), h.At-m.at.UnixMilli())
	}
	_, err = tx.ExecContext(ctx, `UPDATE devices SET since = CASE WHEN state = $1 THEN since ELSE $4 END, state = $1, session = $2, software = $3, seen = $4,
		journal = $6`+more+` WHERE name = $5 AND (session = $2 OR $1 <> 'lost')`, args...)
	return err
}

// takeBatch judges and stores one batch. The receipt it makes is sent after
// the commit, never before.
func takeBatch(ctx context.Context, tx *sql.Tx, m message, receipts note.Signer) (wire.Answer, error) {
	a := wire.Answer{Device: m.device}
	h, err := holdDevice(ctx, tx, m.device, m.at)
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
	case len(b.Peaks) > 0 && b.First > h.size:
		if no, err = takeAhead(ctx, tx, h, b, m.at); err == nil && no == nil {
			a.Ahead = b.First + uint64(len(b.Entries))
			return a, nil
		}
	default:
		h, no, err = storeUpToAhead(ctx, tx, h, b, m.at)
	}
	if err != nil {
		return a, err
	}
	if no != nil {
		a.Refusal, a.Have, a.Detail = no.code, h.size, truncate(no.detail)
		return a, noteRefusal(ctx, tx, m, b, no)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE devices SET since = CASE WHEN state = 'running' THEN since ELSE $1 END, state = 'running', refusal = '', detail = '' WHERE name = $2", m.at.UnixMilli(), m.device); err != nil {
		return a, err
	}
	a.Receipt, err = wire.Receipt{Device: m.device, Size: h.size, Root: h.root}.Sign(receipts)
	if err == nil && len(b.Tombstones) > 0 {
		a.Forgotten, err = wire.SignForgotten(m.device, b.Tombstones, receipts)
	}
	return a, err
}

// noteRefusal keeps why. Of a device that signed another history it keeps the
// first such checkpoint: no proof can join it to the one held. A gap is
// ordinary: the device mends it at once.
func noteRefusal(ctx context.Context, tx *sql.Tx, m message, b wire.Batch, no *refused) error {
	if no.code == wire.RefusedGap {
		return nil
	}
	at := m.at.UnixMilli()
	_, err := tx.ExecContext(ctx, "UPDATE devices SET refusal = $1, detail = $2, refused = $3 WHERE name = $4", no.code, truncate(no.detail), at, m.device)
	if err == nil && no.code == wire.RefusedHistory {
		_, err = tx.ExecContext(ctx, "UPDATE devices SET rewritten = $1, evidence = $2 WHERE name = $3 AND rewritten = 0", at, b.Checkpoint, m.device)
	}
	return err
}

// truncate keeps a detail within an answer's bound.
func truncate(s string) string {
	const most = 200
	return text(strings.ToValidUTF8(s[:min(len(s), most)], ""))
}

// text is what PostgreSQL takes as such: a device that says NUL must not keep
// its group from being stored.
func text(s string) string { return strings.ReplaceAll(s, "\x00", "") }

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
	erased, no := graves(b, verifier)
	if no == nil {
		no = contents(b, erased)
	}
	if no == nil {
		no = mapped(b, verifier)
	}
	if no != nil {
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
	if no, err := known(ctx, tx, b.Device, min(h.size, b.First), erased); no != nil || err != nil {
		return h, no, err
	}
	if err := fill(ctx, tx, h.size, b); err != nil {
		return h, nil, err
	}
	after := h
	if end > h.size { // else sent again
		after = holding{key: h.key, size: end, root: sent.root}
		if err := after.write(ctx, tx, h, b, sent, now); err != nil {
			return h, nil, err
		}
	}
	err = unmap(ctx, tx, b.Device, erased)
	if err == nil {
		err = bury(ctx, tx, b.Device, erased)
	}
	if err == nil {
		err = remap(ctx, tx, b)
	}
	return after, nil, err
}

// fill gives entries held without content the content that a good batch has
// of them, unless the device erased them: an older sending may come later.
func fill(ctx context.Context, tx *sql.Tx, held uint64, b wire.Batch) error {
	for k, e := range b.Entries {
		i := b.First + uint64(k)
		if i >= held {
			return nil
		}
		if e.Erased() {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE entries SET salt = $1, body = $2, document = $3 WHERE device = $4 AND number = $5 AND body IS NULL AND NOT EXISTS (SELECT 1 FROM erased x WHERE x.device = entries.device AND x.number = entries.number)",
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
	entries := rows{into: "entries (device, number, leaf, salt, body, received, document)", columns: 7}
	for k, e := range b.Entries {
		if i := b.First + uint64(k); i >= before.size {
			entries.add(b.Device, i, e.Leaf, orNull(e.Salt), orNull(e.Body), now.UnixMilli(), document(e.Body))
		}
	}
	if err := entries.insert(ctx, tx); err != nil {
		return fmt.Errorf("cannot store entries %d to %d of %s: %w", before.size, h.size-1, b.Device, err)
	}
	hashes := rows{into: "hashes (device, number, hash)", columns: 3}
	for _, n := range x.hashes {
		hashes.add(b.Device, n.number, n.hash[:])
	}
	if err := hashes.insert(ctx, tx); err != nil {
		return fmt.Errorf("cannot store the tree of %s: %w", b.Device, err)
	}
	if before.size > 0 && before.size/keepEvery == h.size/keepEvery {
		if _, err := tx.ExecContext(ctx, "DELETE FROM checkpoints WHERE device = $1 AND size = $2", b.Device, before.size); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO checkpoints (device, size, note) VALUES ($1, $2, $3)", b.Device, h.size, b.Checkpoint); err != nil {
		return fmt.Errorf("cannot store the checkpoint of %s: %w", b.Device, err)
	}
	done, err := tx.ExecContext(ctx, "UPDATE devices SET size = $1, root = $2, stored = $3 WHERE name = $4 AND size = $5", h.size, h.root[:], now.UnixMilli(), b.Device, before.size)
	if err != nil {
		return err
	}
	// The device's row has been ours since the batch was judged.
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("what is held of %s changed from %d entries while a batch was stored: %w", b.Device, before.size, errors.Join(err, errors.New("its row was not locked")))
	}
	return nil
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
