package authn

import (
	"strings"
	"testing"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// quick is the profile of attacks: keys that are quick to make.
func quick() specimen.Profile {
	p := specimen.DefaultProfile(begin)
	p.CSCA.Curve, p.DS.Curve = "P-256", "P-256"
	return p
}

func newAuthority(t testing.TB, p specimen.Profile, seed string) *specimen.Authority {
	t.Helper()
	a, err := specimen.NewAuthority(p, specimen.Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func signer(t testing.TB, a *specimen.Authority, s specimen.SignerSpec) *specimen.Authority {
	t.Helper()
	b, err := a.NewSigner(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// passport is a document of an authority, and what was read of it.
func passport(t testing.TB, a *specimen.Authority, s specimen.Spec) (sod []byte, groups map[int][]byte) {
	t.Helper()
	if s.Lines == nil {
		s.Lines = utopia
	}
	if s.SignedAt.IsZero() {
		s.SignedAt = signed
	}
	doc, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Files[lds.EFSOD.Path()], map[int][]byte{1: doc.Files[0x0101]}
}

func crlOf(t testing.TB, a *specimen.Authority, number int64, this time.Time, revoked ...specimen.Revoked) *trust.CRL {
	t.Helper()
	b, err := a.CRL(number, this, this.AddDate(0, 3, 0), revoked...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := trust.ParseCRL(b)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func revoke(t testing.TB, certificate []byte, reason int) specimen.Revoked {
	t.Helper()
	r, err := specimen.Revoke(certificate, begin.AddDate(0, 2, 0))
	if err != nil {
		t.Fatal(err)
	}
	r.Reason = reason
	return r
}

func withCRL(t testing.TB, s *trust.Store, l *trust.CRL) *trust.Store {
	t.Helper()
	if _, err := s.AddCRL(trust.Source{Name: "crl", Imported: begin}, l, check); err != nil {
		t.Fatal(err)
	}
	return s
}

func codes(r Result) string {
	var out []string
	for _, n := range r.Notes {
		out = append(out, Verdict{Code: n.Code, Subject: n.Subject}.String()[len("not_performed "):])
	}
	return strings.Join(out, " ")
}

// Every attack on the chain, the reason it must raise, and that none passes.
func TestAttacksOnTheChain(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	stranger := newAuthority(t, quick(), "stranger") // the same name, its own key
	impostor, err := a.Impostor(specimen.Seed("impostor"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := crlOf(t, a, 5, check.AddDate(0, -1, 0))
	revoking := crlOf(t, a, 6, check.AddDate(0, -1, 0), revoke(t, a.Signer(), 1))
	abroad := quick()
	abroad.Country = "XO"
	valid := mrzUntil("340415")
	old := quick()
	old.From = begin.AddDate(-15, -2, 0)
	oldCSCA := newAuthority(t, old, "old")
	for _, c := range []struct {
		name   string
		by     *specimen.Authority
		spec   specimen.Spec
		store  *trust.Store
		at     time.Time
		chain  string
		expect string // notes
	}{
		{"nothing wrong", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "passed", ""},
		{"signed by a key that is not in the list", stranger, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed csca_unknown", ""},
		{"signed again by a self-made CSCA of the same name and key id", impostor, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed csca_signature_invalid", ""},
		{"… which it carries in EF.SOD", impostor, specimen.Spec{Certificates: [][]byte{impostor.CSCA(), a.CSCA()}}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed csca_signature_invalid", ""},
		{"signed after the signer's end", signer(t, a, specimen.SignerSpec{Until: signed.AddDate(0, 0, -1)}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signer_expired", ""},
		{"old time stated, the document still valid", signer(t, a, specimen.SignerSpec{Until: check.AddDate(0, 0, -2)}), specimen.Spec{Lines: valid}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signing_time_unproven", ""},
		{"signer revoked", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), revoking), check, "failed signer_revoked:key_compromise", ""},
		{"signer revoked, no reason stated", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), crlOf(t, a, 6, check, revoke(t, a.Signer(), 0))), check, "failed signer_revoked", ""},
		{"signer revoked, judged as of before", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), revoking), signed.AddDate(0, 0, 1), "failed signer_revoked:key_compromise", ""},
		{"CSCA revoked", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), crlOf(t, a, 6, check, revoke(t, a.CSCA(), 2))), check, "failed csca_revoked:ca_compromise", ""},
		{"CSCA expired before the signer began", signer(t, oldCSCA, specimen.SignerSpec{From: begin}), specimen.Spec{}, storeOf(t, oldCSCA.CSCA()), check, "failed csca_not_valid", "crl_unknown"},
		{"a CA's certificate as signer", signer(t, a, specimen.SignerSpec{CA: true}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signer_key_usage", ""},
		{"a master list's signer", signer(t, a, specimen.SignerSpec{Usage: "2.23.136.1.1.3"}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signer_key_usage", ""},
		{"a seal's signer", signer(t, a, specimen.SignerSpec{Usage: "2.23.136.1.1.11.1"}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signer_key_usage", ""},
		{"a signer of another country than its CSCA", signer(t, a, specimen.SignerSpec{Country: "XO"}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed issuer_country_mismatch:csca", ""},
		{"a signer of identity cards", signer(t, a, specimen.SignerSpec{Types: []string{"ID", "AR"}}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "failed signer_document_type", ""},
		{"a signer of other passports", signer(t, a, specimen.SignerSpec{Types: []string{"PD"}}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "passed", "signer_document_type"},
		{"list overdue", a, specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), crlOf(t, a, 5, begin.AddDate(0, 1, 0))), check, "passed", "crl_overdue"},
		{"no list", a, specimen.Spec{}, storeOf(t, a.CSCA()), check, "passed", "crl_unknown"},
		{"signer expired with the document", signer(t, a, specimen.SignerSpec{Until: check.AddDate(0, 0, -2)}), specimen.Spec{}, withCRL(t, storeOf(t, a.CSCA()), fresh), check, "passed", "signer_expired_since signing_time_unproven"},
	} {
		sod, groups := passport(t, c.by, c.spec)
		r := PassiveFile(sod, groups, c.store, c.at)
		if r.Signature.Status != Passed || r.Chain.String() != c.chain || codes(r) != c.expect {
			t.Errorf("%s: got %s, %s, notes %q; want %s, notes %q", c.name, r.Signature, r.Chain, codes(r), c.chain, c.expect)
		}
	}
	// The country is also the document's.
	sod, groups := passport(t, newAuthority(t, abroad, "abroad"), specimen.Spec{})
	r := PassiveFile(sod, groups, storeOf(t, newAuthority(t, abroad, "abroad").CSCA()), check)
	if got := CompareIssuer(r.Signer, "UTO").String(); got != "failed issuer_country_mismatch:document" {
		t.Errorf("signer of another country: got %s", got)
	}
}

// mrzUntil is the specimen's MRZ with another day of expiry.
func mrzUntil(day string) []string {
	line := utopia[1][:21] + day + string(mrz.Digit(day)) + utopia[1][28:43]
	return []string{utopia[0], line + string(mrz.Digit(line[:10]+line[13:20]+line[21:43]))}
}

// A document that does not carry its signer's certificate is judged by the
// store's, whichever way it names it; the certificate is no anchor.
func TestSignerOfTheStore(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	stranger := newAuthority(t, quick(), "stranger")
	directory := func(by ...*specimen.Authority) []byte {
		var entries []specimen.LDIFEntry
		for _, x := range by {
			entries = append(entries, specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "x", Attribute: "userCertificate;binary", Value: x.Signer()})
		}
		return specimen.LDIF(entries...)
	}
	full := storeOf(t, a.CSCA())
	if _, err := full.Import("x.ldif", directory(a, stranger), nil, check); err != nil {
		t.Fatal(err)
	}
	gone := storeOf(t, stranger.CSCA())
	if _, err := gone.Import("x.ldif", directory(stranger), nil, check); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name             string
		by               *specimen.Authority
		spec             specimen.Spec
		store            *trust.Store
		signature, chain string
		notes            string
	}{
		{"by issuer and serial", a, specimen.Spec{WithoutSigner: true}, full, "passed", "passed", "crl_unknown signer_from_store"},
		{"by key", a, specimen.Spec{WithoutSigner: true, SignerByKeyID: true}, full, "passed", "passed", "crl_unknown signer_from_store"},
		{"carried, by key", a, specimen.Spec{SignerByKeyID: true}, full, "passed", "passed", "crl_unknown"},
		{"with another's certificate", a, specimen.Spec{WithoutSigner: true, Certificates: [][]byte{stranger.Signer()}}, full, "passed", "passed", "crl_unknown signer_from_store"},
		{"of an unknown CSCA, carried", stranger, specimen.Spec{}, full, "passed", "failed csca_unknown", ""},
		{"of an unknown CSCA, in the directory", stranger, specimen.Spec{WithoutSigner: true}, full, "failed signer_missing", "not_performed signer_missing", ""},
		{"not in the store", a, specimen.Spec{WithoutSigner: true}, storeOf(t, a.CSCA()), "failed signer_missing", "not_performed signer_missing", ""},
		{"no store", a, specimen.Spec{WithoutSigner: true}, nil, "failed signer_missing", "not_performed signer_missing", ""},
	} {
		sod, groups := passport(t, c.by, c.spec)
		r := PassiveFile(sod, groups, c.store, check)
		if r.Signature.String() != c.signature || r.Chain.String() != c.chain || codes(r) != c.notes {
			t.Errorf("%s: got %s, %s, notes %q; want %s, %s, notes %q", c.name, r.Signature, r.Chain, codes(r), c.signature, c.chain, c.notes)
		}
	}
}

// The odd shapes of EF.SOD, alone and together, on a signer that is not carried too.
func TestShapesOfEFSOD(t *testing.T) {
	for _, kind := range []specimen.KeyKind{
		{Scheme: trust.ECDSA, Curve: "brainpoolP256r1", Explicit: true, Hash: everyHash[2]},
		{Scheme: trust.ECDSA, Curve: "P-256", Hash: everyHash[2]},
		{Scheme: trust.RSAPSS, Bits: 1536, Hash: everyHash[2]},
		{Scheme: trust.RSAPKCS1, Bits: 1536, Hash: everyHash[0]},
	} {
		p := quick()
		p.DS = kind
		a := newAuthority(t, p, string(kind.Scheme)+kind.Curve)
		store := storeOf(t, a.CSCA())
		if _, err := store.Import("x.ldif", specimen.LDIF(specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "x", Attribute: "userCertificate;binary", Value: a.Signer()}), nil, check); err != nil {
			t.Fatal(err)
		}
		for n := range 16 {
			spec := specimen.Spec{WithoutSigner: n&1 != 0, SignerByKeyID: n&2 != 0}
			if n&4 != 0 {
				spec.ContentType = "1.3.27.1.1.1" // the old LDS identifier
			}
			sod, groups := passport(t, a, spec)
			if n&8 != 0 {
				outer, err := ber.Parse(sod, lds.EFSOD.Tag)
				if err != nil {
					t.Fatal(err)
				}
				sod = ber.Encode(lds.EFSOD.Tag, loosen(t, outer.Value, 0)) // indefinite lengths
			}
			if r := PassiveFile(sod, groups, store, check); !passed(r) {
				t.Errorf("%s %s, shape %04b: got %s, %s, %v", kind.Scheme, kind.Curve, n, r.Signature, r.Chain, r.Groups)
			}
		}
	}
}

func TestAgeOfTrust(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	sod, groups := passport(t, a, specimen.Spec{})
	made := check.AddDate(0, 0, -10)
	without, with := storeOf(t, a.CSCA()), withCRL(t, storeOf(t, a.CSCA()), crlOf(t, a, 5, made)) // trust of begin, two years before
	const week = 7 * 24 * time.Hour
	for _, c := range []struct {
		name  string
		o     Options
		store *trust.Store
		want  string
	}{
		{"no limits", Options{}, without, "passed"},
		{"young enough", Options{MaxTrustAge: 110 * week, MaxCRLAge: 2 * week}, with, "passed"},
		{"old list of CSCAs", Options{MaxTrustAge: 100 * week}, with, "inconclusive trust_stale:csca"},
		{"old revocation list", Options{MaxCRLAge: week}, with, "inconclusive trust_stale:crl"},
		{"no revocation list", Options{MaxCRLAge: week}, without, "inconclusive crl_unknown"},
		{"failed all the same", Options{MaxCRLAge: week}, withCRL(t, storeOf(t, a.CSCA()), crlOf(t, a, 5, made, revoke(t, a.Signer(), 0))), "failed signer_revoked"},
	} {
		r := c.o.PassiveFile(sod, groups, c.store, check)
		if r.Chain.String() != c.want {
			t.Errorf("%s: got %s, want %s", c.name, r.Chain, c.want)
		}
		if r.TrustAge != check.Sub(begin) {
			t.Errorf("%s: trust of %v, want %v", c.name, r.TrustAge, check.Sub(begin))
		}
		if c.store == with && (r.CRLAge != check.Sub(made) || !r.CRLDate.Equal(made)) || c.store == without && !r.CRLDate.IsZero() {
			t.Errorf("%s: revocation list of %v, %v old", c.name, r.CRLDate, r.CRLAge)
		}
	}
}

func TestKnownDeviations(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	store := storeOf(t, a.CSCA())
	list, err := a.DeviationList(begin.AddDate(0, 3, 0),
		specimen.Deviation{Signer: a.Signer(), Type: "2.23.136.1.1.7.2.2", Parameter: ber.Encode(ber.Integer, []byte{13})},
		specimen.Deviation{DocumentType: "P", Numbers: []string{"L898902C3"}, Type: "2.23.136.1.1.7.1.4"},
		specimen.Deviation{DocumentType: "P", Numbers: []string{"L898902C4"}, Type: "2.23.136.1.1.7.4"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Import("ut.dvl", list, nil, check); err != nil {
		t.Fatal(err)
	}
	sod, groups := passport(t, a, specimen.Spec{Groups: map[int][]byte{13: {0x6D, 1, 0xAA}}})
	groups[13] = []byte{0x6D, 1, 0xAB}
	r := PassiveFile(sod, groups, store, check)
	// What is known of a fault is a note; the check fails as before.
	if got := r.Groups[13].String(); got != "failed dg_hash_mismatch:DG13" {
		t.Errorf("DG13: got %s", got)
	}
	if got := codes(r); got != "crl_unknown known_deviation:dg_hash_wrong,DG13 known_deviation:aa_key_compromised" || len(r.Deviations) != 2 {
		t.Errorf("got %q", got)
	}
	// A DG1 that was not signed names no document.
	groups[1] = append([]byte(nil), groups[1]...)
	groups[1][len(groups[1])-1] ^= 1
	if got := codes(PassiveFile(sod, groups, store, check)); got != "crl_unknown known_deviation:dg_hash_wrong,DG13" {
		t.Errorf("with a changed DG1: got %q", got)
	}
}

// Inspections share a store that is read for the first time by all of them.
func TestInspectionsShareAStore(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	dir := t.TempDir()
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.CRL(1, check.AddDate(0, -1, 0), check.AddDate(0, 2, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{a.CSCA(), list, specimen.LDIF(specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "x", Attribute: "userCertificate;binary", Value: a.Signer()})} {
		if _, err := s.Import("more", b, nil, check); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = trust.Open(dir); err != nil {
		t.Fatal(err)
	}
	sod, groups := passport(t, a, specimen.Spec{WithoutSigner: true})
	results := make(chan Result)
	for range 8 {
		go func() { results <- PassiveFile(sod, groups, s, check) }()
	}
	for range 8 {
		if r := <-results; !passed(r) || codes(r) != "signer_from_store" {
			t.Errorf("got %s, %s, %q", r.Signature, r.Chain, codes(r))
		}
	}
}
