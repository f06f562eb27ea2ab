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
	genuine := s.issue(s.state, s.opened())
	twin := chip(genuine)
	other := s.opened()
	other.Lines = s.page("L898902C4", "ERIKSSON", "BRITTA")
	others := s.issue(s.state, other) // another passport of the same signer
	forger := s.authority(s.profile(), "forger")
	row := func(name, has, reason string, printed []string, change func(p *chipsim.Passport)) Attack {
		return Attack{
			Name: name, Clause: "Doc 9303-11, 5.1", Has: has, Stopped: "passive authentication", Reason: reason, Printed: printed,
			Card: chip(copyOf(genuine, change)), Twin: twin,
		}
	}
	replace := func(from chipsim.Passport, paths ...lds.Path) func(*chipsim.Passport) {
		return func(p *chipsim.Passport) {
			for _, path := range paths {
				p.Files[path] = from.Files[path]
			}
			p.MRZ = from.MRZ
		}
	}
	rows := []Attack{
		row("name changed in print and DG1", hasFiles, "dg_hash_mismatch:DG1", s.page("L898902C3", "ERIKSSON", "BRITTA"), func(p *chipsim.Passport) {
			dg1, err := lds.EncodeDG1(s.page("L898902C3", "ERIKSSON", "BRITTA"))
			s.keep(err)
			p.Files[group(1)] = dg1
		}),
		row("DG1 of another passport of the same signer", hasFiles, "dg_hash_mismatch:DG1", other.Lines, replace(others, group(1))),
		row("portrait of somebody else in DG2", hasFiles, "dg_hash_mismatch:DG2", s.lines, func(p *chipsim.Passport) { p.Files[group(2)] = s.forgedPortrait(p) }),
		row("octets added inside DG2", hasFiles, "dg_hash_mismatch:DG2", s.lines, func(p *chipsim.Passport) {
			dg2, err := ber.Parse(p.Files[group(2)], 0x75)
			s.keep(err)
			p.Files[group(2)] = ber.Encode(0x75, dg2.Value, []byte{0x53, 1, 0})
		}),
		row("EF.SOD of another passport of the same signer", hasFiles, "dg_hash_mismatch:DG1", s.lines, func(p *chipsim.Passport) {
			p.Files[lds.EFSOD.Path()] = others.Files[lds.EFSOD.Path()]
		}),
		row("hash of the forged DG2 written into EF.SOD", hasFiles, "sod_signature_invalid", s.lines, func(p *chipsim.Passport) {
			forged := s.forgedPortrait(p)
			was, is := sha256.Sum256(p.Files[group(2)]), sha256.Sum256(forged)
			p.Files[lds.EFSOD.Path()] = bytes.ReplaceAll(p.Files[lds.EFSOD.Path()], was[:], is[:])
			p.Files[group(2)] = forged
		}),
		row("EF.SOD made anew, the genuine signer's certificate kept", hasFiles, "sod_signature_invalid", s.lines, func(p *chipsim.Passport) {
			forged := s.issue(forger, s.opened())
			p.Files[group(2)] = forged.Files[group(2)]
			p.Files[lds.EFSOD.Path()] = s.resigned(forged.Files[lds.EFSOD.Path()], func(m *signedMessage) { m.certificates = [][]byte{s.state.Signer()} })
		}),
		row("two signers on EF.SOD, a forger's beside the genuine one", hasFiles, "csca_unknown", s.lines, func(p *chipsim.Passport) {
			p.Files[group(2)] = s.forgedPortrait(p)
			spec := s.opened()
			spec.Portrait = nil
			spec.Groups = map[int][]byte{2: p.Files[group(2)]}
			forged := s.issue(forger, spec)
			was := s.messageOf(p.Files[lds.EFSOD.Path()])
			p.Files[lds.EFSOD.Path()] = s.resigned(forged.Files[lds.EFSOD.Path()], func(m *signedMessage) {
				m.certificates = append(m.certificates, was.certificates...)
				m.signers = append(slices.Clone(was.signers), m.signers...)
			})
		}),
		row("EF.CardSecurity's kind of message in EF.SOD", hasFiles, "sod_malformed", s.lines, func(p *chipsim.Passport) {
			mapped := s.issue(s.state, s.mapping())
			p.Files[lds.EFSOD.Path()] = lds.EncodeSOD(mapped.Files[lds.EFCardSecurity.Path()])
		}),
		row("EF.SOD withheld", hasFiles, "chip_file_missing:EF.SOD", s.lines, func(p *chipsim.Passport) { delete(p.Files, lds.EFSOD.Path()) }),
		row("DG2 withheld", hasFiles, "chip_file_missing:DG2", s.lines, func(p *chipsim.Passport) { delete(p.Files, group(2)) }),
		row("group added that nobody signed", hasFiles, "com_sod_mismatch:DG11", s.lines, func(p *chipsim.Passport) {
			dg11, err := specimen.ExampleGroup(11, "latin")
			s.keep(err)
			p.Files[group(11)] = dg11
			s.listing(p, func(groups []int) []int { return append(groups, 11) })
		}),
	}
	behind := row("genuine files behind a forged data page", hasFiles, "mrz_chip_mismatch:name,document_number,document_number_check,composite_check", other.Lines, func(p *chipsim.Passport) { p.MRZ = others.MRZ })
	behind.Stopped = "comparison of print and DG1"
	for i := range rows {
		switch rows[i].Reason {
		case "chip_file_missing:EF.SOD":
			rows[i].Read, rows[i].Stopped = "file_absent:EF.SOD", "reading"
		case "chip_file_missing:DG2":
			rows[i].Read, rows[i].Stopped = "file_absent:DG2", "reading"
		case "com_sod_mismatch:DG11":
			rows[i].Stopped = "comparison of EF.COM and EF.SOD"
		}
	}
	return append(rows, behind)
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
