package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"limen"
)

// Alarm is a trouble that somebody has to say they have seen. It is cleared
// when the trouble is over, acknowledged or not.
type Alarm struct {
	Device     string       `json:"device"`
	Kind       string       `json:"kind"`
	Opened     limen.Moment `json:"opened"`
	Cleared    limen.Moment `json:"cleared,omitempty"`
	Detail     string       `json:"detail"`
	Answered   limen.Moment `json:"acknowledged,omitempty"`
	AnsweredBy string       `json:"acknowledged_by,omitempty"`
	Note       string       `json:"note,omitempty"`
}

// Watch opens an alarm for each trouble that has none and clears those whose
// trouble is over. Many processes may do it at once.
func (r *Records) Watch(ctx context.Context, now time.Time) (opened []Alarm, err error) {
	devices, err := r.Devices(ctx)
	if err != nil {
		return nil, err
	}
	open, err := r.alarms(ctx, "WHERE cleared = 0")
	if err != nil {
		return nil, err
	}
	type key struct{ device, kind string }
	stands := map[key]Alarm{}
	for _, a := range open {
		stands[key{a.Device, a.Kind}] = a
	}
	for _, d := range devices {
		for _, t := range d.Troubles(now) {
			k := key{d.Name, t.Kind}
			if _, there := stands[k]; there || !t.Alarm {
				delete(stands, k)
				continue
			}
			a := Alarm{Device: d.Name, Kind: t.Kind, Opened: limen.MomentOf(now), Detail: text(t.Detail)}
			done, err := r.write.ExecContext(ctx, "INSERT INTO alarms (device, kind, opened, detail) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", a.Device, a.Kind, int64(a.Opened), a.Detail)
			if err != nil {
				return opened, fmt.Errorf("cannot raise an alarm: %w", err)
			}
			if n, _ := done.RowsAffected(); n == 1 { // else another process was first
				opened = append(opened, a)
			}
		}
	}
	for _, a := range stands {
		if _, err := r.write.ExecContext(ctx, "UPDATE alarms SET cleared = $1 WHERE device = $2 AND kind = $3 AND cleared = 0", now.UnixMilli(), a.Device, a.Kind); err != nil {
			return opened, fmt.Errorf("cannot clear an alarm: %w", err)
		}
	}
	return opened, nil
}

// mostAlarms bounds a list of them.
const mostAlarms = 500

// Alarms are those that are open or not acknowledged, and others as far as
// there is room: open ones first, then by time, newest first.
func (r *Records) Alarms(ctx context.Context) ([]Alarm, error) {
	return r.alarms(ctx, "ORDER BY CASE WHEN answered = 0 THEN 0 WHEN cleared = 0 THEN 1 ELSE 2 END, opened DESC, device, kind LIMIT $1", mostAlarms)
}

// AlarmsOf are the last of one device.
func (r *Records) AlarmsOf(ctx context.Context, device string) ([]Alarm, error) {
	return r.alarms(ctx, "WHERE device = $1 ORDER BY opened DESC, kind LIMIT 20", device)
}

// Unanswered is how many alarms nobody has acknowledged, by kind.
func (r *Records) Unanswered(ctx context.Context) (map[string]int, error) {
	alarms, err := r.alarms(ctx, "WHERE answered = 0")
	out := map[string]int{}
	for _, a := range alarms {
		out[a.Kind]++
	}
	return out, err
}

func (r *Records) alarms(ctx context.Context, which string, args ...any) ([]Alarm, error) {
	rows, err := r.read.QueryContext(ctx, "SELECT device, kind, opened, cleared, detail, answered, answered_by, note FROM alarms "+which, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the alarms: %w", err)
	}
	defer rows.Close()
	out := []Alarm{}
	for rows.Next() {
		var a Alarm
		if err := rows.Scan(&a.Device, &a.Kind, &a.Opened, &a.Cleared, &a.Detail, &a.Answered, &a.AnsweredBy, &a.Note); err != nil {
			return nil, fmt.Errorf("cannot read the alarms: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// ErrNoAlarm means that there is no such alarm, or it was acknowledged before.
var ErrNoAlarm = errors.New("there is no such alarm, or somebody has acknowledged it already: look at the list again")

// Acknowledge notes who has seen an alarm and what they say of it, and writes
// the audit, both or neither.
func (r *Records) Acknowledge(ctx context.Context, a Alarm, by Person, now time.Time) error {
	a.Note = text(strings.ToValidUTF8(a.Note[:min(len(a.Note), maxAuditText)], ""))
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect once committed
	line := Access{At: limen.MomentOf(now), Name: by.Name, Roles: by.Roles.String(), Action: ActionAcknowledge, Subject: a.Device + " " + a.Kind + " " + a.Opened.Time().Format(time.RFC3339), Reason: a.Note}
	done, err := tx.ExecContext(ctx, "UPDATE alarms SET answered = $1, answered_by = $2, note = $3 WHERE device = $4 AND kind = $5 AND opened = $6 AND answered = 0",
		now.UnixMilli(), by.Name, a.Note, a.Device, a.Kind, int64(a.Opened))
	if err != nil {
		return fmt.Errorf("cannot acknowledge the alarm: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrNoAlarm, err)
	}
	if err := line.append(ctx, tx); err != nil {
		return fmt.Errorf("cannot write the audit: %w", err)
	}
	return tx.Commit()
}
