package fleet

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"limen"
	"limen/sync/wire"
)

// DeviceView is a device as pages and commands show it.
type DeviceView struct {
	Name      string       `json:"name"`
	Enrolled  limen.Moment `json:"enrolled"`
	Seen      limen.Moment `json:"seen,omitempty"` // its last message
	Connected bool         `json:"connected"`      // now; known to the running centre only
	State     string       `json:"state"`          // what it last said: running, stopped; lost: its line broke; unseen: nothing yet
	Software  string       `json:"software,omitempty"`
	Held      uint64       `json:"held"`              // entries
	Refusal   string       `json:"refusal,omitempty"` // of its last batch
	Detail    string       `json:"detail,omitempty"`
	Refused   limen.Moment `json:"refused,omitempty"`
	// Rewritten is when it first signed another history than the one held.
	// That stays until a person has dealt with it.
	Rewritten limen.Moment `json:"rewritten,omitempty"`
	Site      string       `json:"site,omitempty"`   // as its health says
	Since     limen.Moment `json:"since,omitempty"`  // when State last changed
	Journal   uint64       `json:"journal"`          // entries it said it has
	Stored    limen.Moment `json:"stored,omitempty"` // when entries last came
	LastCheck limen.Moment `json:"last_check,omitempty"`
	Skew      int64        `json:"skew"`             // milliseconds its clock is before the centre's
	Health    *wire.Health `json:"health,omitempty"` // as it last said; nil: nothing yet
}

// CheckView is an entry as pages and commands show it.
type CheckView struct {
	Device   string       `json:"device"`
	Index    uint64       `json:"index"`
	Received limen.Moment `json:"received"`
	Kind     string       `json:"kind"` // inspection, officer_decision; erased; unreadable: made by newer software
	Time     limen.Moment `json:"time,omitempty"`
	Site     string       `json:"site,omitempty"`
	Outcome  string       `json:"outcome,omitempty"`
	Reasons  []string     `json:"reasons,omitempty"`  // codes
	Document string       `json:"document,omitempty"` // first 8 hex digits of the pseudonym

	About       *uint64  `json:"about,omitempty"`       // the device's entry that this one is about
	Says        string   `json:"says,omitempty"`        // what it says is right there
	Corrections []string `json:"corrections,omitempty"` // what later entries say is right here, newest first
}

// Kinds of entries that no record says.
const (
	kindErased     = "erased"
	kindUnreadable = "unreadable"
)

// Devices are all enrolled devices, by name.
func (r *Records) Devices(ctx context.Context) ([]DeviceView, error) {
	return r.devices(ctx, "")
}

// Device is one of them; ErrNotEnrolled where there is no such.
func (r *Records) Device(ctx context.Context, name string) (DeviceView, error) {
	found, err := r.devices(ctx, "WHERE name = $1", name)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("device %.40q: %w", name, ErrNotEnrolled)
	}
	if err != nil {
		return DeviceView{}, err
	}
	return found[0], nil
}

