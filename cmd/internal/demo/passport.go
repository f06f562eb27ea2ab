package demo

import (
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/pn532sim"
	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
)

// issued is a traveller's document: what is printed, and the chip in it.
type issued struct {
	printed []string
	read    []string // what the MRZ reader makes of it
	chip    pn532sim.Card
}

// authorities issue the travellers' documents: one that the gate trusts, and
// one that it has never heard of.
type authorities struct {
	trusted, unknown *specimen.Authority
	now              time.Time
	made             *sync.Map // passports by what was ordered: who comes again has the chip they had
}

// newAuthorities makes both afresh: two years old, as most passports are.
func newAuthorities(now time.Time) (authorities, error) {
	profile := specimen.DefaultProfile(now.AddDate(-2, 0, 0))
	trusted, err := specimen.NewAuthority(profile, specimen.Seed("the demonstration's state"))
	if err != nil {
		return authorities{}, err
	}
	unknown, err := specimen.NewAuthority(profile, specimen.Seed("a forger's kitchen"))
	return authorities{trusted, unknown, now, &sync.Map{}}, err
}

// How documents are made: by PACE-ECDH-GM with AES-256 over brainpoolP256r1,
// the commonest today, and signed some months ago.
const (
	paceAES256    = "0.4.0.127.0.7.2.2.4.2.4"
	paceCAMAES256 = "0.4.0.127.0.7.2.2.4.6.4"
	brainpoolP256 = 13
	keyCurve      = "brainpoolP256r1"
	monthsOld     = 23 // within the signer's first months, as real ones sign
)

// issue makes a traveller's document, then does to it what the row says.
func (a authorities) issue(t Traveller) (issued, error) {
	fields, err := fieldsOf(t.Document, a.now)
	if err != nil {
		return issued{}, err
	}
	authority := a.trusted
	if t.Wrong.UnknownSigner {
		authority = a.unknown
	}
	passport, lines, err := a.make(authority, t, fields, t.Face)
	if err != nil {
		return issued{}, err
	}
	out := issued{printed: lines}
	switch t.Wrong.ChangedGroup {
	case 1: // the forger changed the name in print and chip alike
		fields.Secondary = strings.Repeat("X", 3) + fields.Secondary
		forged, forgedLines, err := a.make(authority, t, fields, t.Face)
		if err != nil {
			return issued{}, err
		}
		replaceGroup(passport, forged, 1)
		out.printed = forgedLines
	case 2: // the forger put another portrait into the chip
		other := faces.Names()[len(faces.Names())-1]
		forged, _, err := a.make(authority, t, fields, other)
		if err != nil {
			return issued{}, err
		}
		replaceGroup(passport, forged, 2)
	}
	if t.Wrong.PrintedName != "" {
		fields.Primary = t.Wrong.PrintedName
		if out.printed, err = mrz.Format(fields); err != nil {
			return issued{}, err
		}
	}
	out.read = slices.Clone(out.printed)
	if t.Wrong.Misread {
		row := map[Format]int{TD3: 1, TD1: 0}[t.Document.Format]
		out.read[row] = strings.Replace(out.read[row], "0", "O", 1)
	}
	out.chip = chipsim.New(passport, chipsim.Options{Faults: chipsim.Faults{
		GoneAfter: t.Wrong.LostAfter, PACEFails: t.Document.Access == BrokenPACE,
		ChipAuthOtherKey: t.Wrong.Copied, ActiveAuthOtherKey: t.Wrong.Copied,
	}})
	switch {
	case t.Wrong.SlipsAfter > 0:
		out.chip = &slipping{Card: out.chip, left: t.Wrong.SlipsAfter}
	case t.Wrong.PACEHidden:
		out.chip = hidingPACE{out.chip}
	}
	return out, nil
}

func replaceGroup(p, from chipsim.Passport, n int) {
	f, _ := lds.FileOfGroup(n)
	p.Files[f.Path()] = from.Files[f.Path()]
}

// make issues one passport with a face's portrait.
func (a authorities) make(by *specimen.Authority, t Traveller, fields mrz.Fields, face string) (chipsim.Passport, []string, error) {
	lines, err := mrz.Format(fields)
	if err != nil {
		return chipsim.Passport{}, nil, fmt.Errorf("the MRZ of %q cannot be written: %w", t.Name, err)
	}
	portrait, err := faces.Portrait(face)
	if t.Document.JPEG2000 {
		portrait, err = faces.PortraitJPEG2000(face)
	}
	if err != nil {
		return chipsim.Passport{}, nil, err
	}
	spec := specimen.Spec{Lines: lines, Portrait: portrait, CAN: t.Document.CAN, BAC: true, SignedAt: a.now.AddDate(0, -monthsOld, 0)}
	if t.Document.Access != BAC {
		spec.PACE = []chipsim.PACE{{OID: paceAES256, ParameterID: brainpoolP256}}
	}
	switch t.Document.Proof {
	case ChipAuthentication:
		spec.ChipAuth = []specimen.ChipAuth{{Cipher: access.AES128, Curve: keyCurve, KeyID: -1}}
	case ActiveAuthentication:
		spec.ActiveAuth = &specimen.ActiveAuth{Curve: keyCurve, Hash: crypto.SHA256}
	case Mapping:
		spec.PACE = []chipsim.PACE{{OID: paceCAMAES256, ParameterID: brainpoolP256}}
	}
	order := fmt.Sprint(by == a.trusted, t.Document, lines, face)
	made, ok := a.made.Load(order)
	if !ok {
		if made, err = by.Issue(spec); err != nil {
			return chipsim.Passport{}, nil, err
		}
		a.made.Store(order, made)
	}
	passport := made.(chipsim.Passport)
	passport.Files = maps.Clone(passport.Files) // rows change files
	return passport, lines, nil
}

// fieldsOf is a row's document as an MRZ states it.
func fieldsOf(d Document, now time.Time) (mrz.Fields, error) {
	f := mrz.Fields{
		Layout: mrz.TD3, DocumentCode: "P", Issuer: "UTO", Number: d.Number, Nationality: "UTO",
		Primary: d.Surname, Secondary: d.Given, Sex: d.Sex,
	}
	if d.Format == TD1 {
		f.Layout, f.DocumentCode = mrz.TD1, "I"
	}
	if d.Nationality != "" {
		f.Nationality = d.Nationality
	}
	var err error
	if f.Birth, err = date(d.Birth); err != nil {
		return f, err
	}
	if d.Expiry == "" {
		d.Expiry = now.AddDate(5, 0, 0).Format(time.DateOnly)
	}
	f.Expiry, err = date(d.Expiry)
	return f, err
}

func date(s string) (mrz.Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return mrz.Date{}, fmt.Errorf("a date of the travellers' table: %w", err)
	}
	return mrz.Date{Year: t.Year(), Month: int(t.Month()), Day: t.Day()}, nil
}
