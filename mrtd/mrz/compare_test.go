package mrz

import (
	"strings"
	"testing"

	"limen/internal/repotest"
)

func TestTransliterateCyrillicAndArabic(t *testing.T) {
	for name, want := range map[string]string{
		"Эрикссон":          "ERIKSSON",
		"Анна-Мария":        "ANNA<MARIIA",
		"Щукин Юрий":        "SHCHUKIN<IURII",
		"Ольга":             "OLGA",
		"Ђорђе Љиљана Њ":    "DORDE<LJILJANA<NJ",
		"Ґедзь":             "GEDZ",
		"Жанна Хрущёва":     "ZHANNA<KHRUSHCHEVA",
		"عبّاس":             "EBBAS",             // Doc 9303-3, 6.C, note 3
		"فضّة":              "FXDZXDZXAH",        // note 3
		"جمال عبد الناصر":   "JMAL<EBD<ALNAXSSR", // appendix B.5.9
		"سمير بادمكدوذيل":   "SMYR<BADMKDWXDHYL", // B.5.9
		"نعيمة جميلة":       "NEYMXAH<JMYLXAH",   // B.5.9
		"عبدالعزيز بن متعب": "EBDALEZYZ<BN<MTEB", // B.5.9, without the space its MRZ has
		"ابو بكر محمد بن زكريا الرازي": "ABW<BKR<MXHMD<BN<ZKRYA<ALRAZY", // B.5.7
		"مُحَمَّد": "MXHMMD", // vowels are dropped, shadda doubles
		"محـمد":    "MXHMD",  // tatweel is dropped
	} {
		if got, err := Transliterate(name); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestCompareName(t *testing.T) {
	mrz := func(primary, secondary string, truncated bool) MRZ {
		return MRZ{Fields: Fields{Primary: primary, Secondary: secondary}, NameTruncated: truncated}
	}
	for _, c := range []struct {
		primary, secondary string
		m                  MRZ
		want               NameMatch
	}{
		{"Eriksson", "Anna Maria", mrz("ERIKSSON", "ANNA MARIA", false), NameMatches},
		{"Eriksson", "Anna-Maria", mrz("ERIKSSON", "ANNA MARIA", false), NameMatches},
		{"Eriksson", "Anna", mrz("ERIKSSON", "ANNA MARIA", false), NameDiffers},
		{"Erikssen", "Anna Maria", mrz("ERIKSSON", "ANNA MARIA", false), NameDiffers},
		{"Anna Maria", "Eriksson", mrz("ERIKSSON", "ANNA MARIA", false), NameDiffers},
		{"Anna Maria Eriksson", "", mrz("ERIKSSON", "ANNA MARIA", false), NameMatches}, // not split: either order
		{"Eriksson Anna Maria", "", mrz("ERIKSSON", "ANNA MARIA", false), NameMatches},
		{"Müller-Lüdenscheidt", "Jürgen", mrz("MUELLER LUDENSCHEIDT", "JUERGEN", false), NameMatches}, // each choice by itself
		{"Cañón", "Térèsa", mrz("CANXXON", "TERESA", false), NameMatches},                             // appendix B.4.1
		{"Ångström", "Åsa", mrz("ANGSTROEM", "AASA", false), NameMatches},
		{"Ångström", "Åsa", mrz("ENGSTROEM", "AASA", false), NameDiffers},
		{"O’Connor", "Enya", mrz("OCONNOR", "ENYA", false), NameMatches},
		{"Гончар", "Ігор Юрійович", mrz("HONCHAR", "IHOR YURIIOVYCH", false), NameMatches}, // Ukrainian choices
		{"Гончаров", "Юрий", mrz("GONCHAROV", "IURII", false), NameMatches},
		{"Ђорђевић", "Жељко", mrz("DORDEVIC", "ZELJKO", false), NameMatches},               // Serbian choices
		{"Эрикссон", "Анна Мария", mrz("ERIKSSON", "ANNA MARIA", false), NameUndetermined}, // the traveller's own spelling
		{"الرازي", "ابو بكر محمد", mrz("ALRAZY", "ABW BKR MXHMD", false), NameMatches},
		{"الرازي", "ابو بكر محمد", mrz("AL RAZI", "ABU BAKR MOHAMMED", false), NameUndetermined},
		{"عبّاس", "فاطمة", mrz("EBAS", "FAXTTMXTA", false), NameMatches}, // without doubling; the other teh marbuta
		{"Papandropoulous", "Jonathon Warren Trevor", mrz("PAPANDROPOULOUS", "JONATHON WARREN TREVOR", true), NameMatches},
		{"Bennelong Wooloomooloo Warrandyte Warnambool", "Dingo Potoroo", mrz("BENNELONG WOOLOOMOOLOO WARRANDYTE W", "DI", true), NameMatches},
		{"Bennelong Wooloomooloo Warrandyte Warnambool", "Dingo Potoroo", mrz("BENNELONG WOOLOOM WARRAND WARNAM", "DINGO", true), NameMatches},
		{"Bennelong Wooloomooloo Warrandyte Warnambool", "Dingo Potoroo", mrz("BENNEL WOOLOO WARRAN WARNAM", "DINGO POTO", true), NameMatches},
		{"Bennelong Wooloomooloo", "Dingo Potoroo", mrz("BENNEL WARRAN", "DINGO POTO", true), NameDiffers},
		{"Ευαγγελία", "", mrz("EVANGELIA", "", false), NameUndetermined}, // a script of no table
		{"", "", mrz("ERIKSSON", "ANNA", false), NameUndetermined},
		{"Eriksson", "Anna", mrz("", "", false), NameUndetermined},
		{strings.Repeat("A", 600), "", mrz("ERIKSSON", "ANNA", false), NameUndetermined},
	} {
		if got := CompareName(c.primary, c.secondary, c.m); got != c.want {
			t.Errorf("%s, %s against %s, %s: got %s, want %s", c.primary, c.secondary, c.m.Primary, c.m.Secondary, got, c.want)
		}
	}
}

func FuzzCompareName(f *testing.F) {
	f.Add("Müller", "Jürgen", "MUELLER", "JUERGEN", false)
	f.Add(strings.Repeat("Ä"+string(shadda), 250), "", strings.Repeat("A", 39), "", true)
	f.Add(strings.Repeat("Ö ", 200), "X", strings.Repeat("O ", 19), "X", true)
	f.Add("عبّاس", "فاطمة", "EBBAS", "FATMXAH", true)
	f.Fuzz(func(t *testing.T, primary, secondary, p, s string, truncated bool) {
		repotest.Bounded(t, len(primary)+len(secondary)+len(p)+len(s), func() {
			CompareName(primary, secondary, MRZ{Fields: Fields{Primary: p, Secondary: s}, NameTruncated: truncated})
		})
		text, err := Transliterate(primary)
		if err != nil || text == "" || len(primary) > maxName {
			return
		}
		// What the tables make of a name is always one of what they may make of it.
		own := MRZ{Fields: Fields{Primary: strings.ReplaceAll(text, "<", " ")}}
		if got := CompareName(primary, "", own); got != NameMatches {
			t.Errorf("%q and its transliteration %q: %s", primary, text, got)
		}
	})
}
