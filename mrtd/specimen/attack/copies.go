package attack

import (
	"slices"

	"limen/mrtd/apdu"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// copies are chips with a genuine passport's files and without its keys.
func (s *scene) copies() []Attack {
	own := s.proving()
	own.ActiveAuth = s.active().ActiveAuth
	both, mine := s.issue(s.state, own), s.issue(s.state, own) // the original, and the attacker's own passport
	return slices.Concat(s.copiesOfActive(mine), s.copiesOfProving(mine), s.copiesOfBoth(both, mine), s.copiesOfMapping())
}

// The clauses that copies are found out by.
const (
	byActive  = "Doc 9303-11, 6.1"
	byChip    = "Doc 9303-11, 6.2"
	byMapping = "Doc 9303-11, 4.4.3.5"
	byList    = "Doc 9303-10, 4.6.1"
)

func (s *scene) copied(name, clause, reason string, p chipsim.Passport, f chipsim.Faults, change func(*chipsim.Passport)) Attack {
	return Attack{
		Name: name, Clause: clause, Has: hasFiles, Stopped: "proof of the chip", Reason: reason, Printed: s.lines,
		Card: faulty(copyOf(p, change), f), Twin: chip(p),
	}
}

func asIs(*chipsim.Passport) {}

// without takes a group out of EF.COM, withheld out of the chip, and hidden out of both.
func (s *scene) without(n int) func(*chipsim.Passport) {
	return func(p *chipsim.Passport) {
		s.listing(p, func(list []int) []int { return slices.DeleteFunc(list, func(g int) bool { return g == n }) })
	}
}

func (s *scene) hidden(n int) func(*chipsim.Passport) {
	return func(p *chipsim.Passport) {
		s.without(n)(p)
		delete(p.Files, group(n))
	}
}

func withheld(paths ...lds.Path) func(*chipsim.Passport) {
	return func(p *chipsim.Passport) {
		for _, path := range paths {
			delete(p.Files, path)
		}
	}
}

func (s *scene) copiesOfActive(mine chipsim.Passport) []Attack {
	active := s.issue(s.state, s.active())
	spec := s.active()
	spec.ActiveAuth = &specimen.ActiveAuth{Bits: 1024, Hash: spec.ActiveAuth.Hash}
	rsa := s.issue(s.state, spec)
	const failed, declined, hidden = "active_authentication_failed", "active_authentication_declined", "active_authentication_hidden:DG15"
	none := chipsim.Faults{}
	return []Attack{
		s.copied("copy without the key of active authentication", byActive, failed, active, chipsim.Faults{ActiveAuthOtherKey: true}, asIs),
		s.copied("copy without the RSA key of active authentication", byActive, failed, rsa, chipsim.Faults{ActiveAuthOtherKey: true}, asIs),
		s.copied("copy that does not know active authentication", byActive, declined, active, chipsim.Faults{ActiveAuthRefused: apdu.WrongINS}, asIs),
		s.copied("signature of an earlier active authentication", byActive, failed, active, chipsim.Faults{ActiveAuthReplay: true}, asIs),
		s.copied("signature of an earlier active authentication, RSA", byActive, failed, rsa, chipsim.Faults{ActiveAuthReplay: true}, asIs),
		s.copied("DG15 swapped for one with the attacker's key", byActive, "dg_hash_mismatch:DG15", active, none, func(p *chipsim.Passport) {
			p.Files[group(15)], p.ActiveAuth = mine.Files[group(15)], mine.ActiveAuth
		}),
		s.copied("DG15 withheld and not in EF.COM", byList, hidden, active, none, s.hidden(15)),
		s.copied("DG15 withheld", byActive, hidden, active, none, withheld(group(15))),
		s.copied("DG15 removed from EF.COM, in EF.SOD", byList, "com_sod_mismatch:DG15", active, none, s.without(15)),
		s.copied("EF.COM withheld with DG15", byList, hidden, active, none, withheld(group(15), lds.EFCOM.Path())),
	}
}

func (s *scene) copiesOfProving(mine chipsim.Passport) []Attack {
	proving, none := s.issue(s.state, s.proving()), chipsim.Faults{}
	rows := []Attack{
		s.copied("copy without the key of chip authentication", byChip, "chip_authentication_failed", proving, chipsim.Faults{ChipAuthOtherKey: true}, asIs),
		s.copied("copy that declines chip authentication", byChip, "chip_authentication_declined", proving, chipsim.Faults{ChipAuthRefused: apdu.WrongP1P2}, asIs),
		s.copied("DG14 swapped for one with the attacker's key", byChip, "dg_hash_mismatch:DG14", proving, none, func(p *chipsim.Passport) {
			p.Files[group(14)], p.ChipAuth = mine.Files[group(14)], mine.ChipAuth
		}),
		s.copied("DG14 withheld and not in EF.COM", byList, "chip_file_missing:DG14", proving, none, s.hidden(14)),
		s.copied("DG14 removed from EF.COM, in EF.SOD", byList, "com_sod_mismatch:DG14", proving, none, s.without(14)),
		s.copied("EF.COM withheld with DG14", byList, "chip_file_missing:DG14", proving, none, withheld(group(14), lds.EFCOM.Path())),
	}
	for i := range rows {
		if rows[i].Reason == "chip_file_missing:DG14" {
			rows[i].Read = "chip_authentication_hidden:DG14"
		}
	}
	return rows
}

func (s *scene) copiesOfBoth(both, mine chipsim.Passport) []Attack {
	const declined = "chip_authentication_declined"
	none := chipsim.Faults{}
	return []Attack{
		s.copied("copy with the key of active authentication alone", byChip, declined, both, none, func(p *chipsim.Passport) { p.ChipAuth = nil }),
		s.copied("copy of files alone, with two keys in the original", byChip, declined, both, none, func(p *chipsim.Passport) { p.ChipAuth, p.ActiveAuth = nil, nil }),
		s.copied("DG14 and DG15 swapped for the attacker's", byChip, "dg_hash_mismatch:DG14", both, none, func(p *chipsim.Passport) {
			p.Files[group(14)], p.Files[group(15)], p.ChipAuth, p.ActiveAuth = mine.Files[group(14)], mine.Files[group(15)], mine.ChipAuth, mine.ActiveAuth
		}),
	}
}

// copiesOfMapping are those of a passport that proves itself in opening. Nothing
// but the state ties EF.CardSecurity, which has the key, to EF.SOD.
func (s *scene) copiesOfMapping() []Attack {
	mapping := s.issue(s.state, s.mapping())
	with := func(by *specimen.Authority, change func(p *chipsim.Passport, of chipsim.Passport)) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			of := s.issue(by, s.mapping())
			p.CAM, p.ChipAuth = of.CAM, nil
			change(p, of)
		}
	}
	keyAlone := func(*chipsim.Passport, chipsim.Passport) {}
	andFile := func(p *chipsim.Passport, of chipsim.Passport) {
		p.Files[lds.EFCardSecurity.Path()] = of.Files[lds.EFCardSecurity.Path()]
	}
	const declined = "chip_authentication_declined"
	rows := []Attack{
		s.copied("copy without the key of PACE's chip authentication mapping", byMapping, "chip_mapping_failed", mapping, chipsim.Faults{}, with(s.state, keyAlone)),
		s.copied("EF.CardSecurity withheld", byMapping, declined, mapping, chipsim.Faults{}, with(s.state, func(p *chipsim.Passport, _ chipsim.Passport) {
			delete(p.Files, lds.EFCardSecurity.Path())
		})),
		s.copied("EF.CardSecurity and mapping key of another genuine passport", byMapping, declined, mapping, chipsim.Faults{}, with(s.state, andFile)),
		s.copied("EF.CardSecurity and mapping key of another state", byMapping, declined, mapping, chipsim.Faults{}, with(s.abroad, andFile)),
	}
	rows[2].Has, rows[3].Has = hasInsider, hasState
	return rows
}
