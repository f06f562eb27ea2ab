package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"limen"
	"limen/sync/wire"
)

// indexPiece is how many entries a delta looks through; a device's own and
// those about no document are left out of it.
const indexPiece = wire.MaxSightings

// Index is what devices other than one recorded of documents and sent after a
// place in the order of arrival, in at most one delta; since is how far back
// checks go. A delta with More is followed by the one after its To.
func (r *Records) Index(ctx context.Context, device string, from uint64, since, now time.Time) (wire.Delta, error) {
	d := wire.Delta{Device: device, From: from, To: from, AsOf: now.UnixMilli()}
	if err := wire.CheckIdentifier(device); err != nil {
		return d, err
	}
	tx, err := r.read.BeginTx(ctx, r.database.snapshot())
	if err != nil {
		return d, fmt.Errorf("cannot read the records: %w", err)
	}
	defer tx.Rollback()
	type held struct {
		sequence uint64
		device   string
		number   uint64
		body     []byte
		document []byte
	}
	entries, err := query(ctx, tx, func(rows *sql.Rows, e *held) error {
		return rows.Scan(&e.sequence, &e.device, &e.number, &e.body, &e.document)
	}, "SELECT sequence, device, number, body, document FROM entries WHERE sequence > $1 ORDER BY sequence LIMIT $2", from, indexPiece+1)
	if err != nil {
		return d, fmt.Errorf("cannot read what devices recorded: %w", err)
	}
	if len(entries) > indexPiece {
		entries, d.More = entries[:indexPiece], true
	}
	bytes := 0
	for _, e := range entries {
		before := d.To
		d.To = e.sequence
		if e.device == device || e.document == nil {
			continue
		}
		rec, err := limen.DecodeRecord(e.body)
		if err != nil || rec.Started.Time().Before(since) {
			continue // newer software's, or too long ago
		}
		traces, err := query(ctx, tx, func(rows *sql.Rows, t *wire.Trace) error { return rows.Scan(&t.Key, &t.Hash) },
			"SELECT fleet_key, hash FROM mappings WHERE device = $1 AND pseudonym = $2 ORDER BY fleet_key LIMIT 3", e.device, e.document)
		if err != nil {
			return d, fmt.Errorf("cannot read what leads to documents: %w", err)
		}
		s, ok := sightingOf(rec, e.device, e.number)
		s.Traces = traces
		// One device's record that is out of bounds must not keep the index from
		// all the others.
		if !ok || len(traces) == 0 || s.Check() != nil {
			continue
		}
		size, err := s.Size()
		if err != nil {
			return d, err
		}
		if bytes += size; bytes > wire.MaxSightingBytes {
			d.To, d.More = before, true
			break
		}
		d.Sightings = append(d.Sightings, s)
	}
	return d, nil
}

// sightingOf is what other devices need to know of a record.
func sightingOf(r limen.Record, device string, number uint64) (wire.Sighting, bool) {
	p := r.Document.Pseudonym
	s := wire.Sighting{Device: device, Number: number, Site: r.Site, At: int64(r.Started), Record: r.ID, Outcome: string(r.Decision.Outcome), Pseudonym: p[:]}
	switch {
	case r.Officer != nil:
		s.Said, s.Record = true, r.Officer.Inspection
	case r.Correction != nil:
		s.Said, s.Record, s.Corrected, s.Outcome = true, r.Correction.Record, r.Correction.Says, ""
	case r.Kind == limen.KindInspection:
		s.Proof, s.SODMark, s.KeyMark = r.Chip.Proof, r.Chip.SODMark, r.Chip.KeyMark
		for _, c := range r.Checks {
			for _, why := range c.Reasons {
				s.Lost = s.Lost || why.Code == limen.ReportedLost
			}
		}
	default:
		return s, false
	}
	return s, true
}

// SealedIndex is Index signed with the receipt key in that file.
func (r *Records) SealedIndex(ctx context.Context, keyFile, device string, from uint64, since, now time.Time) ([]byte, wire.Delta, error) {
	d, err := r.Index(ctx, device, from, since, now)
	if err != nil {
		return nil, d, err
	}
	signer, _, err := readReceiptKey(keyFile)
	if err != nil {
		return nil, d, err
	}
	b, err := d.Seal(signer)
	return b, d, err
}
