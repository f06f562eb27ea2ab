package mrz

import (
	"fmt"
	"strings"
	"unicode"
)

// Transliterate writes a name in the MRZ's letters: capitals, spaces, hyphens
// and commas as one filler, apostrophes and full stops dropped, letters as the
// tables of Doc 9303-3 section 6 have them for Latin, Cyrillic and Arabic.
// Where a table leaves a choice, or makes it by language, the general one is
// taken, so that a state's own rendering may differ: see CompareName. Letters
// of other scripts and digits are an error that names the place.
func Transliterate(name string) (string, error) {
	var b strings.Builder
	runes := []rune(name)
	last := "" // what the letter before became, for the mark that doubles it
	for i, r := range runes {
		kind, r := classify(r)
		switch kind {
		case separator:
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "<") {
				b.WriteByte('<')
			}
			last = ""
		case doubling:
			b.WriteString(last)
		case letter:
			choices := renderings(r)
			if len(choices) == 0 {
				return "", fmt.Errorf("its character %d is of no script that Doc 9303-3 transliterates: give the name in the issuing state's transliteration", i+1)
			}
			last = choices[0]
			if r == tehMarbuta && endsWord(runes[i+1:]) {
				last = tehMarbutaAtEnd
			}
			b.WriteString(last)
		}
	}
	return strings.TrimRight(b.String(), "<"), nil
}

// What a character of a name is to its transliteration.
const (
	dropped = iota
	separator
	doubling // shadda: the letter before it is written twice
	letter
)

const shadda = '\u0651'

// classify tells what a character is, and its capital.
func classify(r rune) (int, rune) {
	r = unicode.ToUpper(r)
	switch {
	case unicode.IsSpace(r), r == ',', r == '<', unicode.Is(unicode.Pd, r):
		return separator, r
	case r == shadda:
		return doubling, r
	case strings.ContainsRune("'’‘ʼ`´.", r), unicode.Is(unicode.Mn, r):
		return dropped, r
	}
	return letter, r
}

// endsWord tells whether no letter follows before the next separator.
func endsWord(rest []rune) bool {
	for _, r := range rest {
		switch kind, _ := classify(r); kind {
		case letter:
			return false
		case separator:
			return true
		}
	}
	return true
}

// renderings lists what a letter may become, the general choice first; none
// for a letter of no table.
func renderings(r rune) []string {
	if r >= 'A' && r <= 'Z' {
		return []string{string(r)}
	}
	var out []string
	for _, table := range [][][2]string{latin, cyrillic, arabic} {
		for _, row := range table {
			if strings.ContainsRune(row[1], r) {
				out = append(out, row[0])
			}
		}
	}
	return out
}
