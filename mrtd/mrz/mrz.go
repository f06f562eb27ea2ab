// Package mrz reads and writes the machine readable zone of travel documents
// (Doc 9303 parts 3 to 7): passports, identity cards and visas.
//
//	lines -> noise removed -> layout -> lost fillers and misreadings repaired -> fields and check digits
//
// A wrong check digit is a fact in the result, never an error; an error means
// that the lines are no MRZ. It does not judge whether a document is genuine
// or whether its state exists.
package mrz

import (
	"fmt"
	"log/slog"
	"strings"
)

// Sex as the document states it.
type Sex string

// The sexes.
const (
	Female      Sex = "F"
	Male        Sex = "M"
	Unspecified Sex = "" // a filler in the MRZ
)

// Fields is what an MRZ says. Names and numbers are without trailing fillers;
// "<" inside a number or optional data stays as it is.
type Fields struct {
	Layout       Layout `json:"layout"`
	DocumentCode string `json:"document_code"` // "P", "PD", "I", "AC", "V" …
	// Issuer and Nationality are three characters as written, fillers
	// included: Germany's is "D<<". See Alpha3.
	Issuer      string `json:"issuer"`
	Number      string `json:"number"` // the whole of a long number
	Nationality string `json:"nationality"`
	Birth       Date   `json:"birth"`
	Sex         Sex    `json:"sex"`
	Expiry      Date   `json:"expiry"`
	Optional    string `json:"optional"`  // TD3: the personal number; TD1: what follows the number in line 1
	Optional2   string `json:"optional2"` // TD1 only: line 2
	// Primary and Secondary are the identifiers (surname and given names in
	// most states), with spaces where the MRZ has fillers. One of them may be empty.
	Primary   string `json:"primary"`
	Secondary string `json:"secondary"`
}

// Fault is a field whose characters cannot be what it states, such as a digit
// in a name or a thirteenth month. It holds no content.
type Fault struct {
	Field   Field  `json:"field"`
	Problem string `json:"problem"`
}

// MRZ is one machine readable zone as it was read. It prints and logs as
// redacted; its fields are there for those who need them.
type MRZ struct {
	Fields
	// NameTruncated: the name fills its field to the last character, which is
	// how Doc 9303-3 4.6 marks a shortened name. A name that just fits looks the same.
	NameTruncated bool         `json:"name_truncated"`
	Checks        []CheckDigit `json:"checks"`  // composite last; visas have none
	Repairs       []Repair     `json:"repairs"` // what was changed before reading
	Faults        []Fault      `json:"faults"`

	grid grid
}

// Valid tells whether every check digit is right and no field has a fault,
// after repairs.
func (m MRZ) Valid() bool {
	for _, c := range m.Checks {
		if !c.OK {
			return false
		}
	}
	return len(m.Checks) > 0 && len(m.Faults) == 0
}

// Lines are the lines after repair, each of the layout's full width.
func (m MRZ) Lines() []string { return m.grid.strings() }

// KeyMaterial is the MRZ information from which the BAC keys and the PACE
// password are derived: document number, birth and expiry, each with its check
// digit as printed (Doc 9303-11 4.3.2 and 4.4.4.1). A short number keeps its
// fillers; a long one is whole, without the filler that announces it. It opens
// the chip: handle it like a key. Empty for the zero MRZ.
func (m MRZ) KeyMaterial() string {
	if m.grid == nil {
		return ""
	}
	var b strings.Builder
	for _, g := range groups(m.Layout.shape(), m.grid)[:3] {
		b.WriteString(g.text(m.grid))
		b.WriteByte(m.grid.at(g.digit))
	}
	return b.String()
}

// Alpha3 is the ISO 3166-1 code of a state as an MRZ writes it: "DEU" for
// Germany's "D<<". Other codes come back without fillers: ICAO's own (UNO,
// EUE, XXA …) and the British GBD to GBS are no ISO codes.
func Alpha3(code string) string {
	code = strings.TrimRight(code, "<")
	if code == "D" {
		return "DEU"
	}
	return code
}

// String, Format, GoString and LogValue name the layout and nothing else.
func (f Fields) String() string             { return "MRZ(" + f.Layout.String() + ", redacted)" }
func (f Fields) GoString() string           { return f.String() }
func (f Fields) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }
func (f Fields) LogValue() slog.Value       { return slog.StringValue(f.String()) }
