package attack

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// contents are attacks by what the files say.
func (s *scene) contents() []Attack {
	spec := s.opened()
	spec.Lines = s.page("L898902C4", "ERIKSSON", "BRITTA")
	genuine, others := s.issue(s.state, s.opened()), s.issue(s.state, spec) // and another passport of the same signer
	return slices.Concat(s.changedGroups(genuine, others), s.changedSODs(genuine, others), s.missing(genuine))
}

func (s *scene) changed(name, reason string, p chipsim.Passport, change func(p *chipsim.Passport)) Attack {
	return Attack{
		Name: name, Clause: "Doc 9303-11, 5.1", Has: hasFiles, Stopped: "passive authentication", Reason: reason, Printed: s.lines,
		Card: chip(copyOf(p, change)), Twin: chip(p),
	}
}

func (s *scene) changedGroups(genuine, others chipsim.Passport) []Attack {
	printed := func(lines []string, a Attack) Attack { a.Printed = lines; return a }
	otherLines, renamed := s.page("L898902C4", "ERIKSSON", "BRITTA"), s.page("L898902C3", "ERIKSSON", "BRITTA")
	behind := s.changed("genuine files behind a forged data page", "mrz_chip_mismatch:name,document_number,document_number_check,composite_check", genuine,
		func(p *chipsim.Passport) { p.MRZ = others.MRZ })
	behind.Stopped = "comparison of print and DG1"
	return []Attack{
		printed(renamed, s.changed("name changed in print and DG1", "dg_hash_mismatch:DG1", genuine, func(p *chipsim.Passport) {
			dg1, err := lds.EncodeDG1(renamed)
			s.keep(err)
			p.Files[group(1)] = dg1
		})),
		printed(otherLines, s.changed("DG1 of another passport of the same signer", "dg_hash_mismatch:DG1", genuine, func(p *chipsim.Passport) {
			p.Files[group(1)], p.MRZ = others.Files[group(1)], others.MRZ
		})),
		s.changed("portrait of somebody else in DG2", "dg_hash_mismatch:DG2", genuine, func(p *chipsim.Passport) { p.Files[group(2)] = s.forgedPortrait(p) }),
		s.changed("octets added inside DG2", "dg_hash_mismatch:DG2", genuine, func(p *chipsim.Passport) {
			dg2, err := ber.Parse(p.Files[group(2)], 0x75)
			s.keep(err)
			p.Files[group(2)] = ber.Encode(0x75, dg2.Value, []byte{0x53, 1, 0})
		}),
		printed(otherLines, behind),
	}
}

func (s *scene) changedSODs(genuine, others chipsim.Passport) []Attack {
	sod := lds.EFSOD.Path()
	forger := s.authority(s.profile(), "forger")
	// signed is EF.SOD as the forger signs it, over another portrait.
	signed := func(p *chipsim.Passport) []byte {
		p.Files[group(2)] = s.forgedPortrait(p)
		spec := s.opened()
		spec.Portrait, spec.Groups = nil, map[int][]byte{2: p.Files[group(2)]}
		return s.issue(forger, spec).Files[sod]
	}
	return []Attack{
		s.changed("EF.SOD of another passport of the same signer", "dg_hash_mismatch:DG1", genuine, func(p *chipsim.Passport) { p.Files[sod] = others.Files[sod] }),
		s.changed("hash of the forged DG2 written into EF.SOD", "sod_signature_invalid", genuine, func(p *chipsim.Passport) {
			forged := s.forgedPortrait(p)
			was, is := sha256.Sum256(p.Files[group(2)]), sha256.Sum256(forged)
			p.Files[sod] = bytes.ReplaceAll(p.Files[sod], was[:], is[:])
			p.Files[group(2)] = forged
		}),
		s.changed("EF.SOD made anew, the genuine signer's certificate kept", "sod_signature_invalid", genuine, func(p *chipsim.Passport) {
			p.Files[sod] = s.resigned(signed(p), func(m *signedMessage) { m.certificates = [][]byte{s.state.Signer()} })
		}),
		s.changed("two signers on EF.SOD, a forger's beside the genuine one", "csca_unknown", genuine, func(p *chipsim.Passport) {
			was := s.messageOf(p.Files[sod])
			p.Files[sod] = s.resigned(signed(p), func(m *signedMessage) {
				m.certificates = append(m.certificates, was.certificates...)
				m.signers = append(slices.Clone(was.signers), m.signers...)
			})
		}),
		s.changed("EF.CardSecurity's kind of message in EF.SOD", "sod_malformed", genuine, func(p *chipsim.Passport) {
			p.Files[sod] = lds.EncodeSOD(s.issue(s.state, s.mapping()).Files[lds.EFCardSecurity.Path()])
		}),
	}
}

