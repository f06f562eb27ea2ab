package lds

import (
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"limen/mrtd/ber"
)

// maxParts bounds how many parts a text is split into, and how often an element repeats.
const maxParts = 64

// text reads characters of a chip: UTF-8 (Doc 9303-10, 3.9.1), or Latin-1 where
// they are none, as documents from before the rule have them. Control
// characters are dropped, so that no screen or log is steered by a chip.
func text(b []byte) string {
	s := string(b)
	if !utf8.Valid(b) {
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		s = string(runes)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s))
}

// parts splits a text at its fillers: "ANYTOWN<MN" has two parts.
func parts(b []byte) []string {
	var out []string
	for _, p := range strings.Split(text(b), "<") {
		if p = strings.TrimSpace(p); p != "" && len(out) < maxParts {
			out = append(out, p)
		}
	}
	return out
}

func joinParts(p []string) []byte { return []byte(strings.Join(p, "<")) }

// encodeSmall writes a non-negative INTEGER.
func encodeSmall(n int) []byte { return ber.EncodeInt(big.NewInt(int64(n))) }
