package attack

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/big"
	"slices"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// bombs are attacks on the reader: lengths, answers and structures that cost
// more than a document may.
func (s *scene) bombs() []Attack {
	opened, proving := s.issue(s.state, s.opened()), s.issue(s.state, s.proving())
	rows := slices.Concat(s.lengths(opened), s.endless(proving), s.structures(opened))
	for i := range rows {
		rows[i].Hostile, rows[i].Has, rows[i].Printed = true, hasCard, s.lines
	}
	return rows
}

// lengths are files that say they are longer than any.
func (s *scene) lengths(p chipsim.Passport) []Attack {
	row := func(name, reason, read string, path lds.Path, content []byte) Attack {
		return Attack{
			Name: name, Clause: "Doc 9303-10, 3.6", Stopped: "reading", Reason: reason, Read: read, Twin: chip(p),
			Card: chip(copyOf(p, func(p *chipsim.Passport) { p.Files[path] = content })),
		}
	}
	long := func(tag byte, length uint32) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, length), make([]byte, 1000)...)
	}
	return []Attack{
		row("DG2 of a length of 84 FFFFFFFF", "chip_read_failed:DG2", "", group(2), long(0x75, 0xFFFFFFFF)),
		row("DG2 of 16 MB", "chip_read_failed:DG2", "", group(2), append(binary.BigEndian.AppendUint32([]byte{0x75, 0x84}, 16<<20), make([]byte, 16<<20)...)),
		row("EF.SOD of a length of 84 7FFFFFFF", "chip_read_failed:EF.SOD", "", lds.EFSOD.Path(), long(0x77, 0x7FFFFFFF)),
		row("EF.CardAccess of a length of 84 FFFFFFFF", "pace_hidden:EF.CardAccess", "", lds.EFCardAccess.Path(), long(0x31, 0xFFFFFFFF)),
		row("DG1 of a length of 88 octets", "chip_read_failed:DG1", "chip_read_failed", group(1), append([]byte{0x61, 0x88}, bytes.Repeat([]byte{0xFF}, 200)...)),
		row("DG2 of indefinite length without an end", "chip_read_failed:DG2", "", group(2), append([]byte{0x75, 0x80}, bytes.Repeat([]byte{0x05, 0x00}, 600_000)...)),
		row("EF.SOD of indefinite lengths within each other", "chip_read_failed:EF.SOD", "", lds.EFSOD.Path(), append([]byte{0x77, 0x80}, bytes.Repeat([]byte{0x30, 0x80}, 30_000)...)),
	}
}

// endless are chips whose answers come to no end.
func (s *scene) endless(p chipsim.Passport) []Attack {
	row := func(name, clause, reason, read string, card func() Card) Attack {
		return Attack{Name: name, Clause: clause, Stopped: "reading", Reason: reason, Read: read, Twin: chip(p), Card: card}
	}
	const iso, sod = "ISO/IEC 7816-4, 5.3.4", "chip_read_failed:EF.SOD"
	reads := protected(0xB0)
	say := func(sw ...byte) func() Card {
		return answered(chip(p), reads, func(int, []byte) []byte { return bytes.Clone(sw) })
	}
	rows := []Attack{
		row("one byte an answer", "Doc 9303-10, 3.6", sod, "", faulty(p, chipsim.Faults{Trickle: true})),
		row("61xx for ever", iso, "chip_read_failed", "", faulty(p, chipsim.Faults{EndlessAnswers: true})),
		row("6Cxx for ever", iso, sod, "", say(0x6C, 0x10)),
		row("success without data for ever", "Doc 9303-10, 3.6", sod, "", faulty(p, chipsim.Faults{EmptyAbove: 1})),
		row("end of file for ever", "Doc 9303-10, 3.6", sod, "", say(0x62, 0x82)),
		row("session broken off for ever", "Doc 9303-11, 9.8.3", sod, "chip_read_failed", say(0x69, 0x88)),
		row("more than was asked for", "Doc 9303-10, 3.6", sod, "", faulty(p, chipsim.Faults{LongAnswers: 40})),
		row("chip that leaves and comes back for ever", "Doc 9303-10, 3.6", "chip_lost", "", leaving(p, 8)),
		row("chip that never answers", "ISO/IEC 14443-4, 7.2", "chip_lost", "", silent(p, 0)),
		row("chip that falls silent", "ISO/IEC 14443-4, 7.2", "chip_lost", "", silent(p, 10)),
	}
	waiting := row("chip that asks for more time for ever", "ISO/IEC 14443-4, 7.3", "chip_read_failed", "chip_lost", waiting(p, 10))
	waiting.Slow = true
	return append(rows, waiting)
}

