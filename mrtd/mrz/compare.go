package mrz

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// NameMatch is how a name in national characters stands to the MRZ's.
type NameMatch string

// The outcomes. A name in Cyrillic or Arabic that the tables do not turn into
// the MRZ's is no difference: states transcribe by the sound (Doc 9303-3,
// appendix B.2.2), and no table tells what sound that is.
const (
	NameMatches      NameMatch = "matches"
	NameDiffers      NameMatch = "differs"
	NameUndetermined NameMatch = "undetermined"
)

// maxName bounds a name that is compared, in characters: DG11 has room for 99.
const maxName = 512

// CompareName tells whether a name in national characters, as DG11 has it, is
// the MRZ's: whether any of the choices that the tables of Doc 9303-3, section
// 6 leave turns the one into the other. Spaces, hyphens and fillers inside an
// identifier do not count. A name that is not split into identifiers (secondary
// is "") may be in either order. Where the MRZ's name may be shortened
// (NameTruncated), its words may be beginnings of the name's and words may be
// left out.
func CompareName(primary, secondary string, m MRZ) NameMatch {
	if len(primary)+len(secondary) > utf8.UTFMax*maxName {
		return NameUndetermined
	}
	p, s := lettersOf(primary), lettersOf(secondary)
	if len(p.runes)+len(s.runes) == 0 || len(p.runes)+len(s.runes) > maxName || m.Primary+m.Secondary == "" {
		return NameUndetermined
	}
	matches := p.render(m.Primary, m.NameTruncated) && s.render(m.Secondary, m.NameTruncated)
	if secondary == "" {
		matches = matches || p.render(m.Primary+" "+m.Secondary, m.NameTruncated) || p.render(m.Secondary+" "+m.Primary, m.NameTruncated)
	}
	switch {
	case matches:
		return NameMatches
	case p.latin && s.latin:
		return NameDiffers
	}
	return NameUndetermined
}

// spelled is a name's letters and where its words begin.
type spelled struct {
	runes []rune // capitals, doublings among them
	words [][]rune
	latin bool // every letter is of the Latin table
}

func lettersOf(name string) spelled {
	s := spelled{latin: true}
	var word []rune
	for _, r := range name {
		kind, r := classify(r)
		switch kind {
		case separator:
			if len(word) > 0 {
				s.words, word = append(s.words, word), nil
			}
		case letter, doubling:
			s.latin = s.latin && kind == letter && isLatin(r)
			s.runes, word = append(s.runes, r), append(word, r)
		}
	}
	if len(word) > 0 {
		s.words = append(s.words, word)
	}
	return s
}

func isLatin(r rune) bool {
	if r >= 'A' && r <= 'Z' {
		return true
	}
	for _, row := range latin {
		if strings.ContainsRune(row[1], r) {
			return true
		}
	}
	return false
}

// render tells whether the letters can become the MRZ's identifier.
func (s spelled) render(identifier string, truncated bool) bool {
	text := strings.ReplaceAll(identifier, " ", "")
	if becomes(s.runes, text, truncated) {
		return true
	}
	if !truncated {
		return false
	}
	words := s.words
	for _, short := range strings.Fields(identifier) {
		for len(words) > 0 && !becomes(words[0], short, true) {
			words = words[1:]
		}
		if len(words) == 0 {
			return false
		}
		words = words[1:]
	}
	return true
}

// becomes tells whether letters can be written as text, or, where a beginning
// is enough, as something text is the beginning of. It follows all choices at
// once: at is the set of places in text that the letters so far can reach.
func becomes(letters []rune, text string, beginning bool) bool {
	at, next := make([]bool, len(text)+1), make([]bool, len(text)+1)
	at[0] = true
	var last []string
	for _, r := range letters {
		if beginning && at[len(text)] && text != "" {
			return true
		}
		choices := last // a doubling repeats the letter before it, or not
		if r != shadda {
			choices = renderings(r)
			last = choices
		} else {
			choices = append([]string{""}, choices...)
		}
		clear(next)
		for from, reached := range at {
			if !reached {
				continue
			}
			for _, c := range choices {
				switch rest := text[from:]; {
				case strings.HasPrefix(rest, c):
					next[from+len(c)] = true
				case beginning && rest != "" && strings.HasPrefix(c, rest):
					return true
				}
			}
		}
		if at, next = next, at; !slices.Contains(at, true) {
			return false
		}
	}
	return at[len(text)]
}
