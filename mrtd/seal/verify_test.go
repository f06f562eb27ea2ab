package seal_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"limen/mrtd/authn"
	"limen/mrtd/mrz"
	"limen/mrtd/seal"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var (
	start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	check = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	noCRL = []authn.Note{{Code: authn.CRLUnknown}} // what a store without lists leaves open
	visa  = []string{"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX7408122F9612109<<<<<<<<"}
)

func authority(t testing.TB, seed string) *specimen.Authority {
	t.Helper()
	a, err := specimen.NewAuthority(specimen.DefaultProfile(start), specimen.Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certificate(t testing.TB, der []byte) *trust.Certificate {
	t.Helper()
	c, err := trust.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func storeOf(t testing.TB, csca ...[]byte) *trust.Store {
	t.Helper()
	s := trust.NewStore()
	for _, der := range csca {
		s.Add(trust.Source{Imported: start}, certificate(t, der))
	}
	return s
}

// visaSeal is a seal of Utopia that is to be signed.
func visaSeal(t testing.TB, version int) seal.Seal {
	t.Helper()
	s := seal.Seal{Header: seal.Header{
		Version: version, Country: "UTO", Issued: mrz.Date{Year: 2024, Month: 2, Day: 2}, Signed: mrz.Date{Year: 2024, Month: 2, Day: 3},
		FeatureReference: 0x5D, Category: 1,
	}}
	for _, f := range []struct {
		name seal.Name
		text string
	}{{seal.MRZ, visa[0] + visa[1]}, {seal.Entries, "\x02"}, {seal.Duration, "\x5A\x00\x00"}, {seal.PassportNumber, "L8988901C"}} {
		if err := s.Put(f.name, f.text); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// signer is a specimen's signer, and what a seal's header says of it.
type signer struct {
	*specimen.SealSigner
	name   string
	serial int64
}

func (s signer) encode(unsigned seal.Seal) ([]byte, error) {
	unsigned.SignerCountry, unsigned.Signer, unsigned.Reference = "UT", s.name, fmt.Sprintf("%X", s.serial)
	if unsigned.Version == 3 {
		unsigned.Reference = fmt.Sprintf("%05X", s.serial)
	}
	return seal.Encode(unsigned, s.Curve(), s.Sign)
}

func signed(t testing.TB, by signer, s seal.Seal) *seal.Seal {
	t.Helper()
	b, err := by.encode(s)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := seal.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func sealSigner(t testing.TB, a *specimen.Authority, p specimen.SealProfile) (signer, *trust.Certificate) {
	t.Helper()
	s, err := a.SealSigner(p)
	if err != nil {
		t.Fatal(err)
	}
	return signer{s, p.Name, p.Serial}, certificate(t, s.Certificate())
}

func TestSealsOfEveryKeyVerify(t *testing.T) {
	a := authority(t, "keys")
	store := storeOf(t, a.CSCA())
	for i, curve := range []string{"brainpoolP224r1", "brainpoolP256r1", "brainpoolP320r1", "brainpoolP384r1", "brainpoolP512r1", "P-224", "P-256", "P-384"} {
		for _, version := range []int{3, 4} {
			signer, c := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: int64(0x1A0 + i), Curve: curve, Types: []string{"V"}})
			s := signed(t, signer, visaSeal(t, version))
			r := seal.Verify(s, []*trust.Certificate{c}, store, check)
			if r.Format.Status != authn.Passed || r.Signature.Status != authn.Passed || r.Chain.Status != authn.Passed || !slices.Equal(r.Notes, noCRL) {
				t.Errorf("%s, version %d: got %s, %s, %s, %v", curve, version, r.Format, r.Signature, r.Chain, r.Notes)
			}
			if r.Signer.Country != "UT" || r.CSCA.Country != "UT" || r.TrustDate != start || r.TrustAge != check.Sub(start) {
				t.Errorf("%s: got signer %+v, CSCA %+v, trust of %s", curve, r.Signer, r.CSCA, r.TrustDate)
			}
		}
	}
}

// TestSealMadeByOpenSSL is the one whose bytes no code of this repository made.
func TestSealMadeByOpenSSL(t *testing.T) {
	v := vectors(t, "openssl.txt")
	s, err := seal.Parse(v["seal"])
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := seal.Verify(s, []*trust.Certificate{certificate(t, v["signer"])}, storeOf(t, v["csca"]), at)
	if r.Format.Status != authn.Passed || r.Signature.Status != authn.Passed || r.Chain.Status != authn.Passed {
		t.Errorf("got %s, %s, %s", r.Format, r.Signature, r.Chain)
	}
	if want := append([]authn.Note{{Code: seal.FeatureUnknown, Subject: "tag_42"}}, noCRL...); !slices.Equal(r.Notes, want) {
		t.Errorf("got notes %v, want %v", r.Notes, want)
	}
	if v := seal.CompareMRZ(visa, s); v.Status != authn.Passed {
		t.Errorf("MRZ: got %s", v)
	}
	for i := range v["seal"] { // no octet can be changed but the padding there is none of
		b := bytes.Clone(v["seal"])
		b[i] ^= 1
		changed, err := seal.Parse(b)
		if err != nil {
			continue
		}
		r := seal.Verify(changed, []*trust.Certificate{certificate(t, v["signer"])}, storeOf(t, v["csca"]), at)
		if r.Signature.Status == authn.Passed {
			t.Errorf("octet %d changed: got %s", i, r.Signature)
		}
	}
}

func TestAttacksOnSeals(t *testing.T) {
	a, other := authority(t, "good"), authority(t, "other")
	signer, c := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 0x27, Types: []string{"V"}})
	forger, forged := sealSigner(t, other, specimen.SealProfile{Name: "VS", Serial: 0x27})
	passports, notSeals := sealSigner(t, a, specimen.SealProfile{Name: "PS", Serial: 0x28, Usage: "2.23.136.1.1.3"})
	permits, wrongType := sealSigner(t, a, specimen.SealProfile{Name: "RP", Serial: 0x29, Types: []string{"AR", "ID"}})
	brief, short := sealSigner(t, a, specimen.SealProfile{Name: "SH", Serial: 0x2A, Years: 1})
	store := storeOf(t, a.CSCA())

	elsewhere := visaSeal(t, 4)
	elsewhere.Country = "D<<"
	early, late := visaSeal(t, 4), visaSeal(t, 4)
	early.Signed, late.Signed = mrz.Date{Year: 2023, Month: 1, Day: 1}, mrz.Date{Year: 2026, Month: 7, Day: 1}
	without := visaSeal(t, 4)
	without.Features = without.Features[:3]
	twice := visaSeal(t, 4)
	twice.Features = append(twice.Features, twice.Features[3])
	long := visaSeal(t, 4)
	long.Features[1].Value = []byte{2, 2}
	noMRZ := visaSeal(t, 4)
	noMRZ.Features = noMRZ.Features[1:]
	unknown := visaSeal(t, 4)
	unknown.Category = 0x77

	for _, c := range []struct {
		name                     string
		seal                     *seal.Seal
		signers                  []*trust.Certificate
		format, signature, chain string
	}{
		{"genuine", signed(t, signer, visaSeal(t, 4)), []*trust.Certificate{forged, c}, "passed", "passed", "passed"},
		{"no certificate at hand", signed(t, signer, visaSeal(t, 4)), nil, "passed", "inconclusive seal_signer_unknown", "not_performed seal_signer_unknown"},
		{"another signer's certificate", signed(t, signer, visaSeal(t, 4)), []*trust.Certificate{notSeals, nil}, "passed", "inconclusive seal_signer_unknown", "not_performed seal_signer_unknown"},
		{"signed by a namesake", signed(t, forger, visaSeal(t, 4)), []*trust.Certificate{c}, "passed", "failed seal_signature_invalid", "passed"},
		{"signed under a CSCA not trusted", signed(t, forger, visaSeal(t, 4)), []*trust.Certificate{c, forged}, "passed", "passed", "failed csca_unknown"},
		{"signer is not for seals", signed(t, passports, visaSeal(t, 4)), []*trust.Certificate{notSeals}, "passed", "passed", "failed signer_key_usage:extended_key_usage"},
		{"signer is not for visas", signed(t, permits, visaSeal(t, 4)), []*trust.Certificate{wrongType}, "passed", "passed", "failed signer_document_type"},
		{"signer expired", signed(t, brief, visaSeal(t, 4)), []*trust.Certificate{short}, "passed", "passed", "failed signer_expired"},
		{"seal of another state", signed(t, signer, elsewhere), []*trust.Certificate{c}, "passed", "passed", "failed issuer_country_mismatch:document"},
		{"signed before the signer began", signed(t, signer, early), []*trust.Certificate{c}, "passed", "passed", "failed signer_not_yet_valid"},
		{"signed in a month to come", signed(t, signer, late), []*trust.Certificate{c}, "passed", "passed", "failed signer_not_yet_valid:signature_date"},
		{"without passport number", signed(t, signer, without), []*trust.Certificate{c}, "failed seal_feature_missing:passport_number", "passed", "passed"},
		{"two passport numbers", signed(t, signer, twice), []*trust.Certificate{c}, "failed seal_feature_malformed:passport_number", "passed", "passed"},
		{"entries of two octets", signed(t, signer, long), []*trust.Certificate{c}, "failed seal_feature_malformed:number_of_entries", "passed", "passed"},
		{"without MRZ", signed(t, signer, noMRZ), []*trust.Certificate{c}, "failed seal_feature_missing:mrz", "passed", "passed"},
		{"unknown kind", signed(t, signer, unknown), []*trust.Certificate{c}, "inconclusive seal_kind_unknown", "passed", "passed"},
	} {
		r := seal.Verify(c.seal, c.signers, store, check)
		if r.Format.String() != c.format || r.Signature.String() != c.signature || r.Chain.String() != c.chain {
			t.Errorf("%s: got %q, %q, %q; want %q, %q, %q", c.name, r.Format, r.Signature, r.Chain, c.format, c.signature, c.chain)
		}
	}
	if r := seal.Verify(signed(t, signer, visaSeal(t, 3)), []*trust.Certificate{c}, nil, check); r.Chain.String() != "failed csca_unknown" {
		t.Errorf("no store: got %s", r.Chain)
	}
}

func TestSealSignedAfterTheKeysPeriod(t *testing.T) {
	a := authority(t, "period")
	signer, c := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 1})
	s := visaSeal(t, 4)
	s.Signed = mrz.Date{Year: 2025, Month: 3, Day: 1} // the specimen's keys sign for three months
	r := seal.Verify(signed(t, signer, s), []*trust.Certificate{c}, storeOf(t, a.CSCA()), check)
	if want := append([]authn.Note{{Code: authn.SignerKeyPeriodExceeded}}, noCRL...); r.Chain.Status != authn.Passed || !slices.Equal(r.Notes, want) {
		t.Errorf("got %s, %v; want passed with %v", r.Chain, r.Notes, want)
	}
}

