package attack

import (
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// borne are attacks that cannot be told from what honest documents do, and gain
// the attacker what Stopped says. The inspection admits; Reason is the note that
// it leaves, if any.
func (s *scene) borne() []Attack {
	plain, opened, active, proving := s.issue(s.state, s.plain()), s.issue(s.state, s.opened()), s.issue(s.state, s.active()), s.issue(s.state, s.proving())
	row := func(name, has, note, why string, card func() Card) Attack {
		return Attack{Name: name, Has: has, Reason: note, Stopped: why, Printed: s.lines, Card: card}
	}
	silent := s.proving()
	silent.PACE = nil
	unlisted := s.issue(s.state, silent) // a DG14 that does not repeat EF.CardAccess
	own := chipsim.PACE{OID: ecdhGM + aes256, ParameterID: 40, Curve: otherGenerator(ec.ByName("P-256"))}
	late := s.opened()
	late.SignedAt = s.at.AddDate(-1, -6, 1)
	backdated := s.issue(s.signer(s.old, specimen.SignerSpec{From: s.at.AddDate(-1, -6, 0), Until: s.at.AddDate(9, 0, 0)}), late)
	return []Attack{
		row("copy of a passport whose chip has no key", hasFiles, "pace_not_offered", "such a chip can be copied whole; the face must still match", chip(plain)),
		row("such a copy, open without a key", hasFiles, "chip_open_without_key", "as above; the first passports had no access control",
			chip(copyOf(plain, func(p *chipsim.Passport) { p.BAC = false }))),
		row("PACE broken off by a middleman, BAC used", hasMiddle, "pace_failed_bac_used", "the middleman listens; what is signed cannot be changed, and the chip is proven as ever",
			faulty(proving, chipsim.Faults{PACEFails: true})),
		row("the middleman's domain parameters where DG14 speaks of no PACE", hasMiddle, "card_access_unconfirmed:EF.CardAccess", "as above; early passports by PACE do not repeat EF.CardAccess in DG14",
			chip(copyOf(unlisted, func(p *chipsim.Passport) {
				p.Files[lds.EFCardAccess.Path()], p.PACE = s.cardAccess(own), []chipsim.PACE{own}
			}))),
		row("EF.COM withheld", hasFiles, "com_absent", "nothing: EF.SOD is the list that counts, and the newer data structures have no EF.COM",
			chip(copyOf(opened, func(p *chipsim.Passport) { delete(p.Files, lds.EFCOM.Path()) }))),
		row("error said outside, success inside", hasMiddle, "", "nothing: the status word outside is nobody's word", answered(chip(opened), protected(0), func(_ int, b []byte) []byte {
			return append(b[:len(b)-2], 0x69, 0x82)
		})),
		row("signer backdated by a CSCA that has expired", "the key of a CSCA that has expired", "csca_expired_since",
			"a state's revocation list; some states' signers do outlast their CSCA", chip(backdated)),
		row("genuine chip elsewhere, its answers relayed", "a device at the gate, another at a genuine passport", "", "nothing is forged; the face must still match",
			answered(chip(active), protected(0), func(_ int, b []byte) []byte { return b })),
	}
}
