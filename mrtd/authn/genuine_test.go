package authn

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// extended is a reader that carries extended length.
type extended struct{ apdu.Card }

func (extended) Limits() (command, response int) { return 65544, 65538 }

// proving is a passport with both keys, or those asked for.
func proving(t testing.TB, s specimen.Spec) (chipsim.Passport, *trust.Store) {
	t.Helper()
	a, err := specimen.NewAuthority(specimen.DefaultProfile(begin), specimen.Seed("utopia"))
	if err != nil {
		t.Fatal(err)
	}
	s.Lines, s.BAC, s.SignedAt = utopia, true, signed
	p, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	return p, storeOf(t, a.CSCA())
}

var bothKeys = specimen.Spec{
	ChipAuth:   []specimen.ChipAuth{{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: -1}},
	ActiveAuth: &specimen.ActiveAuth{Curve: "brainpoolP256r1", Hash: crypto.SHA256},
}

// findings are the verdicts of one inspection.
type findings struct {
	chip, active, genuine Verdict
	passive               Result
	com                   Verdict
}

// inspect reads the passport's files as a reader would that goes by EF.SOD, has
// the chip prove itself, and judges it.
func inspect(t *testing.T, p chipsim.Passport, faults chipsim.Faults, store *trust.Store) findings {
	t.Helper()
	ctx := context.Background()
	card := extended{chipsim.New(p, chipsim.Options{Faults: faults})}
	if _, err := apdu.Send(ctx, card, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		t.Fatal(err)
	}
	session, err := access.BAC(ctx, card, "L898902C3674081221204159", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	read := func(s apdu.Card, f lds.File) []byte {
		r, err := apdu.Send(ctx, s, apdu.ReadBinarySFI(f.SFI, apdu.MaxLe))
		if err != nil || r.SW != apdu.Success {
			return nil
		}
		return r.Data
	}
	dg14File, _ := lds.FileOfGroup(14)
	dg15File, _ := lds.FileOfGroup(15)
	dg1File, _ := lds.FileOfGroup(1)
	dg14, dg15 := read(session, dg14File), read(session, dg15File)
	groups := map[int][]byte{}
	if dg14 != nil {
		groups[14] = dg14
	}
	if dg15 != nil {
		groups[15] = dg15
	}

	var current apdu.Card = session
	chipOutcome := Withheld
	if infos, err := lds.ParseDG14(dg14); err == nil {
		chipOutcome = NotRun
		if variants := access.ChipAuthVariants(infos); len(variants) > 0 {
			got, err := access.ChipAuthentication(ctx, session, variants[0], rand.Reader)
			if err == nil {
				err, current = got.Confirm(ctx), got.Session
			}
			chipOutcome = OutcomeOf(err)
		}
	}
	activeOutcome, signature := Withheld, Verdict{}
	if key, err := lds.ParseDG15(dg15); err == nil {
		size := 0
		if key.Modulus != nil {
			size = key.Modulus.BitLen() / 8
		}
		nonce := make([]byte, 8)
		rand.Read(nonce)
		if chipOutcome == Contradicted { // that session is over: the chip is selected anew
			card.Card.(*chipsim.Card).Reset()
			apdu.Send(ctx, card, apdu.SelectApplication(apdu.EMRTD()))
			if current, err = access.BAC(ctx, card, "L898902C3674081221204159", rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
		s, err := access.ActiveAuthentication(ctx, current, nonce, size)
		if activeOutcome = OutcomeOf(err); err == nil {
			signature, _ = Active(dg15, dg14, nonce, s)
		}
	}
	if dg1 := read(current, dg1File); dg1 != nil {
		groups[1] = dg1
	}
	var out findings
	sod, err := lds.ParseSOD(p.Files[lds.EFSOD.Path()])
	if err != nil {
		t.Fatal(err)
	}
	out.passive = Passive(sod, groups, store, check)
	com, err := lds.ParseCOM(p.Files[lds.EFCOM.Path()])
	if err != nil {
		t.Fatal(err)
	}
	out.com = CompareCOM(&com, sod)
	out.chip = ChipAuthentication(chipOutcome, dg14, out.passive)
	out.active = ActiveAuthentication(activeOutcome, signature, dg15, out.passive)
	out.genuine = ChipGenuine(out.chip, out.active)
	return out
}

func TestGenuineChipsPass(t *testing.T) {
	for _, c := range []struct {
		name         string
		spec         specimen.Spec
		chip, active string
		genuine      string
	}{
		{"both", bothKeys, "passed", "passed", "passed"},
		{"no key", specimen.Spec{}, "not_present", "not_present", "not_present"},
		{"PACE infos in DG14 alone", specimen.Spec{PACE: []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.2.2", ParameterID: 13}}}, "not_present", "not_present", "not_present"},
		{"active authentication with RSA", specimen.Spec{ActiveAuth: &specimen.ActiveAuth{Bits: 1024, Hash: crypto.SHA1}}, "not_present", "passed", "passed"},
		{"active authentication on P-384", specimen.Spec{ActiveAuth: &specimen.ActiveAuth{Curve: "P-384", Explicit: true, Hash: crypto.SHA384}}, "not_present", "passed", "passed"},
		{"chip authentication, 3DES", specimen.Spec{ChipAuth: []specimen.ChipAuth{{Cipher: access.TripleDES, Curve: "P-256", KeyID: 0}}}, "passed", "not_present", "passed"},
		{"chip authentication, unannounced", specimen.Spec{ChipAuth: []specimen.ChipAuth{{Cipher: access.TripleDES, Curve: "P-224", KeyID: -1, Unannounced: true}}}, "passed", "not_present", "passed"},
		{"chip authentication by DH, two protocols", specimen.Spec{ChipAuth: []specimen.ChipAuth{
			{Cipher: access.TripleDES, Group: "RFC 5114 2048/256", KeyID: 3}, {Cipher: access.AES256, Group: "RFC 5114 2048/256", KeyID: 3}}}, "passed", "not_present", "passed"},
		{"chip authentication, two keys", specimen.Spec{ChipAuth: []specimen.ChipAuth{
			{Cipher: access.TripleDES, Group: "RFC 5114 1024/160", KeyID: 1}, {Cipher: access.AES192, Curve: "P-521", KeyID: 2}}}, "passed", "not_present", "passed"},
	} {
		p, store := proving(t, c.spec)
		got := inspect(t, p, chipsim.Faults{}, store)
		if got.chip.String() != c.chip || got.active.String() != c.active || got.genuine.String() != c.genuine {
			t.Errorf("%s: got chip %s, active %s, genuine %s; want %s, %s, %s", c.name, got.chip, got.active, got.genuine, c.chip, c.active, c.genuine)
		}
		if got.passive.Groups[1].Status != Passed || got.com.Status != Passed {
			t.Errorf("%s: got DG1 %s, EF.COM %s", c.name, got.passive.Groups[1], got.com)
		}
	}
}

// Each attack is a chip that must not pass for the issuer's.
func TestCopiesAreFoundOut(t *testing.T) {
	copyOf := func(p chipsim.Passport, change func(*chipsim.Passport)) chipsim.Passport {
		files := map[lds.Path][]byte{}
		for path, b := range p.Files {
			files[path] = b
		}
		p.Files = files
		change(&p)
		return p
	}
	theirs, store := proving(t, bothKeys)
	own := specimen.Spec{
		ChipAuth:   []specimen.ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: -1}},
		ActiveAuth: &specimen.ActiveAuth{Curve: "P-256", Hash: crypto.SHA256},
	}
	mine, _ := proving(t, own) // the attacker's own keys, made by the same authority in another passport
	hide := func(n int) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			com, err := lds.ParseCOM(p.Files[0x011E])
			if err != nil {
				t.Fatal(err)
			}
			var left []int
			for _, g := range com.Groups {
				if g != n {
					left = append(left, g)
				}
			}
			com.Groups = left
			p.Files[0x011E] = lds.EncodeCOM(com)
			delete(p.Files, lds.Path(0x0100+n))
		}
	}
	activeAlone, _ := proving(t, specimen.Spec{ActiveAuth: &specimen.ActiveAuth{Bits: 1024, Hash: crypto.SHA256}})
	chipAlone, _ := proving(t, specimen.Spec{ChipAuth: bothKeys.ChipAuth})
	for _, c := range []struct {
		name                  string
		p                     chipsim.Passport
		faults                chipsim.Faults
		store                 *trust.Store
		chip, active, genuine string
	}{
		{"AA key missing", theirs, chipsim.Faults{ActiveAuthOtherKey: true}, store,
			"passed", "failed active_authentication_failed", "failed active_authentication_failed"},
		{"AA key missing, RSA", activeAlone, chipsim.Faults{ActiveAuthOtherKey: true}, store,
			"not_present", "failed active_authentication_failed", "failed active_authentication_failed"},
		{"AA declined", activeAlone, chipsim.Faults{ActiveAuthRefused: apdu.WrongINS}, store,
			"not_present", "failed active_authentication_declined", "failed active_authentication_declined"},
		{"AA replayed", activeAlone, chipsim.Faults{ActiveAuthReplay: true}, store,
			"not_present", "failed active_authentication_failed", "failed active_authentication_failed"},
		{"AA outside secure messaging", activeAlone, chipsim.Faults{ActiveAuthPlain: true}, store,
			"not_present", "inconclusive active_authentication_interrupted", "inconclusive active_authentication_interrupted"},
		{"CA key missing", theirs, chipsim.Faults{ChipAuthOtherKey: true}, store,
			"failed chip_authentication_failed", "passed", "failed chip_authentication_failed"},
		{"CA declined", chipAlone, chipsim.Faults{ChipAuthRefused: apdu.WrongP1P2}, store,
			"failed chip_authentication_declined", "not_present", "failed chip_authentication_declined"},
		{"files alone", copyOf(theirs, func(p *chipsim.Passport) { p.ChipAuth, p.ActiveAuth = nil, nil }), chipsim.Faults{}, store,
			"failed chip_authentication_declined", "failed active_authentication_declined", "failed chip_authentication_declined"},
		{"DG14 swapped", copyOf(theirs, func(p *chipsim.Passport) {
			p.Files[0x010E], p.ChipAuth, p.ActiveAuth = mine.Files[0x010E], mine.ChipAuth, nil
		}), chipsim.Faults{ActiveAuthRefused: apdu.WrongINS}, store,
			"inconclusive chip_key_not_authentic:DG14", "failed active_authentication_declined", "failed active_authentication_declined"},
		{"DG15 swapped", copyOf(activeAlone, func(p *chipsim.Passport) {
			p.Files[0x010F], p.ActiveAuth = mine.Files[0x010F], mine.ActiveAuth
		}), chipsim.Faults{}, store,
			"not_present", "inconclusive chip_key_not_authentic:DG15", "inconclusive chip_key_not_authentic:DG15"},
		{"both swapped", copyOf(theirs, func(p *chipsim.Passport) {
			p.Files[0x010E], p.Files[0x010F], p.ChipAuth, p.ActiveAuth = mine.Files[0x010E], mine.Files[0x010F], mine.ChipAuth, mine.ActiveAuth
		}), chipsim.Faults{}, store,
			"inconclusive chip_key_not_authentic:DG14", "inconclusive chip_key_not_authentic:DG15", "inconclusive chip_key_not_authentic:DG14"},
		{"DG15 hidden", copyOf(activeAlone, hide(15)), chipsim.Faults{}, store,
			"not_present", "failed active_authentication_hidden:DG15", "failed active_authentication_hidden:DG15"},
		{"DG14 hidden", copyOf(chipAlone, hide(14)), chipsim.Faults{}, store,
			"inconclusive chip_authentication_hidden:DG14", "not_present", "inconclusive chip_authentication_hidden:DG14"},
		{"DG15 added by the copy", copyOf(chipAlone, func(p *chipsim.Passport) {
			p.Files[0x010F], p.ActiveAuth, p.ChipAuth = mine.Files[0x010F], mine.ActiveAuth, nil
		}), chipsim.Faults{}, store,
			"failed chip_authentication_declined", "inconclusive chip_key_not_authentic:DG15", "failed chip_authentication_declined"},
		{"signed by nobody known", theirs, chipsim.Faults{}, trust.NewStore(),
			"inconclusive chip_key_not_authentic:EF.SOD", "inconclusive chip_key_not_authentic:EF.SOD", "inconclusive chip_key_not_authentic:EF.SOD"},
	} {
		got := inspect(t, c.p, c.faults, c.store)
		if got.chip.String() != c.chip || got.active.String() != c.active || got.genuine.String() != c.genuine {
			t.Errorf("%s: got chip %s, active %s, genuine %s; want %s, %s, %s", c.name, got.chip, got.active, got.genuine, c.chip, c.active, c.genuine)
		}
	}
	if got := inspect(t, copyOf(activeAlone, hide(15)), chipsim.Faults{}, store); got.com.String() != "failed com_sod_mismatch:DG15" {
		t.Errorf("DG15 hidden: EF.COM: got %s", got.com)
	}
}

func TestVerdictsOfOutcomes(t *testing.T) {
	p, store := proving(t, bothKeys)
	dg14, dg15 := p.Files[0x010E], p.Files[0x010F]
	sod, err := lds.ParseSOD(p.Files[0x011D])
	if err != nil {
		t.Fatal(err)
	}
	judged := Passive(sod, map[int][]byte{14: dg14, 15: dg15}, store, check)
	unread := Passive(sod, nil, store, check)
	absent := Passive(nil, nil, store, check)
	malformed := PassiveFile([]byte{0x77, 2, 0x30, 0}, nil, store, check)
	other := bytes.Clone(dg14)
	passed := Verdict{Status: Passed}
	for _, c := range []struct {
		name    string
		o       Outcome
		r       Result
		files   bool
		ca, aaV string
	}{
		{"not run", NotRun, judged, true, "not_performed", "not_performed"},
		{"interrupted", Interrupted, judged, true, "inconclusive chip_authentication_interrupted", "inconclusive active_authentication_interrupted"},
		{"not read", NotRun, unread, false, "not_performed dg_not_read:DG14", "not_performed dg_not_read:DG15"},
		{"lost before it was read", Interrupted, unread, false, "not_performed dg_not_read:DG14", "not_performed dg_not_read:DG15"},
		{"withheld", Withheld, unread, false, "inconclusive chip_authentication_hidden:DG14", "failed active_authentication_hidden:DG15"},
		{"answered, files not judged", Answered, unread, true, "not_performed dg_not_read:DG14", "not_performed dg_not_read:DG15"},
		{"no EF.SOD", NotRun, absent, false, "not_present", "not_present"},
		{"no EF.SOD, answered", Answered, absent, true, "inconclusive chip_key_not_authentic:DG14", "inconclusive chip_key_not_authentic:DG15"},
		{"broken EF.SOD", NotRun, malformed, false, "inconclusive chip_key_not_authentic:EF.SOD", "inconclusive chip_key_not_authentic:EF.SOD"},
	} {
		var a, b []byte
		if c.files {
			a, b = dg14, dg15
		}
		if got := ChipAuthentication(c.o, a, c.r).String(); got != c.ca {
			t.Errorf("%s: chip authentication: got %s, want %s", c.name, got, c.ca)
		}
		if got := ActiveAuthentication(c.o, passed, b, c.r).String(); got != c.aaV {
			t.Errorf("%s: active authentication: got %s, want %s", c.name, got, c.aaV)
		}
	}
	// DG14 that is signed and has no key, or none of a known kind.
	for content, want := range map[string]string{
		string(ber.Encode(0x6E, ber.Encode(ber.Set))): "not_present",
		string(other[:len(other)-1]):                  "inconclusive ca_key_malformed:DG14",
		string(ber.Encode(0x6E, ber.Encode(ber.Set, ber.Encode(ber.Sequence,
			ber.EncodeOID("0.4.0.127.0.7.2.2.3.2.2"), ber.EncodeInt(big.NewInt(1)))))): "inconclusive algorithm_unknown:DG14",
	} {
		r := judged
		r.Groups = map[int]Verdict{14: passed}
		if got := ChipAuthentication(NotRun, []byte(content), r).String(); got != want {
			t.Errorf("DG14 %X: got %s, want %s", content, got, want)
		}
	}
	r := judged
	r.Groups = map[int]Verdict{14: passed}
	if got := ChipAuthentication(Answered, ber.Encode(0x6E, ber.Encode(ber.Set)), r); got.Status == Passed {
		t.Error("passed with a key that is not in DG14")
	}
	if got := ActiveAuthentication(Answered, Verdict{}, dg15, judged); got.Status == Passed {
		t.Error("passed without a signature")
	}
}

func TestChipGenuine(t *testing.T) {
	passed, absent := Verdict{Status: Passed}, Verdict{Status: NotPresent}
	failed, doubt := Verdict{Status: Failed, Code: ChipAuthenticationFailed}, Verdict{Status: Inconclusive, Code: ChipKeyNotAuthentic}
	for _, c := range []struct {
		proofs []Verdict
		want   string
	}{
		{nil, "not_performed"},
		{[]Verdict{{}, {}}, "not_performed"},
		{[]Verdict{absent, absent, absent}, "not_present"},
		{[]Verdict{absent, {}}, "not_performed"},
		{[]Verdict{absent, passed}, "passed"},
		{[]Verdict{passed, {}, doubt}, "passed"},
		{[]Verdict{passed, failed, passed}, "failed chip_authentication_failed"},
		{[]Verdict{doubt, {}}, "inconclusive chip_key_not_authentic"},
		{[]Verdict{doubt, failed}, "failed chip_authentication_failed"},
	} {
		if got := ChipGenuine(c.proofs...).String(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.proofs, got, c.want)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Answered},
		{&apdu.StatusError{SW: apdu.WrongData}, Declined},
		{&access.PlainStatusError{SW: apdu.WrongLength}, Declined},
		{fmt.Errorf("first answer: %w: %w", access.ErrChipKey, &access.PlainStatusError{SW: apdu.SMObjectsIncorrect}), Contradicted},
		{&access.PlainStatusError{SW: apdu.SMObjectsIncorrect}, Interrupted},
		{access.ErrIntegrity, Interrupted},
		{errors.New("lost"), Interrupted},
		{access.ErrSessionOver, Interrupted},
	} {
		if got := OutcomeOf(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}
