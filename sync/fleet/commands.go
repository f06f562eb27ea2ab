package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/command"
	"limen/sync/wire"
)

// Command signs the next command of a device and keeps it until the device
// tells what became of it. Device, number, issue and expiry are set here.
func (r *Records) Command(ctx context.Context, device string, c command.Command, life time.Duration, operations note.Signer, now time.Time) (command.Command, error) {
	err := r.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := holdDevice(ctx, tx, device, now); err != nil {
			return fmt.Errorf("device %.40q: %w", device, err)
		}
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) + 1 FROM commands WHERE device = $1", device).Scan(&c.Number); err != nil {
			return err
		}
		c.Device, c.Issued, c.Expires = device, now.UnixMilli(), now.Add(life).UnixMilli()
		signed, err := c.Sign(operations)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO commands (device, number, command, what, made, expires) VALUES ($1, $2, $3, $4, $5, $6)", device, c.Number, signed, c.What, c.Issued, c.Expires)
		return err
	})
	return c, err
}

// CommandView is a command as commands print it.
type CommandView struct {
	Device  string       `json:"device"`
	Number  uint64       `json:"number"`
	What    string       `json:"what"`
	Made    limen.Moment `json:"made"`
	Expires limen.Moment `json:"expires"`
	Result  string       `json:"result,omitempty"` // empty until the device told
	Detail  string       `json:"detail,omitempty"`
	Told    limen.Moment `json:"told,omitempty"`
}

// Commands are the newest commands of a device, or of all where it is empty.
func (r *Records) Commands(ctx context.Context, device string, n int) ([]CommandView, error) {
	out := []CommandView{}
	err := r.each(ctx, func(scan func(...any) error) error {
		var v CommandView
		err := scan(&v.Device, &v.Number, &v.What, &v.Made, &v.Expires, &v.Result, &v.Detail, &v.Told)
		out = append(out, v)
		return err
	}, "SELECT device, number, what, made, expires, result, detail, told FROM commands WHERE $1 = '' OR device = $1 ORDER BY made DESC, device, number DESC LIMIT $2", device, n)
	return out, err
}

// TracesOf are the keyed hashes by which a document is known, and the devices
// that know it. It is named by 8 to 64 of the first hex digits of its pseudonym
// on any of them.
func (r *Records) TracesOf(ctx context.Context, digits string) (traces [][]byte, devices []string, err error) {
	from, to, err := pseudonymRange(digits)
	if err != nil {
		return nil, nil, err
	}
	var named int
	if err := r.read.QueryRowContext(ctx, "SELECT count(DISTINCT pseudonym) FROM mappings WHERE pseudonym BETWEEN $1 AND $2", from, to).Scan(&named); err != nil {
		return nil, nil, err
	}
	if named > 1 {
		return nil, nil, fmt.Errorf("these digits begin %d pseudonyms: give more of them", named)
	}
	err = r.each(ctx, func(scan func(...any) error) error {
		var key, hash []byte
		err := scan(&key, &hash)
		traces = append(traces, slices.Concat(key, hash))
		return err
	}, "SELECT DISTINCT one.fleet_key, one.hash FROM mappings one WHERE"+ofThose+"ORDER BY 1 LIMIT 3", from, to)
	if err != nil {
		return nil, nil, err
	}
	err = r.each(ctx, func(scan func(...any) error) error {
		var d string
		err := scan(&d)
		devices = append(devices, d)
		return err
	}, `SELECT DISTINCT other.device FROM mappings one JOIN mappings other ON other.fleet_key = one.fleet_key AND other.hash = one.hash
		WHERE`+ofThose+`ORDER BY 1`, from, to)
	return traces, devices, err
}

// taken keeps what a device tells of its commands, and returns those that follow.
func (r *Records) taken(ctx context.Context, device string, a *wire.CommandsAsk, now time.Time) (next [][]byte, err error) {
	for _, d := range a.Done {
		// What a command named goes once it is done: a trace leads to a document.
		if _, err := r.write.ExecContext(ctx, "UPDATE commands SET result = $1, detail = $2, told = $3, command = $4 WHERE device = $5 AND number = $6 AND result = ''",
			text(d.Result), text(d.Detail), now.UnixMilli(), []byte{}, device, int64(d.Number)); err != nil {
			return nil, fmt.Errorf("cannot keep what became of command %d of %s: %w", d.Number, device, err)
		}
	}
	err = r.each(ctx, func(scan func(...any) error) error {
		var c []byte
		err := scan(&c)
		next = append(next, c)
		return err
	}, "SELECT command FROM commands WHERE device = $1 AND number > $2 AND result = '' ORDER BY number LIMIT $3", device, int64(a.Taken), wire.MaxCommands)
	return next, err
}

// How often commands that were just made are looked for, and how often one that
// nothing was told of is sent again.
const (
	commandsEvery = time.Second
	commandAgain  = time.Minute
)

// sendCommands sends each device the command that is its next until ctx ends: a
// gate that is to be locked does not wait for its own next ask.
func (c *Centre) sendCommands(ctx context.Context) {
	sent := map[string]time.Time{}
	look := time.NewTicker(commandsEvery)
	defer look.Stop()
	for {
		err := c.records.each(ctx, func(scan func(...any) error) error {
			var device string
			var number uint64
			var signed []byte
			if err := scan(&device, &number, &signed); err != nil {
				return err
			}
			key := fmt.Sprint(device, " ", number)
			if now := c.cfg.Now(); now.Sub(sent[key]) >= commandAgain {
				sent[key] = now
				return c.link.answer(device, wire.KindCommand, signed)
			}
			return nil
		}, `SELECT device, number, command FROM commands c WHERE result = '' AND expires > $1
			AND number = (SELECT min(number) FROM commands WHERE device = c.device AND result = '')`, c.cfg.Now().UnixMilli())
		if err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("commands not sent; the devices ask for them", "error", err)
		}
		if err := c.sendViews(ctx); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("live view not asked for", "error", err)
		}
		if len(sent) > 100_000 {
			clear(sent)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
