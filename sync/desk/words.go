package desk

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"limen"
	"limen/sync/fleet"
)

// words are what pages say things by.
var words = template.FuncMap{
	"moment": moment, "iso": iso, "ago": ago, "outcome": outcome, "reason": reason, "trouble": trouble, "role": role, "roles": roles,
	"action": action, "bytes": bytesOf, "may": func(p fleet.Person, right string) bool { return p.Roles.May(fleet.Right(right)) },
	"percent": percent, "millis": func(t int64) limen.Moment { return limen.Moment(t) }, "part": part, "dict": dict, "skew": skew,
}

// dict gives a template more than one thing.
func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for k := 0; k+1 < len(pairs); k += 2 {
		out[pairs[k].(string)] = pairs[k+1]
	}
	return out
}

// moment is a time as people read it.
func moment(m limen.Moment) string {
	if m == 0 {
		return "never"
	}
	return m.Time().Format(time.DateTime) + " UTC"
}

func iso(m limen.Moment) string { return m.Time().Format(time.RFC3339) }

// ago is how long before now a time lies.
func ago(m, now limen.Moment) string {
	if m == 0 {
		return "never"
	}
	d := now.Time().Sub(m.Time())
	switch {
	case d < 0:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func outcome(code string) string {
	if word, ok := map[string]string{"admit": "Admitted", "refer": "Referred to an officer", "refuse": "Refused by an officer"}[code]; ok {
		return word
	}
	return code
}

// abbreviations are written as the standards write them.
var abbreviations = map[string]string{
	"mrz": "MRZ", "dg": "DG", "sod": "SOD", "pace": "PACE", "bac": "BAC", "pad": "PAD", "csca": "CSCA", "crl": "CRL", "aa": "AA", "ca": "CA", "mrtd": "MRTD", "com": "COM", "ef": "EF",
}

// reason says a code in words: chip_no_answer, "Chip no answer". What a code
// is about comes after a colon.
func reason(code string) string {
	code, subject, _ := strings.Cut(code, ":")
	parts := strings.Split(code, "_")
	for k, p := range parts {
		if a, ok := abbreviations[p]; ok {
			parts[k] = a
		}
	}
	s := strings.Join(parts, " ")
	if s != "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if subject != "" {
		s += " (" + subject + ")"
	}
	return s
}

var troubles = map[string]string{
	fleet.TroubleRewritten: "History rewritten", fleet.TroubleRefused: "Entries refused", fleet.TroubleSilent: "Silent", fleet.TroubleGap: "Entries do not arrive",
	fleet.TroubleClock: "Clock wrong", fleet.TroubleDisk: "Disk nearly full", fleet.TroubleFull: "Journal full: everybody is referred",
	fleet.TroublePart: "Part away", fleet.TroubleTrustList: "Trust list old", fleet.TroubleStopList: "Stop list old",
}

func trouble(kind string) string {
	if w, ok := troubles[kind]; ok {
		return w
	}
	return kind
}

var roleWords = map[fleet.UserRole]string{
	fleet.Viewer: "viewer", fleet.Operator: "operator", fleet.Supervisor: "supervisor", fleet.PrivacyOfficer: "privacy officer", fleet.Technician: "technician",
}

func role(r fleet.UserRole) string { return roleWords[r] }

func roles(r fleet.Roles) string {
	var out []string
	for _, one := range r {
		out = append(out, role(one))
	}
	return strings.Join(out, ", ")
}

var actions = map[string]string{
	fleet.ActionSignIn: "Signed in", fleet.ActionRefused: "Wrong password", fleet.ActionSignOut: "Signed out", fleet.ActionSearch: "Searched for a document",
	fleet.ActionDevice: "Read a device's checks", fleet.ActionProof: "Took an entry with its proof", fleet.ActionAcknowledge: "Acknowledged an alarm",
	fleet.ActionAudit: "Read this audit", fleet.ActionUser: "Changed an account",
	fleet.ActionExport: "Wrote records into files",
}

func action(code string) string {
	if w, ok := actions[code]; ok {
		return w
	}
	return code
}

func bytesOf(n uint64) string {
	switch {
	case n >= 2<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 2<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// skew says how a clock stands against the centre's, from milliseconds.
func skew(ms int64) string {
	d := (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond)
	switch {
	case d > 0:
		return fmt.Sprintf("%v fast", d)
	case d < 0:
		return fmt.Sprintf("%v slow", -d)
	}
	return "right"
}

func part(state string) string {
	return map[string]string{"working": "works", "away": "away", "starting": "is starting", "absent": "not fitted"}[state]
}
