package report

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"limen/mrtd/authn"
)

// Input is what a report is made of. The zero value of every field means that
// nothing is known of it, and passes no check.
type Input struct {
	Software string
	Started  time.Time
	Took     time.Duration // the whole check
	AtChip   time.Duration // the reading
	APDUs    int
	Bytes    int // sent and received
	Returns  int

	Document Document
	Access   Access
	Files    []File
	// Absent are files that the chip says it does not have. One that is neither
	// here nor among Files could not be read.
	Absent []string
	// Broken is why the reading ended before its end ("chip_lost"). Checks that
	// were not performed for this reason were aborted, in the guideline's words.
	Broken authn.Code

	Passive authn.Result
	// Verdicts are those beside Passive, and take the place of what is derived
	// from it. A check of neither was not made.
	Verdicts  map[Check]authn.Verdict
	Notes     []authn.Note // beside those of Passive
	Quirks    []string
	Portraits []Portrait
}

// Of makes the report. Passive authentication, the sum, passed where EF.SOD's
// signature, the chain, the revocation where one was judged, and the hash of
// every group that was read have passed, and one was read; it failed where one
// of them failed, and is undetermined else.
func Of(in Input) Report {
	r := Report{
		Software: in.Software, Started: in.Started.UTC(), CheckMS: in.Took.Milliseconds(), MS: in.AtChip.Milliseconds(),
		APDUs: in.APDUs, Bytes: in.Bytes, Returns: in.Returns, Aborted: word(string(in.Broken)),
		Document: in.Document.plain(), Channel: in.Access, Access: in.Access.name(),
		Files: []File{}, Portraits: slices.Concat([]Portrait{}, in.Portraits),
		Groups: []string{}, Reasons: []string{}, Notes: []string{}, Quirks: []string{}, Checks: map[Check]Result{},
		Hash: in.Passive.HashAlgorithm,
	}
	for _, f := range in.Files {
		f.Name = subject(f.Name)
		r.Files = append(r.Files, f)
		if strings.HasPrefix(f.Name, "DG") {
			r.Groups = append(r.Groups, f.Name)
		}
	}
	for _, n := range slices.Concat(in.Passive.Notes, in.Notes) {
		r.Notes = addOnce(r.Notes, reason(authn.Verdict{Code: n.Code, Subject: n.Subject}))
	}
	for _, q := range in.Quirks {
		r.Quirks = addOnce(r.Quirks, word(q))
	}
	r.setChecks(in)
	r.setParties(in.Passive)
	return r
}

func (r *Report) setChecks(in Input) {
	verdicts := in.verdicts()
	parts := map[Check][]authn.Verdict{FileAvailability: in.availability(), GroupIntegrity: integrity(in.Passive)}
	for _, row := range checks {
		var result Result
		switch {
		case row.check == PassiveAuthentication:
			result = in.passive(verdicts[Revocation])
		case len(parts[row.check]) > 0:
			result = in.result(in.worst(parts[row.check]))
			result.Parts = map[string]Result{}
			for _, v := range parts[row.check] {
				part := in.result(v)
				r.blame(part)
				name := part.Subject
				part.Subject = ""
				result.Parts[name] = part
			}
		default:
			v, judged := verdicts[row.check]
			if !judged || v == (authn.Verdict{}) {
				v = authn.Verdict{Status: authn.NotPerformed, Code: notMade}
			}
			result = in.result(v)
		}
		r.Checks[row.check] = result
		r.blame(result)
	}
	if r.Aborted != "" {
		r.Reasons = addOnce(r.Reasons, r.Aborted)
	}
}

// blame adds why a check did not pass to the report's reasons.
func (r *Report) blame(x Result) {
	switch {
	case len(x.Reasons) > 0: // a sum's are those of its parts
		for _, s := range x.Reasons {
			r.Reasons = addOnce(r.Reasons, s)
		}
	case len(x.Parts) > 0 || x.Code == "":
	case x.Status == Failed, x.Status == Undetermined, x.Outcome == Aborted:
		r.Reasons = addOnce(r.Reasons, reason(authn.Verdict{Code: authn.Code(x.Code), Subject: x.Subject}))
	}
}

func (in Input) result(v authn.Verdict) Result {
	status, outcome := statusOf(v, in.Broken)
	return Result{Status: status, Outcome: outcome, Code: word(string(v.Code)), Subject: subject(v.Subject)}
}

