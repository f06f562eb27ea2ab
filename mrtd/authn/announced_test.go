package authn

import (
	"crypto/rand"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// EF.CardAccess must announce what the signed DG14 does: less is a downgrade,
// and more is a forger's, but for documents whose DG14 does not repeat it.
func TestCompareCardAccess(t *testing.T) {
	a := newAuthority(t, quick(), "a")
	strong := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.2.4", ParameterID: 12}
	weak := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.2.1", ParameterID: 12}
	own := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.2.4", ParameterID: 40, Curve: ec.ByName("brainpoolP256r1")}
	files := func(pace ...chipsim.PACE) map[lds.Path][]byte {
		p, err := a.Issue(specimen.Spec{Lines: utopia, BAC: true, PACE: pace, SignedAt: signed})
		if err != nil {
			t.Fatal(err)
		}
		return p.Files
	}
	signedOnly := files(strong)
	unlisted, err := a.Issue(specimen.Spec{Lines: utopia, BAC: true, SignedAt: signed, ChipAuth: bothKeys.ChipAuth})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		files      map[lds.Path][]byte
		cardAccess []byte
		want       string
	}{
		{"as signed", signedOnly, signedOnly[lds.EFCardAccess.Path()], "passed"},
		{"none", signedOnly, nil, "failed pace_hidden:EF.CardAccess"},
		{"malformed", signedOnly, []byte{0x31, 5, 1}, "failed pace_hidden:EF.CardAccess"},
		{"another", signedOnly, files(weak)[lds.EFCardAccess.Path()], "failed pace_hidden:EF.CardAccess"},
		{"the stronger left out", files(strong, weak), files(weak)[lds.EFCardAccess.Path()], "failed pace_hidden:EF.CardAccess"},
		{"another beside it", signedOnly, files(strong, weak)[lds.EFCardAccess.Path()], "failed card_access_unconfirmed:EF.CardAccess"},
		{"other parameters beside it", signedOnly, files(strong, own)[lds.EFCardAccess.Path()], "failed card_access_unconfirmed:EF.CardAccess"},
		{"not repeated in DG14", unlisted.Files, signedOnly[lds.EFCardAccess.Path()], "inconclusive card_access_unconfirmed:EF.CardAccess"},
	} {
		dg14 := c.files[0x010E]
		r := PassiveFile(c.files[lds.EFSOD.Path()], map[int][]byte{14: dg14}, storeOf(t, a.CSCA()), check)
		if got := CompareCardAccess(c.cardAccess, dg14, r).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Nothing but the state ties EF.CardSecurity to EF.SOD: a mapping by a key that
// DG14 does not have is not yet this document's.
func TestMappingByTheKeyOfAnotherDocument(t *testing.T) {
	spec := specimen.Spec{
		Lines: utopia, SignedAt: signed, ChipAuth: []specimen.ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}},
		PACE: []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 12}, {OID: "0.4.0.127.0.7.2.2.4.2.2", ParameterID: 12}},
	}
	a := newAuthority(t, quick(), "a")
	profile := quick()
	profile.Country = "XO"
	abroad := newAuthority(t, profile, "abroad")
	issue := func(by *specimen.Authority) chipsim.Passport {
		p, err := by.Issue(spec)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	genuine, other, foreign := issue(a), issue(a), issue(abroad)
	store := storeOf(t, a.CSCA(), abroad.CSCA())
	for _, c := range []struct {
		name    string
		keys    chipsim.Passport // whose mapping and EF.CardSecurity the chip has
		chip    Outcome          // of chip authentication
		mapping string
	}{
		{"its own", genuine, NotRun, "passed"},
		{"another's", other, NotRun, "inconclusive chip_key_not_authentic:EF.CardSecurity"},
		{"another's, chip authentication declined", other, Declined, "inconclusive chip_key_not_authentic:EF.CardSecurity"},
		{"another's, chip authentication answered", other, Answered, "passed"},
		{"another state's", foreign, Answered, "inconclusive chip_key_not_authentic:EF.CardSecurity"},
	} {
		p := genuine
		p.CAM = c.keys.CAM
		chip := Chip{Files: map[lds.Path][]byte{}, Mapping: mappingOf(t, p), ChipAuth: c.chip}
		for path, b := range p.Files {
			chip.Files[path] = b
		}
		chip.Files[lds.EFCardSecurity.Path()] = c.keys.Files[lds.EFCardSecurity.Path()]
		if got := (Options{}).Examine(chip, store, check).Mapping.String(); got != c.mapping {
			t.Errorf("%s: got %s, want %s", c.name, got, c.mapping)
		}
	}
}

// mappingOf is the proof that a passport's chip gives by PACE.
func mappingOf(t *testing.T, p chipsim.Passport) *access.CAMProof {
	t.Helper()
	infos, err := lds.ParseCardAccess(p.Files[lds.EFCardAccess.Path()])
	if err != nil {
		t.Fatal(err)
	}
	opened, err := access.PACE(t.Context(), chipsim.New(p, chipsim.Options{}), access.Variants(infos)[0], access.MRZPassword("L898902C3674081221204159"), rand.Reader)
	if err != nil || opened.CAM == nil {
		t.Fatalf("the chip did not open by its mapping: %v", err)
	}
	return opened.CAM
}
