package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/mrtd/authn"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/trust"
)

// findings are checks and why those that did not pass did not. They bear the
// names an inspection's record has.
type findings struct {
	checks  map[string]string
	reasons []string // of checks that failed or gave no answer: the exit code is 1
	notes   []string // seen, without weight of their own
}

func (f *findings) note(check limen.CheckName, subject string, v authn.Verdict) {
	name := limen.Reason{Code: limen.ReasonCode(check), Subject: subject}.String()
	if f.checks == nil {
		f.checks = map[string]string{}
	}
	f.checks[name] = string(v.Status)
	if v.Status == authn.Passed || v.Code == "" {
		return
	}
	reason := limen.Reason{Code: limen.ReasonCode(v.Code), Subject: v.Subject}.String()
	switch {
	case v.Status == authn.NotPerformed, check == limen.CheckCOM && v.Status == authn.NotPresent: // LDS 1.8 has no EF.COM
		f.remark(reason)
	case !slices.Contains(f.reasons, reason):
		f.reasons = append(f.reasons, reason)
		slices.Sort(f.reasons)
	}
}

func (f *findings) remark(note string) {
	if !slices.Contains(f.notes, note) && !slices.Contains(f.reasons, note) {
		f.notes = append(f.notes, note)
		slices.Sort(f.notes)
	}
}

// exit is what the command returns: the answer no where there are reasons.
func (f *findings) exit() error {
	if len(f.reasons) > 0 {
		return cli.No
	}
	return nil
}

// print writes the checks for a person, what is wrong last.
func (f *findings) print(con *cli.Console) {
	for _, name := range slices.Sorted(maps.Keys(f.checks)) {
		row(con, name, strings.ReplaceAll(f.checks[name], "_", " "))
	}
	if len(f.notes) > 0 {
		row(con, "notes", strings.Join(f.notes, ", "))
	}
	result := "in order"
	if len(f.reasons) > 0 {
		result = "NOT in order: " + strings.Join(f.reasons, ", ")
	}
	if unjudged := f.unjudged(); len(unjudged) > 0 {
		result += "; not checked: " + strings.Join(unjudged, ", ")
	}
	row(con, "result", result)
}

// unjudged names the checks that were not made.
func (f *findings) unjudged() []string {
	var out []string
	for name, status := range f.checks {
		if status == string(authn.NotPerformed) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// row is one line of a result for people.
func row(con *cli.Console, name, value string) { con.Printf("%-34s %s\n", name, value) }

// trustNotGiven notes that the chain was not judged since no store was named.
const trustNotGiven = "trust_not_given"

// authenticate judges data groups by EF.SOD: signature, chain, hashes of the
// groups given. A nil store leaves the chain unjudged.
func (f *findings) authenticate(sod []byte, groups map[int][]byte, store *trust.Store, at time.Time) authn.Result {
	r := authn.PassiveFile(sod, groups, store, at)
	if store == nil && r.Signer.Subject != "" {
		r.Chain = authn.Verdict{Status: authn.NotPerformed, Code: trustNotGiven}
	}
	f.note(limen.CheckSODSignature, "", r.Signature)
	f.note(limen.CheckCSCAChain, "", r.Chain)
	for n, v := range r.Groups {
		if groups[n] == nil {
			delete(r.Groups, n)
			continue
		}
		f.note(limen.CheckDGHash, fmt.Sprintf("DG%d", n), v)
	}
	for _, n := range r.Notes {
		f.remark(limen.Reason{Code: limen.ReasonCode(n.Code), Subject: n.Subject}.String())
	}
	return r
}

// judgeDG1 compares the chip's MRZ with the printed lines, where there are
// any, and with the signer's state and the calendar.
func (f *findings) judgeDG1(dg1 []byte, printed []string, signer authn.Party, at time.Time) {
	lines, err := lds.ParseDG1(dg1)
	if err != nil {
		f.note(limen.CheckMRZChip, "", authn.Verdict{Status: authn.Failed, Code: authn.MRZUnreadable, Subject: "chip"})
		return
	}
	if printed != nil {
		f.note(limen.CheckMRZChip, "", authn.CompareMRZ(printed, lines))
	}
	m, err := mrz.Parse(lines, at)
	if err != nil {
		f.note(limen.CheckExpiry, "", authn.Verdict{Status: authn.Inconclusive, Code: authn.MRZUnreadable, Subject: "chip"})
		return
	}
	f.note(limen.CheckIssuer, "", authn.CompareIssuer(signer, m.Issuer))
	switch expired, known := m.Expiry.Expired(at); {
	case !known:
		f.note(limen.CheckExpiry, "", authn.Verdict{Status: authn.Inconclusive, Code: authn.Code(limen.ExpiryUnknown)})
	case expired:
		f.note(limen.CheckExpiry, "", authn.Verdict{Status: authn.Failed, Code: authn.Code(limen.DocumentExpired)})
	default:
		f.note(limen.CheckExpiry, "", authn.Verdict{Status: authn.Passed})
	}
}

// party is a certificate's holder as results name it.
type party struct {
	Country  string `json:"country"`
	NotAfter string `json:"not_after"`
	Key      string `json:"key"`
}

func partyOf(p authn.Party) *party {
	if p.Subject == "" {
		return nil
	}
	return &party{p.Country, p.NotAfter.Format(time.DateOnly), p.Key}
}

func (p *party) String() string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%s, %s, until %s", p.Country, p.Key, p.NotAfter)
}

// openTrust opens a store that must exist; no folder named is no store.
func openTrust(dir string) (*trust.Store, error) {
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no trust store at %s: `limen trust import FILE --trust %s` makes it", dir, dir)
	}
	store, err := trust.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the trust store: %w", err)
	}
	return store, nil
}
