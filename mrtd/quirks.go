package mrtd

// Quirk names a way in which chips in the field depart from Doc 9303 and that
// a reading bore. It is a note, never a verdict.
type Quirk string

// The quirks that a reading notices. Those of certificates, signatures and
// data groups are borne where they are parsed, by packages trust, authn and lds.
const (
	QuirkMasterFileRefused    Quirk = "master_file_refused"
	QuirkCardAccessUnreadable Quirk = "card_access_unreadable"
	QuirkApplicationWantsFCI  Quirk = "application_wants_file_information"
	QuirkPACEVariantRefused   Quirk = "pace_variant_refused"
	QuirkPACEParametersWanted Quirk = "pace_parameters_wanted"
	QuirkChainLeftOpen        Quirk = "chain_left_open"
	QuirkBACRefusedAsMissing  Quirk = "bac_answers_key_not_found"
	QuirkNoShortIdentifiers   Quirk = "no_short_identifiers"
	QuirkLengthRefused        Quirk = "length_refused"
	QuirkExtendedRefused      Quirk = "extended_length_refused"
	QuirkPastEndRefused       Quirk = "past_end_refused"
	QuirkShortAnswer          Quirk = "short_answer"
	QuirkEmptySuccess         Quirk = "empty_success"
	QuirkBareError            Quirk = "error_outside_secure_messaging"
	QuirkSessionBrokenOff     Quirk = "session_broken_off"
	QuirkStatusMissing        Quirk = "status_object_missing"
	QuirkChecksumAtEnd        Quirk = "checksum_wrong_once"
	QuirkChipReturned         Quirk = "chip_returned"
	QuirkActiveAuthLength     Quirk = "active_authentication_length"
	QuirkChipAuthKeyRefused   Quirk = "chip_authentication_key_refused"
)

// Tolerance is a row of the table of quirks.
type Tolerance struct {
	Quirk Quirk
	Seen  string // where: state, years, project that reported it
	Sign  string // how the reading recognizes it
	Does  string // what the reading does about it
	Risk  string // what bearing it may cost
}

