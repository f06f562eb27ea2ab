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
	active, proving, mapping := s.issue(s.state, s.active()), s.issue(s.state, s.proving()), s.issue(s.state, s.mapping())
	rsa := s.active()
	rsa.ActiveAuth = &specimen.ActiveAuth{Bits: 1024, Hash: rsa.ActiveAuth.Hash}
	activeRSA := s.issue(s.state, rsa)
	both := s.proving()
	both.ActiveAuth = s.active().ActiveAuth
	twoKeys := s.issue(s.state, both)
	mine := s.issue(s.state, both) // the attacker's own passport, and its keys
	row := func(name, clause, reason string, p chipsim.Passport, f chipsim.Faults, change func(*chipsim.Passport)) Attack {
		return Attack{
			Name: name, Clause: clause, Has: hasFiles, Stopped: "proof of the chip", Reason: reason, Printed: s.lines,
			Card: faulty(copyOf(p, change), f), Twin: chip(p),
		}
	}
	asIs := func(*chipsim.Passport) {}
	const aa, ca, cam, hidden = "Doc 9303-11, 6.1", "Doc 9303-11, 6.2", "Doc 9303-11, 4.4.3.5", "Doc 9303-10, 4.6.1"
	hide := func(n int) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			delete(p.Files, group(n))
			s.listing(p, func(list []int) []int { return slices.DeleteFunc(list, func(g int) bool { return g == n }) })
		}
	}
	unlist := func(n int) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			s.listing(p, func(list []int) []int { return slices.DeleteFunc(list, func(g int) bool { return g == n }) })
		}
	}
	rows := []Attack{
		row("copy without the key of active authentication", aa, "active_authentication_failed", active, chipsim.Faults{ActiveAuthOtherKey: true}, asIs),
		row("copy without the RSA key of active authentication", aa, "active_authentication_failed", activeRSA, chipsim.Faults{ActiveAuthOtherKey: true}, asIs),
		row("copy that does not know active authentication", aa, "active_authentication_declined", active, chipsim.Faults{ActiveAuthRefused: apdu.WrongINS}, asIs),
		row("signature of an earlier active authentication", aa, "active_authentication_failed", active, chipsim.Faults{ActiveAuthReplay: true}, asIs),
		row("signature of an earlier active authentication, RSA", aa, "active_authentication_failed", activeRSA, chipsim.Faults{ActiveAuthReplay: true}, asIs),
		row("DG15 swapped for one with the attacker's key", aa, "dg_hash_mismatch:DG15", active, chipsim.Faults{}, func(p *chipsim.Passport) {
			p.Files[group(15)], p.ActiveAuth = mine.Files[group(15)], mine.ActiveAuth
		}),
		row("DG15 withheld and not in EF.COM", hidden, "active_authentication_hidden:DG15", active, chipsim.Faults{}, hide(15)),
		row("DG15 withheld", aa, "active_authentication_hidden:DG15", active, chipsim.Faults{}, func(p *chipsim.Passport) { delete(p.Files, group(15)) }),
		row("DG15 removed from EF.COM, in EF.SOD", hidden, "com_sod_mismatch:DG15", active, chipsim.Faults{}, unlist(15)),
		row("EF.COM withheld with DG15", hidden, "active_authentication_hidden:DG15", active, chipsim.Faults{}, func(p *chipsim.Passport) {
			delete(p.Files, group(15))
			delete(p.Files, lds.EFCOM.Path())
		}),
		row("copy without the key of chip authentication", ca, "chip_authentication_failed", proving, chipsim.Faults{ChipAuthOtherKey: true}, asIs),
		row("copy that declines chip authentication", ca, "chip_authentication_declined", proving, chipsim.Faults{ChipAuthRefused: apdu.WrongP1P2}, asIs),
		row("DG14 swapped for one with the attacker's key", ca, "dg_hash_mismatch:DG14", proving, chipsim.Faults{}, func(p *chipsim.Passport) {
			p.Files[group(14)], p.ChipAuth = mine.Files[group(14)], mine.ChipAuth
		}),
		row("DG14 withheld and not in EF.COM", hidden, "chip_file_missing:DG14", proving, chipsim.Faults{}, hide(14)),
		row("DG14 removed from EF.COM, in EF.SOD", hidden, "com_sod_mismatch:DG14", proving, chipsim.Faults{}, unlist(14)),
		row("EF.COM withheld with DG14", hidden, "chip_file_missing:DG14", proving, chipsim.Faults{}, func(p *chipsim.Passport) {
			delete(p.Files, group(14))
			delete(p.Files, lds.EFCOM.Path())
		}),
		row("copy with the key of active authentication alone", ca, "chip_authentication_declined", twoKeys, chipsim.Faults{}, func(p *chipsim.Passport) { p.ChipAuth = nil }),
		row("copy of files alone, with two keys in the original", ca, "chip_authentication_declined", twoKeys, chipsim.Faults{}, func(p *chipsim.Passport) { p.ChipAuth, p.ActiveAuth = nil, nil }),
		row("DG14 and DG15 swapped for the attacker's", ca, "dg_hash_mismatch:DG14", twoKeys, chipsim.Faults{}, func(p *chipsim.Passport) {
			p.Files[group(14)], p.Files[group(15)], p.ChipAuth, p.ActiveAuth = mine.Files[group(14)], mine.Files[group(15)], mine.ChipAuth, mine.ActiveAuth
		}),
		row("copy without the key of PACE's chip authentication mapping", cam, "chip_mapping_failed", mapping, chipsim.Faults{}, func(p *chipsim.Passport) {
			p.CAM, p.ChipAuth = s.issue(s.state, s.mapping()).CAM, nil
		}),
		row("EF.CardSecurity withheld", cam, "chip_authentication_declined", mapping, chipsim.Faults{}, func(p *chipsim.Passport) {
			p.CAM, p.ChipAuth = s.issue(s.state, s.mapping()).CAM, nil
			delete(p.Files, lds.EFCardSecurity.Path())
		}),
	}
	own := row("EF.CardSecurity and mapping key of another genuine passport", cam, "chip_authentication_declined", mapping, chipsim.Faults{}, func(p *chipsim.Passport) {
		of := s.issue(s.state, s.mapping())
		p.CAM, p.ChipAuth, p.Files[lds.EFCardSecurity.Path()] = of.CAM, nil, of.Files[lds.EFCardSecurity.Path()]
	})
	own.Has = hasInsider
	abroad := row("EF.CardSecurity and mapping key of another state", cam, "chip_authentication_declined", mapping, chipsim.Faults{}, func(p *chipsim.Passport) {
		of := s.issue(s.abroad, s.mapping())
		p.CAM, p.ChipAuth, p.Files[lds.EFCardSecurity.Path()] = of.CAM, nil, of.Files[lds.EFCardSecurity.Path()]
	})
	abroad.Has = hasState
	for i := range rows {
		if rows[i].Reason == "chip_file_missing:DG14" {
			rows[i].Read = "chip_authentication_hidden:DG14"
		}
	}
	return append(rows, own, abroad)
}
