package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"limen/sync/fleet"
)

// How often the records are looked at for those who watch, and how often
// pages are fetched anew though nothing changed: they tell how long ago things were.
const (
	glanceEvery  = time.Second
	refreshEvery = 20 * time.Second
)

// events tells a page when something changed. It says no more than that: the
// page fetches itself, by the rights its session has then.
func (d *Desk) events(w http.ResponseWriter, r *http.Request, v visit) error {
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(what string) bool {
		if err := control.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", what); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	tick := time.NewTicker(glanceEvery)
	defer tick.Stop()
	last, sent := r.FormValue("seen"), time.Now() // what the page was made of
	for alive := send("hello"); alive; {
		if _, err := d.records.Session(r.Context(), v.token, false, d.now()); err != nil {
			send("ended")
			return nil
		}
		seen, err := d.glance.at(r.Context(), d)
		if err != nil {
			return nil // the browser asks again
		}
		if seen != last || time.Since(sent) >= refreshEvery {
			alive = send("changed")
			last, sent = seen, time.Now()
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// glance is a fingerprint of what pages show, made once for all who watch, and
// for a great fleet as seldom as leaves nine tenths of the time to others.
type glance struct {
	mu    sync.Mutex
	made  time.Time
	took  time.Duration
	print string
}

func (g *glance) at(ctx context.Context, d *Desk) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.made) < max(glanceEvery*9/10, 9*g.took) {
		return g.print, nil
	}
	began := time.Now()
	devices, err := d.centre.Devices(ctx)
	if err != nil {
		return "", err
	}
	unanswered, err := d.records.Unanswered(ctx)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	now := d.now()
	for _, v := range devices {
		fmt.Fprintf(h, "%s %s %d %d %s %d\n", v.Name, v.Standing(now), v.Since, v.LastCheck, v.Software, v.Held)
		for _, t := range v.Troubles(now) {
			fmt.Fprintf(h, " %s %s", t.Kind, steady(t))
		}
	}
	fmt.Fprint(h, unanswered)
	g.made, g.took, g.print = time.Now(), time.Since(began), fmt.Sprintf("%x", h.Sum(nil))
	return g.print, nil
}

// steady is a trouble's detail where it does not change by the second.
func steady(t fleet.Trouble) string {
	if t.Kind == fleet.TroublePart {
		return t.Detail
	}
	return ""
}