// Tolerances is the table. The reports are those of the open readers' issue
// lists: NFCPassportReader, gmrtd, dmrtd, passy, proxmark3, tananaev's
// passport-reader and icao-9303.
func Tolerances() []Tolerance {
	return []Tolerance{
		{QuirkMasterFileRefused, "NZ 6982, CN 6A81, AU 6A86, UA 6A87, NL 6985, VN 6D00 (gmrtd 414, 460; NFCPassportReader 164, 219)",
			"SELECT of the master file is declined", "goes on: after power-up it is current, and EF.CardAccess is asked for by its short identifier first",
			"none: nothing read there is believed before DG14 has been compared with it"},
		{QuirkCardAccessUnreadable, "6982, 6985 and empty files (NFCPassportReader 166, 208)",
			"EF.CardAccess is neither read nor absent", "takes it for no PACE and opens by BAC",
			"a middleman can answer so to have BAC used: pace_not_offered stands in the record, and a signed DG14 that names PACE makes it pace_hidden"},
		{QuirkApplicationWantsFCI, "chips that answer 6A86 to SELECT with P2 0C",
			"6A86 to SELECT by application identifier", "asks again with P2 00", "none"},
		{QuirkPACEVariantRefused, "UA before 2022, DE and PL cards with several variants: 6A80, 6A86, 6A88 to MSE:Set AT (gmrtd 108, NFCPassportReader 190, 269)",
			"a variant of EF.CardAccess is declined before any key was used", "tries the next variant, three at most",
			"a middleman can push to a weaker variant: the variant used is in the record"},
		{QuirkPACEParametersWanted, "UA before July 2022: declines MSE:Set AT without DO'84' though it has one set of domain parameters (gmrtd 108)",
			"6A80, 6A86, 6A87 or 6A88 to MSE:Set AT that named none", "asks again and names them", "none"},
		{QuirkChainLeftOpen, "6883 to what follows a PACE that broke off among its chained commands (self 73)",
			"6883 to MSE:Set AT or SELECT", "sends the command again: the first has ended the chain", "none"},
		{QuirkBACRefusedAsMissing, "DE since 2022: 6A88 to EXTERNAL AUTHENTICATE (passy 3, NFCPassportReader 169, dmrtd 18)",
			"6A88 where a proof belongs", "says that the chip does not open by BAC", "none"},
		{QuirkNoShortIdentifiers, "chips that answer 6A86, 6D00 or 6700 to READ BINARY by short identifier (seen by JMRTD, dmrtd 2)",
			"an error to the short identifier, success after SELECT", "selects files from then on", "one command more a file"},
		{QuirkLengthRefused, "old NL above 160 bytes, UA above 192, many above 224: 6700, 6282, 6CE7, 6F00 (NFCPassportReader 24, 29, 45; gmrtd 410; dmrtd 14)",
			"an answer about length to a READ BINARY inside the file", "asks for less, down to 64 bytes, and remembers it; once two sessions were lost over it, for 128 bytes at most",
			"slower reading; a middleman gains nothing but time"},
		{QuirkExtendedRefused, "CN, UA: announce extended length and answer 6700, or nothing, to it (gmrtd 457, 458, 410; NFCPassportReader 223)",
			"an answer about length to an extended READ BINARY", "reads in short commands from then on", "as length_refused"},
		{QuirkPastEndRefused, "RU 6B00, ES 6282 without data, to a READ BINARY beyond the file's end (NFCPassportReader 42, 89, 91)",
			"an answer about length or offset to a file's first READ BINARY, and data to a shorter one", "reads each file's header first, and no more than the rest after it",
			"one command more a file"},
		{QuirkShortAnswer, "fewer bytes than asked for in mid-file (dmrtd 14)",
			"9000 with less data than Le before the file's end", "goes on behind what came, in pieces of that size", "slower reading"},
		{QuirkEmptySuccess, "CN, UA: 9000 without data to a length that is too long (NFCPassportReader 86, 223, 225)",
			"a protected 9000 without data before the file's end", "asks for less, as if the length had been refused; a bare 9000 is never taken for success",
			"none: what is missing at the end fails its hash"},
		{QuirkBareError, "CN, US, ES: errors in the clear, some with the session kept and the counter moved on, some with it kept and not moved (gmrtd 457; NFCPassportReader 42, 91)",
			"a status word outside secure messaging", "takes the counter as moved on; a chip that disagrees says so with the next command and is opened anew",
			"a middleman can have shorter pieces or an optional file skipped: what EF.SOD signs and was not read is a reason"},
		{QuirkSessionBrokenOff, "6987 or 6988 to everything after an error (NFCPassportReader 25, 89; flipperzero-firmware 1866; dmrtd 10)",
			"secure messaging is refused", "opens the chip anew, three times at most, and goes on at the same offset",
			"none: a chip that opened by PACE must do so again, and one that ran chip authentication too"},
		{QuirkStatusMissing, "the passport of Virtual Smart Card 3.3",
			"a protected answer without DO'99'", "takes it for a success where 9000 stands outside and the checksum holds",
			"a refusal can be passed off as a success; the data stays authenticated, and a file without any fails its hash"},
		{QuirkChecksumAtEnd, "one US passport: the checksum of EF.SOD's last block, at an odd Le (gmrtd 6)",
			"one protected answer does not verify", "opens the chip anew and asks for that piece again at a length of whole blocks, once",
			"none: the checksum is never left out"},
		{QuirkChipReturned, "every document held by hand (NFCPassportReader 206, 208; passport-reader 16)",
			"the field lost the chip and has one again", "opens it anew and goes on at the same offset",
			"another chip may lie there now: it needs the same key, must repeat chip authentication, and its pieces must fit the signed hashes"},
		{QuirkActiveAuthLength, "AU wants 65536, CN 256, NL declines 255 (NFCPassportReader 24, 174, 194, 223)",
			"6700, 6Cxx, an empty or a cut signature", "asks again with the other Le; where the chip ended the session, in a new one and with a new challenge",
			"none: a signature is judged over its own challenge"},
		{QuirkChipAuthKeyRefused, "two keys in DG14, the first not borne (NFCPassportReader 208, gmrtd 447)",
			"an error to MSE or GENERAL AUTHENTICATE", "tries the next key, three at most", "none: all keys are signed"},
	}
}