// missing are files that are not there, and one that should not be.
func (s *scene) missing(genuine chipsim.Passport) []Attack {
	row := func(name, reason, read, stopped string, change func(*chipsim.Passport)) Attack {
		a := s.changed(name, reason, genuine, change)
		a.Read, a.Stopped = read, stopped
		return a
	}
	return []Attack{
		row("EF.SOD withheld", "chip_file_missing:EF.SOD", "file_absent:EF.SOD", "reading", withheld(lds.EFSOD.Path())),
		row("DG2 withheld", "chip_file_missing:DG2", "file_absent:DG2", "reading", withheld(group(2))),
		row("group added that nobody signed", "com_sod_mismatch:DG11", "", "comparison of EF.COM and EF.SOD", func(p *chipsim.Passport) {
			dg11, err := specimen.ExampleGroup(11, "latin")
			s.keep(err)
			p.Files[group(11)] = dg11
			s.listing(p, func(groups []int) []int { return append(groups, 11) })
		}),
	}
}

// forgedPortrait is the passport's DG2 with another face.
func (s *scene) forgedPortrait(p *chipsim.Passport) []byte {
	dg2, err := lds.ParseDG2(p.Files[group(2)])
	s.keep(err)
	if s.err != nil {
		return nil
	}
	face := bytes.Clone(dg2.Faces[0].Image)
	face[len(face)/2] ^= 0x55
	return bytes.Replace(p.Files[group(2)], dg2.Faces[0].Image, face, 1)
}

// signedMessage is EF.SOD taken apart, for forgers.
type signedMessage struct {
	head                  [][]byte // version, digests, content
	certificates, signers [][]byte
}

func (s *scene) messageOf(sod []byte) signedMessage {
	var m signedMessage
	file, err := ber.Parse(sod, lds.EFSOD.Tag)
	s.keep(err)
	signed, err := descend(file, 0, 1, 0)
	s.keep(err)
	fields, err := signed.Children()
	s.keep(err)
	for _, f := range fields {
		parts, err := f.Children()
		switch {
		case f.Tag == 0xA0:
			s.keep(err)
			m.certificates = raws(parts)
		case f.Tag == ber.Set && len(m.head) == 3:
			s.keep(err)
			m.signers = raws(parts)
		default:
			m.head = append(m.head, f.Raw)
		}
	}
	return m
}

// resigned is an EF.SOD with parts of its message changed.
func (s *scene) resigned(sod []byte, change func(*signedMessage)) []byte {
	m := s.messageOf(sod)
	change(&m)
	data := ber.Encode(ber.Sequence, bytes.Join(m.head, nil), ber.Encode(0xA0, m.certificates...), ber.Encode(ber.Set, m.signers...))
	return lds.EncodeSOD(ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.7.2"), ber.Encode(0xA0, data)))
}

// descend goes down to a child of a child.
func descend(t ber.TLV, path ...int) (ber.TLV, error) {
	for _, i := range path {
		list, err := t.Children()
		if err != nil {
			return t, err
		}
		if i >= len(list) {
			return t, ber.ErrTruncated
		}
		t = list[i]
	}
	return t, nil
}

func raws(list []ber.TLV) [][]byte {
	var out [][]byte
	for _, t := range list {
		out = append(out, t.Raw)
	}
	return out
}