func TestRevokedSignersOfSeals(t *testing.T) {
	a := authority(t, "revoked")
	by, c := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 1})
	_, other := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 2})
	s := signed(t, by, visaSeal(t, 4))
	for _, test := range []struct {
		name    string
		revoked []byte
		next    time.Time
		want    string
		notes   []authn.Note
	}{
		{"nobody", nil, check.AddDate(0, 3, 0), "passed", nil},
		{"another", other.Raw, check.AddDate(0, 3, 0), "passed", nil},
		{"the signer", c.Raw, check.AddDate(0, 3, 0), "failed signer_revoked:key_compromise", nil},
		{"the CSCA", a.CSCA(), check.AddDate(0, 3, 0), "failed csca_revoked:key_compromise", nil},
		{"nobody, long ago", nil, check.AddDate(0, 0, -2), "passed", []authn.Note{{Code: authn.CRLOverdue}}},
	} {
		var entries []specimen.Revoked
		if test.revoked != nil {
			e, err := specimen.Revoke(test.revoked, check.AddDate(0, 0, -4))
			if err != nil {
				t.Fatal(err)
			}
			e.Reason = 1
			entries = append(entries, e)
		}
		der, err := a.CRL(1, check.AddDate(0, 0, -3), test.next, entries...)
		if err != nil {
			t.Fatal(err)
		}
		l, err := trust.ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		store := storeOf(t, a.CSCA())
		if _, err := store.AddCRL(trust.Source{Imported: check}, l, check); err != nil {
			t.Fatal(err)
		}
		r := seal.Verify(s, []*trust.Certificate{c}, store, check)
		if r.Signature.Status != authn.Passed || r.Chain.String() != test.want || !slices.Equal(r.Notes, test.notes) {
			t.Errorf("%s revoked: got %s, %s, %v; want passed, %s, %v", test.name, r.Signature, r.Chain, r.Notes, test.want, test.notes)
		}
	}
}

