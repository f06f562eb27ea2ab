package chipsim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"limen/mrtd/apdu"
)

// Misbehavior is a way in which a chip departs from Doc 9303, or stands in for
// one that it is not. Where package mrtd bears it, it has its Quirk's name.
type Misbehavior struct {
	Name  string
	About string // what the chip does, in one line
	Set   func(*Faults)
}

// Misbehave is the faults of a chip that misbehaves in each of these ways. An
// error lists the names there are.
func Misbehave(names ...string) (Faults, error) {
	var f Faults
	all := Misbehaviors()
	for _, name := range names {
		i := slices.IndexFunc(all, func(m Misbehavior) bool { return m.Name == name })
		if i < 0 {
			var known []string
			for _, m := range all {
				known = append(known, m.Name)
			}
			return Faults{}, fmt.Errorf("chipsim: no misbehavior is called %q; there are %s", name, strings.Join(known, ", "))
		}
		all[i].Set(&f)
	}
	return f, nil
}

// Misbehaviors is the table, in the order in which a reading meets them.
func Misbehaviors() []Misbehavior {
	return slices.Concat(beforeAccess(), gainingAccess(), lengths(), messaging(), wholeFiles(), proofs(), holders())
}

func word(name, about string, field func(*Faults) *apdu.StatusWord, sw apdu.StatusWord) Misbehavior {
	return Misbehavior{name, about, func(f *Faults) { *field(f) = sw }}
}

func flag(name, about string, field func(*Faults) *bool) Misbehavior {
	return Misbehavior{name, about, func(f *Faults) { *field(f) = true }}
}

func beforeAccess() []Misbehavior {
	masterFile := func(sw apdu.StatusWord) func(*Faults) {
		return func(f *Faults) { f.MasterFile, f.MasterFileNoSFI = sw, true }
	}
	cardAccess := func(f *Faults) *apdu.StatusWord { return &f.CardAccess }
	return []Misbehavior{
		{"master_file_refused", "6982 to SELECT of the master file, whose files it gives by SELECT alone", masterFile(apdu.SecurityStatus)},
		{"master_file_6a81", "6A81 to SELECT of the master file, as Chinese passports", masterFile(apdu.FunctionUnsupported)},
		{"master_file_6a86", "6A86 to SELECT of the master file, as Australian passports", masterFile(apdu.WrongP1P2)},
		{"master_file_6a87", "6A87 to SELECT of the master file, as older Ukrainian passports", masterFile(wrongLc)},
		{"master_file_6985", "6985 to SELECT of the master file, as Dutch passports from 2023", masterFile(apdu.ConditionsOfUse)},
		{"master_file_6d00", "6D00 to SELECT of the master file, as Vietnamese identity cards", masterFile(apdu.WrongINS)},
		word("card_access_unreadable", "6982 to every look at EF.CardAccess", cardAccess, apdu.SecurityStatus),
		word("card_access_6985", "6985 to every look at EF.CardAccess", cardAccess, apdu.ConditionsOfUse),
		word("card_access_absent", "6A82 to every look at EF.CardAccess, though it has PACE", cardAccess, apdu.FileNotFound),
		flag("card_access_empty", "an EF.CardAccess without a byte", func(f *Faults) *bool { return &f.CardAccessEmpty }),
		flag("application_wants_file_information", "6A86 to a SELECT of the application that asks for no file control information",
			func(f *Faults) *bool { return &f.ApplicationWantsFCI }),
		flag("file_information_unasked", "file control information to every SELECT", func(f *Faults) *bool { return &f.SelectAnswers }),
		flag("le_unwanted", "6700 to a SELECT or MSE that expects an answer", func(f *Faults) *bool { return &f.LeUnwanted }),
	}
}

