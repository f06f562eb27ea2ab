// Package report tells how the check of a document went, in the terms of BSI
// TR-03135-1, version 5.0.1: one result for each of its electronic and combined
// checks, as JSON and in the shape of its log.
//
//	verdicts, access, figures -> Of -> Report -> JSON, XML
//
// It judges nothing: package authn does, and what nobody judged is "not
// performed", with a code. docs/design/report.md tells which element is what
// and where the published text ends.
//
// Nothing personal is in a report: no MRZ or part of one, no document number,
// no name, no date of a person's, no image. Of the document it has code, state
// and format, of a portrait how it is encoded and nothing that describes who
// is on it. Of refuses words that are not of its own kind.
package report

import (
	"encoding/json"
	"time"
)

// Status is how a check ended. The zero Status is none; a Report holds one of
// the four for every check.
type Status string

// The statuses.
const (
	Passed       Status = "passed"
	Failed       Status = "failed"
	Undetermined Status = "undetermined"
	NotPerformed Status = "not_performed" // the document does not have it, an error prevented it, or nobody made it
)

// Report is plain data; its JSON names are stable.
type Report struct {
	Software string    `json:"software"`
	Started  time.Time `json:"started"`
	CheckMS  int64     `json:"check_ms"` // the whole check
	Document Document  `json:"document"`
	Access   string    `json:"access"` // "PACE-ECDH-IM", "BAC", "none"; empty when the chip was not opened
	Channel  Access    `json:"channel"`
	Files    []File    `json:"files"`
	Groups   []string  `json:"groups"` // the data groups among Files
	APDUs    int       `json:"apdus"`
	Bytes    int       `json:"bytes"`
	MS       int64     `json:"ms"`                // spent with the chip
	Returns  int       `json:"returns"`           // how often it was lost and came back
	Aborted  string    `json:"aborted,omitempty"` // why the reading ended early

	Checks  map[Check]Result `json:"checks"`
	Reasons []string         `json:"reasons"` // "code" or "code:subject" of all that did not pass
	Notes   []string         `json:"notes"`
	Quirks  []string         `json:"quirks"`

	Portraits []Portrait `json:"portraits"`
	Hash      string     `json:"hash,omitempty"` // of the data groups
	Signer    *Party     `json:"signer,omitempty"`
	CSCA      *Party     `json:"csca,omitempty"`
	Trust     *Trust     `json:"trust,omitempty"`
}

// Result is how one check ended.
type Result struct {
	Status  Status            `json:"status"`
	Outcome Outcome           `json:"result,omitempty"`
	Code    string            `json:"code,omitempty"`
	Subject string            `json:"subject,omitempty"` // "DG2", "document_number": what it speaks of, not what that says
	Reasons []string          `json:"reasons,omitempty"` // of a check that sums up others
	Parts   map[string]Result `json:"parts,omitempty"`   // of a check that is made for each file or group
}

// Document is the kind of document.
type Document struct {
	Type   string `json:"type"`   // document code: "P", "ID"
	State  string `json:"state"`  // that issued it: "UTO"
	Format string `json:"format"` // "TD1", "TD2", "TD3"
	LDS    string `json:"lds"`    // as EF.COM states it: "0107"
}

// Access is how the chip was opened.
type Access struct {
	Protocol string `json:"protocol"` // "PACE", "BAC", "none"; empty when it was not opened
	PACE     string `json:"pace"`     // "succeeded", "failed", "not_offered", "unsupported"
	Mapping  string `json:"mapping"`  // of PACE, behind its key agreement: "ECDH-IM"
	Password string `json:"password"` // its kind: "CAN", "MRZ"
	Domain   string `json:"domain"`   // curve or group of PACE
	Cipher   string `json:"cipher"`   // of secure messaging
}

// name is the access protocol in one word.
func (a Access) name() string {
	if a.Protocol == "PACE" && a.Mapping != "" {
		return a.Protocol + "-" + a.Mapping
	}
	return a.Protocol
}

// File is a file that was read.
type File struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
	By    string `json:"by"` // the protocol whose keys it came under: "PACE", "BAC", "CA", "none"
}

// Portrait is how a picture of DG2 is encoded. What a record of ISO/IEC 19794-5
// or 39794-5 says of the person (sex, colors, pose, landmarks) has no place here.
type Portrait struct {
	Standard string `json:"standard"` // "ISO/IEC 19794-5"
	Type     string `json:"type"`     // "basic", "full_frontal", "token_frontal"
	Format   string `json:"format"`   // "JPEG", "JPEG 2000"
	Width    int    `json:"width"`    // pixels; 0 is unspecified
	Height   int    `json:"height"`
	Bytes    int    `json:"bytes"`
}

// Party is a certificate's holder, an authority.
type Party struct {
	Country   string    `json:"country"`
	Subject   string    `json:"subject,omitempty"` // of a certificate that a CSCA bears out
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"`
	Algorithm string    `json:"algorithm"`
}

// Trust is how fresh what the chain rests on was.
type Trust struct {
	Date        time.Time `json:"date"` // of the list, or the import, that vouches for the CSCA
	AgeHours    int64     `json:"age_hours"`
	CRLDate     time.Time `json:"crl_date,omitzero"` // of its revocation list; absent where there is none
	CRLAgeHours int64     `json:"crl_age_hours,omitempty"`
}

// JSON is the report as JSON, indented; the same report is the same bytes.
func (r Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}