// TestNotesAreOfTheSignerUsed: of two certificates that the header could mean,
// what is noted of the first does not stay with the second.
func TestNotesAreOfTheSignerUsed(t *testing.T) {
	a := authority(t, "two")
	_, first := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 1, Curve: "P-224"})
	by, second := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 1})
	r := seal.Verify(signed(t, by, visaSeal(t, 4)), []*trust.Certificate{first, second}, storeOf(t, a.CSCA()), check)
	if r.Signature.Status != authn.Passed || r.Chain.Status != authn.Passed || !slices.Equal(r.Notes, noCRL) {
		t.Errorf("got %s, %s, %v", r.Signature, r.Chain, r.Notes)
	}
}

func TestComparisons(t *testing.T) {
	a := authority(t, "compare")
	signer, _ := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 1})
	s := signed(t, signer, visaSeal(t, 4))
	for _, c := range []struct {
		printed []string
		want    string
	}{
		{visa, "passed"},
		{[]string{visa[0], visa[1][:28] + "ABCDEFGH"}, "passed"}, // the seal leaves the end out
		{[]string{visa[0], "L8988902C" + visa[1][9:]}, "failed seal_mrz_mismatch:document_number"},
		{[]string{"V<UTOERIKSSEN<<ANNA<MARIA<<<<<<<<<<<", visa[1]}, "failed seal_mrz_mismatch:name"},
		{[]string{"V<UTO"}, "inconclusive mrz_unreadable:printed"},
		{nil, "inconclusive mrz_unreadable:printed"},
	} {
		if v := seal.CompareMRZ(c.printed, s); v.String() != c.want {
			t.Errorf("%v: got %s, want %s", len(c.printed), v, c.want)
		}
	}
	for number, want := range map[string]string{"L8988901C": "passed", "L8988901C<": "passed", "L8988902C": "failed seal_passport_mismatch:passport_number", "": "failed seal_passport_mismatch:passport_number"} {
		if v := seal.ComparePassport(number, s); v.String() != want {
			t.Errorf("passport: got %s, want %s", v, want)
		}
	}
	empty := &seal.Seal{Header: seal.Header{FeatureReference: 0xFC, Category: 4}}
	if v := seal.CompareMRZ(visa, empty); v.Status != authn.NotPresent {
		t.Errorf("no MRZ: got %s", v)
	}
	if v := seal.ComparePassport("X", empty); v.Status != authn.NotPresent {
		t.Errorf("no passport number: got %s", v)
	}
}