func gainingAccess() []Misbehavior {
	return []Misbehavior{
		word("pace_variant_refused", "6A80 to MSE:Set AT for the first variant of PACE it lists", func(f *Faults) *apdu.StatusWord { return &f.PACERefused }, apdu.WrongData),
		flag("pace_parameters_wanted", "6A87 to MSE:Set AT without domain parameters, though it has one set", func(f *Faults) *bool { return &f.PACENamed }),
		{"pace_tries_counted", "63C7 to MSE:Set AT: seven tries are left", func(f *Faults) { f.PACETries = 7 }},
		flag("pace_token_refused", "6300 to the last step of PACE, whatever the token", func(f *Faults) *bool { return &f.PACEFails }),
		word("pace_breaks_off", "6A80 to the second step of PACE", func(f *Faults) *apdu.StatusWord { return &f.PACEBreaks }, apdu.WrongData),
		{"mapping_proof_missing", "no DO'8A' at the end of PACE with chip authentication mapping", func(f *Faults) { f.Proof = ProofMissing }},
		{"mapping_proof_empty", "an empty DO'8A' at the end of PACE with chip authentication mapping", func(f *Faults) { f.Proof = ProofEmpty }},
		{"mapping_proof_malformed", "a DO'8A' that is no whole blocks at the end of PACE with chip authentication mapping", func(f *Faults) { f.Proof = ProofMalformed }},
		{"mapping_proof_wrong", "the DO'8A' of another key at the end of PACE with chip authentication mapping: a copy", func(f *Faults) { f.Proof = ProofWrong }},
		{"mapping_proof_misplaced", "DO'8B' in the place of DO'8A' at the end of PACE with chip authentication mapping", func(f *Faults) { f.Proof = ProofMisplaced }},
		flag("mapping_proof_unasked", "a DO'8A' at the end of PACE with another mapping", func(f *Faults) *bool { return &f.ProofUnasked }),
		{"chain_left_open", "6A80 to the second step of PACE, and 6883 to what follows", func(f *Faults) { f.PACEBreaks, f.ChainStaysOpen = apdu.WrongData, true }},
		flag("bac_answers_key_not_found", "6A88 to EXTERNAL AUTHENTICATE: it opens by PACE alone", func(f *Faults) *bool { return &f.BACMissing }),
	}
}

func lengths() []Misbehavior {
	refuse := func(above int, sw apdu.StatusWord) func(*Faults) {
		return func(f *Faults) { f.LeRefused, f.LeStatus = above, sw }
	}
	return []Misbehavior{
		flag("no_short_identifiers", "6A86 to READ BINARY by short file identifier", func(f *Faults) *bool { return &f.NoSFI }),
		{"length_refused", "6700 to READ BINARY for more than 192 bytes, as Ukrainian passports", refuse(192, 0)},
		{"length_refused_224", "6700 to READ BINARY for more than 224 bytes", refuse(224, 0)},
		{"length_refused_160", "6700 to READ BINARY for more than 160 bytes, as older Dutch passports", refuse(160, 0)},
		{"length_refused_6282", "6282 without data to READ BINARY for more than 192 bytes", refuse(192, apdu.EndOfFile)},
		{"length_refused_6f00", "6F00 to READ BINARY for more than 192 bytes", refuse(192, apdu.NoDiagnosis)},
		{"exact_length_named", "6CC8 to READ BINARY for more than 200 bytes", refuse(200, 0x6C00)},
		{"extended_length_refused", "6700 to READ BINARY for more than 256 bytes, though it announces extended length", refuse(256, 0)},
		word("past_end_refused", "6B00 to READ BINARY for more than the file has left", func(f *Faults) *apdu.StatusWord { return &f.PastEnd }, apdu.WrongOffset),
		word("past_end_6282", "6282 without data to READ BINARY for more than the file has left", func(f *Faults) *apdu.StatusWord { return &f.PastEnd }, apdu.EndOfFile),
		{"short_answer", "100 bytes at most to a READ BINARY, with 9000", func(f *Faults) { f.ShortAnswers = 100 }},
		{"empty_success", "9000 without data to READ BINARY for more than 192 bytes", func(f *Faults) { f.EmptyAbove = 192 }},
		{"answers_in_pieces", "61xx after 100 bytes of an answer, the rest by GET RESPONSE", func(f *Faults) { f.ChunkAnswers = 100 }},
		flag("endless_answers", "61xx to every GET RESPONSE, for ever", func(f *Faults) *bool { return &f.EndlessAnswers }),
		{"answers_too_long", "16 bytes more to a READ BINARY than it asked for", func(f *Faults) { f.LongAnswers = 16 }},
		flag("one_byte_answers", "one byte to a READ BINARY, with 9000", func(f *Faults) *bool { return &f.Trickle }),
	}
}

func messaging() []Misbehavior {
	bare := func(field func(*Faults) *bool) func(*Faults) {
		return func(f *Faults) {
			*field(f) = true
			if f.LeRefused == 0 { // something to be refused
				f.LeRefused = 192
			}
		}
	}
	return []Misbehavior{
		{"error_outside_secure_messaging", "errors in the clear, the session kept and counted on; one to READ BINARY for more than 192 bytes",
			bare(func(f *Faults) *bool { return &f.BareErrors })},
		{"error_not_counted", "errors in the clear, the session kept and not counted on; one to READ BINARY for more than 192 bytes",
			bare(func(f *Faults) *bool { return &f.BareErrorsUncounted })},
		{"session_broken_off", "errors in the clear, and the session ended; one to READ BINARY for more than 192 bytes",
			bare(func(f *Faults) *bool { return &f.BareErrorsEnd })},
		flag("status_object_missing", "no status word inside the protection of a success", func(f *Faults) *bool { return &f.NoStatusObject }),
		flag("checksum_wrong_once", "a wrong checksum to the first piece of an odd length that ends a file", func(f *Faults) *bool { return &f.WrongChecksum }),
	}
}