// leaving leaves the field after so many commands, whenever it is powered up.
func leaving(p chipsim.Passport, after int) func() Card {
	return faulty(p, chipsim.Faults{GoneAfter: after})
}

// silent says nothing any more after so many commands.
func silent(p chipsim.Passport, after int) func() Card {
	return then(p, after, func(context.Context) error { return late })
}

// waiting has the reader wait after so many commands, until that gives up.
func waiting(p chipsim.Passport, after int) func() Card {
	return then(p, after, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
}

// then does something in the place of answering once so many commands came.
func then(p chipsim.Passport, after int, instead func(context.Context) error) func() Card {
	return func() Card {
		n := 0
		return &before{chip(p)(), func(ctx context.Context, c []byte, chip apdu.Card) ([]byte, error) {
			if n++; n <= after {
				return chip.Transmit(ctx, c)
			}
			return nil, instead(ctx)
		}}
	}
}

// structures are files that are whole and cost more than they should.
func (s *scene) structures(p chipsim.Passport) []Attack {
	row := func(name, clause, reason string, change func(*chipsim.Passport)) Attack {
		return Attack{Name: name, Clause: clause, Stopped: "parsing", Reason: reason, Twin: chip(p), Card: chip(copyOf(p, change))}
	}
	put := func(path lds.Path, content []byte) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) { p.Files[path] = content }
	}
	message := s.messageOf(p.Files[lds.EFSOD.Path()])
	times := func(list [][]byte, n int) [][]byte {
		if len(list) == 0 {
			return nil
		}
		return slices.Repeat(list[:1], n)
	}
	const cms, malformed = "Doc 9303-10, 4.6.2", "sod_malformed"
	nested := ber.Encode(ber.OctetString, []byte("x"))
	for range 2000 {
		nested = ber.Encode(0x24, nested)
	}
	return []Attack{
		row("EF.SOD of thirty thousand elements", cms, malformed, put(lds.EFSOD.Path(), ber.Encode(0x77, bytes.Repeat([]byte{0x05, 0x00}, 30_000)))),
		row("EF.SOD of two thousand octet strings within each other", cms, malformed, func(p *chipsim.Passport) {
			p.Files[lds.EFSOD.Path()] = s.resigned(p.Files[lds.EFSOD.Path()], func(m *signedMessage) {
				m.head[2] = ber.Encode(ber.Sequence, ber.EncodeOID(lds.SecurityObjectType), ber.Encode(0xA0, nested))
			})
		}),
		row("EF.SOD with a hundred and fifty signers", cms, malformed, func(p *chipsim.Passport) {
			p.Files[lds.EFSOD.Path()] = s.resigned(p.Files[lds.EFSOD.Path()], func(m *signedMessage) { m.signers = times(message.signers, 150) })
		}),
		row("EF.SOD with sixty certificates", cms, malformed, func(p *chipsim.Passport) {
			p.Files[lds.EFSOD.Path()] = s.resigned(p.Files[lds.EFSOD.Path()], func(m *signedMessage) { m.certificates = times(message.certificates, 60) })
		}),
		row("EF.SOD with as many signers and certificates as are tried", cms, "sod_signature_invalid", func(p *chipsim.Passport) {
			p.Files[lds.EFSOD.Path()] = s.crowded(p.Files[lds.EFSOD.Path()])
		}),
		row("EF.CardAccess of sixty-four curves spelled out", "Doc 9303-11, 9.2", "pace_hidden:EF.CardAccess", put(lds.EFCardAccess.Path(), manyCurves())),
		row("EF.CardAccess of eight groups of 3072 bits", "Doc 9303-11, 9.2", "pace_hidden:EF.CardAccess", put(lds.EFCardAccess.Path(), manyGroups())),
		row("DG14 of thirty thousand elements", "Doc 9303-11, 9.2", "dg_hash_mismatch:DG14", put(group(14), ber.Encode(0x6E, ber.Encode(ber.Set, bytes.Repeat([]byte{0x30, 0x00}, 30_000))))),
		row("DG14 of eight groups of 3072 bits", "Doc 9303-11, 9.2", "dg_hash_mismatch:DG14", put(group(14), ber.Encode(0x6E, manyGroups()))),
		row("DG1 of thirty thousand elements", "Doc 9303-10, 4.7.1", "dg_hash_mismatch:DG1", put(group(1), ber.Encode(0x61, bytes.Repeat([]byte{0x05, 0x00}, 30_000)))),
		row("DG2 of sixty thousand templates", "Doc 9303-10, 4.7.2", "dg_hash_mismatch:DG2", put(group(2), ber.Encode(0x75, ber.Encode(0x7F61, ber.Encode(0x02, []byte{0xFF}), bytes.Repeat([]byte{0x7F, 0x60, 0x00}, 60_000))))),
		row("EF.COM of a list without end", "Doc 9303-10, 4.6.1", "dg_hash_mismatch:DG1", func(p *chipsim.Passport) {
			p.Files[lds.EFCOM.Path()] = ber.Encode(0x60, ber.Encode(0x5C, bytes.Repeat([]byte{0x61}, 60_000)))
			p.Files[group(1)] = bytes.Clone(p.Files[group(1)])
			p.Files[group(1)][len(p.Files[group(1)])-1] ^= 1
		}),
	}
}

