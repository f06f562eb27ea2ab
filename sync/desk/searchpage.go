package desk

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"limen/sync/fleet"
)

// searchView is the search for a document's history.
type searchView struct {
	Document string
	Wrong    string
	Reason   reasonForm
	Asked    bool
	Checks   []checkRow
	Most     bool // there are more than are shown
	Sites    int
	Devices  int
}

func (d *Desk) showSearch(w http.ResponseWriter, r *http.Request, v visit) error {
	return d.show(w, r, v, http.StatusOK, "search", view{Title: "Search", Page: "search", Data: searchView{}})
}

// mostFound bounds what one search shows: each entry is proven.
const mostFound = 200

func (d *Desk) search(w http.ResponseWriter, r *http.Request, v visit) error {
	s := searchView{Document: strings.ToLower(strings.TrimSpace(r.PostFormValue("document"))), Reason: readReason(r)}
	if len(s.Document) < 8 || len(s.Document) > 64 || strings.Trim(s.Document, "0123456789abcdef") != "" {
		s.Wrong = "Give 8 to 64 of the first digits of the document's pseudonym (0 to 9, a to f), as the kiosk and its receipt show it."
	}
	if s.Wrong != "" || s.Reason.Wrong != "" {
		return d.show(w, r, v, http.StatusBadRequest, "search", view{Title: "Search", Page: "search", Data: s})
	}
	if err := d.note(r, v.Person, fleet.ActionSearch, fleet.NamedDocument(s.Document), s.Reason.String()); err != nil {
		return err
	}
	checks, err := d.records.History(r.Context(), s.Document)
	if err != nil {
		return err
	}
	s.Asked, s.Most = true, len(checks) > mostFound
	if s.Checks, err = d.proven(r, checks[:min(len(checks), mostFound)]); err != nil {
		return err
	}
	slices.SortStableFunc(s.Checks, func(a, b checkRow) int { return cmp.Compare(b.Time, a.Time) }) // as it happened, not as it arrived
	sites, devices := map[string]bool{}, map[string]bool{}
	for _, c := range s.Checks {
		sites[c.Site], devices[c.Device] = true, true
	}
	s.Sites, s.Devices = len(sites), len(devices)
	return d.show(w, r, v, http.StatusOK, "search", view{Title: "Search", Page: "search", Data: s})
}

// proof gives one entry with its proof as a file, to be checked elsewhere.
func (d *Desk) proof(w http.ResponseWriter, r *http.Request, v visit) error {
	device := r.PostFormValue("device")
	number, err := strconv.ParseUint(r.PostFormValue("index"), 10, 62)
	why := readReason(r)
	if err != nil || why.Wrong != "" {
		return said{http.StatusBadRequest, message{"An entry is taken from a search", "Search for the document again and take it from there."}}
	}
	if err := d.note(r, v.Person, fleet.ActionProof, fmt.Sprintf("%.40s entry %d", device, number), why.String()); err != nil {
		return err
	}
	p, err := d.records.Prove(r.Context(), device, number)
	if what := faultOf(err); what != "" {
		return said{http.StatusConflict, message{what, "Have `limen-fleet verify` run."}}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s-%d.tlog-proof", device, number)))
	_, err = w.Write(p.Bundle)
	if err != nil {
		d.opts.Log.Debug("proof not sent", "error", err)
	}
	return nil
}

// faultOf says why there is no proof; "" for an error that says nothing of the entry.
func faultOf(err error) string {
	switch {
	case errors.Is(err, fleet.ErrErased):
		return "Erased: its leaf alone remains"
	case errors.Is(err, fleet.ErrProof):
		return "Not what its device signed"
	case errors.Is(err, fleet.ErrNoEntry):
		return "There is no such entry"
	}
	return ""
}
