package desk

import (
	"net/http"
	"strconv"

	"limen/sync/fleet"
)

// auditView is who looked at what.
type auditView struct {
	Lines   []fleet.Access
	Older   int64 // lines before this one are on the next page; 0: none
	Verdict fleet.AuditVerdict
}

// auditPage is how many lines one page has.
const auditPage = 100

// showAudit verifies the chain each time it is shown: reading it is what it
// is for. That it was read is a line of it too.
func (d *Desk) showAudit(w http.ResponseWriter, r *http.Request, v visit) error {
	before, _ := strconv.ParseInt(r.FormValue("before"), 10, 64) // 0, the end, where it is no number
	if err := d.note(r, v.Person, fleet.ActionAudit, "", ""); err != nil {
		return err
	}
	lines, err := d.records.Audit(r.Context(), before, auditPage)
	if err != nil {
		return err
	}
	a := auditView{Lines: lines}
	if len(lines) == auditPage {
		a.Older = lines[len(lines)-1].Number
	}
	if a.Verdict, err = d.records.VerifyAudit(r.Context(), fleet.Access{}); err != nil {
		return err
	}
	return d.show(w, r, v, http.StatusOK, "audit", view{Title: "Audit", Page: "audit", Data: a})
}