// crowded is an EF.SOD with as many signers and certificates as there may be,
// no two of which belong together.
func (s *scene) crowded(sod []byte) []byte {
	if s.err != nil {
		return nil
	}
	profile := s.profile()
	profile.DS.Curve = "brainpoolP512r1"
	a := s.authority(profile, "crowd")
	var certificates [][]byte
	for range 16 {
		certificates = append(certificates, s.signer(a, specimen.SignerSpec{}).Signer())
	}
	spec := s.opened()
	signer := s.messageOf(s.issue(s.signer(a, specimen.SignerSpec{}), spec).Files[lds.EFSOD.Path()]).signers
	return s.resigned(sod, func(m *signedMessage) {
		m.certificates, m.signers = certificates, slices.Repeat(signer, 4)
	})
}

// manyCurves are as many parameters spelled out as are looked at, over a curve
// that no table has.
func manyCurves() []byte {
	c := otherGenerator(ec.ByName("brainpoolP512r1"))
	octets := func(n *big.Int) []byte { return ber.Encode(ber.OctetString, n.FillBytes(make([]byte, c.ByteLen()))) }
	parameters := ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(1)),
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeInt(c.P)),
		ber.Encode(ber.Sequence, octets(c.A), octets(c.B)),
		ber.Encode(ber.OctetString, c.Marshal(c.G)), ber.EncodeInt(c.N), ber.EncodeInt(big.NewInt(1))))
	return manyDomains("0.4.0.127.0.7.2.2.4.2", 64, func(int) []byte { return parameters })
}

// manyGroups are Diffie-Hellman groups of the longest modulus that is looked
// at, each with a generator of its own.
func manyGroups() []byte {
	p := longPrime()
	q := new(big.Int).Rsh(p, 1) // of a safe prime, as long as itself
	return manyDomains("0.4.0.127.0.7.2.2.4.1", 8, func(i int) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"),
			ber.Encode(ber.Sequence, ber.EncodeInt(p), ber.EncodeInt(big.NewInt(int64((i+2)*(i+2)))), ber.EncodeInt(q)))
	})
}

// manyDomains announces parameters under many numbers.
func manyDomains(oid string, n int, parameters func(i int) []byte) []byte {
	var infos [][]byte
	for i := range n {
		infos = append(infos, ber.Encode(ber.Sequence, ber.EncodeOID(oid), parameters(i), ber.EncodeInt(big.NewInt(int64(40+i)))))
	}
	return ber.Encode(ber.Set, infos...)
}

// longPrime is the safe prime of 3072 bits of RFC 3526, 4:
// 2^3072 - 2^3008 - 1 + 2^64 · ([2^2942 π] + 1690314).
func longPrime() *big.Int {
	const guard = 128
	arccot := func(x int64) *big.Int { // 2^(2942+guard) arccot x
		term := new(big.Int).Lsh(big.NewInt(1), 2942+guard)
		term.Div(term, big.NewInt(x))
		sum, square := new(big.Int).Set(term), big.NewInt(x*x)
		for n, sign := int64(3), -1; term.Sign() > 0; n, sign = n+2, -sign {
			part := new(big.Int).Div(term.Div(term, square), big.NewInt(n))
			if sign < 0 {
				part.Neg(part)
			}
			sum.Add(sum, part)
		}
		return sum
	}
	pi := new(big.Int).Mul(big.NewInt(4), arccot(5)) // Machin: pi/4 = 4 arccot 5 - arccot 239
	pi.Sub(pi, arccot(239)).Lsh(pi, 2).Rsh(pi, guard)
	p := new(big.Int).Lsh(pi.Add(pi, big.NewInt(1690314)), 64)
	one := big.NewInt(1)
	p.Add(p, new(big.Int).Lsh(one, 3072)).Sub(p, new(big.Int).Lsh(one, 3008))
	return p.Sub(p, one)
}
