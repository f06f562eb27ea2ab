package authn

import (
	"bytes"
	"crypto"
	"fmt"
	"strings"
	"testing"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var (
	utopia = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	begin  = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	signed = begin.AddDate(0, 1, 0)
	check  = begin.AddDate(2, 0, 0)
)

// issued is a specimen passport with what is needed to judge it.
type issued struct {
	authority *specimen.Authority
	sod       []byte
	groups    map[int][]byte
	store     *trust.Store
}

func issue(t testing.TB, p specimen.Profile, s specimen.Spec) issued {
	t.Helper()
	a, err := specimen.NewAuthority(p, specimen.Seed(t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	s.Lines = utopia
	if s.Groups == nil {
		s.Groups = map[int][]byte{13: {0x6D, 1, 0xAA}}
	}
	doc, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	return issued{a, doc.Files[0x011D], map[int][]byte{1: doc.Files[0x0101], 13: doc.Files[0x010D]}, storeOf(t, a.CSCA())}
}

func storeOf(t testing.TB, certificates ...[]byte) *trust.Store {
	t.Helper()
	s := trust.NewStore()
	for _, der := range certificates {
		c, err := trust.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(trust.Source{Name: "test", Imported: begin}, c)
	}
	return s
}

func (i issued) judge() Result { return PassiveFile(i.sod, i.groups, i.store, check) }

func passed(r Result) bool {
	for _, v := range r.Groups {
		if v.Status != Passed {
			return false
		}
	}
	return r.Signature.Status == Passed && r.Chain.Status == Passed
}

func has(notes []Note, code Code) bool {
	for _, n := range notes {
		if n.Code == code {
			return true
		}
	}
	return false
}

var everyHash = []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}

func TestEveryKeyAndHashPasses(t *testing.T) {
	var kinds []specimen.KeyKind
	for _, curve := range []string{"P-224", "P-256", "P-384", "P-521", "brainpoolP192r1", "brainpoolP224r1", "brainpoolP256r1", "brainpoolP320r1", "brainpoolP384r1", "brainpoolP512r1"} {
		kinds = append(kinds, specimen.KeyKind{Scheme: trust.ECDSA, Curve: curve, Explicit: len(kinds)%2 == 0})
	}
	kinds = append(kinds, specimen.KeyKind{Scheme: trust.RSAPKCS1, Bits: 1536}, specimen.KeyKind{Scheme: trust.RSAPSS, Bits: 1536})
	for _, kind := range kinds {
		for i, hash := range everyHash {
			name := fmt.Sprintf("%s %s%d %s", kind.Scheme, kind.Curve, kind.Bits, hash)
			t.Run(name, func(t *testing.T) {
				p := specimen.DefaultProfile(begin)
				// The signer's hash is not the groups' hash, nor the CSCA's.
				p.DS, p.DS.Hash = kind, hash
				if kind.Scheme == trust.ECDSA {
					p.CSCA, p.CSCA.Hash = kind, everyHash[(i+1)%len(everyHash)]
				}
				doc := issue(t, p, specimen.Spec{Hash: everyHash[(i+2)%len(everyHash)], SignedAt: signed})
				r := doc.judge()
				if !passed(r) {
					t.Fatalf("got signature %s, chain %s, groups %v", r.Signature, r.Chain, r.Groups)
				}
				if r.Signer.Country != "UT" || r.CSCA.Country != "UT" || !r.SigningTime.Equal(signed) || !r.TrustDate.Equal(begin) || r.TrustAge != check.Sub(begin) {
					t.Errorf("got signer %+v, CSCA %+v, signed %v, trust of %v", r.Signer, r.CSCA, r.SigningTime, r.TrustDate)
				}
				weak := hash == crypto.SHA1 || everyHash[(i+2)%5] == crypto.SHA1 || kind.Scheme == trust.ECDSA && everyHash[(i+1)%5] == crypto.SHA1
				if has(r.Notes, HashAlgorithmWeak) != weak {
					t.Errorf("notes %v; want a weak hash: %v", r.Notes, weak)
				}
			})
		}
	}
}

// Any one octet of EF.SOD changed must not leave everything passed, unless
// the octet says nothing: CMS does not sign its versions and hints.
func TestAnyChangedOctetOfEFSODIsFound(t *testing.T) {
	p := specimen.DefaultProfile(begin)
	p.CSCA.Curve, p.DS.Curve = "P-256", "P-256" // the quickest to judge a thousand times
	doc := issue(t, p, specimen.Spec{SignedAt: signed})
	want := doc.judge()
	if !passed(want) {
		t.Fatalf("unchanged: %s, %s", want.Signature, want.Chain)
	}
	harmless := 0
	for i := range doc.sod {
		changed := doc
		changed.sod = bytes.Clone(doc.sod)
		changed.sod[i] ^= 1
		r := changed.judge()
		if !passed(r) {
			continue
		}
		harmless++
		if r.Signer.Serial != want.Signer.Serial || !r.SigningTime.Equal(want.SigningTime) || len(r.Groups) != 2 {
			t.Errorf("octet %d: passed with another signer, time or groups", i)
		}
	}
	// The versions, digest algorithm list, and the signer's identifier, whose
	// mismatch is a note.
	if harmless > 120 {
		t.Errorf("%d of %d octets can be changed without notice", harmless, len(doc.sod))
	}
	t.Logf("%d of %d octets are not signed and change nothing judged", harmless, len(doc.sod))
}

func TestCodes(t *testing.T) {
	base := specimen.DefaultProfile(begin)
	spec := specimen.Spec{SignedAt: signed}
	other := issue(t, base, spec) // same names, other keys: its seed is this test's own
	expect := func(name string, doc issued, at time.Time, signature, chain string) Result {
		t.Helper()
		r := PassiveFile(doc.sod, doc.groups, doc.store, at)
		if got := r.Signature.String(); got != signature {
			t.Errorf("%s: signature: got %s, want %s", name, got, signature)
		}
		if got := r.Chain.String(); got != chain {
			t.Errorf("%s: chain: got %s, want %s", name, got, chain)
		}
		return r
	}
	t.Run("own", func(t *testing.T) {
		doc := issue(t, base, spec)
		expect("unchanged", doc, check, "passed", "passed")

		d := doc
		d.store = trust.NewStore()
		expect("empty store", d, check, "passed", "failed csca_unknown")
		d.store = nil
		expect("no store", d, check, "passed", "failed csca_unknown")
		d.store = other.store
		expect("CSCA of the same name", d, check, "passed", "failed csca_unknown")

		d = doc
		d.sod = nil
		r := expect("no EF.SOD", d, check, "not_present sod_absent", "not_present sod_absent")
		if got := r.Groups[1].String(); got != "not_performed sod_absent:DG1" {
			t.Errorf("no EF.SOD: DG1: got %s", got)
		}
		d.sod = []byte{0x77, 2, 0x30, 0}
		expect("malformed", d, check, "failed sod_malformed", "not_performed sod_malformed")

		d = doc
		d.groups = map[int][]byte{1: bytes.Replace(doc.groups[1], []byte("ANNA"), []byte("ANNE"), 1), 2: {0x75, 0}}
		r = expect("groups", d, check, "passed", "passed")
		for n, want := range map[int]string{1: "failed dg_hash_mismatch:DG1", 2: "failed dg_hash_missing:DG2", 13: "not_performed dg_not_read:DG13"} {
			if got := r.Groups[n].String(); got != want {
				t.Errorf("DG%d: got %s, want %s", n, got, want)
			}
		}
		sod, err := lds.ParseSOD(doc.sod)
		if err != nil {
			t.Fatal(err)
		}
		d = doc
		d.sod = bytes.Replace(doc.sod, sod.Hashes[1], make([]byte, 32), 1)
		expect("changed hash", d, check, "failed sod_signature_invalid", "passed")

		c, err := trust.ParseCertificate(doc.authority.Signer())
		if err != nil {
			t.Fatal(err)
		}
		d.sod = bytes.Replace(doc.sod, c.Signature, make([]byte, len(c.Signature)), 1)
		expect("changed certificate", d, check, "passed", "failed csca_signature_invalid")
		sod.Certificates = nil
		r = Passive(sod, doc.groups, doc.store, check)
		if r.Signature.String() != "failed signer_missing" || r.Chain.String() != "not_performed signer_missing" {
			t.Errorf("no certificate: got %s, %s", r.Signature, r.Chain)
		}
		sod.Certificates = [][]byte{{0x30, 0}}
		if r = Passive(sod, doc.groups, doc.store, check); r.Signature.String() != "failed signer_malformed" {
			t.Errorf("broken certificate: got %s", r.Signature)
		}
		sod.Certificates = [][]byte{other.authority.Signer()}
		if r = Passive(sod, doc.groups, doc.store, check); r.Signature.String() != "failed sod_signature_invalid" || !has(r.Notes, SignerIdentifierMismatch) {
			t.Errorf("another's certificate: got %s, notes %v", r.Signature, r.Notes)
		}
		sod.Certificates = [][]byte{other.authority.Signer(), doc.authority.CSCA(), doc.authority.Signer()}
		if r = Passive(sod, doc.groups, doc.store, check); !passed(r) {
			t.Errorf("several certificates: got %s, %s", r.Signature, r.Chain)
		}
	})
	t.Run("times", func(t *testing.T) {
		r := expect("signed before expiry", issue(t, base, spec), begin.AddDate(11, 0, 0), "passed", "passed")
		if !has(r.Notes, SignerExpiredSince) {
			t.Errorf("signer expired since: notes %v", r.Notes)
		}
		r = expect("no signing time", issue(t, base, specimen.Spec{}), check, "passed", "passed")
		if !has(r.Notes, SigningTimeAbsent) {
			t.Errorf("no signing time: notes %v", r.Notes)
		}
		expect("no signing time, late", issue(t, base, specimen.Spec{}), begin.AddDate(11, 0, 0), "passed", "failed signer_expired")
		expect("no signing time, early", issue(t, base, specimen.Spec{}), begin.AddDate(-1, 0, 0), "passed", "failed signer_not_yet_valid")
		expect("signed after expiry", issue(t, base, specimen.Spec{SignedAt: begin.AddDate(10, 1, 0)}), begin.AddDate(11, 0, 0), "passed", "failed signer_expired")
		expect("signed before validity", issue(t, base, specimen.Spec{SignedAt: begin.AddDate(0, -1, 0)}), check, "passed", "failed signer_not_yet_valid")
		expect("signed in the future", issue(t, base, specimen.Spec{SignedAt: check.AddDate(0, 1, 0)}), check, "passed", "failed signer_not_yet_valid:signing_time")
		r = expect("after the key's period", issue(t, base, specimen.Spec{SignedAt: begin.AddDate(0, 6, 0)}), check, "passed", "passed")
		if !has(r.Notes, SignerKeyPeriodExceeded) {
			t.Errorf("after the key's period: notes %v", r.Notes)
		}
	})
}

// A master list signer's key, which the same CSCA certified, must not sign passports.
func TestOtherSignersOfTheCSCAAreRefused(t *testing.T) {
	doc := issue(t, specimen.DefaultProfile(begin), specimen.Spec{SignedAt: signed})
	list, err := doc.authority.MasterList(signed, doc.authority.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	message, err := trust.ParseSignedData(list)
	if err != nil {
		t.Fatal(err)
	}
	sod, err := lds.ParseSOD(doc.sod)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{message.Certificates[0], doc.authority.CSCA()} {
		ds, err := trust.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		a := judge{store: doc.store, at: check}.try(sod, sod.Signers[0], ds)
		if got := a.chain.String(); got != "failed signer_key_usage" {
			t.Errorf("%s: got %s, want failed signer_key_usage", ds.Subject, got)
		}
	}
}

func TestLinkCertificateStandsForItsCSCA(t *testing.T) {
	doc := issue(t, specimen.DefaultProfile(begin), specimen.Spec{SignedAt: signed})
	old, err := specimen.NewAuthority(specimen.DefaultProfile(begin.AddDate(-1, 0, 0)), specimen.Seed("old"))
	if err != nil {
		t.Fatal(err)
	}
	link, err := old.Link(doc.authority)
	if err != nil {
		t.Fatal(err)
	}
	doc.store = storeOf(t, old.CSCA(), link)
	if r := doc.judge(); !passed(r) {
		t.Errorf("got %s, %s", r.Signature, r.Chain)
	}
	if c := doc.store.Certificates(); !c[1].Link() || c[0].Link() {
		t.Errorf("links: got %v and %v, want false and true", c[0].Link(), c[1].Link())
	}
}

// CMS of indefinite lengths with a segmented content, as some chips hold it.
func TestIndefiniteLengthsAreRead(t *testing.T) {
	doc := issue(t, specimen.DefaultProfile(begin), specimen.Spec{SignedAt: signed})
	outer, err := ber.Parse(doc.sod, 0x77)
	if err != nil {
		t.Fatal(err)
	}
	doc.sod = ber.Encode(0x77, loosen(t, outer.Value, 0))
	if r := doc.judge(); !passed(r) {
		t.Errorf("got %s, %s", r.Signature, r.Chain)
	}
}

// loosen rewrites the outer levels of CMS with indefinite lengths; certificates,
// which are signed as they lie, stay.
func loosen(t *testing.T, b []byte, depth int) []byte {
	t.Helper()
	tlv, err := ber.List(b)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, e := range tlv {
		switch {
		case e.Tag == ber.OctetString && len(e.Value) > 80:
			half := len(e.Value) / 2
			out = append(out, 0x24, 0x80)
			out = append(append(out, ber.Encode(ber.OctetString, e.Value[:half])...), ber.Encode(ber.OctetString, e.Value[half:])...)
			out = append(out, 0, 0)
		case !e.Tag.Constructed(), depth == 3 && e.Tag == 0xA0 && len(e.Value) > 300, depth > 5:
			out = append(out, e.Raw...)
		default:
			out = append(append(ber.AppendTag(out, e.Tag), 0x80), loosen(t, e.Value, depth+1)...)
			out = append(out, 0, 0)
		}
	}
	return out
}

func TestPassiveNeverPassesByDefault(t *testing.T) {
	var zero Verdict
	if zero.Status == Passed || !strings.HasPrefix(zero.String(), "not_performed") {
		t.Errorf("the zero verdict is %s", zero)
	}
	r := Passive(&lds.SOD{}, nil, nil, check)
	if r.Signature.Status == Passed || r.Chain.Status == Passed {
		t.Errorf("the zero EF.SOD: got %s, %s", r.Signature, r.Chain)
	}
	r = Passive(&lds.SOD{SignedData: &trust.SignedData{}}, map[int][]byte{1: {0x61, 0}}, nil, check)
	if r.Signature.Status == Passed || r.Groups[1].String() != "failed dg_hash_missing:DG1" {
		t.Errorf("an empty EF.SOD: got %s, %s", r.Signature, r.Groups[1])
	}
}

func BenchmarkPassive(b *testing.B) {
	doc := issue(b, specimen.DefaultProfile(begin), specimen.Spec{SignedAt: signed})
	sod, err := lds.ParseSOD(doc.sod)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r := Passive(sod, doc.groups, doc.store, check); !passed(r) {
			b.Fatal(r.Signature, r.Chain)
		}
	}
}

// The bounds on signers and certificates hold for the whole message: each
// signer may be tried with each certificate, so a message that repeats the two
// fields could keep an inspection busy for minutes.
func TestRepeatedFieldsGetNoMoreSigners(t *testing.T) {
	doc := issue(t, specimen.DefaultProfile(begin), specimen.Spec{SignedAt: signed})
	for name, times := range map[string][2]int{"17 certificates": {17, 1}, "5 signers": {1, 5}} {
		if _, err := lds.ParseSOD(repeat(t, doc.sod, times[0], times[1])); err == nil {
			t.Errorf("%s in as many fields were taken", name)
		}
	}
	if _, err := lds.ParseSOD(repeat(t, doc.sod, 16, 4)); err != nil {
		t.Errorf("16 certificates and 4 signers: %v", err)
	}
}

// repeat writes EF.SOD's fields of certificates and of signers several times.
func repeat(t *testing.T, sod []byte, certificates, signers int) []byte {
	t.Helper()
	children := func(x ber.TLV) []ber.TLV {
		c, err := x.Children()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	file, err := ber.Parse(sod, lds.EFSOD.Tag)
	if err != nil {
		t.Fatal(err)
	}
	message := children(children(file)[0])
	var fields [][]byte
	for i, f := range children(children(message[1])[0]) {
		n := 1
		switch {
		case i > 2 && f.Tag == 0xA0:
			n = certificates
		case i > 2 && f.Tag == ber.Set:
			n = signers
		}
		for range n {
			fields = append(fields, f.Raw)
		}
	}
	return lds.EncodeSOD(ber.Encode(ber.Sequence, message[0].Raw, ber.Encode(0xA0, ber.Encode(ber.Sequence, fields...))))
}
