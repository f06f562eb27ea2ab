package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // database/sql finds its driver by name
)

func recordsPath(dir string) string { return filepath.Join(dir, "fleet.db") }

// sqliteDB is one file, with one writer: the default.
type sqliteDB struct{}

func openSQLite(dir string) (*Records, error) {
	path, err := filepath.Abs(recordsPath(dir)) // in a URI a relative one would be a host
	if err != nil {
		return nil, fmt.Errorf("cannot open the records: %w", err)
	}
	// SQLite would make it readable for everybody.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the records: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	base := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-4096)&_pragma=secure_delete(1)"
	r := &Records{at: path, database: sqliteDB{}}
	if r.write, err = sql.Open("sqlite", base+"&_txlock=immediate"); err != nil {
		return nil, err
	}
	if r.read, err = sql.Open("sqlite", base+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, r.write.Close())
	}
	r.write.SetMaxOpenConns(1)
	r.read.SetMaxOpenConns(2)
	return r, nil
}

func (sqliteDB) name() string { return "sqlite" }

// begin has nothing to do: the connection's transactions are the one writer's.
func (sqliteDB) begin(context.Context, *sql.Tx) error { return nil }

func (sqliteDB) version(ctx context.Context, q querier) (v int, err error) {
	err = q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	return v, err
}

func (sqliteDB) setVersion(ctx context.Context, tx *sql.Tx, version int) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	return err
}

// snapshot is the default of a SQLite transaction.
func (sqliteDB) snapshot() *sql.TxOptions { return nil }

// ready has nothing to do: the table has no partitions.
func (sqliteDB) ready(context.Context, *sql.DB, time.Time) error { return nil }

// forget brings the overwriting (secure_delete) from the log into the file,
// and ends the log. A reader that is at work, such as a backup, puts it off:
// it is not waited for, since all who store would wait too.
func (sqliteDB) forget(ctx context.Context, db *sql.DB) (bool, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 500"); err != nil {
		return false, err
	}
	var busy, frames, moved int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	_, again := conn.ExecContext(ctx, "PRAGMA busy_timeout = 10000")
	return busy == 0, errors.Join(err, again)
}

// restored has nothing to do: the next row's number follows the greatest.
func (sqliteDB) restored(context.Context, *sql.Tx) error { return nil }

// rewrite has nothing left to do but for what another program left in the log:
// deleted content is overwritten when it is deleted.
func (d sqliteDB) rewrite(ctx context.Context, db *sql.DB) error {
	gone, err := d.forget(ctx, db)
	if err == nil && !gone {
		err = errors.New("somebody reads the records, such as a backup, so that their files keep what was erased: try again then")
	}
	return err
}
