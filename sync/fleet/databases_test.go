package fleet

import (
	"strings"
	"sync"
	"testing"

	"limen/internal/repotest"
)

// postgres is the tests' one server, started when the first test needs it.
var postgres struct {
	once   sync.Once
	server *repotest.Postgres
	err    error
}

func needsPostgres(t testing.TB) *repotest.Postgres {
	t.Helper()
	postgres.once.Do(func() { postgres.server, postgres.err = repotest.NewPostgres() })
	if postgres.err != nil {
		t.Fatal(postgres.err)
	}
	if postgres.server == nil {
		t.Skip("this needs Debian's postgresql-15: make deps-test installs it")
	}
	return postgres.server
}

// place makes an empty database and says where: a folder, or an address.
type place func(t testing.TB) string

func inSQLite(t testing.TB) string { return t.TempDir() }

func inPostgres(t testing.TB) string {
	t.Helper()
	at, err := needsPostgres(t).Database()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// onBoth runs a test on each of the two databases.
func onBoth(t *testing.T, test func(t *testing.T, at place)) {
	t.Run("SQLite", func(t *testing.T) { test(t, inSQLite) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, inPostgres) })
}

// tamper changes the database behind our back, by a statement of SQLite's.
func (b *bare) tamper(statement string) {
	b.t.Helper()
	if b.records.database.name() == "postgres" {
		statement = strings.NewReplacer("zeroblob(32)", "decode(repeat('00', 32), 'hex')", "x'00'", "decode('00', 'hex')").Replace(statement)
	}
	if _, err := b.records.write.Exec(statement); err != nil {
		b.t.Fatal(err)
	}
}
