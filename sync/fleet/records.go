package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	_ "modernc.org/sqlite" // database/sql finds its driver by name

	"limen/sync/journal"
	"limen/sync/wire"
)

//go:embed schema.sql
var schema string

const schemaVersion = 1

// ErrNotEnrolled means that no such device is enrolled.
var ErrNotEnrolled = errors.New("no such device is enrolled: `limen-fleet enrol` does it")

// Records is what the centre holds: one SQLite file. Other processes may read
// it, and enrol devices, while the centre runs.
type Records struct {
	write *sql.DB // one connection: one writer
	read  *sql.DB
}

// OpenRecords opens the records in a centre's folder; fs.ErrNotExist when
// there are none.
func OpenRecords(dir string) (*Records, error) {
	if _, err := os.Stat(recordsPath(dir)); err != nil {
		return nil, fmt.Errorf("there are no records in %s: %w", dir, err)
	}
	return openRecords(dir)
}

// CreateRecords opens the records in a centre's folder, or begins them there.
func CreateRecords(dir string) (*Records, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	return openRecords(dir)
}

func recordsPath(dir string) string { return filepath.Join(dir, "fleet.db") }

// openRecords begins the records where there are none.
func openRecords(dir string) (*Records, error) {
	path := recordsPath(dir)
	// SQLite would make it readable for everybody.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the records: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	base := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-4096)"
	r := &Records{}
	if r.write, err = sql.Open("sqlite", base+"&_txlock=immediate"); err != nil {
		return nil, err
	}
	if r.read, err = sql.Open("sqlite", base+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, r.write.Close())
	}
	r.write.SetMaxOpenConns(1)
	r.read.SetMaxOpenConns(2)
	if err := r.migrate(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the records in %s: %w", path, err), r.Close())
	}
	return r, nil
}

func (r *Records) migrate() error {
	var version int
	if err := r.write.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
		_, err := r.write.Exec(schema)
		return err
	}
	return fmt.Errorf("they are of version %d, this program knows %d: use the newer program", version, schemaVersion)
}

// Close closes the file.
func (r *Records) Close() error { return errors.Join(r.write.Close(), r.read.Close()) }

// Enrol makes a device known by its Ed25519 public key. Again with the same
// key is no error; a name is never given another key, because what the old
// one signed would no longer verify.
func (r *Records) Enrol(ctx context.Context, name string, publicKey []byte, now time.Time) error {
	if err := wire.CheckIdentifier(name); err != nil {
		return err
	}
	if len(publicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("the key of %s has %d bytes; an Ed25519 public key has %d", name, len(publicKey), ed25519.PublicKeySize)
	}
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		return err
	}
	if _, err := r.write.ExecContext(ctx, "INSERT INTO devices (name, public_key, enrolled, root) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
		name, publicKey, now.UnixMilli(), root[:]); err != nil {
		return fmt.Errorf("cannot enrol %s: %w", name, err)
	}
	var have []byte
	if err := r.write.QueryRowContext(ctx, "SELECT public_key FROM devices WHERE name = ?", name).Scan(&have); err != nil {
		return fmt.Errorf("cannot enrol %s: %w", name, err)
	}
	if !bytes.Equal(have, publicKey) {
		return fmt.Errorf("%s is enrolled with another key: enrol the new device under a new name", name)
	}
	return nil
}

// Stored is how many entries of a device the centre holds; ErrNotEnrolled
// where it does not know the device.
func (r *Records) Stored(ctx context.Context, device string) (size uint64, err error) {
	err = r.read.QueryRowContext(ctx, "SELECT size FROM devices WHERE name = ?", device).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("device %.40q: %w", device, ErrNotEnrolled)
	}
	return size, err
}

// holding is what is held of one device.
type holding struct {
	key  []byte
	size uint64
	root journal.Hash
}

func readHolding(ctx context.Context, tx *sql.Tx, device string) (h holding, err error) {
	var root []byte
	err = tx.QueryRowContext(ctx, "SELECT public_key, size, root FROM devices WHERE name = ?", device).Scan(&h.key, &h.size, &root)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return h, ErrNotEnrolled
	case err != nil:
		return h, fmt.Errorf("cannot read what is held of %s: %w", device, err)
	case len(root) != tlog.HashSize:
		return h, fmt.Errorf("the root held of %s has %d bytes: the records are damaged", device, len(root))
	}
	h.root = journal.Hash(root)
	return h, nil
}

// tree reads the hashes of a device's tree, those not yet stored first.
type tree struct {
	ctx    context.Context
	tx     *sql.Tx
	device string
	cached map[int64]tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for k, i := range indexes {
		h, ok := t.cached[i]
		if !ok {
			var b []byte
			if err := t.tx.QueryRowContext(t.ctx, "SELECT hash FROM hashes WHERE device = ? AND number = ?", t.device, i).Scan(&b); err != nil {
				return nil, fmt.Errorf("cannot read hash %d of %s: %w", i, t.device, err)
			}
			if len(b) != tlog.HashSize {
				return nil, fmt.Errorf("hash %d of %s has %d bytes: the records are damaged", i, t.device, len(b))
			}
			h = tlog.Hash(b)
			t.cached[i] = h
		}
		out[k] = h
	}
	return out, nil
}

// lockFolder keeps a second centre from the same records and broker store.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the centre's folder: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("another centre runs in %s: stop it, or name another folder: %w", dir, err)
	}
	return f, nil
}
