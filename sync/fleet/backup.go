package fleet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// A backup is one file that either database can be filled from:
//
//	head line ‖ zstd( items, each with its length in 4 bytes before it ) ‖ SHA-256 of all that
//
// The first item is a backupHead, the others are backupRows, all CBOR. It
// holds everything the records hold: keep it as they are kept.
const (
	backupMagic   = "limen-fleet backup v1\n"
	backupVersion = 1
	maxItem       = 2 << 20   // bytes of one item; a row has under 132 KiB
	itemBytes     = 512 << 10 // where an item is full
	itemRows      = 256
	maxMonths     = 1200 // of entries: a century
)

type backupHead struct {
	Version int      `cbor:"1,keyasint"`
	Schema  int      `cbor:"2,keyasint"` // version of the records
	Made    int64    `cbor:"3,keyasint"` // milliseconds
	First   int64    `cbor:"4,keyasint"` // arrival of the first entry and the last
	Last    int64    `cbor:"5,keyasint"`
	Tables  []string `cbor:"6,keyasint"`
}

type backupRows struct {
	Table string  `cbor:"1,keyasint"`
	Rows  [][]any `cbor:"2,keyasint"`
}

// table is one that a backup holds: those that others refer to come first.
type table struct{ name, columns, order string }

// tables are all that the records consist of. (What entry_numbers holds
// follows from the entries, and sessions end with the centre.)
var tables = []table{
	{"devices", "name, public_key, enrolled, size, root, seen, state, session, software, refusal, detail, refused, rewritten, evidence, site, since, health, skew, journal, stored, tallied, last_check", "name"},
	{"entries", "sequence, device, number, leaf, salt, body, received, document", "sequence"},
	{"hashes", "device, number, hash", "device, number"},
	{"checkpoints", "device, size, note", "device, size"},
	{"erased", "device, number, note", "device, number"},
	{"mappings", "device, pseudonym, fleet_key, hash", "device, pseudonym, fleet_key"},
	{"ahead", "device, number, leaf, salt, body, received, document", "device, number"},
	{"tally", "device, hour, site, what, code, count", "device, hour, site, what, code"},
	{"alarms", "device, kind, opened, cleared, detail, answered, answered_by, note", "device, kind, opened"},
	{"users", "name, roles, password, created, disabled, failures, locked", "name"},
	{"audit", "number, at, name, roles, action, subject, reason, hash", "number"},
	{"audit_head", "one, number, hash", "one"},
	{"sets", "name, number, manifest, issued, expires, size, repeats", "name, number"},
	{"set_forms", "name, number, base, size", "name, number, base"},
	{"set_pieces", "name, number, base, piece, bytes", "name, number, base, piece"},
	{"rollouts", "name, site, number, at", "name, site"},
	{"set_reports", "device, name, site, number, refused, why, at", "device, name"},
	{"commands", "device, number, command, what, made, expires, result, detail, told", "device, number"},
	{"index_state", "id, cut", "id"},
	{"index_progress", "device, next", "device"},
	{"index_segments", "region, number, made, size, sha256", "region, number"},
	{"index_entries", "handle, device, number, region, segment, gone", "handle"},
	{"index_removed", "region, segment, handle", "region, segment, handle"},
}

func (t table) width() int { return strings.Count(t.columns, ",") + 1 }

// BackupSummary says what a backup holds, or what was restored from one.
type BackupSummary struct {
	Made    time.Time        `json:"made"`
	Rows    map[string]int64 `json:"rows"` // by table
	SHA256  []byte           `json:"sha256"`
	Verdict []Verdict        `json:"verdict,omitempty"` // of a restore
	Audit   *AuditVerdict    `json:"audit,omitempty"`   // of a restore
}

