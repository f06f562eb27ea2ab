package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// ErrNotEnrolled means that no such device is enrolled.
var ErrNotEnrolled = errors.New("no such device is enrolled: `limen-fleet enrol` does it")

// Records is what the centre holds: one SQLite file, or a PostgreSQL database
// that several processes share. Other processes may read them, and enrol
// devices, while the centre runs.
type Records struct {
	at       string // for people: never with a password
	database database
	write    *sql.DB // SQLite: one connection, because it takes one writer
	read     *sql.DB
}

// database is what SQLite and PostgreSQL do differently; the statements are
// the same, and so are their results.
type database interface {
	versioned
	name() string
	// snapshot makes a transaction see one state while others write.
	snapshot() *sql.TxOptions
	// ready makes room for entries that arrive at that time.
	ready(ctx context.Context, db *sql.DB, at time.Time) error
	// restored makes the order of arrival go on after rows that were given theirs.
	restored(ctx context.Context, tx *sql.Tx) error
	// forget makes the database's files forget what was erased, as far as a
	// program can; false where something still reads what was.
	forget(ctx context.Context, db *sql.DB) (bool, error)
	// rewrite writes the tables anew without what was erased.
	rewrite(ctx context.Context, db *sql.DB) error
}

// OpenRecords opens the records of a centre's folder, or those of a database
// named by its address (postgres://…), as they are: of another version than
// this program's they are refused. fs.ErrNotExist when a folder has none.
func OpenRecords(at string) (*Records, error) {
	if !isPostgres(at) {
		if _, err := os.Stat(recordsPath(at)); err != nil {
			return nil, fmt.Errorf("there are no records in %s: %w", at, err)
		}
	}
	return useRecords(at, func(ctx context.Context, r *Records, steps int) error {
		return current(ctx, r.write, r.database, steps)
	})
}

// CreateRecords opens the records in a centre's folder or in a database, or
// begins them there; those of an older program are brought up to date.
func CreateRecords(at string) (*Records, error) {
	r, _, err := MigrateRecords(at)
	return r, err
}

// MigrateRecords does what CreateRecords does, and tells of which version the
// records were before: 0 where there were none.
func MigrateRecords(at string) (r *Records, from int, err error) {
	if !isPostgres(at) {
		if err := os.MkdirAll(at, 0o700); err != nil {
			return nil, 0, fmt.Errorf("cannot make the centre's folder: %w", err)
		}
	}
	r, err = useRecords(at, func(ctx context.Context, r *Records, _ int) error {
		s, err := steps(migrations, r.database.name())
		if err == nil {
			from, err = migrate(ctx, r.write, r.database, s)
		}
		return err
	})
	return r, from, err
}

// useRecords opens records and does first what settles their version.
func useRecords(at string, settle func(ctx context.Context, r *Records, steps int) error) (*Records, error) {
	open := openSQLite
	if isPostgres(at) {
		open = openPostgres
	}
	r, err := open(at)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	s, err := steps(migrations, r.database.name())
	if err == nil {
		err = settle(ctx, r, len(s))
	}
	if err == nil {
		err = r.database.ready(ctx, r.write, time.Now())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the records in %s: %w", r.at, err), r.Close())
	}
	return r, nil
}

// Version is the version of the records, which is this program's.
func (r *Records) Version(ctx context.Context) (int, error) {
	return r.database.version(ctx, r.read)
}

// Rewrite writes tables anew, so that their files hold nothing of what was
// erased. With SQLite they never do; with PostgreSQL it is to be done daily, at
// an hour when little comes in.
func (r *Records) Rewrite(ctx context.Context) error { return r.database.rewrite(ctx, r.write) }

// Close closes the connections to the database.
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
	if _, err := r.write.ExecContext(ctx, "INSERT INTO devices (name, public_key, enrolled, root) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING",
		name, publicKey, now.UnixMilli(), root[:]); err != nil {
		return fmt.Errorf("cannot enrol %s: %w", name, err)
	}
	var have []byte
	if err := r.write.QueryRowContext(ctx, "SELECT public_key FROM devices WHERE name = $1", name).Scan(&have); err != nil {
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
	err = r.read.QueryRowContext(ctx, "SELECT size FROM devices WHERE name = $1", device).Scan(&size)
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

// holdDevice reads what is held of a device and keeps other workers from
// storing anything of it until the transaction ends: in PostgreSQL an updated
// row is locked, and SQLite has one writer. Whoever waited for it sees what
// the one before stored.
func holdDevice(ctx context.Context, tx *sql.Tx, device string, now time.Time) (holding, error) {
	return scanHolding(device, tx.QueryRowContext(ctx, "UPDATE devices SET seen = $1 WHERE name = $2 RETURNING public_key, size, root", now.UnixMilli(), device))
}

func readHolding(ctx context.Context, tx *sql.Tx, device string) (holding, error) {
	return scanHolding(device, tx.QueryRowContext(ctx, "SELECT public_key, size, root FROM devices WHERE name = $1", device))
}

func scanHolding(device string, row *sql.Row) (h holding, err error) {
	var root []byte
	err = row.Scan(&h.key, &h.size, &root)
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
			if err := t.tx.QueryRowContext(t.ctx, "SELECT hash FROM hashes WHERE device = $1 AND number = $2", t.device, i).Scan(&b); err != nil {
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