func wholeFiles() []Misbehavior {
	withheld := func(sw apdu.StatusWord) func(*Faults) {
		return func(f *Faults) { f.Withheld, f.OptionalFile = 12, sw }
	}
	optional := func(f *Faults) *apdu.StatusWord { return &f.OptionalFile }
	return []Misbehavior{
		{"files_padded", "40 zeros behind each file", func(f *Faults) { f.Padding = 40 }},
		word("optional_file_6982", "6982 to files that are not there, in the place of 6A82", optional, apdu.SecurityStatus),
		word("optional_file_6985", "6985 to files that are not there, in the place of 6A82", optional, apdu.ConditionsOfUse),
		{"group_withheld", "6A82 to DG12, which EF.COM and EF.SOD list", withheld(apdu.FileNotFound)},
		{"group_withheld_6982", "6982 to DG12, which EF.COM and EF.SOD list", withheld(apdu.SecurityStatus)},
		{"group_withheld_6a88", "6A88 to DG12, which EF.COM and EF.SOD list", withheld(apdu.ReferenceNotFound)},
	}
}

func proofs() []Misbehavior {
	return []Misbehavior{
		flag("chip_authentication_key_missing", "success at chip authentication, and other keys behind it: a copy", func(f *Faults) *bool { return &f.ChipAuthOtherKey }),
		flag("chip_authentication_old_keys", "success at chip authentication, and the old keys behind it: a copy", func(f *Faults) *bool { return &f.ChipAuthOldKeys }),
		word("chip_authentication_refused", "6A80 to chip authentication with any key", func(f *Faults) *apdu.StatusWord { return &f.ChipAuthRefused }, apdu.WrongData),
		word("chip_authentication_key_refused", "6A80 to chip authentication with the first of its keys", func(f *Faults) *apdu.StatusWord { return &f.ChipAuthFirst }, apdu.WrongData),
		flag("active_authentication_key_missing", "a signature that does not verify to INTERNAL AUTHENTICATE: a copy", func(f *Faults) *bool { return &f.ActiveAuthOtherKey }),
		flag("active_authentication_replayed", "a genuine signature of another challenge to INTERNAL AUTHENTICATE: a copy", func(f *Faults) *bool { return &f.ActiveAuthReplay }),
		word("active_authentication_refused", "6D00 to INTERNAL AUTHENTICATE", func(f *Faults) *apdu.StatusWord { return &f.ActiveAuthRefused }, apdu.WrongINS),
		flag("active_authentication_unprotected", "the signature outside secure messaging", func(f *Faults) *bool { return &f.ActiveAuthPlain }),
		{"active_authentication_length", "6700 to INTERNAL AUTHENTICATE with another Le than 65536", func(f *Faults) { f.ActiveAuthLe = apdu.MaxLe }},
		{"active_authentication_length_256", "6700 to INTERNAL AUTHENTICATE with another Le than 256", func(f *Faults) { f.ActiveAuthLe = 256 }},
		flag("active_authentication_cut", "as much of a signature as fits Le, as Australian passports", func(f *Faults) *bool { return &f.ActiveAuthCut }),
		flag("active_authentication_empty", "9000 and no signature to INTERNAL AUTHENTICATE with extended Le, as Chinese passports", func(f *Faults) *bool { return &f.ActiveAuthEmpty }),
		flag("active_authentication_der", "signatures on a curve as SEQUENCE { r, s }, as Portuguese identity cards", func(f *Faults) *bool { return &f.ActiveAuthDER }),
		flag("active_authentication_smaller", "the smaller of an RSA signature and its complement (ISO/IEC 9796-2, B.4)", func(f *Faults) *bool { return &f.ActiveAuthSmaller }),
	}
}

func holders() []Misbehavior {
	return []Misbehavior{
		{"chip_returned", "out of the field after 12 commands, and back once it is powered up again", func(f *Faults) { f.SlipsAfter = 12 }},
		{"chip_lost", "out of the field after 12 commands", func(f *Faults) { f.GoneAfter = 12 }},
	}
}

// wrongLc says that Lc does not fit P1 P2.
const wrongLc apdu.StatusWord = 0x6A87

// Fields lists the names of the fields that are set.
func (f Faults) Fields() []string {
	var out []string
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			out = append(out, v.Type().Field(i).Name)
		}
	}
	return out
}