func (r *Records) devices(ctx context.Context, where string, args ...any) ([]DeviceView, error) {
	rows, err := r.read.QueryContext(ctx, `SELECT name, enrolled, seen, state, software, size, refusal, detail, refused, rewritten,
		site, since, journal, stored, last_check, skew, health FROM devices `+where+` ORDER BY name`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the devices: %w", err)
	}
	defer rows.Close()
	out := []DeviceView{}
	for rows.Next() {
		var d DeviceView
		var health []byte
		if err := rows.Scan(&d.Name, &d.Enrolled, &d.Seen, &d.State, &d.Software, &d.Held, &d.Refusal, &d.Detail, &d.Refused, &d.Rewritten,
			&d.Site, &d.Since, &d.Journal, &d.Stored, &d.LastCheck, &d.Skew, &health); err != nil {
			return nil, fmt.Errorf("cannot read the devices: %w", err)
		}
		if d.State == "" {
			d.State = "unseen"
		}
		if h, err := wire.DecodeHealth(health); err == nil {
			d.Health = &h
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// mostChecks bounds one answer.
const mostChecks = 1000

// Checks are the entries that arrived last, newest first, at most n.
func (r *Records) Checks(ctx context.Context, n int) ([]CheckView, error) {
	n = min(max(n, 0), mostChecks)
	checks, err := r.checks(ctx, "SELECT device, number, received, body FROM entries ORDER BY sequence DESC LIMIT $1", n)
	if err != nil {
		return nil, err
	}
	return r.withAhead(ctx, checks, n, nil, nil)
}

// ofThose are mappings of pseudonyms from $1 to $2, joined the pseudonyms of the
// document that those are of, and aboutThem the entries about it. What leads to a pseudonym is a device's word
// about its own entries, and it may know others' pseudonyms: so it joins no
// other device's entries, and a pseudonym is of the device that had it first.
const (
	ofThose = ` one.pseudonym BETWEEN $1 AND $2 AND one.device = (SELECT f.device FROM entries f WHERE f.document = one.pseudonym ORDER BY f.sequence LIMIT 1) `

	joined = `WITH joined AS (SELECT other.device, other.pseudonym FROM mappings one JOIN mappings other ON other.fleet_key = one.fleet_key AND other.hash = one.hash
		WHERE` + ofThose + `) `

	aboutThem = `(e.document BETWEEN $1 AND $2 OR e.document IN (SELECT pseudonym FROM joined)
		AND EXISTS (SELECT 1 FROM joined j WHERE j.device = e.device AND j.pseudonym = e.document))`
)

// History are the entries about one document, newest first, whichever device
// they are of: the pseudonym that one of them knows it by is given by 8 to 64 of
// its first hex digits.
func (r *Records) History(ctx context.Context, digits string) ([]CheckView, error) {
	from, to, err := pseudonymRange(digits)
	if err != nil {
		return nil, err
	}
	checks, err := r.checks(ctx, joined+"SELECT e.device, e.number, e.received, e.body FROM entries e WHERE "+aboutThem+" ORDER BY e.sequence DESC LIMIT $3", from, to, mostChecks)
	if err != nil {
		return nil, err
	}
	return r.withAhead(ctx, checks, mostChecks, from, to)
}

// pseudonymRange are the least and the greatest pseudonym with these first digits.
func pseudonymRange(digits string) (from, to []byte, err error) {
	if len(digits) < 8 || len(digits) > 64 || strings.Trim(strings.ToLower(digits), "0123456789abcdef") != "" {
		return nil, nil, fmt.Errorf("a document is named by 8 to 64 hex digits of its pseudonym, not by %d characters", len(digits))
	}
	from, err = hex.DecodeString(digits + strings.Repeat("0", 64-len(digits)))
	to, err2 := hex.DecodeString(digits + strings.Repeat("f", 64-len(digits)))
	return from, to, errors.Join(err, err2)
}

func (r *Records) checks(ctx context.Context, query string, args ...any) ([]CheckView, error) {
	rows, err := r.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the checks: %w", err)
	}
	defer rows.Close()
	out := []CheckView{}
	for rows.Next() {
		c, err := scanCheck(rows)
		if err != nil {
			return nil, fmt.Errorf("cannot read the checks: %w", err)
		}
		out = append(out, c)
	}
	correct(out)
	return out, rows.Err()
}

// correct puts what corrections say beside what they correct, where both are
// in one answer. A correction that was sent ahead comes before its entry.
func correct(checks []CheckView) {
	type entry struct {
		device string
		index  uint64
	}
	says := map[entry][]string{}
	for _, c := range checks { // newest first
		if c.Says != "" && c.About != nil {
			at := entry{c.Device, *c.About}
			says[at] = append(says[at], c.Says)
		}
	}
	for i, c := range checks {
		checks[i].Corrections = says[entry{c.Device, c.Index}]
	}
}

func scanCheck(rows *sql.Rows) (CheckView, error) {
	var c CheckView
	var body []byte
	if err := rows.Scan(&c.Device, &c.Index, &c.Received, &body); err != nil {
		return c, err
	}
	if len(body) == 0 {
		c.Kind = kindErased
		return c, nil
	}
	r, err := limen.DecodeRecord(body)
	if err != nil {
		c.Kind = kindUnreadable
		return c, nil
	}
	c.Kind, c.Time, c.Site, c.Outcome = string(r.Kind), r.Started, r.Site, string(r.Decision.Outcome)
	for _, reason := range r.Decision.Reasons {
		c.Reasons = append(c.Reasons, reason.String())
	}
	switch {
	case r.Officer != nil:
		c.About = &r.Officer.Index
	case r.Correction != nil:
		c.About, c.Says = &r.Correction.Index, r.Correction.Says
	}
	if p := r.Document.Pseudonym; p != (limen.Pseudonym{}) {
		c.Document = hex.EncodeToString(p[:4])
	}
	return c, nil
}

// ChecksOf are the last entries of one device, newest first, at most n.
func (r *Records) ChecksOf(ctx context.Context, device string, n int) ([]CheckView, error) {
	return r.checks(ctx, "SELECT device, number, received, body FROM entries WHERE device = $1 ORDER BY number DESC LIMIT $2", device, min(max(n, 0), mostChecks))
}
