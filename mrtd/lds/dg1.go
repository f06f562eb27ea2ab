package lds

import (
	"fmt"
	"log/slog"
	"strings"

	"limen/mrtd/ber"
)

// MRZ is machine readable zone lines. It prints as redacted.
type MRZ []string

// String says how many lines there are and nothing of them.
func (m MRZ) String() string { return fmt.Sprintf("[MRZ of %d lines redacted]", len(m)) }

// GoString is String, for %#v.
func (m MRZ) GoString() string { return m.String() }

// LogValue is String, for logs.
func (m MRZ) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText writes String: an MRZ leaves the program only where code says so.
func (m MRZ) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

const tagMRZ ber.Tag = 0x5F1F

// mrzShapes are lines and characters a line by the MRZ's length (Doc 9303-10, 4.7.1).
var mrzShapes = map[int][2]int{90: {3, 30}, 72: {2, 36}, 88: {2, 44}}

// ParseDG1 reads the whole file, tag 61, and splits the MRZ into its lines:
// TD1 3 of 30 characters, TD2 2 of 36, TD3 2 of 44.
func ParseDG1(b []byte) (MRZ, error) {
	outer, err := ber.Parse(b, groupTags[1])
	if err != nil {
		return nil, fmt.Errorf("DG1: %w", err)
	}
	inner, ok := outer.Find(tagMRZ)
	if !ok {
		return nil, fmt.Errorf("DG1: no MRZ under tag %X", tagMRZ)
	}
	shape, ok := mrzShapes[len(inner.Value)]
	if !ok {
		return nil, fmt.Errorf("DG1: MRZ of %d characters; TD1 has 90, TD2 72, TD3 88", len(inner.Value))
	}
	for i, c := range inner.Value {
		if c != '<' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return nil, fmt.Errorf("DG1: character %d is none of an MRZ", i+1)
		}
	}
	lines := make(MRZ, shape[0])
	for i := range lines {
		lines[i] = string(inner.Value[i*shape[1] : (i+1)*shape[1]])
	}
	return lines, nil
}

// EncodeDG1 writes DG1 for the lines of a printed MRZ.
func EncodeDG1(lines []string) ([]byte, error) {
	b := ber.Encode(groupTags[1], ber.Encode(tagMRZ, []byte(strings.Join(lines, ""))))
	back, err := ParseDG1(b)
	if err != nil {
		return nil, err
	}
	for i, l := range back {
		if i >= len(lines) || len(l) != len(lines[i]) {
			return nil, fmt.Errorf("DG1: %d lines that are not of equal length", len(lines))
		}
	}
	return b, nil
}
