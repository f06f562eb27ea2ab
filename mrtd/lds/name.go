package lds

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
)

// Name is a person's name in national characters, as DG11, DG12 and DG16 have
// it (Doc 9303-10, 4.7.11): fillers inside an identifier are spaces here. It
// prints as redacted. See mrz.CompareName for whether it is the MRZ's.
type Name struct {
	Primary   string // the surname in most states
	Secondary string // the given names; "" where the document writes one identifier
}

const redactedName = "[name redacted]"

// String tells nothing of the name.
func (n Name) String() string { return redactedName }

// Format writes String for every verb.
func (n Name) Format(f fmt.State, _ rune) { io.WriteString(f, redactedName) }

// LogValue is String, for logs.
func (n Name) LogValue() slog.Value { return slog.StringValue(redactedName) }

// MarshalText writes String, so that no encoder prints the name.
func (n Name) MarshalText() ([]byte, error) { return []byte(redactedName), nil }

func parseName(b []byte) Name {
	primary, secondary, _ := strings.Cut(text(b), "<<")
	return Name{spaced(primary), spaced(secondary)}
}

// spaced turns fillers into single spaces.
func spaced(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '<' || unicode.IsSpace(r) }), " ")
}

func (n Name) encode() []byte {
	fill := func(s string) string { return strings.ReplaceAll(spaced(s), " ", "<") }
	if n.Secondary == "" {
		return []byte(fill(n.Primary))
	}
	return []byte(fill(n.Primary) + "<<" + fill(n.Secondary))
}
