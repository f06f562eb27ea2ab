package attack

import (
	"bytes"
	"crypto"
	"image"
	"image/jpeg"
	"maps"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
)

// scene is whom the attacks are played on. The first error is kept, and what
// was made with it is of no account.
type scene struct {
	at       time.Time
	signed   time.Time
	lines    []string // of the specimen traveller's passport
	portrait []byte
	state    *specimen.Authority // Utopia, whose CSCA is in the list
	abroad   *specimen.Authority // another state of the list
	old      *specimen.Authority // Utopia's CSCA of before, expired by now
	fallen   *specimen.Authority // a CSCA of Utopia that is revoked
	revoked  []specimen.Revoked
	err      error
}

func newScene(at time.Time) (*scene, error) {
	s := &scene{at: at, signed: at.AddDate(0, -23, 0)}
	s.lines = s.page("L898902C3", "ERIKSSON", "ANNA MARIA")
	var b bytes.Buffer
	s.keep(jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 80)), nil))
	s.portrait = b.Bytes()
	s.state = s.authority(s.profile(), "state")
	abroad, old, fallen := s.profile(), s.profile(), s.profile()
	abroad.Country = "XO"
	s.abroad = s.authority(abroad, "abroad")
	old.Name, old.From = "CSCA of before", at.AddDate(-16, 0, 0)
	s.old = s.authority(old, "old")
	fallen.Name = "CSCA that fell"
	s.fallen = s.authority(fallen, "fallen")
	return s, s.err
}

// profile is the state's. Its CSCA has a name that no other specimen has, so
// that lists of revoked signers are not mixed up where several are trusted.
func (s *scene) profile() specimen.Profile {
	p := specimen.DefaultProfile(s.at.AddDate(-2, 0, 0))
	p.Name = "CSCA under attack"
	return p
}

func (s *scene) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *scene) authority(p specimen.Profile, seed string) *specimen.Authority {
	a, err := specimen.NewAuthority(p, specimen.Seed("attack: "+seed))
	s.keep(err)
	return a
}

func (s *scene) signer(by *specimen.Authority, spec specimen.SignerSpec) *specimen.Authority {
	if s.err != nil {
		return by
	}
	a, err := by.NewSigner(spec)
	s.keep(err)
	return a
}

// page is a data page of Utopia, valid for five years from the inspection.
func (s *scene) page(number, primary, secondary string) []string {
	until := s.at.AddDate(5, 0, 0)
	lines, err := mrz.Format(mrz.Fields{
		Layout: mrz.TD3, DocumentCode: "P", Issuer: "UTO", Number: number, Nationality: "UTO", Primary: primary, Secondary: secondary,
		Sex: mrz.Female, Birth: mrz.Date{Year: 1974, Month: 8, Day: 12}, Expiry: mrz.Date{Year: until.Year(), Month: int(until.Month()), Day: until.Day()},
	})
	s.keep(err)
	return lines
}

// trust is what the store holds: the state's CSCAs and those of another, and
// the revocation lists.
func (s *scene) trust() []Import {
	if s.err != nil {
		return nil
	}
	out := []Import{{"utopia.cer", s.state.CSCA()}, {"abroad.cer", s.abroad.CSCA()}, {"old.cer", s.old.CSCA()}, {"fallen.cer", s.fallen.CSCA()}}
	own, err := specimen.Revoke(s.fallen.CSCA(), s.at.AddDate(0, -1, 0))
	s.keep(err)
	own.Reason = 2
	for _, l := range []struct {
		name    string
		by      *specimen.Authority
		revoked []specimen.Revoked
	}{{"utopia.crl", s.state, s.revoked}, {"abroad.crl", s.abroad, nil}, {"fallen.crl", s.fallen, []specimen.Revoked{own}}} {
		crl, err := l.by.CRL(1, s.at.AddDate(0, 0, -1), s.at.AddDate(0, 3, 0), l.revoked...)
		s.keep(err)
		out = append(out, Import{l.name, crl})
	}
	return out
}

// The kinds of genuine passport. The curves are P-256 for speed.
const (
	ecdhGM  = "0.4.0.127.0.7.2.2.4.2."
	ecdhCAM = "0.4.0.127.0.7.2.2.4.6."
	p256    = 12
	aes128  = "2"
	aes256  = "4"
)

func (s *scene) plain() specimen.Spec {
	return specimen.Spec{Lines: s.lines, Portrait: s.portrait, BAC: true, SignedAt: s.signed}
}

// opened is a passport by PACE; its DG14 says so.
func (s *scene) opened() specimen.Spec {
	spec := s.plain()
	spec.PACE = []chipsim.PACE{{OID: ecdhGM + aes256, ParameterID: p256}}
	return spec
}

// active bears active authentication alone.
func (s *scene) active() specimen.Spec {
	spec := s.plain()
	spec.ActiveAuth = &specimen.ActiveAuth{Curve: "P-256", Hash: crypto.SHA256}
	return spec
}

// proving bears PACE and chip authentication.
func (s *scene) proving() specimen.Spec {
	spec := s.opened()
	spec.ChipAuth = []specimen.ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}}
	return spec
}

// mapping bears PACE with chip authentication mapping, and what goes with it
// (Doc 9303-11, 4.4).
func (s *scene) mapping() specimen.Spec {
	spec := s.proving()
	spec.PACE = []chipsim.PACE{{OID: ecdhCAM + aes256, ParameterID: p256}, {OID: ecdhGM + aes128, ParameterID: p256}}
	return spec
}

// issue makes a passport.
func (s *scene) issue(by *specimen.Authority, spec specimen.Spec) chipsim.Passport {
	if s.err != nil {
		return chipsim.Passport{Files: map[lds.Path][]byte{}}
	}
	p, err := by.Issue(spec)
	s.keep(err)
	return p
}

// copyOf is a chip with the same files and keys, changed.
func copyOf(p chipsim.Passport, change func(*chipsim.Passport)) chipsim.Passport {
	p.Files = maps.Clone(p.Files)
	change(&p)
	return p
}

// chip makes a passport's chip.
func chip(p chipsim.Passport) func() Card { return faulty(p, chipsim.Faults{}) }

func faulty(p chipsim.Passport, f chipsim.Faults) func() Card {
	return func() Card { return &powered{Card: chipsim.New(p, chipsim.Options{Faults: f})} }
}

// powered is a chip that a field which comes back finds in it again.
type powered struct{ *chipsim.Card }

// Reset powers the chip up anew, wherever it was.
func (p *powered) Reset() { p.Enter() }

// group is where a data group lies.
func group(n int) lds.Path {
	f, _ := lds.FileOfGroup(n)
	return f.Path()
}

// listing changes which groups EF.COM lists.
func (s *scene) listing(p *chipsim.Passport, change func([]int) []int) {
	if s.err != nil {
		return
	}
	com, err := lds.ParseCOM(p.Files[lds.EFCOM.Path()])
	s.keep(err)
	com.Groups = change(com.Groups)
	p.Files[lds.EFCOM.Path()] = lds.EncodeCOM(com)
}
