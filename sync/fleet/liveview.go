package fleet

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"limen/sync/view"
	"limen/sync/wire"
)

// LiveView is a live view as the page that asked for it learns of it.
type LiveView struct {
	Answer  string // the device's session description
	Refused string // why there is none
	Ended   string // why nobody watches any more
}

// viewsKept is how long a live view's row stays: longer than any view lasts.
const viewsKept = time.Hour

// AskView asks a device for its camera's live picture, for the browser whose
// session description is given. A process that speaks to devices signs it.
func (r *Records) AskView(ctx context.Context, device, by, why, offer string, now time.Time) (id []byte, err error) {
	if len(offer) == 0 || len(offer) > wire.MaxView {
		return nil, fmt.Errorf("the browser's offer has %d bytes; it has 1 to %d", len(offer), wire.MaxView)
	}
	id = make([]byte, wire.ViewIDSize)
	rand.Read(id)
	return id, r.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := holdDevice(ctx, tx, device, now); err != nil {
			return fmt.Errorf("device %.40q: %w", device, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM views WHERE made < $1", now.Add(-viewsKept).UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO views (id, device, asker, why, made, expires, offer) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			id, device, shorten(text(by)), shorten(text(why)), now.UnixMilli(), now.Add(view.Life).UnixMilli(), text(offer))
		return err
	})
}

// shorten keeps a word within what a request holds.
func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), view.MaxWord)], "") }

// View is what is known of a live view; ErrNoView when nobody asked for it.
func (r *Records) View(ctx context.Context, device string, id []byte) (v LiveView, err error) {
	err = r.read.QueryRowContext(ctx, "SELECT answer, refused, ended FROM views WHERE id = $1 AND device = $2", id, device).Scan(&v.Answer, &v.Refused, &v.Ended)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoView
	}
	return v, err
}

// ErrNoView means that there is no such live view.
var ErrNoView = errors.New("there is no such live view")

// viewed answers what a device asks or tells of a live view. That one ended is
// a line of the audit: its length belongs there, and the page may be gone.
func (r *Records) viewed(ctx context.Context, device string, a *wire.ViewAsk, now time.Time) (offer string, err error) {
	var asker, ended string
	var expires int64
	err = r.read.QueryRowContext(ctx, "SELECT offer, asker, ended, expires FROM views WHERE id = $1 AND device = $2", a.ID, device).Scan(&offer, &asker, &ended, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read a live view of %s: %w", device, err)
	}
	switch {
	case a.Answer != "":
		_, err = r.write.ExecContext(ctx, "UPDATE views SET answer = $1, offer = '' WHERE id = $2 AND answer = '' AND refused = ''", text(a.Answer), a.ID)
		return "", err
	case a.Refused != "":
		_, err = r.write.ExecContext(ctx, "UPDATE views SET refused = $1, offer = '' WHERE id = $2 AND answer = '' AND refused = ''", text(a.Refused), a.ID)
		return "", err
	case a.Ended != "":
		if ended != "" { // told again
			return "", nil
		}
		if _, err := r.Note(ctx, Access{Name: asker, Action: ActionViewEnded, Subject: device, Reason: a.Ended}, now); err != nil {
			return "", err
		}
		_, err = r.write.ExecContext(ctx, "UPDATE views SET ended = $1, offer = '', answer = '' WHERE id = $2", text(a.Ended), a.ID)
		return "", err
	}
	if now.UnixMilli() >= expires {
		return "", nil
	}
	return offer, nil
}

// sendViews sends devices the live views that were asked for since it was last
// called. Each is sent once: who waits before the page asks again.
func (c *Centre) sendViews(ctx context.Context) error {
	now := c.cfg.Now()
	var waiting []view.Request
	err := c.records.each(ctx, func(scan func(...any) error) error {
		var r view.Request
		var offer string
		err := scan(&r.ID, &r.Device, &r.By, &r.Why, &r.Issued, &r.Expires, &offer)
		r.Offer = view.HashOf(offer)
		waiting = append(waiting, r)
		return err
	}, "SELECT id, device, asker, why, made, expires, offer FROM views WHERE sent = 0 AND expires > $1", now.UnixMilli())
	if err != nil {
		return err
	}
	for _, r := range waiting {
		// Whichever process changes the row sends it.
		done, err := c.records.write.ExecContext(ctx, "UPDATE views SET sent = $1 WHERE id = $2 AND sent = 0", now.UnixMilli(), r.ID)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			continue
		}
		signed, err := r.Sign(c.signer)
		if err == nil {
			err = c.link.answer(r.Device, wire.KindCommand, signed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
