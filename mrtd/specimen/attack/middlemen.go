package attack

import (
	"bytes"
	"context"
	"math/big"
	"slices"

	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// middlemen are attacks on the way between chip and reader, by whoever knows
// what is printed on the document.
func (s *scene) middlemen() []Attack {
	return slices.Concat(s.downgrades(), s.onTheWay(), s.swaps())
}

// downgrades have a chip opened by less than it offers.
func (s *scene) downgrades() []Attack {
	spec := s.opened()
	spec.PACE = append(spec.PACE, chipsim.PACE{OID: ecdhGM + "1", ParameterID: p256})
	strongAndWeak, proving, mapping := s.issue(s.state, spec), s.issue(s.state, s.proving()), s.issue(s.state, s.mapping())
	const stopped = "comparison of EF.CardAccess and DG14"
	row := func(name, reason string, p chipsim.Passport, f chipsim.Faults, change func(*chipsim.Passport)) Attack {
		return Attack{
			Name: name, Clause: "Doc 9303-11, 4.2", Has: hasMiddle, Stopped: stopped, Reason: reason, Printed: s.lines,
			Card: faulty(copyOf(p, change), f), Twin: chip(p),
		}
	}
	announce := func(variants ...chipsim.PACE) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			p.Files[lds.EFCardAccess.Path()] = s.cardAccess(variants...)
			p.PACE = append(slices.Clone(p.PACE), variants...)
		}
	}
	const hidden = "pace_hidden:EF.CardAccess"
	own := chipsim.PACE{OID: ecdhGM + aes256, ParameterID: 40, Curve: otherGenerator(ec.ByName("P-256"))}
	weak := chipsim.PACE{OID: ecdhGM + aes256, ParameterID: 41, Curve: anomalous()}
	rows := []Attack{
		row("PACE downgraded to BAC, EF.CardAccess hidden", hidden, proving, chipsim.Faults{CardAccess: apdu.FileNotFound}, func(*chipsim.Passport) {}),
		row("PACE downgraded to BAC, EF.CardAccess refused", hidden, proving, chipsim.Faults{CardAccess: apdu.SecurityStatus}, func(*chipsim.Passport) {}),
		row("EF.CardAccess emptied", hidden, proving, chipsim.Faults{}, announce()),
		row("stronger variants removed from EF.CardAccess", hidden, strongAndWeak, chipsim.Faults{}, announce(chipsim.PACE{OID: ecdhGM + "1", ParameterID: p256})),
		row("chip authentication mapping removed from EF.CardAccess", hidden, mapping, chipsim.Faults{}, announce(chipsim.PACE{OID: ecdhGM + aes128, ParameterID: p256})),
		row("weak domain parameters in EF.CardAccess instead of the signed ones", hidden, proving, chipsim.Faults{}, announce(weak)),
		row("weak domain parameters in EF.CardAccess beside the signed ones", "card_access_unconfirmed:EF.CardAccess", proving, chipsim.Faults{}, announce(append(slices.Clone(proving.PACE), weak)...)),
		row("the middleman's domain parameters in EF.CardAccess beside the signed ones", "card_access_unconfirmed:EF.CardAccess", mapping, chipsim.Faults{}, announce(append([]chipsim.PACE{own}, mapping.PACE...)...)),
		row("variant of PACE added to EF.CardAccess", "card_access_unconfirmed:EF.CardAccess", strongAndWeak, chipsim.Faults{}, announce(append([]chipsim.PACE{{OID: ecdhGM + aes256, ParameterID: 13}}, strongAndWeak.PACE...)...)),
	}
	return rows
}

// cardAccess announces variants of PACE.
func (s *scene) cardAccess(variants ...chipsim.PACE) []byte {
	if len(variants) == 0 || s.err != nil {
		return ber.Encode(ber.Set)
	}
	spec := s.plain()
	spec.PACE = variants
	return s.issue(s.state, spec).Files[lds.EFCardAccess.Path()]
}

// otherGenerator is a curve with a generator of somebody's own.
func otherGenerator(c *ec.Curve) *ec.Curve {
	g := c.ScalarMult(c.G, big.NewInt(7))
	out, err := ec.Explicit(c.P, c.A, c.B, g.X, g.Y, c.N, 1)
	if err != nil {
		panic("attack: " + err.Error())
	}
	return out
}

