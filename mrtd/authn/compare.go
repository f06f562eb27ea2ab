package authn

import (
	"slices"
	"strings"

	"limen/mrtd/lds"
)

// CompareCOM judges whether EF.COM, which is not signed, lists the groups
// EF.SOD signs. A group removed from EF.COM is how a chip hides active
// authentication from an inspection that trusts the list. com is nil where the
// chip has no EF.COM (LDS 1.8 has none).
func CompareCOM(com *lds.COM, sod *lds.SOD) Verdict {
	switch {
	case com == nil:
		return Verdict{Status: NotPresent, Code: COMAbsent}
	case sod == nil:
		return Verdict{Status: NotPerformed, Code: SODAbsent}
	}
	var differ []string
	for n := 1; n <= 16; n++ {
		if slices.Contains(com.Groups, n) != (sod.Hashes[n] != nil) {
			differ = append(differ, groupName(n))
		}
	}
	if len(differ) > 0 {
		return Verdict{Failed, COMSODMismatch, strings.Join(differ, ",")}
	}
	return Verdict{Status: Passed}
}

// field is a part of an MRZ: a line and its columns, from and to.
type field struct {
	name           string
	line, from, to int
}

// The fields of Doc 9303-4, 4.2.2 (TD3), Doc 9303-6, 4.2.2 (TD2) and Doc 9303-5, 4.2.2 (TD1).
var mrzFields = map[[2]int][]field{
	{2, 44}: {
		{"document_code", 0, 0, 2}, {"issuing_state", 0, 2, 5}, {"name", 0, 5, 44},
		{"document_number", 1, 0, 9}, {"document_number_check", 1, 9, 10}, {"nationality", 1, 10, 13},
		{"date_of_birth", 1, 13, 19}, {"date_of_birth_check", 1, 19, 20}, {"sex", 1, 20, 21},
		{"date_of_expiry", 1, 21, 27}, {"date_of_expiry_check", 1, 27, 28},
		{"optional_data", 1, 28, 42}, {"optional_data_check", 1, 42, 43}, {"composite_check", 1, 43, 44},
	},
	{2, 36}: {
		{"document_code", 0, 0, 2}, {"issuing_state", 0, 2, 5}, {"name", 0, 5, 36},
		{"document_number", 1, 0, 9}, {"document_number_check", 1, 9, 10}, {"nationality", 1, 10, 13},
		{"date_of_birth", 1, 13, 19}, {"date_of_birth_check", 1, 19, 20}, {"sex", 1, 20, 21},
		{"date_of_expiry", 1, 21, 27}, {"date_of_expiry_check", 1, 27, 28},
		{"optional_data", 1, 28, 35}, {"composite_check", 1, 35, 36},
	},
	{3, 30}: {
		{"document_code", 0, 0, 2}, {"issuing_state", 0, 2, 5}, {"document_number", 0, 5, 14},
		{"document_number_check", 0, 14, 15}, {"optional_data", 0, 15, 30},
		{"date_of_birth", 1, 0, 6}, {"date_of_birth_check", 1, 6, 7}, {"sex", 1, 7, 8},
		{"date_of_expiry", 1, 8, 14}, {"date_of_expiry_check", 1, 14, 15}, {"nationality", 1, 15, 18},
		{"optional_data_2", 1, 18, 29}, {"composite_check", 1, 29, 30},
		{"name", 2, 0, 30},
	},
}

// CompareMRZ judges whether the chip's MRZ says what is printed, field by
// field: fillers after a field's content do not count, nor does whether the
// check digit of an empty field is a filler or a zero (Doc 9303-3, 4.9). The
// subject lists the names of fields that differ, or "format".
func CompareMRZ(printed, chip []string) Verdict {
	fields, ok := fieldsOf(printed)
	if !ok {
		return Verdict{Inconclusive, MRZUnreadable, "printed"}
	}
	if _, ok := fieldsOf(chip); !ok {
		return Verdict{Inconclusive, MRZUnreadable, "chip"}
	}
	if len(printed) != len(chip) || len(printed[0]) != len(chip[0]) {
		return Verdict{Failed, MRZChipMismatch, "format"}
	}
	var differ []string
	for _, f := range fields {
		if content(f, printed) != content(f, chip) {
			differ = append(differ, f.name)
		}
	}
	if len(differ) > 0 {
		return Verdict{Failed, MRZChipMismatch, strings.Join(differ, ",")}
	}
	return Verdict{Status: Passed}
}

func fieldsOf(lines []string) ([]field, bool) {
	if len(lines) == 0 {
		return nil, false
	}
	for _, l := range lines {
		if len(l) != len(lines[0]) {
			return nil, false
		}
	}
	fields, ok := mrzFields[[2]int{len(lines), len(lines[0])}]
	return fields, ok
}

func content(f field, lines []string) string {
	s := strings.TrimRight(lines[f.line][f.from:f.to], "<")
	if s == "0" && strings.HasSuffix(f.name, "_check") {
		return ""
	}
	return s
}

// CompareIssuer judges whether the document signer belongs to the state that
// issued the document (Doc 9303-12, 7.1): state is the MRZ's issuing state,
// alpha-3 with or without fillers. A code of no known state is inconclusive.
func CompareIssuer(signer Party, state string) Verdict {
	state = strings.TrimRight(state, "<")
	want, ok := alpha2[state]
	switch {
	case signer.Subject == "" || state == "":
		return Verdict{Status: NotPerformed, Code: IssuerCountryUnknown}
	case !ok:
		return Verdict{Inconclusive, IssuerCountryUnknown, "issuing_state"}
	case signer.Country != want:
		return Verdict{Failed, IssuerCountryMismatch, "document"}
	}
	return Verdict{Status: Passed}
}
