package desk

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"limen"
	"limen/sync/fleet"
)

// alarmsView is the list of alarms.
type alarmsView struct {
	Alarms []fleet.Alarm
	Wrong  string
}

func (d *Desk) showAlarms(w http.ResponseWriter, r *http.Request, v visit) error {
	return d.listAlarms(w, r, v, http.StatusOK, "")
}

func (d *Desk) listAlarms(w http.ResponseWriter, r *http.Request, v visit, status int, wrong string) error {
	alarms, err := d.records.Alarms(r.Context())
	if err != nil {
		return err
	}
	return d.show(w, r, v, status, "alarms", view{Title: "Alarms", Page: "alarms", Live: true, Data: alarmsView{alarms, wrong}})
}

func (d *Desk) acknowledge(w http.ResponseWriter, r *http.Request, v visit) error {
	opened, err := strconv.ParseInt(r.PostFormValue("opened"), 10, 64)
	note := strings.TrimSpace(r.PostFormValue("note"))
	if err != nil || len(note) < 3 || len(note) > 300 {
		return d.listAlarms(w, r, v, http.StatusBadRequest, "Say what you do about it, in 3 to 300 characters.")
	}
	err = d.records.Acknowledge(r.Context(), fleet.Alarm{Device: r.PostFormValue("device"), Kind: r.PostFormValue("kind"), Opened: limen.Moment(opened), Note: note}, v.Person, d.now())
	if errors.Is(err, fleet.ErrNoAlarm) {
		return d.listAlarms(w, r, v, http.StatusConflict, "Somebody has acknowledged that alarm already.")
	}
	if err != nil {
		return err
	}
	d.reads.WithLabelValues(fleet.ActionAcknowledge).Inc()
	http.Redirect(w, r, "/alarms", http.StatusSeeOther)
	return nil
}