// Backup writes the records as they are at one moment, while others may go on
// writing them.
func (r *Records) Backup(ctx context.Context, to io.Writer, now time.Time) (BackupSummary, error) {
	out := BackupSummary{Made: now, Rows: map[string]int64{}}
	tx, err := r.read.BeginTx(ctx, r.database.snapshot())
	if err != nil {
		return out, fmt.Errorf("cannot read the records: %w", err)
	}
	defer tx.Rollback()
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<20)
	if _, err := buffered.WriteString(backupMagic); err != nil {
		return out, err
	}
	z, err := zstd.NewWriter(buffered, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return out, err
	}
	defer z.Close()
	head := backupHead{Version: backupVersion, Made: now.UnixMilli()}
	if head.Schema, err = r.database.version(ctx, tx); err != nil {
		return out, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(min(received), 0), coalesce(max(received), 0) FROM entries").Scan(&head.First, &head.Last); err != nil {
		return out, err
	}
	for _, t := range tables {
		head.Tables = append(head.Tables, t.name)
	}
	if err := writeItem(z, head); err != nil {
		return out, err
	}
	for _, t := range tables {
		if out.Rows[t.name], err = t.dump(ctx, tx, z); err != nil {
			return out, fmt.Errorf("cannot back up the %s: %w", t.name, err)
		}
	}
	if err := errors.Join(z.Close(), buffered.Flush()); err != nil {
		return out, err
	}
	out.SHA256 = sum.Sum(nil)
	_, err = to.Write(out.SHA256)
	return out, err
}

func writeItem(w io.Writer, v any) error {
	b, err := cbor.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxItem {
		return fmt.Errorf("an item of %d bytes is over a backup's limit of %d", len(b), maxItem)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func (t table) dump(ctx context.Context, tx *sql.Tx, w io.Writer) (count int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+t.columns+" FROM "+t.name+" ORDER BY "+t.order)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	item, size := backupRows{Table: t.name}, 0
	for more := true; more; {
		if more = rows.Next(); more {
			row, into := make([]any, t.width()), make([]any, t.width())
			for k := range row {
				into[k] = &row[k]
			}
			if err := rows.Scan(into...); err != nil {
				return count, err
			}
			for _, v := range row {
				if b, ok := v.([]byte); ok {
					size += len(b)
				}
			}
			item.Rows = append(item.Rows, row)
			count++
		}
		if len(item.Rows) == itemRows || size > itemBytes || !more && len(item.Rows) > 0 {
			if err := writeItem(w, item); err != nil {
				return count, err
			}
			item.Rows, size = nil, 0
		}
	}
	return count, rows.Err()
}

// ErrFaults means that a backup's entries do not hold; the summary says which.
var ErrFaults = errors.New("the backup's own entries or its audit do not hold, as the verdict says: nothing was restored")

// Restore fills empty records from a backup, of whichever database it was
// made, in one transaction: a backup that is cut or changed, or whose entries
// do not verify (ErrFaults, unless faults are kept), leaves them empty.
func (r *Records) Restore(ctx context.Context, from *os.File, keepFaults bool) (BackupSummary, error) {
	out := BackupSummary{Rows: map[string]int64{}}
	content, err := checkBackup(from, &out)
	if err != nil {
		return out, err
	}
	z, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return out, err
	}
	defer z.Close()
	items := bufio.NewReaderSize(z, 1<<20)
	head, err := r.readHead(ctx, items)
	if err != nil {
		return out, err
	}
	out.Made = time.UnixMilli(head.Made).UTC()
	for at := time.UnixMilli(head.First).UTC(); head.Last > 0; at = at.AddDate(0, 1, 0) {
		if err := r.database.ready(ctx, r.write, at); err != nil {
			return out, err
		}
		if !at.Before(time.UnixMilli(head.Last)) {
			break
		}
	}
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return out, err
	}
	defer tx.Rollback() // no effect once committed
	if err := r.fillFrom(ctx, tx, items, out.Rows); err != nil {
		return out, err
	}
	if out.Verdict, err = verifyAll(ctx, tx); err != nil {
		return out, err
	}
	audit, err := verifyAudit(ctx, tx, Access{})
	if err != nil {
		return out, err
	}
	out.Audit = &audit
	for _, v := range out.Verdict {
		if v.Fault != nil && !keepFaults {
			return out, ErrFaults
		}
	}
	if audit.Fault != "" && !keepFaults {
		return out, ErrFaults
	}
	return out, tx.Commit()
}

