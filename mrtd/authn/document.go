package authn

import (
	"fmt"
	"log/slog"
	"time"

	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// document is what a chain has to know of the document it vouches for, from a
// DG1 that EF.SOD has the hash of; "" and false where it was not read. It
// prints as redacted.
type document struct {
	code   string // "P", "ID"
	number string
	valid  bool // until a day that has not passed
}

func documentOf(dg1 []byte, at time.Time) document {
	lines, err := lds.ParseDG1(dg1)
	if err != nil {
		return document{}
	}
	m, err := mrz.Parse(lines, at)
	if err != nil {
		return document{}
	}
	expired, known := m.Expiry.Expired(at)
	return document{code: m.DocumentCode, number: m.Number, valid: known && !expired}
}

// String tells nothing of the document.
func (d document) String() string { return "[document redacted]" }

// Format is String for every verb.
func (d document) Format(s fmt.State, _ rune) { fmt.Fprint(s, d.String()) }

// LogValue is String, for logs.
func (d document) LogValue() slog.Value { return slog.StringValue(d.String()) }
