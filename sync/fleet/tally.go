package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"limen"
)

// What is counted, by hour of the check, device and site.
const (
	CountOutcome = "outcome"      // inspections, by the machine's outcome
	CountReason  = "reason"       // reasons of decisions, by code
	CountOfficer = "officer"      // officers' decisions about inspections, by outcome
	CountTime    = "milliseconds" // that inspections took, in all
)

// tallyAtOnce are the entries counted in one transaction.
const tallyAtOnce = 512

// Tally counts what entries say that were stored since it last did, and
// returns how many there were. Many processes may do it at once.
func (r *Records) Tally(ctx context.Context) (counted int, err error) {
	rows, err := r.read.QueryContext(ctx, "SELECT name FROM devices WHERE tallied < size ORDER BY name")
	if err != nil {
		return 0, fmt.Errorf("cannot count the entries: %w", err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, fmt.Errorf("cannot count the entries: %w", err)
	}
	for _, name := range names {
		for {
			n, err := r.tallyDevice(ctx, name)
			counted += n
			if err != nil {
				return counted, fmt.Errorf("cannot count the entries of %s: %w", name, err)
			}
			if n < tallyAtOnce {
				break
			}
		}
	}
	return counted, nil
}

// everyHour stands for all hours: what was counted since the beginning.
const everyHour = -1

type tallyKey struct {
	hour             int64
	site, what, code string
}

// tallyDevice counts some of a device's entries. Its row is locked until that
// is committed, so each entry counts once.
func (r *Records) tallyDevice(ctx context.Context, device string) (int, error) {
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // no effect once committed
	var from, last int64
	if err := tx.QueryRowContext(ctx, "UPDATE devices SET tallied = tallied WHERE name = $1 RETURNING tallied, last_check", device).Scan(&from, &last); err != nil {
		return 0, err
	}
	bodies, err := query(ctx, tx, func(r *sql.Rows, b *[]byte) error { return r.Scan(b) },
		"SELECT body FROM entries WHERE device = $1 AND number >= $2 ORDER BY number LIMIT $3", device, from, tallyAtOnce)
	if err != nil {
		return 0, err
	}
	counts := map[tallyKey]int64{}
	for _, body := range bodies {
		if rec, err := limen.DecodeRecord(body); err == nil { // else erased, or made by newer software
			count(counts, rec)
			if rec.Kind == limen.KindInspection {
				last = max(last, int64(rec.Started))
			}
		}
	}
	inAll := map[tallyKey]int64{}
	for k, n := range counts {
		k.hour = everyHour
		inAll[k] += n
	}
	maps.Copy(counts, inAll)
	for k, n := range counts {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tally (device, hour, site, what, code, count) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (device, hour, site, what, code) DO UPDATE SET count = tally.count + excluded.count`, device, k.hour, k.site, k.what, k.code, n); err != nil {
			return 0, err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE devices SET tallied = $1, last_check = $2 WHERE name = $3", from+int64(len(bodies)), last, device); err != nil {
		return 0, err
	}
	return len(bodies), tx.Commit()
}

// maxCode bounds what a device can make the tables hold by way of a code.
const maxCode = 64

func code(s string) string { return text(strings.ToValidUTF8(s[:min(len(s), maxCode)], "")) }

func count(counts map[tallyKey]int64, r limen.Record) {
	k := tallyKey{hour: max(0, r.Started.Time().Truncate(time.Hour).UnixMilli()), site: code(r.Site)}
	add := func(what, word string, n int64) {
		k.what, k.code = what, code(word)
		counts[k] += n
	}
	switch r.Kind {
	case limen.KindInspection:
		add(CountOutcome, string(r.Decision.Outcome), 1)
		add(CountTime, "total", max(0, r.Spent.Total.Duration().Milliseconds()))
		var seen []limen.ReasonCode
		for _, reason := range r.Decision.Reasons {
			if !slices.Contains(seen, reason.Code) { // of several groups or files: one check, one reason
				seen = append(seen, reason.Code)
				add(CountReason, string(reason.Code), 1)
			}
		}
	case limen.KindOfficer:
		add(CountOfficer, string(r.Decision.Outcome), 1)
	}
}

// Figure is a number of things in one hour.
type Figure struct {
	Hour  int64  `json:"hour"` // its start, milliseconds
	Site  string `json:"site"`
	What  string `json:"what"`
	Code  string `json:"code"`
	Count int64  `json:"count"`
}

// Figures are the counts of the hours from one time up to another, by hour,
// site, what and code; of one site, or of all where it is empty.
func (r *Records) Figures(ctx context.Context, from, to time.Time, site string) ([]Figure, error) {
	rows, err := r.read.QueryContext(ctx, `SELECT hour, site, what, code, CAST(sum(count) AS BIGINT) FROM tally WHERE hour >= $1 AND hour < $2 AND (CAST($3 AS TEXT) = '' OR site = $3)
		GROUP BY hour, site, what, code ORDER BY hour, site, what, code`, from.UnixMilli(), to.UnixMilli(), site)
	if err != nil {
		return nil, fmt.Errorf("cannot read the figures: %w", err)
	}
	defer rows.Close()
	out := []Figure{}
	for rows.Next() {
		var f Figure
		if err := rows.Scan(&f.Hour, &f.Site, &f.What, &f.Code, &f.Count); err != nil {
			return nil, fmt.Errorf("cannot read the figures: %w", err)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// totals are the counts since the beginning.
func (r *Records) totals(ctx context.Context) ([]Figure, error) {
	rows, err := r.read.QueryContext(ctx, "SELECT site, what, code, CAST(sum(count) AS BIGINT) FROM tally WHERE hour = $1 GROUP BY site, what, code", everyHour)
	if err != nil {
		return nil, fmt.Errorf("cannot read the figures: %w", err)
	}
	defer rows.Close()
	var out []Figure
	for rows.Next() {
		var f Figure
		if err := rows.Scan(&f.Site, &f.What, &f.Code, &f.Count); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}
