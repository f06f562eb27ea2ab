package desk

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"limen/sync/fleet"
)

// deviceView is one device's page.
type deviceView struct {
	deviceRow
	Alarms []fleet.Alarm
	Checks []checkRow // shown to those who gave a reason
	Asked  bool
	Reason reasonForm
}

func (d *Desk) showDevice(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := d.device(r)
	if err != nil {
		return err
	}
	return d.show(w, r, v, http.StatusOK, "device", view{Title: page.Name, Page: "fleet", Live: true, Data: page})
}

func (d *Desk) device(r *http.Request) (page deviceView, err error) {
	one, err := d.centre.Device(r.Context(), r.PathValue("name"))
	if err != nil {
		return page, err
	}
	page.deviceRow = rowOf(one, d.now())
	page.Alarms, err = d.records.AlarmsOf(r.Context(), one.Name)
	return page, err
}

// lastChecks are shown of one device.
const lastChecks = 50

// showChecks shows a device's latest checks to those who say why.
func (d *Desk) showChecks(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := d.device(r)
	if err != nil {
		return err
	}
	if page.Reason = readReason(r); page.Reason.Wrong != "" {
		return d.show(w, r, v, http.StatusBadRequest, "device", view{Title: page.Name, Page: "fleet", Data: page})
	}
	if err := d.note(r, v.Person, fleet.ActionDevice, page.Name, page.Reason.String()); err != nil {
		return err
	}
	checks, err := d.records.ChecksOf(r.Context(), page.Name, lastChecks)
	if err != nil {
		return err
	}
	page.Asked = true
	if page.Checks, err = d.proven(r, checks); err != nil {
		return err
	}
	return d.show(w, r, v, http.StatusOK, "device", view{Title: page.Name, Page: "fleet", Data: page})
}

// reasonForm is why somebody asks for what speaks of persons.
type reasonForm struct {
	Purpose, Reason string
	Wrong           string // what is missing
}

// purposes are those that the law of a border check knows; the words say more.
var purposes = []string{"check under way", "investigation", "access request", "correction or erasure", "fault of a device"}

// Purposes are for the form.
func (reasonForm) Purposes() []string { return purposes }

// String is how the audit keeps it.
func (f reasonForm) String() string { return f.Purpose + ": " + f.Reason }

// minReason keeps a single keystroke from being a reason.
const minReason = 8

func readReason(r *http.Request) reasonForm {
	f := reasonForm{Purpose: r.PostFormValue("purpose"), Reason: strings.TrimSpace(r.PostFormValue("reason"))}
	known := false
	for _, p := range purposes {
		known = known || p == f.Purpose
	}
	switch {
	case !known:
		f.Wrong = "Choose a purpose."
	case len(f.Reason) < minReason || len(f.Reason) > 300:
		f.Wrong = "Say why you ask, in 8 to 300 characters: a case number or a few words. It is kept in the audit."
	}
	return f
}

// checkRow is one check and whether it leads to what its device signed.
type checkRow struct {
	fleet.CheckView
	Proven uint64 // entries of the signed checkpoint it is in; 0: not proven
	Ahead  bool   // it was sent ahead of others: its place in the tree is not reached
	Fault  string
}

// proven proves each check from the stored tree.
func (d *Desk) proven(r *http.Request, checks []fleet.CheckView) ([]checkRow, error) {
	began := time.Now()
	out := make([]checkRow, len(checks))
	for k, c := range checks {
		out[k].CheckView = c
		p, err := d.records.Prove(r.Context(), c.Device, c.Index)
		switch what := faultOf(err); {
		case err == nil:
			out[k].Proven = p.Size
		case errors.Is(err, fleet.ErrNoEntry): // it was read just now
			out[k].Ahead = true
		case what == "":
			return nil, err
		default:
			out[k].Fault = what
		}
	}
	d.opts.Log.Debug("proved", "entries", len(checks), "took", time.Since(began))
	return out, nil
}
