package limen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"limen/mrtd/mrz"
)

// Policy is what a border authority decides and the machine obeys: who may
// use this gate, which checks must pass, how sure the face must be, how long
// anything may take. It is read from a file of firmware-config or the site's.
type Policy struct {
	Name             string         `yaml:"name" json:"name"`
	Eligibility      Eligibility    `yaml:"eligibility" json:"eligibility"`
	Mandatory        []Requirement  `yaml:"mandatory" json:"mandatory"`
	WherePresent     []Requirement  `yaml:"where_present" json:"where_present"` // checks that must pass unless the document has nothing to check
	Face             FacePolicy     `yaml:"face" json:"face"`
	Lookups          []LookupPolicy `yaml:"lookups" json:"lookups"`
	Times            Times          `yaml:"times" json:"times"`
	SeenWithin       time.Duration  `yaml:"seen_within" json:"seen_within"`
	History          HistoryPolicy  `yaml:"history" json:"history,omitzero"`
	Trust            TrustPolicy    `yaml:"trust" json:"trust,omitzero"`
	AcceptDemoModels bool           `yaml:"-" json:"-"` // the site's configuration says so, never the policy
}

// Eligibility says who may use the gate; all others go to an officer.
type Eligibility struct {
	Documents     []string `yaml:"documents" json:"documents"`         // document codes as printed, "P", "ID"; a code also covers those it begins
	Issuers       []string `yaml:"issuers" json:"issuers"`             // three-letter issuing states
	Nationalities []string `yaml:"nationalities" json:"nationalities"` // three-letter nationalities
	MinimumAge    int      `yaml:"minimum_age" json:"minimum_age"`
}

// Requirement names a check that must pass: "sod_signature", or one subject
// of it: "dg_hash:DG2".
type Requirement string

// matches tells whether c answers the requirement.
func (r Requirement) matches(c Check) bool {
	name, subject, one := strings.Cut(string(r), ":")
	return string(c.Name) == name && (!one || c.Subject == subject)
}

// FacePolicy says how sure the match must be.
type FacePolicy struct {
	FMR float64 `yaml:"fmr" json:"fmr"` // false match rate; the model's catalog entry turns it into its threshold
}

// LookupPolicy says how one database is asked.
type LookupPolicy struct {
	Name      string        `yaml:"name" json:"name"`
	Mandatory bool          `yaml:"mandatory" json:"mandatory"`
	TimeLimit time.Duration `yaml:"time_limit" json:"time_limit"`
	MaxAge    time.Duration `yaml:"max_age" json:"max_age"` // older answers are stale; zero: any age
	Offline   Offline       `yaml:"offline" json:"offline"` // when a mandatory database does not answer
}

// TrustPolicy says how old what a chain of signatures rests on may be; zero is
// any age. A chain that rests on something older does not pass.
type TrustPolicy struct {
	MaxAge    time.Duration `yaml:"max_age" json:"max_age,omitzero"`         // of the list that vouches for the issuing country
	CRLMaxAge time.Duration `yaml:"crl_max_age" json:"crl_max_age,omitzero"` // of its revocation list, which must then be there
}

// Offline is what happens when a mandatory database does not answer.
type Offline string

// The offline policies.
const (
	OfflineRefer  Offline = "refer"  // the traveller goes to an officer
	OfflineAccept Offline = "accept" // the line goes on; the officer sees that the database was not asked
)

// Times bounds each part of the line.
type Times struct {
	Inspection time.Duration `yaml:"inspection" json:"inspection"` // everything, from document to record
	ChipWait   time.Duration `yaml:"chip_wait" json:"chip_wait"`   // until a chip answers
	ChipRead   time.Duration `yaml:"chip_read" json:"chip_read"`   // from there until its files are read
	Face       time.Duration `yaml:"face" json:"face"`
}

// Validate says what is wrong with a policy, naming the key.
func (p Policy) Validate() error {
	if p.Name == "" {
		return fmt.Errorf("name: is empty; records name the policy they were decided by")
	}
	if len(p.Mandatory) == 0 {
		return fmt.Errorf("mandatory: names no check, so nothing would have to pass; list at least %s", CheckSODSignature)
	}
	for key, list := range map[string][]Requirement{"mandatory": p.Mandatory, "where_present": p.WherePresent} {
		for i, r := range list {
			name, _, _ := strings.Cut(string(r), ":")
			if !slices.Contains(inOrder, CheckName(name)) {
				return fmt.Errorf("%s[%d]: there is no check %q; the checks are %v", key, i, name, inOrder)
			}
		}
	}
	if p.Face.FMR <= 0 || p.Face.FMR > 0.01 {
		return fmt.Errorf("face.fmr: %g is not between 0 and 0.01", p.Face.FMR)
	}
	for i, l := range p.Lookups {
		if l.Name == "" {
			return fmt.Errorf("lookups[%d].name: is empty", i)
		}
		if slices.ContainsFunc(p.Lookups[:i], func(o LookupPolicy) bool { return o.Name == l.Name }) {
			return fmt.Errorf("lookups[%d].name: %q is listed twice; it is asked once, under one set of rules", i, l.Name)
		}
		if l.TimeLimit <= 0 {
			return fmt.Errorf("lookups[%d].time_limit: must be more than zero, such as 2s", i)
		}
		if l.Offline != OfflineRefer && l.Offline != OfflineAccept {
			return fmt.Errorf("lookups[%d].offline: %q is neither %q nor %q", i, l.Offline, OfflineRefer, OfflineAccept)
		}
	}
	if err := p.History.validate(); err != nil {
		return err
	}
	for key, d := range map[string]time.Duration{"max_age": p.Trust.MaxAge, "crl_max_age": p.Trust.CRLMaxAge} {
		if d < 0 {
			return fmt.Errorf("trust.%s: is less than zero; leave it out for any age", key)
		}
	}
	for key, d := range map[string]time.Duration{"inspection": p.Times.Inspection, "chip_wait": p.Times.ChipWait, "chip_read": p.Times.ChipRead, "face": p.Times.Face} {
		if d <= 0 {
			return fmt.Errorf("times.%s: must be more than zero, such as 5s", key)
		}
	}
	return nil
}

// judge answers whether the policy serves this document and its holder at
// this gate. What fails is named in the subject, not what the document says.
func (e Eligibility) judge(m mrz.MRZ, now time.Time) Check {
	covers := func(list []string, value string, prefix bool) bool {
		return slices.ContainsFunc(list, func(s string) bool {
			return s == "*" || s == value || prefix && s != "" && strings.HasPrefix(value, s)
		})
	}
	switch {
	case !covers(e.Documents, m.DocumentCode, true):
		return fail(CheckEligibility, because(NotEligible, "document_type"))
	case !covers(e.Issuers, mrz.Alpha3(m.Issuer), false):
		return fail(CheckEligibility, because(NotEligible, "issuing_state"))
	case !covers(e.Nationalities, mrz.Alpha3(m.Nationality), false):
		return fail(CheckEligibility, because(NotEligible, "nationality"))
	}
	if e.MinimumAge > 0 {
		age, known := m.Birth.Age(now)
		if !known || age < e.MinimumAge {
			return fail(CheckEligibility, because(NotEligible, "age"))
		}
	}
	return pass(CheckEligibility)
}
