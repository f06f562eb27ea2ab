package fleet

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// steps are the migrations of one database, oldest first: step k brings
// version k to version k+1.
func steps(from fs.FS, database string) ([]string, error) {
	files, err := fs.ReadDir(from, "migrations/"+database) // by name: 0001_…, 0002_…
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		if n, err := strconv.Atoi(number); err != nil || n != len(out)+1 {
			return nil, fmt.Errorf("migration %s of %s where number %d belongs", f.Name(), database, len(out)+1)
		}
		b, err := fs.ReadFile(from, "migrations/"+database+"/"+f.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, string(b))
	}
	return out, nil
}

// versioned is what the two databases do differently about their version.
type versioned interface {
	// begin makes room for the version where there is none, and keeps others
	// from migrating at the same time until the transaction ends.
	begin(ctx context.Context, tx *sql.Tx) error
	version(ctx context.Context, q querier) (int, error) // 0 where nothing was ever stored
	setVersion(ctx context.Context, tx *sql.Tx, version int) error
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrate brings the records to the version this program knows, each step in
// a transaction of its own, and tells from which version it began.
func migrate(ctx context.Context, db *sql.DB, v versioned, steps []string) (from int, err error) {
	for first := true; ; first = false {
		version, err := migrateOnce(ctx, db, v, steps)
		if err != nil {
			return from, err
		}
		if first {
			from = version
		}
		if version >= len(steps)-1 {
			return from, nil
		}
	}
}

// migrateOnce does the next step, if any, and returns the version before it.
func migrateOnce(ctx context.Context, db *sql.DB, v versioned, steps []string) (int, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // no effect once committed
	if err := v.begin(ctx, tx); err != nil {
		return 0, err
	}
	have, err := v.version(ctx, tx)
	switch {
	case err != nil:
		return 0, err
	case have > len(steps):
		return 0, newer(have, len(steps))
	case have == len(steps):
		return have, tx.Commit()
	}
	if _, err := tx.ExecContext(ctx, steps[have]); err != nil {
		return 0, fmt.Errorf("migration %d: %w", have+1, err)
	}
	if err := v.setVersion(ctx, tx, have+1); err != nil {
		return 0, err
	}
	return have, tx.Commit()
}

// current fails unless the records are of the version this program knows.
func current(ctx context.Context, db *sql.DB, v versioned, want int) error {
	have, err := v.version(ctx, db)
	switch {
	case err != nil:
		return err
	case have > want:
		return newer(have, want)
	case have < want:
		return fmt.Errorf("they are of version %d, this program needs %d: stop the centre's older programs, make a backup and run `limen-fleet migrate`", have, want)
	}
	return nil
}

func newer(have, want int) error {
	return fmt.Errorf("they are of version %d, this program knows %d: use the newer program", have, want)
}