func TestEncodeRefuses(t *testing.T) {
	a := authority(t, "encode")
	by, _ := sealSigner(t, a, specimen.SealProfile{Name: "VS", Serial: 0x27})
	for name, change := range map[string]func(*seal.Seal){
		"version 2":        func(s *seal.Seal) { s.Version = 2 },
		"country":          func(s *seal.Seal) { s.Country = "UT" },
		"lower case":       func(s *seal.Seal) { s.Country = "uto" },
		"no date":          func(s *seal.Seal) { s.Issued = mrz.Date{Year: 2023, Month: 2, Day: 29} },
		"signature's tag":  func(s *seal.Seal) { s.Features[0].Tag = 0xFF },
		"long for version": func(s *seal.Seal) { s.Version = 3; s.Features[0].Value = make([]byte, 256) },
		"long":             func(s *seal.Seal) { s.Features[0].Value = make([]byte, 5000) },
	} {
		s := visaSeal(t, 4)
		change(&s)
		if b, err := by.encode(s); err == nil {
			t.Errorf("%s: got %d bytes", name, len(b))
		}
	}
	s := seal.Seal{Header: seal.Header{FeatureReference: 0x5D, Category: 1}}
	for name, text := range map[seal.Name]string{seal.MRZ: "short", seal.PassportNumber: "L898", seal.Surname: "ERIKSSON", seal.Duration: "1"} {
		if err := s.Put(name, text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
