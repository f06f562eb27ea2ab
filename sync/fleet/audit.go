package fleet

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"limen"
)

// Access is one line of the audit: who did or read what, when and why.
type Access struct {
	Number  int64        `json:"number"` // 1, 2, 3 … without a gap
	At      limen.Moment `json:"at"`
	Name    string       `json:"name"`
	Roles   string       `json:"roles"`
	Action  string       `json:"action"`
	Subject string       `json:"subject,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Hash    []byte       `json:"hash"`
}

// Actions of the audit.
const (
	ActionSignIn      = "sign_in"
	ActionRefused     = "sign_in_refused"
	ActionSignOut     = "sign_out"
	ActionSearch      = "search"      // of a document's history
	ActionDevice      = "device"      // of the checks of one device
	ActionProof       = "proof"       // export of one entry with its proof
	ActionAcknowledge = "acknowledge" // of an alarm
	ActionAudit       = "audit"       // the audit itself was read
	ActionUser        = "user"        // an account was made or changed
	ActionExport      = "export"      // a backup, or an index for a device, was written into files
)

// NamedDocument is how a line names a document: by no more of its pseudonym
// than pages show, because a line outlives the document's erasure.
func NamedDocument(digits string) string {
	return "document " + strings.ToLower(digits[:min(len(digits), 8)])
}

// auditPrefix separates these hashes from any other.
const auditPrefix = "limen audit v1\n"

// auditRoot stands before the first line.
var auditRoot = sha256.Sum256([]byte(auditPrefix))

// maxAuditText bounds each text of a line.
const maxAuditText = 500

// chained is the hash of a line: of the hash before it and of all it says,
// each text with its length before it.
func (a Access) chained(previous []byte) []byte {
	h := sha256.New()
	h.Write([]byte(auditPrefix))
	h.Write(previous)
	word := func(n int64) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	word(a.Number)
	word(int64(a.At))
	for _, s := range []string{a.Name, a.Roles, a.Action, a.Subject, a.Reason} {
		word(int64(len(s)))
		h.Write([]byte(s))
	}
	return h.Sum(nil)
}

// Note writes a line into the audit, and returns once it is durable: whoever
// is to be shown something is shown it then, not before.
func (r *Records) Note(ctx context.Context, a Access, now time.Time) (Access, error) {
	a.At = limen.MomentOf(now)
	for _, s := range []*string{&a.Name, &a.Roles, &a.Action, &a.Subject, &a.Reason} {
		*s = text(strings.ToValidUTF8((*s)[:min(len(*s), maxAuditText)], ""))
	}
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return a, fmt.Errorf("cannot write the audit: %w", err)
	}
	defer tx.Rollback() // no effect once committed
	if err := a.append(ctx, tx); err != nil {
		return a, fmt.Errorf("cannot write the audit: %w", err)
	}
	return a, tx.Commit()
}

// append takes the head, whose row keeps others waiting until the transaction
// ends.
func (a *Access) append(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO audit_head (one, number, hash) VALUES (1, 0, $1) ON CONFLICT (one) DO NOTHING", auditRoot[:]); err != nil {
		return err
	}
	var previous []byte
	if err := tx.QueryRowContext(ctx, "UPDATE audit_head SET number = number + 1 WHERE one = 1 RETURNING number, hash").Scan(&a.Number, &previous); err != nil {
		return err
	}
	a.Hash = a.chained(previous)
	if _, err := tx.ExecContext(ctx, "INSERT INTO audit (number, at, name, roles, action, subject, reason, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		a.Number, int64(a.At), a.Name, a.Roles, a.Action, a.Subject, a.Reason, a.Hash); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE audit_head SET hash = $1 WHERE one = 1", a.Hash)
	return err
}

// Audit are the lines before a number, newest first, at most n; before 0 is
// the end.
func (r *Records) Audit(ctx context.Context, before int64, n int) ([]Access, error) {
	if before <= 0 {
		before = 1 << 62
	}
	rows, err := r.read.QueryContext(ctx, "SELECT number, at, name, roles, action, subject, reason, hash FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2", before, min(max(n, 0), mostChecks))
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit: %w", err)
	}
	defer rows.Close()
	out := []Access{}
	for rows.Next() {
		a, err := scanAccess(rows)
		if err != nil {
			return nil, fmt.Errorf("cannot read the audit: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

func scanAccess(rows *sql.Rows) (a Access, err error) {
	err = rows.Scan(&a.Number, &a.At, &a.Name, &a.Roles, &a.Action, &a.Subject, &a.Reason, &a.Hash)
	return a, err
}

// AuditVerdict is what verifying the audit found.
type AuditVerdict struct {
	Lines int64  `json:"lines"`
	Head  string `json:"head"`            // the last line's hash, hex: note it elsewhere, and a cut end is found
	Bad   int64  `json:"bad,omitempty"`   // the first line that does not hold
	Fault string `json:"fault,omitempty"` // what is wrong with it
}

// VerifyAudit recomputes the chain. Somebody who can write the database could
// write all of it anew: known is a line's number and hash noted elsewhere, and
// is compared where its number is not 0.
func (r *Records) VerifyAudit(ctx context.Context, known Access) (AuditVerdict, error) {
	tx, err := r.read.BeginTx(ctx, r.database.snapshot())
	if err != nil {
		return AuditVerdict{}, fmt.Errorf("cannot read the audit: %w", err)
	}
	defer tx.Rollback()
	v, err := verifyAudit(ctx, tx, known)
	if err != nil {
		err = fmt.Errorf("cannot verify the audit: %w", err)
	}
	return v, err
}

func verifyAudit(ctx context.Context, tx *sql.Tx, known Access) (v AuditVerdict, err error) {
	lines := pages[Access]{after: before, key: func(a Access) int64 { return a.Number }, read: func(after int64) ([]Access, error) {
		return query(ctx, tx, func(r *sql.Rows, a *Access) (err error) { *a, err = scanAccess(r); return err },
			"SELECT number, at, name, roles, action, subject, reason, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2", after, hashesPage)
	}}
	previous := auditRoot[:]
	for {
		a, more, err := lines.next()
		if err != nil {
			return v, err
		}
		if !more {
			break
		}
		hash := a.chained(previous)
		switch {
		case a.Number != v.Lines+1:
			return v.fault(v.Lines+1, "the line is missing"), nil
		case string(hash) != string(a.Hash):
			return v.fault(a.Number, "it or the line before it was changed: its hash is another"), nil
		case known.Number == a.Number && string(known.Hash) != string(hash):
			return v.fault(a.Number, "it is not the line whose hash was noted: the audit was written anew"), nil
		}
		v.Lines, previous = a.Number, hash
	}
	v.Head = hex.EncodeToString(previous)
	var number int64
	var head []byte
	err = tx.QueryRowContext(ctx, "SELECT number, hash FROM audit_head").Scan(&number, &head)
	switch {
	case errors.Is(err, sql.ErrNoRows) && v.Lines == 0 && known.Number == 0:
		return v, nil
	case errors.Is(err, sql.ErrNoRows):
		return v.fault(v.Lines+1, "the head of the audit is missing"), nil
	case err != nil:
		return v, err
	case number != v.Lines || string(head) != string(previous):
		return v.fault(v.Lines+1, fmt.Sprintf("the line is missing: the head speaks of %d lines", number)), nil
	case known.Number > v.Lines:
		return v.fault(v.Lines+1, fmt.Sprintf("the line is missing: one of number %d was noted", known.Number)), nil
	}
	return v, nil
}

func (v AuditVerdict) fault(line int64, what string) AuditVerdict {
	v.Bad, v.Fault = line, what
	return v
}
