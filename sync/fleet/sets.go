package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/set"
	"limen/sync/wire"
)

// everySite is the roll-out of sites that have none of their own.
const everySite = "*"

// mostBases are how many numbers a set has deltas from: those that devices are
// to run when it is published, the newest first.
const mostBases = 4

// Publish signs the next number of a set and keeps it. No device is offered it
// before it is rolled out.
func (r *Records) Publish(ctx context.Context, name string, content []byte, addresses []string, valid time.Duration, operations note.Signer, now time.Time) (set.Manifest, error) {
	var m set.Manifest
	err := r.inTransaction(ctx, func(tx *sql.Tx) (err error) {
		m, err = publish(ctx, tx, name, content, addresses, valid, 0, operations, now)
		return err
	})
	return m, err
}

func (r *Records) inTransaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot begin to store: %w", err)
	}
	defer tx.Rollback() // no effect once committed
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// publish also makes a roll-back: repeats is the number whose content it is again.
func publish(ctx context.Context, tx *sql.Tx, name string, content []byte, addresses []string, valid time.Duration, repeats uint64, operations note.Signer, now time.Time) (m set.Manifest, err error) {
	var last uint64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM sets WHERE name = $1", name).Scan(&last); err != nil {
		return m, err
	}
	if m, err = set.New(name, last+1, content, addresses, now, valid); err != nil {
		return m, err
	}
	m.Repeats = repeats
	signed, err := m.Sign(operations)
	if err != nil {
		return m, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO sets (name, number, manifest, issued, expires, size, repeats) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		name, m.Number, signed, m.Issued, m.Expires, m.Size, repeats); err != nil {
		return m, fmt.Errorf("cannot store set %s number %d: %w", name, m.Number, err)
	}
	full := set.Pack(content)
	if err := keepForm(ctx, tx, name, m.Number, 0, full); err != nil {
		return m, err
	}
	bases, err := basesOf(ctx, tx, name, last)
	if err != nil {
		return m, err
	}
	for _, base := range bases {
		before, err := contentOf(ctx, tx, name, base)
		if err != nil {
			return m, err
		}
		// A delta that is no shorter is none.
		if delta := set.PackDelta(before, content); len(delta) < len(full) {
			if err := keepForm(ctx, tx, name, m.Number, base, delta); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

// basesOf are the numbers that devices have, or are to have.
func basesOf(ctx context.Context, tx *sql.Tx, name string, last uint64) ([]uint64, error) {
	out, err := column[uint64](ctx, tx, "SELECT number FROM rollouts WHERE name = $1 UNION SELECT number FROM set_reports WHERE name = $1 ORDER BY 1 DESC", name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(out, last) {
		out = append([]uint64{last}, out...)
	}
	out = slices.DeleteFunc(out, func(n uint64) bool { return n == 0 || n > last })
	return out[:min(len(out), mostBases)], nil
}

func column[T any](ctx context.Context, tx *sql.Tx, query string, args ...any) (out []T, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// keepForm keeps a packed form in the pieces that devices ask for.
func keepForm(ctx context.Context, tx *sql.Tx, name string, number, base uint64, packed []byte) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO set_forms (name, number, base, size) VALUES ($1, $2, $3, $4)", name, number, base, len(packed))
	if err != nil {
		return fmt.Errorf("cannot store set %s number %d: %w", name, number, err)
	}
	pieces := newPieces(name, number, base, packed)
	if err := pieces.insert(ctx, tx); err != nil {
		return fmt.Errorf("cannot store set %s number %d: %w", name, number, err)
	}
	return nil
}

func newPieces(name string, number, base uint64, packed []byte) *rows {
	pieces := &rows{into: "set_pieces (name, number, base, piece, bytes)", columns: 5}
	for i := 0; i*wire.PieceSize < len(packed); i++ {
		pieces.add(name, number, base, i, packed[i*wire.PieceSize:min(len(packed), (i+1)*wire.PieceSize)])
	}
	return pieces
}

// contentOf unpacks the full form of a set.
func contentOf(ctx context.Context, tx *sql.Tx, name string, number uint64) ([]byte, error) {
	pieces, err := column[[]byte](ctx, tx, "SELECT bytes FROM set_pieces WHERE name = $1 AND number = $2 AND base = 0 ORDER BY piece", name, number)
	if err != nil {
		return nil, err
	}
	content, err := set.Unpack(slices.Concat(pieces...), set.MaxContent)
	if err != nil {
		return nil, fmt.Errorf("set %s number %d as it is kept: %w", name, number, err)
	}
	return content, nil
}

// RollOut has the devices of sites, or of all where none is named, run a number
// of a set. Sites that were named before keep theirs, unless all are meant.
func (r *Records) RollOut(ctx context.Context, name string, number uint64, sites []string, now time.Time) error {
	return r.inTransaction(ctx, func(tx *sql.Tx) error {
		var there int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sets WHERE name = $1 AND number = $2", name, number).Scan(&there); err != nil {
			return err
		}
		if there == 0 {
			return fmt.Errorf("there is no set %s number %d: `limen-fleet sets show` lists them", name, number)
		}
		var most uint64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM rollouts WHERE name = $1", name).Scan(&most); err != nil {
			return err
		}
		if len(sites) == 0 {
			if number < most {
				return fmt.Errorf("some sites run number %d, and no device goes back to %d: `limen-fleet sets rollback` makes its content a new number", most, number)
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM rollouts WHERE name = $1", name); err != nil {
				return err
			}
			sites = []string{everySite}
		}
		for _, site := range sites {
			if site != everySite {
				if err := wire.CheckIdentifier(site); err != nil {
					return fmt.Errorf("site: %w", err)
				}
			}
			if err := rollOut(ctx, tx, name, number, site, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func rollOut(ctx context.Context, tx *sql.Tx, name string, number uint64, site string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO rollouts (name, site, number, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name, site) DO UPDATE SET number = excluded.number, at = excluded.at`, name, site, number, now.UnixMilli())
	return err
}

// RollBack gives every site that runs anything of a set an earlier content, in
// one step: it becomes a new number. Where to is 0 it is the one before the
// newest that is rolled out.
func (r *Records) RollBack(ctx context.Context, name string, to uint64, valid time.Duration, operations note.Signer, now time.Time) (m set.Manifest, err error) {
	return m, r.inTransaction(ctx, func(tx *sql.Tx) error {
		if to == 0 {
			var newest, repeats uint64
			err := tx.QueryRowContext(ctx, "SELECT number, repeats FROM sets WHERE name = $1 AND number = (SELECT max(number) FROM rollouts WHERE name = $1)", name).Scan(&newest, &repeats)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("nothing of set %s is rolled out", name)
			}
			if err != nil {
				return err
			}
			// Back from what is itself a roll-back is further back.
			before := newest
			if repeats > 0 {
				before = repeats
			}
			if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM sets WHERE name = $1 AND number < $2 AND repeats = 0", name, before).Scan(&to); err != nil {
				return err
			}
		}
		var signed []byte
		err := tx.QueryRowContext(ctx, "SELECT manifest FROM sets WHERE name = $1 AND number = $2", name, to).Scan(&signed)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("there is no earlier number of set %s to go back to", name)
		}
		if err != nil {
			return err
		}
		addresses, err := set.AddressesOf(signed)
		if err != nil {
			return err
		}
		content, err := contentOf(ctx, tx, name, to)
		if err != nil {
			return err
		}
		sites, err := column[string](ctx, tx, "SELECT site FROM rollouts WHERE name = $1", name)
		if err != nil {
			return err
		}
		if m, err = publish(ctx, tx, name, content, addresses, valid, to, operations, now); err != nil {
			return err
		}
		for _, site := range sites {
			if err := rollOut(ctx, tx, name, m.Number, site, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetView is a number of a set as commands print it.
type SetView struct {
	Name    string       `json:"name"`
	Number  uint64       `json:"number"`
	Issued  limen.Moment `json:"issued"`
	Expires limen.Moment `json:"expires"`
	Size    uint64       `json:"size"`
	Repeats uint64       `json:"repeats,omitempty"` // a roll-back: the number whose content it is again
	Sites   []string     `json:"sites"`             // that are to run it; "*": all that are not named
	Runs    []string     `json:"runs"`              // devices that say they run it
	Refused []Refused    `json:"refused,omitempty"`
}

// Refused is a device that refused a set.
type Refused struct {
	Device string `json:"device"`
	Why    string `json:"why"`
}

// Sets are all numbers of all sets, or of one where name is not empty.
func (r *Records) Sets(ctx context.Context, name string) ([]SetView, error) {
	out := []SetView{}
	at := func(name string, number uint64) *SetView {
		i := slices.IndexFunc(out, func(v SetView) bool { return v.Name == name && v.Number == number })
		if i < 0 {
			return &SetView{} // of no number that is kept
		}
		return &out[i]
	}
	err := r.each(ctx, func(scan func(...any) error) error {
		v := SetView{Sites: []string{}, Runs: []string{}}
		err := scan(&v.Name, &v.Number, &v.Issued, &v.Expires, &v.Size, &v.Repeats)
		out = append(out, v)
		return err
	}, "SELECT name, number, issued, expires, size, repeats FROM sets WHERE $1 = '' OR name = $1 ORDER BY name, number", name)
	if err != nil {
		return nil, err
	}
	err = r.each(ctx, func(scan func(...any) error) error {
		var name, site string
		var number uint64
		err := scan(&name, &site, &number)
		v := at(name, number)
		v.Sites = append(v.Sites, site)
		return err
	}, "SELECT name, site, number FROM rollouts ORDER BY name, site")
	if err != nil {
		return nil, err
	}
	err = r.each(ctx, func(scan func(...any) error) error {
		var device, name, why string
		var number, refused uint64
		err := scan(&device, &name, &number, &refused, &why)
		v := at(name, number)
		v.Runs = append(v.Runs, device)
		if refused > 0 {
			v := at(name, refused)
			v.Refused = append(v.Refused, Refused{device, why})
		}
		return err
	}, "SELECT device, name, number, refused, why FROM set_reports ORDER BY device, name")
	return out, err
}

// each reads rows one by one.
func (r *Records) each(ctx context.Context, take func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := r.read.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// report keeps what a device says it runs, where that changed or is an hour old.
func (r *Records) report(ctx context.Context, device string, a *wire.SetsAsk, now time.Time) error {
	type kept struct {
		site, why       string
		number, refused uint64
		at              int64
	}
	have := map[string]kept{}
	err := r.each(ctx, func(scan func(...any) error) error {
		var name string
		var k kept
		err := scan(&name, &k.site, &k.number, &k.refused, &k.why, &k.at)
		have[name] = k
		return err
	}, "SELECT name, site, number, refused, why, at FROM set_reports WHERE device = $1", device)
	if err != nil {
		return err
	}
	for _, runs := range a.Runs {
		k, known := have[runs.Name]
		is := kept{a.Site, text(runs.Why), runs.Number, runs.Refused, now.UnixMilli()}
		if at := k.at; known && at > now.Add(-time.Hour).UnixMilli() {
			if k.at = is.at; k == is {
				continue
			}
		}
		if _, err := r.write.ExecContext(ctx, `INSERT INTO set_reports (device, name, site, number, refused, why, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (device, name) DO UPDATE SET site = excluded.site, number = excluded.number, refused = excluded.refused, why = excluded.why, at = excluded.at`,
			device, runs.Name, is.site, is.number, is.refused, is.why, is.at); err != nil {
			return fmt.Errorf("cannot keep what %s runs: %w", device, err)
		}
	}
	return nil
}

// offers are the sets that a device is to run and does not, each with the
// shortest form it can fetch.
func (r *Records) offers(ctx context.Context, device string, a *wire.SetsAsk, now time.Time) (out []wire.Offer, err error) {
	for _, runs := range a.Runs {
		if len(out) == wire.MaxOffers {
			break
		}
		var number, full uint64
		var signed []byte
		err := r.read.QueryRowContext(ctx, `SELECT s.number, s.manifest, f.size FROM rollouts o
			JOIN sets s ON s.name = o.name AND s.number = o.number JOIN set_forms f ON f.name = s.name AND f.number = s.number AND f.base = 0
			WHERE o.name = $1 AND o.site IN ($2, '*') AND s.expires > $3 ORDER BY o.site = '*' LIMIT 1`, runs.Name, a.Site, now.UnixMilli()).Scan(&number, &signed, &full)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if number <= runs.Number || number == runs.Refused {
			continue
		}
		addresses, err := set.AddressesOf(signed)
		if err != nil || !set.Addresses(addresses, a.Site, device) {
			continue
		}
		offer := wire.Offer{Manifest: signed, Size: full}
		if runs.Number > 0 {
			var size uint64
			err := r.read.QueryRowContext(ctx, "SELECT size FROM set_forms WHERE name = $1 AND number = $2 AND base = $3", runs.Name, number, runs.Number).Scan(&size)
			switch {
			case err == nil:
				offer.Base, offer.Size = runs.Number, size
			case !errors.Is(err, sql.ErrNoRows):
				return nil, err
			}
		}
		out = append(out, offer)
	}
	return out, nil
}

// piece is one piece of a packed form; what follows the last one is empty.
func (r *Records) piece(ctx context.Context, a *wire.PieceAsk) (b []byte, err error) {
	err = r.read.QueryRowContext(ctx, "SELECT bytes FROM set_pieces WHERE name = $1 AND number = $2 AND base = $3 AND piece = $4", a.Name, int64(a.Number), int64(a.Base), int64(a.Piece)).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, err
}
