package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// isPostgres tells a database's address from a folder.
func isPostgres(at string) bool {
	return strings.HasPrefix(at, "postgres://") || strings.HasPrefix(at, "postgresql://")
}

// postgresDB is a server that many ingest workers share.
type postgresDB struct {
	mu   sync.Mutex
	have map[string]bool // partitions known to be there
}

const (
	postgresConnections = 8 // of one process, for each of reading and writing
	postgresPatience    = 10 * time.Second
)

func openPostgres(at string) (*Records, error) {
	cfg, err := pgx.ParseConfig(at)
	if err != nil {
		return nil, fmt.Errorf("not the address of a database, such as postgres://limen@db.example/fleet: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = postgresPatience
	}
	// A receipt follows a commit: one that is not on disk yet is none.
	cfg.RuntimeParams["synchronous_commit"] = "on"
	cfg.RuntimeParams["application_name"] = "limen-fleet"
	reading := cfg.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	r := &Records{
		at:    fmt.Sprintf("database %s at %s", cfg.Database, cfg.Host),
		write: stdlib.OpenDB(*cfg), read: stdlib.OpenDB(*reading), database: &postgresDB{have: map[string]bool{}},
	}
	for _, db := range []*sql.DB{r.write, r.read} {
		db.SetMaxOpenConns(postgresConnections)
		db.SetMaxIdleConns(postgresConnections)
		db.SetConnMaxIdleTime(time.Minute)
	}
	return r, nil
}

func (*postgresDB) name() string { return "postgres" }

// lockKey is the advisory lock of everything that changes tables.
const lockKey = 0x6c696d656e // "limen"

func (*postgresDB) begin(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lockKey)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY)")
	return err
}

func (*postgresDB) version(ctx context.Context, q querier) (v int, err error) {
	var there bool
	if err := q.QueryRowContext(ctx, "SELECT to_regclass('migrations') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM migrations").Scan(&v)
	return v, err
}

func (*postgresDB) setVersion(ctx context.Context, tx *sql.Tx, version int) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO migrations (version) VALUES ($1)", version)
	return err
}

func (*postgresDB) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// forget has nothing to do here: old versions of rows go with autovacuum, and
// their bytes when the pages are written again, or all at once with rewrite. Encrypt the database's disk.
func (*postgresDB) forget(context.Context, *sql.DB) (bool, error) { return true, nil }

func (*postgresDB) restored(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT setval('entries_sequence', greatest((SELECT coalesce(max(sequence), 0) FROM entries), 1))")
	return err
}

// monthsAhead are the partitions made before entries need them.
const monthsAhead = 3

// ready makes the partition of entries that arrive at that time, and those of
// the months that follow. It asks the database only about months it has not
// yet seen.
func (p *postgresDB) ready(ctx context.Context, db *sql.DB, at time.Time) error {
	first := time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for n := range monthsAhead + 1 {
		month := first.AddDate(0, n, 0)
		p.mu.Lock()
		have := p.have[month.Format("2006_01")]
		p.mu.Unlock()
		if have {
			continue
		}
		if err := makePartition(ctx, db, month); err != nil {
			return fmt.Errorf("cannot make the partition of %s: %w", month.Format("2006-01"), err)
		}
		p.mu.Lock()
		p.have[month.Format("2006_01")] = true
		p.mu.Unlock()
	}
	return nil
}

// makePartition makes the table first and attaches it then: unlike CREATE
// TABLE … PARTITION OF that holds up nobody who is storing.
func makePartition(ctx context.Context, db *sql.DB, month time.Time) error {
	name := "entries_" + month.Format("2006_01")
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil || there {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect once committed
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lockKey)); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil || there {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", name),
		fmt.Sprintf("ALTER TABLE entries ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", name, month.UnixMilli(), month.AddDate(0, 1, 0).UnixMilli()),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// rewrittenTables are those that hold what can be erased.
var rewrittenTables = []string{"entries", "ahead", "mappings", "set_pieces", "index_entries", "commands"}

// rewrite writes tables anew without what was erased, which else stays in their
// files until new rows take its place. Each is locked meanwhile. The server's
// write-ahead log is its own: it keeps what its settings and its archive say.
func (*postgresDB) rewrite(ctx context.Context, db *sql.DB) error {
	for _, t := range rewrittenTables {
		if _, err := db.ExecContext(ctx, "VACUUM (FULL) "+t); err != nil {
			return fmt.Errorf("cannot write %s anew: %w", t, err)
		}
	}
	return nil
}
