package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/authn"
	"limen/mrtd/mrz"
	"limen/mrtd/seal"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// vectors reads a data file: name = hex.
func vectors(t testing.TB, file string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		key, value, ok := strings.Cut(line, "=")
		if !ok || line[0] == '#' {
			continue
		}
		if out[strings.TrimSpace(key)], err = hex.DecodeString(strings.TrimSpace(value)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestWorkedExamples(t *testing.T) {
	at2020, at2021 := mrz.Date{Year: 2020, Month: 1, Day: 1}, mrz.Date{Year: 2021, Month: 1, Day: 1}
	december := mrz.Date{Year: 2021, Month: 12, Day: 3}
	for name, want := range map[string]struct {
		header    seal.Header
		kind      seal.Kind
		texts     map[seal.Name]string
		signature int
	}{
		"arrival_attestation": {seal.Header{Version: 3, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "00027", Issued: at2020, Signed: mrz.Date{Year: 2020, Month: 1, Day: 13}, FeatureReference: 0xFD, Category: 2},
			seal.ArrivalAttestation, map[seal.Name]string{seal.AZRNumber: "160113000085", seal.MRZ: "MED<<MUSTERMANN<<ERIK<<<<<<<<<<<<<<<M0000000<4ALB0308212M1604128<<<<<<<2"}, 64},
		"social_insurance": {seal.Header{Version: 3, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "00027", Issued: at2020, Signed: mrz.Date{Year: 2020, Month: 1, Day: 14}, FeatureReference: 0xFC, Category: 4},
			seal.SocialInsurance, map[seal.Name]string{seal.InsuranceNumber: "65170839J003", seal.Surname: "Perschweiß", seal.GivenName: "Oscar", seal.BirthName: "Jâcobénidicturius"}, 64},
		"residence_permit": {seal.Header{Version: 4, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "27", Issued: at2020, Signed: mrz.Date{Year: 2020, Month: 1, Day: 13}, FeatureReference: 0xFB, Category: 6},
			seal.ResidencePermit, map[seal.Name]string{seal.PassportNumber: "UFO001979", seal.MRZ: "ATD<<RESIDORCE<<ROLAND<<<<<<<<<<<<<<6525845096USA7008038M2201018<<<<<<06"}, 64},
		"visa": {seal.Header{Version: 4, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "32", Issued: at2020, Signed: december, FeatureReference: 0x5D, Category: 1},
			seal.Visa, map[seal.Name]string{seal.PassportNumber: "47110815P", seal.MRZ: "VCD<<DENT<<ARTHUR<PHILIP<<<<<<<<<<<<1234567XY7GBR5203116M2005250"}, 56},
		"address_sticker": {seal.Header{Version: 4, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "32", Issued: at2021, Signed: december, FeatureReference: 0xF9, Category: 8},
			seal.AddressSticker, map[seal.Name]string{seal.DocumentNumber: "T2000AK47", seal.Municipality: "05314000", seal.Address: "53123MUSTERMANNSTRASSE21"}, 56},
		"residence_sticker": {seal.Header{Version: 4, Country: "D<<", SignerCountry: "DE", Signer: "TS", Reference: "32", Issued: at2021, Signed: december, FeatureReference: 0xF8, Category: 10},
			seal.ResidenceSticker, map[seal.Name]string{seal.DocumentNumber: "PA5500K11", seal.Municipality: "03359010", seal.PostalCode: "21614"}, 56},
	} {
		s, err := seal.Parse(vectors(t, "tr03137.txt")[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Header != want.header || s.Kind() != want.kind || len(s.Signature) != want.signature {
			t.Errorf("%s: got version %d, %s, %s%s %s, a %s, signature of %d bytes", name, s.Version, s.Country, s.SignerCountry, s.Signer, s.Reference, s.Kind(), len(s.Signature))
		}
		for feature, text := range want.texts {
			if got := s.Text(feature); got != text {
				t.Errorf("%s: %s is %q, want %q", name, feature, got, text)
			}
		}
	}
}

func TestVisaExample(t *testing.T) {
	s, err := seal.Parse(vectors(t, "tr03137.txt")["visa"])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"VCD<<DENT<<ARTHUR<PHILIP<<<<<<<<<<<<", "1234567XY7GBR5203116M2005250<<<<<<<<"}
	if !reflect.DeepEqual([]string(s.MRZ()), want) {
		t.Errorf("the MRZ is not the example's")
	}
	stay, ok := s.Stay()
	if !ok || stay != (seal.Stay{Days: 160, PassportNumber: "47110815P"}) {
		t.Errorf("stay: got %+v", stay)
	}
}

func TestStays(t *testing.T) {
	for duration, want := range map[string]seal.Stay{
		"\x00\x00\x00": {Limit: seal.UntilExpiry},
		"\xFF\xFF\xFF": {Limit: seal.AtEntry},
		"\xFE\xFE\xFE": {Limit: seal.TransitOnly},
		"\x01\x02\x03": {Days: 1, Months: 2, Years: 3},
	} {
		s := seal.Seal{Header: seal.Header{FeatureReference: 0x5D, Category: 1}}
		for name, text := range map[seal.Name]string{seal.Duration: duration, seal.Entries: "\x00", seal.VisaType: "C"} {
			if err := s.Put(name, text); err != nil {
				t.Fatal(err)
			}
		}
		want.UnlimitedEntries, want.Type = true, "C"
		if got, ok := s.Stay(); !ok || got != want {
			t.Errorf("%x: got %+v, want %+v", duration, got, want)
		}
	}
	if _, ok := (&seal.Seal{}).Stay(); ok {
		t.Error("a seal of no known kind has a stay")
	}
}

func TestParseRefuses(t *testing.T) {
	good := vectors(t, "tr03137.txt")["residence_permit"]
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	for _, c := range []struct {
		name, err string
		in        []byte
	}{
		{"empty", "begin with", nil},
		{"other bar code", "begin with", change(0, 'D')},
		{"version 5", "version 5", change(1, 4)},
		{"version 2", "version 2", change(1, 1)},
		{"country of two characters", "three characters", change(2, 0xD9, 0xA9)},
		{"reference not counted", "not 1 to 64", change(6, 0xDE, 0x51)},
		{"reference longer than the seal", "not 1 to 64", change(6, 0xCB, 0x0C)},
		{"no date", "no date", change(10, 0xFF, 0xFF, 0xFF)},
		{"length beyond", "remain", change(19, 0x7F)},
		{"length of five octets", "malformed length", change(19, 0x85)},
		{"indefinite length", "malformed length", change(19, 0x80)},
		{"length of 4 GiB", "remain", change(19, 0x84, 0xFF, 0xFF, 0xFF, 0xFF)},
		{"cut in the message", "remain", good[:40]},
		{"cut before the signature", "no signature", good[:18+2+48]},
		{"cut behind a tag", "inside a feature", good[:18+2+48+1]},
		{"more behind", "after the signature", append(bytes.Clone(good), 1)},
		{"too long", "longer than", make([]byte, 5000)},
	} {
		if s, err := seal.Parse(c.in); err == nil || !strings.HasPrefix(err.Error(), "visible digital seal: ") || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, %v; want an error with %q", c.name, s, err, c.err)
		}
	}
	if _, err := seal.Parse(append(bytes.Clone(good), 0, 0)); err != nil {
		t.Errorf("padded: %v", err)
	}
	many := append(bytes.Clone(good[:18]), bytes.Repeat([]byte{0x40, 0}, 65)...)
	if _, err := seal.Parse(append(many, 0xFF, 0)); err == nil || !strings.Contains(err.Error(), "more than 64") {
		t.Errorf("too many features: %v", err)
	}
}

func TestNothingOfASealPrints(t *testing.T) {
	s, err := seal.Parse(vectors(t, "tr03137.txt")["social_insurance"])
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "seal", s, "feature", s.Features[1])
	marshaled, err := json.Marshal([]any{s, *s, s.Features})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %d %x %v", s, *s, *s, *s, *s, s.Features) + log.String() + string(marshaled)
	for _, secret := range []string{"Persch", "50657273", "80 101 114", "0x50, 0x65", "65170839"} {
		if strings.Contains(text, secret) {
			t.Errorf("printed %q in %s", secret, text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"tr03137.txt", "openssl.txt"} {
		for name, b := range vectors(f, file) {
			if name != "signer" && name != "csca" {
				f.Add(b)
			}
		}
	}
	// A signer of Utopia whom the store vouches for has signed one seal.
	a := authority(f, "fuzz")
	by, cert := sealSigner(f, a, specimen.SealProfile{Name: "01", Serial: 1, Curve: "P-256", Types: []string{"NV"}})
	store := storeOf(f, a.CSCA())
	genuine, err := by.encode(visaSeal(f, 4))
	if err != nil {
		f.Fatal(err)
	}
	message := genuine[:len(genuine)-2-64] // what the signature's element follows
	f.Add(genuine)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := repotest.Parsed(t, b, seal.Parse)
		if err != nil {
			return
		}
		repotest.Bounded(t, len(b), func() {
			r := seal.Verify(s, []*trust.Certificate{cert}, store, check)
			if r.Signature.Status == authn.Passed && len(s.Signature) > 0 && !bytes.HasPrefix(b, message) {
				t.Error("a seal nobody signed verifies")
			}
		})
		total := len(s.Signature)
		for _, feature := range s.Features {
			total += len(feature.Value)
		}
		if total > len(b) {
			t.Errorf("%d octets of features in %d", total, len(b))
		}
		lines := s.MRZ()
		for _, l := range lines {
			if len(l) != len(lines[0]) {
				t.Error("lines of unequal length")
			}
		}
		s.Stay()
		for _, name := range []seal.Name{seal.PassportNumber, seal.Surname, seal.AZRNumber} {
			s.Text(name)
		}
	})
}