// onTheWay are attacks on secure messaging.
func (s *scene) onTheWay() []Attack {
	active, proving := s.issue(s.state, s.active()), s.issue(s.state, s.proving())
	reads := protected(0xB0)
	row := func(name, reason, read string, p chipsim.Passport, card func() Card) Attack {
		return Attack{
			Name: name, Clause: "Doc 9303-11, 9.8", Has: hasMiddle, Stopped: "secure messaging", Reason: reason, Read: read, Printed: s.lines,
			Card: card, Twin: chip(p),
		}
	}
	without := copyOf(proving, func(p *chipsim.Passport) { delete(p.Files, group(2)) })
	withAnother := copyOf(active, func(p *chipsim.Passport) { p.Files[group(2)] = s.forgedPortrait(p) })
	var last []byte
	rows := []Attack{
		row("answers changed on the way", "chip_read_failed:EF.SOD", "chip_read_failed", proving, answered(chip(proving), reads, func(_ int, b []byte) []byte {
			b[len(b)/2] ^= 1
			return b
		})),
		row("answers of an earlier command repeated", "chip_read_failed:EF.SOD", "chip_read_failed", proving, answered(chip(proving), reads, func(n int, b []byte) []byte {
			if n == 1 {
				last = bytes.Clone(b)
			}
			return last
		})),
		row("answers in the clear in place of protected ones", "chip_read_failed:EF.SOD", "chip_read_failed", proving, func() Card {
			return &before{chip(proving)(), func(ctx context.Context, c []byte, chip apdu.Card) ([]byte, error) {
				if reads(c) {
					return append(bytes.Clone(proving.Files[group(2)][:100]), 0x90, 0), nil
				}
				return chip.Transmit(ctx, c)
			}}
		}),
		row("success in the clear, without data", "chip_read_failed:EF.SOD", "", proving, answered(chip(proving), reads, func(int, []byte) []byte { return []byte{0x90, 0} })),
		row("success said outside, an error inside", "chip_file_missing:DG2", "file_absent:DG2", proving, answered(chip(without), protected(0), func(_ int, b []byte) []byte {
			return append(b[:len(b)-2], 0x90, 0)
		})),
		row("answers of an earlier inspection", "chip_access_denied", "", active, s.replayed(active)),
		row("files of a copy, signatures of the genuine chip", "dg_hash_mismatch:DG2", "", active, chip(withAnother)),
		row("chip authentication answered, the old keys go on", "chip_authentication_failed", "", proving, faulty(proving, chipsim.Faults{ChipAuthOldKeys: true})),
	}
	for i := range rows {
		switch rows[i].Reason {
		case "chip_access_denied":
			rows[i].Clause, rows[i].Stopped = "Doc 9303-11, 4.3", "access to the chip"
		case "dg_hash_mismatch:DG2":
			rows[i].Clause, rows[i].Stopped, rows[i].Has = "Doc 9303-11, 5.1", "passive authentication", "a device between chip and reader, a genuine passport"
		case "chip_authentication_failed":
			rows[i].Clause, rows[i].Stopped = "Doc 9303-11, 6.2", "proof of the chip"
		}
	}
	return rows
}

// replayed answers as a chip did to another reader.
func (s *scene) replayed(p chipsim.Passport) func() Card {
	if s.err != nil {
		return chip(p)
	}
	m, err := mrz.Parse(s.lines, s.at)
	s.keep(err)
	heard := map[string][]byte{}
	tape := &before{chip(p)(), func(ctx context.Context, c []byte, chip apdu.Card) ([]byte, error) {
		b, err := chip.Transmit(ctx, c)
		heard[string(c[:4])] = bytes.Clone(b)
		return b, err
	}}
	_, err = mrtd.Read(context.Background(), tape, mrtd.Key{MRZ: m.KeyMaterial()}, mrtd.Options{})
	s.keep(err)
	return func() Card {
		return &before{chip(p)(), func(_ context.Context, c []byte, _ apdu.Card) ([]byte, error) {
			if b, ok := heard[string(c[:4])]; ok {
				return bytes.Clone(b), nil
			}
			return []byte{0x69, 0x82}, nil
		}}
	}
}

