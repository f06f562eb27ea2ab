package mrz

// The tables of Doc 9303-3, section 6, by what letters become. A letter stands
// in more than one row where the table leaves a choice or makes it by language;
// its first row is the general one.

// latin is table 6.A.
var latin = [][2]string{
	{"A", "ÀÁÂÃĀĂĄẠẢẤẦẨẪẬẮẰẲẴẶ"}, {"AE", "ÄÆ"}, {"AA", "Å"}, {"A", "ÄÅ"},
	{"C", "ÇĆĈĊČ"}, {"D", "ÐĎĐ"}, {"E", "ÈÉÊËĒĔĖĘĚẸẺẼẾỀỂỄỆ"},
	{"G", "ĜĞĠĢǤǦ"}, {"H", "ĤĦ"}, {"I", "ÌÍÎÏĨĪĬĮİỈỊ"}, {"IJ", "Ĳ"},
	{"J", "Ĵ"}, {"K", "ĶǨ"}, {"Q", "ĸ"}, {"L", "ĹĻĽĿŁ"},
	{"N", "ÑŃŅŇŊ"}, {"NXX", "Ñ"}, {"O", "ÒÓÔÕŌŎŐƠỌỎỐỒỔỖỘỚỜỞỠỢ"}, {"OE", "ÖØŒ"}, {"O", "Ö"},
	{"R", "ŔŖŘ"}, {"S", "ŚŜŞŠȘ"}, {"SS", "ßẞ"}, {"T", "ŢŤŦȚ"}, {"TH", "Þ"},
	{"U", "ÙÚÛŨŪŬŮŰŲƯỤỦỨỪỬỮỰ"}, {"UE", "Ü"}, {"UXX", "Ü"}, {"U", "Ü"}, {"W", "ŴẀẂẄ"},
	{"Y", "ÝŶŸỲỴỶỸ"}, {"Z", "ŹŻŽƵ"},
}

// cyrillic is table 6.B. Ћ and Ѓ are in the table under the code points of
// letters that look like them. The soft sign is in no row: states leave it out.
var cyrillic = [][2]string{
	{"A", "А"}, {"B", "Б"}, {"V", "В"}, {"G", "ГҐҒЃ"}, {"GJ", "ҒЃ"}, {"H", "Г"}, {"D", "ДЂ"},
	{"E", "ЕЁЭ"}, {"IO", "Ё"}, {"IE", "ЄЪ"}, {"YE", "Є"}, {"DZ", "ЅЏ"}, {"DJ", "Џ"},
	{"ZH", "Ж"}, {"Z", "ЗЖ"}, {"I", "ИІЇЙ"}, {"Y", "ЫѴИЙ"}, {"YI", "Ї"}, {"J", "Ј"},
	{"K", "КЌ"}, {"KJ", "Ќ"}, {"L", "Л"}, {"LJ", "Љ"}, {"M", "М"}, {"N", "Н"}, {"NJ", "Њ"}, {"O", "О"},
	{"P", "П"}, {"R", "Р"}, {"SH", "Ш"}, {"S", "СШ"}, {"T", "Т"}, {"U", "УЎѪ"}, {"F", "Ф"},
	{"KH", "Х"}, {"H", "Х"}, {"TS", "Ц"}, {"CH", "Ч"}, {"C", "ЋҺЦЧ"}, {"SHCH", "Щ"}, {"SHT", "Щ"},
	{"IU", "Ю"}, {"YU", "Ю"}, {"IA", "Я"}, {"YA", "Я"}, {"", "Ь"},
}

// Teh marbuta is written in another way at the end of a component.
const (
	tehMarbuta      = '\u0629'
	tehMarbutaAtEnd = "XAH"
)

// arabic is table 6.C and, for V and XF, appendix B.5.4. Letters are written
// by their code points, since editors turn lines with Arabic letters around.
var arabic = [][2]string{
	{"XE", "\u0621"}, {"XAA", "\u0622"}, {"XAE", "\u0623"}, {"U", "\u0624"}, {"I", "\u0625"}, {"XI", "\u0626"},
	{"A", "\u0627"}, {"B", "\u0628"}, {"XTA", "\u0629"}, {tehMarbutaAtEnd, "\u0629"}, {"T", "\u062A"}, {"XTH", "\u062B"},
	{"J", "\u062C"}, {"XH", "\u062D"}, {"XKH", "\u062E"}, {"D", "\u062F"}, {"XDH", "\u0630"}, {"R", "\u0631"},
	{"Z", "\u0632"}, {"S", "\u0633"}, {"XSH", "\u0634"}, {"XSS", "\u0635"}, {"XDZ", "\u0636"}, {"XTT", "\u0637"},
	{"XZZ", "\u0638"}, {"E", "\u0639"}, {"G", "\u063A"}, {"F", "\u0641"}, {"Q", "\u0642"}, {"K", "\u0643"},
	{"L", "\u0644"}, {"M", "\u0645"}, {"N", "\u0646"}, {"H", "\u0647"}, {"W", "\u0648"}, {"XAY", "\u0649"},
	{"Y", "\u064A\u06D0"}, {"XXA", "\u0671"}, {"XXT", "\u0679"}, {"XRT", "\u067C"}, {"P", "\u067E"}, {"XKE", "\u0681"},
	{"XXH", "\u0685"}, {"XC", "\u0686"}, {"XXD", "\u0688"}, {"XDR", "\u0689"}, {"XXR", "\u0691"}, {"XRR", "\u0693"},
	{"XRX", "\u0696"}, {"XJ", "\u0698"}, {"XXS", "\u069A"}, {"V", "\u06A4"}, {"XF", "\u06A5"}, {"XKK", "\u06A9"},
	{"XXK", "\u06AB"}, {"XNG", "\u06AD"}, {"XGG", "\u06AF"}, {"XNN", "\u06BA"}, {"XXN", "\u06BC"}, {"XDO", "\u06BE"},
	{"XYH", "\u06C0"}, {"XXG", "\u06C1"}, {"XGE", "\u06C2"}, {"XTG", "\u06C3"}, {"XYA", "\u06CC"}, {"Y", "\u06CC"},
	{"XAY", "\u06CC"}, {"XXY", "\u06CD"}, {"XYB", "\u06D2"}, {"XBE", "\u06D3"},
	{"", "\u0640\u069C\u06A2\u06A7\u06A8"}, // the filler tatweel, and letters that are obsolete
}