// checkBackup checks the hash over all of it before anything is believed.
func checkBackup(from *os.File, out *BackupSummary) (io.Reader, error) {
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	length := info.Size() - sha256.Size
	magic := make([]byte, len(backupMagic))
	if _, err := io.ReadFull(from, magic); err != nil || string(magic) != backupMagic {
		return nil, fmt.Errorf("%s is no backup of a centre: it does not begin with %q", from.Name(), strings.TrimSpace(backupMagic))
	}
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(sum, io.NewSectionReader(from, 0, length)); err != nil {
		return nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	if _, err := from.ReadAt(want, length); err != nil {
		return nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	if out.SHA256 = sum.Sum(nil); subtle.ConstantTimeCompare(out.SHA256, want) != 1 {
		return nil, fmt.Errorf("%s was cut or changed since it was written: its hash is another; use another copy", from.Name())
	}
	return io.NewSectionReader(from, int64(len(backupMagic)), length-int64(len(backupMagic))), nil
}

var backupDecoding = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, IntDec: cbor.IntDecConvertSignedOrFail,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxArrayElements: itemRows, MaxMapPairs: 16, MaxNestedLevels: 5,
	}.DecMode()
	if err != nil {
		panic("fleet: CBOR decoding options: " + err.Error())
	}
	return m
}()

// readItem reads the next item; io.EOF after the last.
func readItem(from io.Reader, into any) error {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxItem {
		return fmt.Errorf("an item of %d bytes is over a backup's limit of %d", n, maxItem)
	}
	var b bytes.Buffer // grows as bytes come, not as the length claims
	if got, err := io.CopyN(&b, from, int64(n)); err != nil {
		return fmt.Errorf("an item of %d bytes ends after %d", n, got)
	}
	return backupDecoding.Unmarshal(b.Bytes(), into)
}

func (r *Records) readHead(ctx context.Context, items io.Reader) (head backupHead, err error) {
	if err := readItem(items, &head); err != nil {
		return head, fmt.Errorf("cannot read the backup's head: %w", err)
	}
	if head.Version != backupVersion {
		return head, fmt.Errorf("a backup of version %d; this program knows %d: use the program that made it", head.Version, backupVersion)
	}
	have, err := r.Version(ctx)
	if err != nil {
		return head, err
	}
	if head.Schema != have {
		return head, fmt.Errorf("the backup is of records of version %d, and this program's are of version %d: restore it with the program that made it, and migrate then", head.Schema, have)
	}
	if months := (head.Last - head.First) / (28 * 24 * time.Hour).Milliseconds(); head.First < 0 || months < 0 || months > maxMonths {
		return head, fmt.Errorf("the backup's entries arrived from %d to %d, which is no span of time", head.First, head.Last)
	}
	return head, nil
}

// fillFrom inserts every row into tables that are empty.
func (r *Records) fillFrom(ctx context.Context, tx *sql.Tx, items io.Reader, count map[string]int64) error {
	byName := map[string]table{}
	for _, t := range tables {
		byName[t.name] = t
		var there bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+t.name+")").Scan(&there); err != nil {
			return err
		}
		if there {
			return fmt.Errorf("there are %s in %s already: restore into an empty folder or database", t.name, r.at)
		}
	}
	for {
		var item backupRows
		err := readItem(items, &item)
		if errors.Is(err, io.EOF) {
			return r.database.restored(ctx, tx)
		}
		t, known := byName[item.Table]
		if err == nil && !known {
			err = fmt.Errorf("it holds a table %.40q that these records have not", item.Table)
		}
		if err != nil {
			return fmt.Errorf("cannot read the backup: %w", err)
		}
		into := rows{into: t.name + " (" + t.columns + ")", columns: t.width()}
		for _, row := range item.Rows {
			if len(row) != t.width() {
				return fmt.Errorf("a row of %d columns where the %s have %d", len(row), t.name, t.width())
			}
			into.add(row...)
		}
		if err := into.insert(ctx, tx); err != nil {
			return fmt.Errorf("cannot restore the %s: %w", t.name, err)
		}
		count[t.name] += int64(len(item.Rows))
	}
}
