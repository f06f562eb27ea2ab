package trust_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

const (
	typeDSEncoding = "2.23.136.1.1.7.1.2"
	typeAAKey      = "2.23.136.1.1.7.1.4"
	typeDGHash     = "2.23.136.1.1.7.2.2"
	typeMRZData    = "2.23.136.1.1.7.3.1"
)

func deviations(t testing.TB, a *specimen.Authority, signed time.Time, list ...specimen.Deviation) []byte {
	t.Helper()
	b, err := a.DeviationList(signed, list...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(n int64) []byte { return ber.EncodeInt(big.NewInt(n)) }

// The content of the list that Germany's BSI published in November 2018
// (20181106_DEDeviationList.dvl): one document signer, whose country is not
// encoded as it should be.
const germanContent = "3081BD02010030070605 2B0E03021A 3181AE 3081AB 3057 A155" +
	"304F310B3009060355040613024445310D300B060355040A0C0462756E64310C300A060355040B0C03627369310C300A06035504051303303133" +
	"3115301306035504030C0C637363612D6765726D616E79 02020142" +
	"3150304E133D436F756E747279206E616D6520697320656E636F646564206173205554462D3820696E7374656164206F66205072696E7461626C6520537472696E672E" +
	"060867810801010701 02A003020100"

func TestGermanDeviationList(t *testing.T) {
	content, err := hex.DecodeString(strings.ReplaceAll(germanContent, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	a := authority(t, "a")
	b, err := a.SignedList("2.23.136.1.1.7", "2.23.136.1.1.8", "Deviation List Signer", content, this)
	if err != nil {
		t.Fatal(err)
	}
	l, err := trust.VerifyDeviationList(b, parse(t, a.CSCA()))
	if err != nil || len(l.Deviations) != 1 {
		t.Fatalf("got %d deviations, %v", len(l.Deviations), err)
	}
	d := l.Deviations[0]
	if d.Defect != trust.DefectDSEncoding || d.Parameter != "" || d.String() != "signer_encoding" || d.Serial.Int64() != 0x142 ||
		d.Issuer.String() != "C=DE, O=bund, OU=bsi, serialNumber=013, CN=csca-germany" ||
		d.Description != "Country name is encoded as UTF-8 instead of Printable String." {
		t.Errorf("got %s of %s %v: %q", d, d.Issuer, d.Serial, d.Description)
	}
}

func TestDeviationsThatConcernADocument(t *testing.T) {
	a, other := authority(t, "a"), authority(t, "b")
	s := storeOf(t, a.CSCA(), other.CSCA())
	list := deviations(t, a, this,
		specimen.Deviation{Signer: a.Signer(), Type: typeDGHash, Parameter: number(12), Description: "Wrong hash."},
		specimen.Deviation{Signer: a.Signer(), By: specimen.ByKeyID, DocumentType: "P", Type: typeAAKey},
		specimen.Deviation{Signer: a.Signer(), By: specimen.ByDigest, Type: typeMRZData, Parameter: number(6)},
		specimen.Deviation{Signer: other.Signer(), Type: "2.23.136.1.1.7.4"},
		specimen.Deviation{DocumentType: "C", Type: "2.23.136.1.1.7.2.1", Parameter: number(20)},
		specimen.Deviation{DocumentType: "ID", Numbers: []string{"CA00001AA", "CA00002AA"}, Type: typeDGHash, Parameter: number(11)},
		specimen.Deviation{Signer: a.Signer(), From: begin, Until: begin.AddDate(0, 2, 0), Type: typeDSEncoding, Parameter: ber.EncodeOID("2.5.29.35")},
		specimen.Deviation{Signer: a.Signer(), DocumentType: "V", Type: "2.23.136.1.1.7.9"},
	)
	i, err := s.ImportFrom("list.dvl", bytes.NewReader(list), trust.Vouching{}, now)
	if err != nil || i.Kind != trust.KindDeviationList || len(i.Deviations.Deviations) != 8 {
		t.Fatalf("got %+v, %v", i, err)
	}
	ds := parse(t, a.Signer())
	for _, c := range []struct {
		code, number string
		signed       time.Time
		want         string
	}{
		{"P", "L898902C3", begin.AddDate(0, 1, 0), "dg_hash_wrong,DG12 aa_key_compromised mrz_wrong_data,date_of_birth signer_encoding,2.5.29.35"},
		{"P", "L898902C3", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 aa_key_compromised mrz_wrong_data,date_of_birth"},
		{"ID", "CA00002AA", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 mrz_wrong_data,date_of_birth dg_hash_wrong,DG11"},
		{"ID", "CA00003AA", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 mrz_wrong_data,date_of_birth"},
		{"ID", "", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 mrz_wrong_data,date_of_birth"},
		{"CR", "", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 mrz_wrong_data,date_of_birth dg_malformed,EF.SOD"},
		{"V", "", begin.AddDate(2, 0, 0), "dg_hash_wrong,DG12 mrz_wrong_data,date_of_birth unknown"},
	} {
		var got []string
		for _, d := range s.Deviations(ds, c.code, c.number, c.signed) {
			got = append(got, d.String())
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s %s signed %s: got %q, want %q", c.code, c.number, c.signed.Format(time.DateOnly), g, c.want)
		}
	}
	// A state speaks of its own documents alone.
	p := specimen.DefaultProfile(begin)
	p.Country = "XO"
	abroad, err := specimen.NewAuthority(p, specimen.Seed("abroad"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Deviations(parse(t, abroad.Signer()), "C", "", time.Time{}); len(got) != 0 {
		t.Errorf("another country's document: got %v", got)
	}
}

func TestDeviationListIsJudged(t *testing.T) {
	a, other := authority(t, "a"), authority(t, "b")
	impostor, err := a.Impostor(specimen.Seed("impostor"))
	if err != nil {
		t.Fatal(err)
	}
	entry := specimen.Deviation{Signer: a.Signer(), Type: typeDGHash, Parameter: number(2)}
	root := parse(t, a.CSCA())
	b := deviations(t, a, this, entry)
	if _, err := trust.VerifyDeviationList(b, parse(t, other.CSCA()), root); err != nil {
		t.Errorf("one of two roots: %v", err)
	}
	if _, err := trust.VerifyDeviationList(b, parse(t, other.CSCA())); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("another root of the same name: got %v, want ErrSignature", err)
	}
	if _, err := trust.VerifyDeviationList(b); err == nil {
		t.Error("no root: accepted")
	}
	if _, err := trust.VerifyDeviationList(deviations(t, impostor, this, entry), root); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("a self-made CSCA: got %v, want ErrSignature", err)
	}
	for name, c := range map[string]struct {
		kind, usage string
		signed      time.Time
		want        string
	}{
		"a master list's signer": {"2.23.136.1.1.7", "2.23.136.1.1.3", this, "no signer of deviation lists"},
		"a document signer":      {"2.23.136.1.1.7", "", this, "no signer of deviation lists"},
		"no signing time":        {"2.23.136.1.1.7", "2.23.136.1.1.8", time.Time{}, "signing time"},
		"after its end":          {"2.23.136.1.1.7", "2.23.136.1.1.8", begin.AddDate(5, 0, 1), "not valid"},
		"a master list":          {"2.23.136.1.1.2", "2.23.136.1.1.8", this, "content type"},
	} {
		b, err := a.SignedList(c.kind, c.usage, "Signer", ber.Encode(ber.Sequence, number(0), ber.Encode(ber.Set)), c.signed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.VerifyDeviationList(b, root); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for i := 0; i < len(b); i += 5 {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		got, err := trust.VerifyDeviationList(changed, root)
		if err == nil && (len(got.Deviations) != 1 || got.Deviations[0].String() != "dg_hash_wrong,DG2" || !got.SigningTime.Equal(this)) {
			t.Errorf("octet %d changed: accepted with %v", i, got.Deviations)
		}
	}
}

func TestDeviationListsInTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := authority(t, "a")
	entry := specimen.Deviation{Signer: a.Signer(), Type: typeDGHash, Parameter: number(2)}
	newer := deviations(t, a, this.AddDate(0, 0, 1), entry, entry)
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{{"a.cer", a.CSCA(), nil}, {"1.dvl", deviations(t, a, this, entry), nil}, {"2.dvl", newer, nil}, {"2.dvl", newer, nil}, {"1.dvl", deviations(t, a, this, entry), trust.ErrOlder}} {
		if _, err := s.Import(c.name, c.b, nil, now); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := s.Import("late.dvl", deviations(t, a, now.AddDate(0, 0, 3), entry), nil, now); err == nil || !strings.Contains(err.Error(), "still to come") {
		t.Errorf("a list of tomorrow: got %v", err)
	}
	back, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	lists := back.DeviationLists()
	if len(lists) != 1 || len(lists[0].Deviations) != 2 || !lists[0].SigningTime.Equal(this.AddDate(0, 0, 1)) || lists[0].Signer == nil {
		t.Errorf("opened again: got %d lists", len(lists))
	}
	if got := back.Deviations(parse(t, a.Signer()), "", "", time.Time{}); len(got) != 2 {
		t.Errorf("opened again: %d deviations, want 2", len(got))
	}
}

func TestDeviationListBombs(t *testing.T) {
	a := authority(t, "a")
	list := func(content []byte) []byte {
		b, err := a.SignedList("2.23.136.1.1.7", "2.23.136.1.1.8", "Signer", content, this)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	content := func(deviations ...[]byte) []byte {
		return ber.Encode(ber.Sequence, number(0), ber.Encode(ber.Set, deviations...))
	}
	entry := func(documents []byte, descriptions ...[]byte) []byte {
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, documents), ber.Encode(ber.Set, descriptions...))
	}
	fault := ber.Encode(ber.Sequence, ber.EncodeOID(typeDGHash))
	numbers := make([][]byte, 1_000_001)
	for i := range numbers {
		numbers[i] = fmt.Appendf([]byte{0x13, 9}, "X%08d", i)
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"4097 deviations":               {content(entry(nil, bytes.Repeat(fault, 4097))), "more than 4096"},
		"a million numbers and one":     {content(entry(ber.Encode(0xA5, numbers...), fault)), "document numbers"},
		"346 275 numbers":               {content(entry(ber.Encode(0xA5, numbers[:346_275]...), fault)), ""},
		"fields without end":            {content(entry(bytes.Repeat([]byte{0x80, 0}, 1<<20), fault)), "more than 4"},
		"words of 5 kB":                 {content(entry(nil, ber.Encode(ber.Sequence, ber.Encode(ber.PrintableString, make([]byte, 5000)), ber.EncodeOID(typeDGHash)))), "longer than"},
		"no type":                       {content(entry(nil, ber.Encode(ber.Sequence))), "no deviation type"},
		"a condition that is not known": {content(entry(ber.Encode(0x87, []byte{1}), fault)), "none of its fields"},
		"digest without algorithm":      {content(entry(ber.Encode(0x83, make([]byte, 32)), fault)), "without its algorithm"},
		"type of three letters":         {content(entry(ber.Encode(0x80, []byte("PXX")), fault)), "longer than 2"},
		"version 1":                     {ber.Encode(ber.Sequence, number(1), ber.Encode(ber.Set)), "version"},
	} {
		b := list(c.content)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l, err := trust.ParseDeviationList(b)
		runtime.ReadMemStats(&after)
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(20*len(b)+8<<20); used > limit {
			t.Errorf("%s: %d octets took %d, want at most %d", name, len(b), used, limit)
		}
		if c.want == "" && (err != nil || l.Deviations[0].Numbers != 346_275) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if c.want == "" && strings.Contains(fmt.Sprintf("%v %+v %#v", l.Deviations[0], l.Deviations[0], l.Deviations[0]), "X0000") {
			t.Errorf("%s: a document number prints", name)
		}
	}
	if _, err := trust.ParseDeviationList(make([]byte, 17<<20)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("17 MB: got %v", err)
	}
}

func FuzzParseDeviationList(f *testing.F) {
	a := authority(f, "fuzz")
	root := parse(f, a.CSCA())
	f.Add(deviations(f, a, this,
		specimen.Deviation{Signer: a.Signer(), DocumentType: "P", Type: typeDGHash, Parameter: number(2), Description: "words"},
		specimen.Deviation{Signer: a.Signer(), By: specimen.ByDigest, From: begin, Until: now, Numbers: []string{"A1"}, Type: typeMRZData, Parameter: number(9)}))
	f.Add(deviations(f, a, this, specimen.Deviation{Signer: a.Signer(), By: specimen.ByKeyID, Type: typeDSEncoding, Parameter: ber.EncodeOID("2.5.29.35")}))
	ds := parse(f, a.Signer())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := repotest.Parsed(t, b, trust.ParseDeviationList)
		if err != nil {
			return
		}
		for _, d := range l.Deviations {
			_ = d.String()
		}
		verified, err := repotest.Parsed(t, b, func(b []byte) (trust.DeviationList, error) { return trust.VerifyDeviationList(b, root) })
		if err != nil {
			return
		}
		if len(verified.Deviations) > 2 {
			t.Error("a list nobody signed verifies")
		}
		s := trust.NewStore()
		s.Add(trust.Source{}, root)
		if _, err := s.AddDeviations(trust.Source{}, verified, now); err == nil {
			s.Deviations(ds, "P", "A1", this)
		}
	})
}
