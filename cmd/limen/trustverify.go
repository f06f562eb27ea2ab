package main

import (
	"fmt"
	"slices"
	"time"

	"limen/cmd/internal/cli"
	"limen/mrtd/trust"
)

type trustVerify struct {
	Trust string `help:"Folder of the trust store." required:"" placeholder:"DIR"`
	At    string `help:"Judge as of this day; today when left out." placeholder:"2026-01-31"`
	JSON  bool   `name:"json" help:"Print the result as JSON."`
}

// audited is what trust verify prints.
type audited struct {
	At         string           `json:"at"`
	Sound      bool             `json:"sound"` // nothing in the store must not be relied on
	Anchors    []auditedAnchor  `json:"anchors"`
	CRLs       []*crlLine       `json:"crls"`
	Deviations []*deviationLine `json:"deviation_lists"`
	Signers    int              `json:"signers"`
}

type auditedAnchor struct {
	Subject   string          `json:"subject"`
	Country   string          `json:"country"`
	Serial    string          `json:"serial"`
	NotBefore string          `json:"not_before"`
	NotAfter  string          `json:"not_after"`
	Key       string          `json:"key"`
	Algorithm string          `json:"algorithm"`
	Link      bool            `json:"link"`
	SignedBy  *signedBy       `json:"signed_by,omitempty"` // whose key was found to have signed it
	TrustDate string          `json:"trust_date"`
	CRL       bool            `json:"crl"` // a revocation list covers it
	Findings  []trust.Finding `json:"findings"`
}

type signedBy struct {
	Subject string `json:"subject"`
	Serial  string `json:"serial"`
	Itself  bool   `json:"itself"`
}

// Run judges the store; exit code 1 when something in it must not be relied on.
func (c *trustVerify) Run(con *cli.Console) error {
	at, err := dayOf("--at", c.At)
	if err != nil {
		return err
	}
	store, err := openNamed(c.Trust)
	if err != nil {
		return err
	}
	a := store.Audit(at)
	out := auditOf(a)
	if c.JSON {
		err = con.PrintJSON(out)
	} else {
		out.print(con, a)
	}
	if err != nil {
		return err
	}
	if !out.Sound {
		return cli.No
	}
	return nil
}

func auditOf(a trust.Audit) audited {
	out := audited{At: a.At.Format(time.DateOnly), Sound: true, Anchors: []auditedAnchor{}, CRLs: []*crlLine{}, Deviations: []*deviationLine{}, Signers: a.Signers}
	for _, x := range a.Anchors {
		line := auditedAnchor{
			Subject: x.Subject.String(), Country: x.Subject.Country, Serial: fmt.Sprintf("%X", x.Serial),
			NotBefore: x.NotBefore.Format(time.DateOnly), NotAfter: x.NotAfter.Format(time.DateOnly), Key: x.Key.String(), Algorithm: x.Algorithm.String(),
			Link: x.Link(), TrustDate: x.TrustDate.Format(time.DateOnly), CRL: x.Covered, Findings: append([]trust.Finding{}, x.Findings...),
		}
		if x.Issuer != nil {
			line.SignedBy = &signedBy{x.Issuer.Subject.String(), fmt.Sprintf("%X", x.Issuer.Serial), x.Issuer == x.Certificate}
		}
		out.Sound = out.Sound && !slices.ContainsFunc(x.Findings, trust.Finding.Bad)
		out.Anchors = append(out.Anchors, line)
	}
	for _, x := range a.CRLs {
		line := crlOf(x.CRL, a.At)
		line.Findings = x.Findings
		out.Sound = out.Sound && !slices.ContainsFunc(x.Findings, trust.Finding.Bad)
		out.CRLs = append(out.CRLs, line)
	}
	for _, x := range a.Deviations {
		out.Deviations = append(out.Deviations, deviationsOf(x.DeviationList, a.At))
	}
	return out
}

// print writes for people: how many, what must not be relied on one by one, and
// what calls for attention by the states it concerns.
func (a audited) print(con *cli.Console, from trust.Audit) {
	links, joined, covered := 0, 0, 0
	concerned, counts := map[trust.Finding]map[string]bool{}, map[trust.Finding]int{}
	for _, x := range a.Anchors {
		if x.Link {
			links++
			if x.SignedBy != nil {
				joined++
			}
		}
		if x.CRL {
			covered++
		}
		for _, f := range x.Findings {
			if f.Bad() {
				con.Printf("%s: %s, serial %s, since %s\n", f, x.Subject, x.Serial, x.NotBefore)
				continue
			}
			if concerned[f] == nil {
				concerned[f] = map[string]bool{}
			}
			concerned[f][x.Country] = true
			counts[f]++
		}
	}
	for _, l := range a.CRLs {
		for _, f := range l.Findings {
			con.Printf("%s: revocation list %s\n", f, l)
		}
	}
	row(con, "certificates", fmt.Sprintf("%d: %d self-signed, %d link certificates, %d of them joined to the key before", len(a.Anchors), len(a.Anchors)-links, links, joined))
	row(con, "revocation", fmt.Sprintf("%d lists, which cover %s", len(a.CRLs), certificates(covered)))
	row(con, "deviations", fmt.Sprintf("%d lists", len(a.Deviations)))
	row(con, "signers", certificates(a.Signers))
	for _, f := range sortedFindings(counts) {
		row(con, string(f), fmt.Sprintf("%s: %s", certificates(counts[f]), states(concerned[f])))
	}
	if newest := newestTrust(from); !newest.IsZero() {
		row(con, "newest trust", fmt.Sprintf("%s, %d days old", newest.Format(time.DateOnly), days(from.At.Sub(newest))))
	}
	if a.Sound {
		row(con, "result", "sound")
	} else {
		row(con, "result", "NOT sound")
	}
}

func sortedFindings(counts map[trust.Finding]int) []trust.Finding {
	var out []trust.Finding
	for f := range counts {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

func newestTrust(a trust.Audit) time.Time {
	var newest time.Time
	for _, x := range a.Anchors {
		if x.TrustDate.After(newest) {
			newest = x.TrustDate
		}
	}
	return newest
}