// passive sums passive authentication up.
func (in Input) passive(revocation authn.Verdict) Result {
	p := in.Passive
	if p.Signature.Status == "" && p.Chain.Status == "" && len(p.Groups) == 0 {
		return in.result(authn.Verdict{Status: authn.NotPerformed, Code: notMade})
	}
	counted := []authn.Verdict{p.Signature, p.Chain}
	if slices.Contains([]authn.Status{authn.Passed, authn.Failed, authn.Inconclusive}, revocation.Status) {
		counted = append(counted, revocation)
	}
	groups := slices.DeleteFunc(integrity(p), func(v authn.Verdict) bool { return v.Code == authn.DGNotRead })
	if len(groups) == 0 {
		groups = []authn.Verdict{{Status: authn.Inconclusive, Code: noGroup}}
	}
	sum := Result{Status: Passed, Outcome: Successful}
	for _, v := range slices.Concat(counted, groups) {
		switch {
		case v.Status == authn.Passed:
			continue
		case v.Status == authn.Failed:
			sum.Status, sum.Outcome = Failed, NotSuccess
		case sum.Status == Passed:
			sum.Status, sum.Outcome = Undetermined, Undecided
		}
		if s := reason(v); s != "" {
			sum.Reasons = addOnce(sum.Reasons, s)
		}
	}
	return sum
}

// worst is the first of the verdicts that weigh most, as the guideline weighs.
func (in Input) worst(parts []authn.Verdict) authn.Verdict {
	weight := func(v authn.Verdict) int {
		_, o := statusOf(v, in.Broken)
		return slices.Index(slices.Concat(severity, []Outcome{""}), o)
	}
	v := slices.MinFunc(parts, func(a, b authn.Verdict) int { return cmp.Compare(weight(a), weight(b)) })
	if v.Status == authn.Passed {
		v.Subject = ""
	}
	return v
}

func (r *Report) setParties(p authn.Result) {
	if p.CSCA != (authn.Party{}) {
		r.CSCA = party(p.CSCA)
	}
	if !p.TrustDate.IsZero() {
		r.Trust = &Trust{p.TrustDate.UTC(), int64(p.TrustAge.Hours()), p.CRLDate.UTC(), int64(p.CRLAge.Hours())}
	}
	if p.Signer != (authn.Party{}) {
		r.Signer = party(p.Signer)
		if r.CSCA == nil { // any hand can have written the name
			r.Signer.Subject = ""
		}
	}
}

func party(p authn.Party) *Party {
	return &Party{code(strings.ToUpper(p.Country), 3), p.Subject, p.Serial, p.NotBefore.UTC(), p.NotAfter.UTC(), p.Key, p.Algorithm}
}

// reason is a verdict's code and subject as "code:subject".
func reason(v authn.Verdict) string {
	s := word(string(v.Code))
	if on := subject(v.Subject); on != "" && s != "" {
		s += ":" + on
	}
	return s
}

func addOnce(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// What an MRZ or a name is written in, capitals and digits, is not what codes
// and subjects are written in. A string that is none of these is told as
// withheld: it came where no content of a document may come.
var (
	words    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	subjects = regexp.MustCompile(`^(DG([1-9]|1[0-6])|EF\.[A-Za-z]{3,12}(/INFO)?|SHA-[0-9]{1,3}|[a-z][a-z0-9_]{0,31})$`)
	formats  = []string{"TD1", "TD2", "TD3", "MRVA", "MRVB"}
	ldsForm  = regexp.MustCompile(`^[0-9]{4}$`)
)

const withheld = "withheld"

func word(s string) string {
	if s == "" || words.MatchString(s) {
		return s
	}
	return withheld
}

// subject takes a list with commas.
func subject(s string) string {
	for part := range strings.SplitSeq(s, ",") {
		if part != "" && !subjects.MatchString(part) {
			return withheld
		}
	}
	return s
}

// code takes a code of capitals, up to n of them.
func code(s string, n int) string {
	s = strings.TrimRight(s, "<")
	if len(s) > n || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return withheld
	}
	return s
}

func (d Document) plain() Document {
	d.Type, d.State = code(d.Type, 2), code(d.State, 3)
	if d.Format != "" && !slices.Contains(formats, d.Format) {
		d.Format = withheld
	}
	if d.LDS != "" && !ldsForm.MatchString(d.LDS) {
		d.LDS = withheld
	}
	return d
}

// verdicts are those derived and those given.
func (in Input) verdicts() map[Check]authn.Verdict {
	all := in.Access.verdicts()
	if in.Passive.Signature.Status != "" {
		maps.Copy(all, securityObject(in.Passive))
		maps.Copy(all, certificates(in.Passive))
		all[SignerTrusted] = in.trusted()
	}
	for c, several := range spread {
		if v, given := in.Verdicts[c]; given {
			for _, c := range several {
				all[c] = v
			}
		}
	}
	maps.Copy(all, in.Verdicts)
	return all
}
