package fleet

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// rows are inserted many to a statement: over a network each statement costs
// a round trip.
type rows struct {
	into    string // table and columns
	columns int
	also    string // at the statement's end
	values  []any
}

// rowsAtOnce keeps a statement's parameters far below both databases' limits.
const rowsAtOnce = 64

func (r *rows) add(values ...any) { r.values = append(r.values, values...) }

func (r *rows) insert(ctx context.Context, tx *sql.Tx) error {
	for rest := r.values; len(rest) > 0; {
		n := min(len(rest), rowsAtOnce*r.columns)
		if _, err := tx.ExecContext(ctx, r.statement(n/r.columns), rest[:n]...); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (r *rows) statement(count int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + r.into + " VALUES ")
	for k := range count * r.columns {
		switch {
		case k == 0:
			b.WriteString("(")
		case k%r.columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(k+1))
	}
	return b.String() + ")" + r.also
}
