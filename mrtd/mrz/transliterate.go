package mrz

import (
	"fmt"
	"strings"
	"unicode"
)

// latin lists, by what they become, the letters of Doc 9303-3 section 6.A.
// Where the table leaves a choice (Ä, Ö, Ü, Å, Ñ) the first is taken.
var latin = [][2]string{
	{"A", "ÀÁÂÃĀĂĄẠẢẤẦẨẪẬẮẰẲẴẶ"}, {"AE", "ÄÆ"}, {"AA", "Å"},
	{"C", "ÇĆĈĊČ"}, {"D", "ÐĎĐ"}, {"E", "ÈÉÊËĒĔĖĘĚẸẺẼẾỀỂỄỆ"},
	{"G", "ĜĞĠĢǤǦ"}, {"H", "ĤĦ"}, {"I", "ÌÍÎÏĨĪĬĮİỈỊ"}, {"IJ", "Ĳ"},
	{"J", "Ĵ"}, {"K", "ĶǨ"}, {"Q", "ĸ"}, {"L", "ĹĻĽĿŁ"},
	{"N", "ÑŃŅŇŊ"}, {"O", "ÒÓÔÕŌŎŐƠỌỎỐỒỔỖỘỚỜỞỠỢ"}, {"OE", "ÖØŒ"},
	{"R", "ŔŖŘ"}, {"S", "ŚŜŞŠȘ"}, {"SS", "ßẞ"}, {"T", "ŢŤŦȚ"}, {"TH", "Þ"},
	{"U", "ÙÚÛŨŪŬŮŰŲƯỤỦỨỪỬỮỰ"}, {"UE", "Ü"}, {"W", "ŴẀẂẄ"},
	{"Y", "ÝŶŸỲỴỶỸ"}, {"Z", "ŹŻŽƵ"},
}

// Transliterate writes a name in the MRZ's letters: capitals, spaces, hyphens
// and commas as one filler, apostrophes and full stops dropped, Latin letters
// with marks as Doc 9303-3 section 6.A says. Other scripts have several
// romanizations, which the issuing state chooses; they and digits are an error
// that names the place.
func Transliterate(name string) (string, error) {
	var b strings.Builder
	place := 0
	for _, r := range name {
		place++
		r = unicode.ToUpper(r)
		switch {
		case r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		case unicode.IsSpace(r), r == ',', r == '<', unicode.Is(unicode.Pd, r):
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "<") {
				b.WriteByte('<')
			}
		case strings.ContainsRune("'’‘ʼ`´.", r), unicode.Is(unicode.Mn, r):
		default:
			text, ok := fold(r)
			if !ok {
				return "", fmt.Errorf("its character %d is no Latin letter: give the name in the issuing state's transliteration", place)
			}
			b.WriteString(text)
		}
	}
	return strings.TrimRight(b.String(), "<"), nil
}

func fold(r rune) (string, bool) {
	for _, l := range latin {
		if strings.ContainsRune(l[1], r) {
			return l[0], true
		}
	}
	return "", false
}
