package limen

import (
	"math"
	"strconv"
	"time"

	"limen/mrtd/mrz"
)

// Evidence is all an inspection found out: values, never errors. Of the
// document it keeps what the decision and the record need.
type Evidence struct {
	Inspection string
	Started    time.Time
	Ended      time.Time
	Document   Document
	Chip       ChipFacts
	Face       *Comparison
	Quality    []Quality
	Earlier    []Earlier
	Checks     []Check
	Spent      Spent
}

// Document is what is kept of the document: what kind, whose, and its pseudonym,
// where the site keeps a history of such documents.
type Document struct {
	Format    string    `json:"format,omitempty" cbor:"1,keyasint,omitempty"` // "TD3"
	Code      string    `json:"code,omitempty" cbor:"2,keyasint,omitempty"`   // "P"
	Issuer    string    `json:"issuer,omitempty" cbor:"3,keyasint,omitempty"` // "UTO"
	Pseudonym Pseudonym `json:"-" cbor:"4,keyasint"`
}

// ChipFacts is what is kept of the chip.
type ChipFacts struct {
	Access        string `json:"access,omitempty" cbor:"1,keyasint,omitempty"`         // "PACE brainpoolP256r1 AES-256", "BAC 3DES"
	Groups        []int  `json:"groups,omitempty" cbor:"2,keyasint,omitempty"`         // data groups read
	SignerCountry string `json:"signer_country,omitempty" cbor:"3,keyasint,omitempty"` // of the document signer
	HashAlgorithm string `json:"hash,omitempty" cbor:"4,keyasint,omitempty"`
	TrustDate     Moment `json:"trust_date,omitempty" cbor:"5,keyasint,omitempty"` // of the trust material that judged
	Commands      int    `json:"commands,omitempty" cbor:"6,keyasint,omitempty"`
	Bytes         int    `json:"bytes,omitempty" cbor:"7,keyasint,omitempty"`    // over the air, both ways
	CRLDate       Moment `json:"crl_date,omitempty" cbor:"8,keyasint,omitempty"` // of the revocation list that was looked into
	Proof         string `json:"proof,omitempty" cbor:"9,keyasint,omitempty"`    // what proved that the chip is no copy: "chip_authentication", "pace_mapping", "active_authentication"
	SODMark       Mark   `json:"-" cbor:"10,keyasint,omitempty"`                 // of EF.SOD
	KeyMark       Mark   `json:"-" cbor:"11,keyasint,omitempty"`                 // of the file with the key that proved
}

// Spent is the time each part took. MRZ counts from the reader's message to
// its parsed fields, Chip and Face from the moment both begin.
type Spent struct {
	MRZ   Span `json:"mrz" cbor:"1,keyasint"`
	Chip  Span `json:"chip" cbor:"2,keyasint"`
	Face  Span `json:"face" cbor:"3,keyasint"`
	Total Span `json:"total" cbor:"4,keyasint"`
}

// Span is a length of time in microseconds: records hold integers. In JSON it
// is milliseconds with decimals.
type Span int64

// SpanOf converts.
func SpanOf(d time.Duration) Span { return Span(d.Microseconds()) }

// Duration converts back.
func (s Span) Duration() time.Duration { return time.Duration(s) * time.Microsecond }

// MarshalJSON writes milliseconds.
func (s Span) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s)/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads milliseconds.
func (s *Span) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseFloat(string(b), 64)
	*s = Span(math.Round(ms * 1000))
	return err
}

// Moment is a time in milliseconds since 1970, UTC: records hold integers.
type Moment int64

// MomentOf converts; the zero time is the zero Moment.
func MomentOf(t time.Time) Moment {
	if t.IsZero() {
		return 0
	}
	return Moment(t.UnixMilli())
}

// Time converts back.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// MarshalText writes RFC 3339.
func (m Moment) MarshalText() ([]byte, error) {
	return m.Time().AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00"), nil
}

// UnmarshalText reads RFC 3339.
func (m *Moment) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(b))
	*m = MomentOf(t)
	return err
}

// documentFacts keeps of an MRZ what a record may hold.
func documentFacts(m mrz.MRZ) Document {
	return Document{Format: m.Layout.String(), Code: m.DocumentCode, Issuer: mrz.Alpha3(m.Issuer)}
}
