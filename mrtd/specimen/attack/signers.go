package attack

import (
	"crypto/sha512"
	"errors"
	"math/big"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// signers are attacks by who signs EF.SOD: the content is the forger's, and
// everything holds but the chain.
func (s *scene) signers() []Attack {
	genuine := chip(s.issue(s.state, s.opened()))
	row := func(name, has, reason string, by *specimen.Authority, change ...func(*specimen.Spec)) Attack {
		spec := s.opened()
		for _, c := range change {
			c(&spec)
		}
		return Attack{
			Name: name, Clause: "Doc 9303-12, D.1", Has: has, Stopped: "chain of signatures", Reason: reason, Printed: s.lines,
			Card: chip(s.issue(by, spec)), Twin: genuine,
		}
	}
	profile := s.profile()
	forger := s.authority(profile, "forger")
	impostor := s.state
	if s.err == nil {
		var err error
		impostor, err = s.state.Impostor(specimen.Seed("attack: impostor"))
		s.keep(err)
	}
	leaked := s.leaked()
	signedAt := func(t time.Time) func(*specimen.Spec) { return func(spec *specimen.Spec) { spec.SignedAt = t } }
	weak := profile
	weak.DS = specimen.KeyKind{Scheme: trust.RSAPKCS1, Bits: 1024, Hash: profile.DS.Hash}
	bent := row("CSCA's public key under a generator of the forger's", hasCard, "csca_signature_invalid", impostor)
	bent.Card = chip(copyOf(s.issue(impostor, s.opened()), func(p *chipsim.Passport) {
		p.Files[lds.EFSOD.Path()] = s.resigned(p.Files[lds.EFSOD.Path()], func(m *signedMessage) {
			m.certificates = [][]byte{s.bent(impostor.Signer()), s.bent(impostor.CSCA())}
		})
	}))
	return []Attack{
		row("EF.SOD signed by a key that is not in the list", hasCard, "csca_unknown", forger),
		row("EF.SOD signed again by a self-made CSCA of the same names", hasCard, "csca_signature_invalid", impostor),
		row("self-made CSCA carried in EF.SOD beside the genuine one", hasCard, "csca_signature_invalid", impostor, func(spec *specimen.Spec) {
			if s.err == nil {
				spec.Certificates = [][]byte{impostor.CSCA(), s.state.CSCA(), s.state.Signer()}
			}
		}),
		bent,
		row("weak key of a self-made signer", hasCard, "csca_unknown", s.authority(weak, "weak")),
		row("signer expired before it signed", hasOldKey, "signer_expired", s.signer(s.state, specimen.SignerSpec{Until: s.signed.AddDate(0, 0, -2)})),
		row("signer expired since, an old signing time stated", hasOldKey+" that has expired", "signing_time_unproven",
			s.signer(s.state, specimen.SignerSpec{Until: s.at.AddDate(0, -2, 0)})),
		row("signer expired since, no signing time stated", hasOldKey+" that has expired", "signer_expired",
			s.signer(s.state, specimen.SignerSpec{Until: s.at.AddDate(0, -2, 0)}), signedAt(time.Time{})),
		row("signer revoked", hasOldKey+" that leaked", "signer_revoked:key_compromise", leaked),
		row("signer revoked, signed before that", hasOldKey+" that leaked", "signer_revoked:key_compromise", leaked, signedAt(s.at.AddDate(0, -8, 0))),
		row("CSCA revoked", "the key of a CSCA that leaked", "csca_revoked:ca_compromise", s.fallen),
		row("signer of a CSCA that had expired", "the key of a CSCA that has expired", "csca_not_valid", s.signer(s.old, specimen.SignerSpec{From: s.at.AddDate(0, -6, 0)}), signedAt(s.at.AddDate(0, -5, 0))),
		row("signer of a time to come", hasOldKey, "signer_not_yet_valid", s.signer(s.state, specimen.SignerSpec{From: s.at.AddDate(0, 1, 0)})),
		row("signing time to come", hasOldKey, "signer_not_yet_valid:signing_time", s.state, signedAt(s.at.AddDate(0, 2, 0))),
		row("master list's signer as document signer", "the key of a master list signer", "signer_key_usage", s.signer(s.state, specimen.SignerSpec{Usage: "2.23.136.1.1.3"})),
		row("deviation list's signer as document signer", "the key of a deviation list signer", "signer_key_usage", s.signer(s.state, specimen.SignerSpec{Usage: "2.23.136.1.1.8"})),
		row("seal's signer as document signer", "the key of a visa's seal", "signer_key_usage", s.signer(s.state, specimen.SignerSpec{Usage: "2.23.136.1.1.11.1"})),
		row("an authority's certificate as document signer", "the key of a subordinate authority", "signer_key_usage", s.signer(s.state, specimen.SignerSpec{CA: true})),
		row("signer of identity cards on a passport", "the key of a signer of identity cards", "signer_document_type", s.signer(s.state, specimen.SignerSpec{Types: []string{"ID"}})),
		row("signer of another state of the list", hasState, "issuer_country_mismatch:document", s.abroad),
		row("signer named for this state by another state's CSCA", hasState, "issuer_country_mismatch:csca", s.signer(s.abroad, specimen.SignerSpec{Country: "UT"})),
	}
}

// leaked is a signer that the state's list has since half a year.
func (s *scene) leaked() *specimen.Authority {
	a := s.signer(s.state, specimen.SignerSpec{})
	if s.err != nil {
		return a
	}
	revoked, err := specimen.Revoke(a.Signer(), s.at.AddDate(0, -6, 0))
	s.keep(err)
	revoked.Reason = 1
	s.revoked = append(s.revoked, revoked)
	return a
}

// bent is a certificate signed by the key 1 over the CSCA's curve with the
// CSCA's public point for a generator: the public key is then the CSCA's own. A
// verifier that takes the generator from the certificate at hand, and compares
// the point alone, takes it for the CSCA's signature.
func (s *scene) bent(certificate []byte) []byte {
	if s.err != nil {
		return nil
	}
	csca, err := trust.ParseCertificate(s.state.CSCA())
	s.keep(err)
	outer, err := ber.Parse(certificate, ber.Sequence)
	s.keep(err)
	parts, err := outer.Children()
	s.keep(err)
	if s.err != nil {
		return nil
	}
	c := csca.Key.Curve
	curve, err := ec.Explicit(c.P, c.A, c.B, csca.Key.Point.X, csca.Key.Point.Y, c.N, c.H)
	s.keep(err)
	if s.err != nil {
		return nil
	}
	digest := sha512.Sum384(parts[0].Raw)
	r, sig, err := curve.Sign(specimen.Seed("attack: bent"), big.NewInt(1), digest[:])
	s.keep(err)
	if s.err != nil {
		return nil
	}
	if !curve.Verify(csca.Key.Point, digest[:], r, sig) {
		s.keep(errors.New("the bent signature does not verify under the bent generator"))
	}
	return ber.Encode(ber.Sequence, parts[0].Raw, parts[1].Raw, ber.EncodeBits(ber.Encode(ber.Sequence, ber.EncodeInt(r), ber.EncodeInt(sig))))
}
