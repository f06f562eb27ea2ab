package authn_test

import (
	"context"
	"crypto"
	"testing"
	"time"

	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/authn"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var (
	examined = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	printed  = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3404159ZE184226B<<<<<16"}
)

// prover is a passport with every key a chip can have, its authority and the
// store that trusts it.
func prover(t *testing.T, lists ...func(*specimen.Authority) []byte) (chipsim.Passport, *trust.Store) {
	t.Helper()
	a, err := specimen.NewAuthority(specimen.DefaultProfile(examined.AddDate(-1, 0, 0)), specimen.Seed("examined"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: printed, BAC: true, SignedAt: examined.AddDate(0, -11, 0),
		PACE:       []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 12}, {OID: "0.4.0.127.0.7.2.2.4.2.2", ParameterID: 12}},
		ChipAuth:   []specimen.ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}},
		ActiveAuth: &specimen.ActiveAuth{Curve: "P-256", Hash: crypto.SHA256},
	})
	if err != nil {
		t.Fatal(err)
	}
	store := trust.NewStore()
	root, err := trust.ParseCertificate(a.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Import("csca", a.CSCA(), nil, examined); err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if _, err := store.Import("list", list(a), root, examined); err != nil {
			t.Fatal(err)
		}
	}
	return p, store
}

func readChip(t *testing.T, p chipsim.Passport, opt chipsim.Options) mrtd.Reading {
	t.Helper()
	m, err := mrz.Parse(printed, examined)
	if err != nil {
		t.Fatal(err)
	}
	r, err := mrtd.Read(context.Background(), chipsim.New(p, opt), mrtd.Key{MRZ: m.KeyMaterial()}, mrtd.Options{Groups: []int{1}, Proof: mrtd.ProofEvery})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExamineSumsUpWhatAChipDid(t *testing.T) {
	p, store := prover(t)
	for _, c := range []struct {
		name                               string
		opt                                chipsim.Options
		change                             func(*authn.Chip)
		store                              *trust.Store
		mapping, chip, active, cards, sums string
	}{
		{"all proofs", chipsim.Options{}, nil, store, "passed", "passed", "passed", "passed", "passed"},
		{"without chip authentication's key", chipsim.Options{Faults: chipsim.Faults{ChipAuthOtherKey: true}}, nil, store,
			"passed", "failed chip_authentication_failed", "passed", "passed", "failed chip_authentication_failed"},
		{"without active authentication's key", chipsim.Options{Faults: chipsim.Faults{ActiveAuthOtherKey: true}}, nil, store,
			"passed", "passed", "failed active_authentication_failed", "passed", "failed active_authentication_failed"},
		{"nobody trusted", chipsim.Options{}, nil, trust.NewStore(),
			"inconclusive chip_key_not_authentic:EF.CardSecurity", "inconclusive chip_key_not_authentic:EF.SOD", "inconclusive chip_key_not_authentic:EF.SOD",
			"inconclusive card_access_unconfirmed:DG14", "inconclusive chip_key_not_authentic:EF.CardSecurity"},
		{"the stronger variant hidden", chipsim.Options{}, func(c *authn.Chip) {
			c.Files[lds.EFCardAccess.Path()] = ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.2.2"), []byte{2, 1, 2}, []byte{2, 1, 12}))
		}, store, "passed", "passed", "passed", "failed pace_hidden:EF.CardAccess", "passed"},
		{"a variant nobody signed", chipsim.Options{}, func(c *authn.Chip) {
			set, _, err := ber.Next(c.Files[lds.EFCardAccess.Path()])
			if err != nil {
				t.Fatal(err)
			}
			weak := ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.2.1"), []byte{2, 1, 2}, []byte{2, 1, 8})
			c.Files[lds.EFCardAccess.Path()] = ber.Encode(ber.Set, set.Value, weak)
		}, store, "passed", "passed", "passed", "failed card_access_unconfirmed:EF.CardAccess", "passed"},
	} {
		chip := readChip(t, p, c.opt).Chip(printed)
		if c.change != nil {
			c.change(&chip)
		}
		f := authn.Options{}.Examine(chip, c.store, examined)
		for what, pair := range map[string][2]string{
			"mapping": {f.Mapping.String(), c.mapping}, "chip authentication": {f.ChipAuth.String(), c.chip},
			"active authentication": {f.ActiveAuth.String(), c.active}, "EF.CardAccess": {f.CardAccess.String(), c.cards}, "sum": {f.Genuine.String(), c.sums},
			"MRZ": {f.MRZ.String(), "passed"}, "EF.COM": {f.COM.String(), "passed"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, what, pair[0], pair[1])
			}
		}
	}
}

// A state that published that keys of active authentication are known to
// others has said that such a signature proves nothing.
func TestExamineKnowsCompromisedKeys(t *testing.T) {
	p, store := prover(t, func(a *specimen.Authority) []byte {
		list, err := a.DeviationList(examined.AddDate(0, -1, 0), specimen.Deviation{Signer: a.Signer(), Type: "2.23.136.1.1.7.1.4"})
		if err != nil {
			t.Fatal(err)
		}
		return list
	})
	f := authn.Options{}.Examine(readChip(t, p, chipsim.Options{}).Chip(printed), store, examined)
	if got, want := f.ActiveAuth.String(), "inconclusive known_deviation:aa_key_compromised"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if f.Genuine.Status != authn.Passed { // chip authentication proves it all the same
		t.Errorf("sum: got %s, want passed", f.Genuine)
	}
}
