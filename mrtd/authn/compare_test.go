package authn

import (
	"testing"

	"limen/mrtd/lds"
)

func TestCompareMRZ(t *testing.T) {
	td1 := []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}
	change := func(lines []string, line, column int, to string) []string {
		out := append([]string(nil), lines...)
		out[line] = out[line][:column] + to + out[line][column+len(to):]
		return out
	}
	empty := []string{utopia[0], "L898902C36UTO7408122F1204159<<<<<<<<<<<<<<08"}
	for _, c := range []struct {
		name    string
		printed []string
		chip    []string
		want    string
	}{
		{"same TD3", utopia, utopia, "passed"},
		{"same TD1", td1, td1, "passed"},
		{"check of an empty field", empty, change(empty, 1, 42, "<"), "passed"},
		{"name", utopia, change(utopia, 0, 6, "X"), "failed mrz_chip_mismatch:name"},
		{"number", utopia, change(utopia, 1, 0, "X"), "failed mrz_chip_mismatch:document_number"},
		{"birth and expiry", utopia, change(change(utopia, 1, 13, "75"), 1, 21, "13"), "failed mrz_chip_mismatch:date_of_birth,date_of_expiry"},
		{"TD1 expiry", td1, change(td1, 1, 8, "13"), "failed mrz_chip_mismatch:date_of_expiry"},
		{"TD1 name", td1, change(td1, 2, 0, "X"), "failed mrz_chip_mismatch:name"},
		{"formats", utopia, td1, "failed mrz_chip_mismatch:format"},
		{"nothing printed", nil, utopia, "inconclusive mrz_unreadable:printed"},
		{"ragged chip", utopia, []string{utopia[0], "L8"}, "inconclusive mrz_unreadable:chip"},
	} {
		if got := CompareMRZ(c.printed, c.chip).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestEveryColumnIsInOneField(t *testing.T) {
	for shape, fields := range mrzFields {
		seen := make([][]int, shape[0])
		for i := range seen {
			seen[i] = make([]int, shape[1])
		}
		for _, f := range fields {
			for i := f.from; i < f.to; i++ {
				seen[f.line][i]++
			}
		}
		for l := range seen {
			for i, n := range seen[l] {
				if n != 1 {
					t.Errorf("%v: line %d column %d is in %d fields", shape, l+1, i+1, n)
				}
			}
		}
	}
}

func TestCompareCOM(t *testing.T) {
	sod := &lds.SOD{Hashes: map[int][]byte{1: {1}, 2: {1}, 15: {1}}}
	for _, c := range []struct {
		com  *lds.COM
		sod  *lds.SOD
		want string
	}{
		{&lds.COM{Groups: []int{2, 15, 1}}, sod, "passed"},
		{&lds.COM{Groups: []int{1, 2}}, sod, "failed com_sod_mismatch:DG15"},
		{&lds.COM{Groups: []int{1, 2, 3, 15}}, sod, "failed com_sod_mismatch:DG3"},
		{nil, sod, "not_present com_absent"},
		{&lds.COM{}, nil, "not_performed sod_absent"},
	} {
		if got := CompareCOM(c.com, c.sod).String(); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.com, got, c.want)
		}
	}
}

func TestCompareIssuer(t *testing.T) {
	for _, c := range []struct{ signer, state, want string }{
		{"DE", "D<<", "passed"}, {"DE", "D", "passed"}, {"LT", "LTU", "passed"}, {"GB", "GBD", "passed"}, {"UT", "UTO", "passed"},
		{"FR", "LTU", "failed issuer_country_mismatch:document"},
		{"FR", "ZZZ", "inconclusive issuer_country_unknown:issuing_state"},
		{"FR", "", "not_performed issuer_country_unknown"},
		{"", "LTU", "failed issuer_country_mismatch:document"},
	} {
		if got := CompareIssuer(Party{Subject: "x", Country: c.signer}, c.state).String(); got != c.want {
			t.Errorf("%s signed for %s: got %s, want %s", c.signer, c.state, got, c.want)
		}
	}
	if got := CompareIssuer(Party{}, "LTU").Status; got != NotPerformed {
		t.Errorf("no signer: got %s", got)
	}
}