// swaps are attacks with two chips, or one that says different things at
// different times.
func (s *scene) swaps() []Attack {
	active, proving := s.issue(s.state, s.active()), s.issue(s.state, s.proving())
	forged := func(p chipsim.Passport) chipsim.Passport {
		return copyOf(p, func(p *chipsim.Passport) { p.Files[group(2)] = s.forgedPortrait(p) })
	}
	row := func(name, clause, stopped, reason string, p chipsim.Passport, card func() Card) Attack {
		return Attack{Name: name, Clause: clause, Has: hasTwoChips, Stopped: stopped, Reason: reason, Printed: s.lines, Card: card, Twin: chip(p)}
	}
	const pa = "Doc 9303-11, 5.1"
	keyless := copyOf(proving, func(p *chipsim.Passport) { p.ChipAuth = nil })
	bacAlone := copyOf(proving, func(p *chipsim.Passport) { p.PACE = nil; delete(p.Files, lds.EFCardAccess.Path()) })
	inPieces := chipsim.Faults{ShortAnswers: 128} // the whole portrait would else come at once
	portrait, rest := startOf(2), func(c []byte) bool { return reading(c) && !startOf(2)(c) }
	return []Attack{
		row("a copy laid down for the portrait, the genuine chip for the signature", pa, "passive authentication", "dg_hash_mismatch:DG2", active,
			swapped(chip(active), chip(forged(active)), portrait, rest)),
		row("a copy laid down after chip authentication", "Doc 9303-11, 6.2", "proof of the chip, repeated", "chip_access_denied", proving,
			swapped(chip(proving), chip(keyless), portrait, rest)),
		row("a copy that opens by BAC laid down after PACE", "Doc 9303-11, 4.2", "access to the chip, repeated", "chip_access_denied", proving,
			swapped(chip(proving), chip(bacAlone), portrait, rest)),
		row("portrait swapped at its second reading", pa, "passive authentication", "dg_hash_mismatch:DG2", active, s.fickle(active, forged(active))),
		row("half of DG2 from another chip", pa, "passive authentication", "dg_hash_mismatch:DG2", active,
			swapped(faulty(active, inPieces), faulty(forged(active), inPieces), inMid(2), func([]byte) bool { return false })),
	}
}

// reading tells a protected READ BINARY by short identifier, and startOf one of
// a data group: neither is hidden by secure messaging.
func reading(c []byte) bool { return protected(0xB0)(c) && c[2]&0x80 != 0 }

func startOf(n byte) func([]byte) bool {
	return func(c []byte) bool { return reading(c) && c[2]&0x1F == n }
}

// inMid tells a READ BINARY further on in a group whose start was read before.
func inMid(n byte) func([]byte) bool {
	started := false
	return func(c []byte) bool {
		if reading(c) {
			started = startOf(n)(c)
		}
		return started && protected(0xB0)(c) && !reading(c)
	}
}

// swapped is two chips in turn: when the reader sends what the other is wanted
// for, the one that lies there is taken away, and the other laid down.
func swapped(first, second func() Card, wantsSecond, wantsFirst func([]byte) bool) func() Card {
	return func() Card {
		chips, on := [2]Card{first(), second()}, 0
		away := false
		return &pair{
			transmit: func(ctx context.Context, c []byte) ([]byte, error) {
				if !away && (on == 0 && wantsSecond(c) || on == 1 && wantsFirst(c)) {
					away = true
				}
				if away {
					return nil, gone
				}
				return chips[on].Transmit(ctx, c)
			},
			reset: func() {
				if away {
					on, away = 1-on, false
				}
				chips[on].Reset()
			},
		}
	}
}

// pair is a card made of two functions.
type pair struct {
	transmit func(context.Context, []byte) ([]byte, error)
	reset    func()
}

// Transmit implements apdu.Card.
func (p *pair) Transmit(ctx context.Context, c []byte) ([]byte, error) { return p.transmit(ctx, c) }

// Reset implements Card.
func (p *pair) Reset() { p.reset() }

// fickle is a chip that has a forged DG2 for the first reading of it and the
// genuine one for later ones.
func (s *scene) fickle(genuine, forged chipsim.Passport) func() Card {
	return func() Card {
		p := copyOf(forged, func(*chipsim.Passport) {})
		read := false
		return &before{chip(p)(), func(ctx context.Context, c []byte, chip apdu.Card) ([]byte, error) {
			if startOf(2)(c) && read {
				p.Files[group(2)] = genuine.Files[group(2)]
			}
			read = read || startOf(2)(c)
			return chip.Transmit(ctx, c)
		}}
	}
}

// anomalous is a curve with as many points as its field has elements, on which
// logarithms are easy (Semaev; Satoh and Araki; Smart). It has complex
// multiplication by the square root of -11, its prime is 11m(m+1)+3.
func anomalous() *ec.Curve {
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
	p := number("b00000000000000000000000000002f9c000000000000000000000000003383d")
	return &ec.Curve{
		P: p, N: p, H: 1,
		A: number("297829cbc14e5e0a72f05397829cbcc861f58d0fac687d6343eb1a1f58d1bcf9"),
		B: number("90fac687d6343eb1a1f58d0fac687fd6c14e5e0a72f05397829cbc14e5e34e24"),
		G: ec.Point{X: big.NewInt(4), Y: number("7b44bb88e37438115d98dceda9ef9f5a88e523772e4973f40448e2990f41a3b1")},
	}
}
