package chipsim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// authorities issues terminals' certificates; every holder has a key of its own.
type authorities struct {
	t    testing.TB
	a    cvc.Algorithm
	keys map[string]*cvc.Key
}

func newAuthorities(t testing.TB) *authorities {
	a, _ := cvc.AlgorithmOf(trust.ECDSA, crypto.SHA256)
	return &authorities{t, a, map[string]*cvc.Key{}}
}

func (p *authorities) key(holder string) *cvc.Key {
	if p.keys[holder] == nil {
		k, err := cvc.GenerateECKey(ec.ByName("brainpoolP256r1"), rand.Reader)
		if err != nil {
			p.t.Fatal(err)
		}
		p.keys[holder] = k
	}
	return p.keys[holder]
}

const everyGroup = cvc.ReadDG3 | cvc.ReadDG4

// issue certifies a holder for the month of a day, "2024-03-01", or until another day.
func (p *authorities) issue(authority, holder string, role cvc.Role, rights cvc.Rights, days ...string) *cvc.Certificate {
	p.t.Helper()
	effective, err := time.Parse(time.DateOnly, days[0])
	if err != nil {
		p.t.Fatal(err)
	}
	expires := effective.AddDate(0, 1, 0)
	if len(days) > 1 {
		if expires, err = time.Parse(time.DateOnly, days[1]); err != nil {
			p.t.Fatal(err)
		}
	}
	public, err := p.key(holder).Public(p.a)
	if err != nil {
		p.t.Fatal(err)
	}
	public.Explicit = role == cvc.CVCA
	c, err := cvc.Issue(context.Background(), cvc.Certificate{
		Authority: authority, Holder: holder, Key: public, Effective: effective, Expires: expires,
		Authorization: cvc.Authorization{Type: cvc.InspectionSystems, Role: role, Rights: rights},
	}, p.a, p.key(authority))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// system is an inspection system that shows these certificates, in this order
// and whatever is wrong with them.
type system struct {
	p     *authorities
	chain []*cvc.Certificate
	sign  func(message []byte) []byte // changes what is signed; nil nothing
}

func (s system) Chain([]string) ([]*cvc.Certificate, error) { return s.chain, nil }

func (s system) Sign(ctx context.Context, c *cvc.Certificate, message []byte) ([]byte, error) {
	if s.sign != nil {
		message = s.sign(message)
	}
	h := s.p.a.Hash.New()
	h.Write(message)
	return s.p.key(c.Holder).Sign(ctx, h.Sum(nil), s.p.a.Hash)
}

var ephemeral = bytes.Repeat([]byte{0xCA}, 32)

// openedForTerminals is a chip behind BAC and chip authentication, which is
// told here what the latter would have left it.
func openedForTerminals(t testing.TB, opt Options, points ...*cvc.Certificate) (*Card, *access.Session) {
	t.Helper()
	p := specimen(true)
	for _, c := range points {
		p.CVCA = append(p.CVCA, c.Raw)
	}
	p.Files[0x0103] = ber.Encode(0x63, []byte("fingerprints"))
	p.Files[0x0104] = ber.Encode(0x76, []byte("irises"))
	card := New(p, opt)
	return card, reopen(t, card)
}

func reopen(t testing.TB, card *Card) *access.Session {
	t.Helper()
	if _, err := apdu.Send(context.Background(), card, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		t.Fatal(err)
	}
	session, err := access.BAC(context.Background(), limited{card}, keyTD3, rnd{})
	if err != nil {
		t.Fatal(err)
	}
	card.terminalKey = ephemeral
	return session
}

// limited is a reader that carries what the chip bears.
type limited struct{ *Card }

func (l limited) Limits() (command, response int) {
	if l.opt.ShortOnly {
		return 261, 258
	}
	return 65544, 65538
}

func authenticate(session *access.Session, terminal access.Terminal) error {
	_, err := access.TerminalAuthentication(context.Background(), session, nil, terminal, access.DocumentChipID(keyTD3), ephemeral)
	return err
}

// readGroup returns the status word of reading a data group's start.
func readGroup(t testing.TB, session *access.Session, group byte) apdu.StatusWord {
	t.Helper()
	r, err := apdu.Send(context.Background(), session, apdu.ReadBinarySFI(group, 8))
	if err != nil {
		t.Fatal(err)
	}
	return r.SW
}

func TestTerminalOpensWhatItsCertificatesGrant(t *testing.T) {
	for _, c := range []struct {
		name         string
		cvca, dv, is cvc.Rights
		dg3, dg4     apdu.StatusWord
	}{
		{"all rights", everyGroup, everyGroup, everyGroup, apdu.Success, apdu.Success},
		{"fingerprints", everyGroup, everyGroup, cvc.ReadDG3, apdu.Success, apdu.SecurityStatus},
		{"more than its verifier has", everyGroup, cvc.ReadDG3, everyGroup, apdu.Success, apdu.SecurityStatus},
		{"more than the CVCA has", cvc.ReadDG4, everyGroup, everyGroup, apdu.SecurityStatus, apdu.Success},
		{"rights that do not meet", everyGroup, cvc.ReadDG3, cvc.ReadDG4, apdu.SecurityStatus, apdu.SecurityStatus},
		{"none", everyGroup, everyGroup, 0, apdu.SecurityStatus, apdu.SecurityStatus},
	} {
		p := newAuthorities(t)
		card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, c.cvca, "2024-01-01", "2027-01-01"))
		for group := byte(3); group <= 4; group++ {
			if got := readGroup(t, session, group); got != apdu.SecurityStatus {
				t.Errorf("%s: DG%d before: got %s", c.name, group, got)
			}
		}
		terminal := system{p: p, chain: []*cvc.Certificate{
			p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, c.dv, "2024-02-01"),
			p.issue("UTDV00001", "UTIS00001", cvc.Terminal, c.is, "2024-02-01"),
		}}
		if err := authenticate(session, terminal); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := readGroup(t, session, 3); got != c.dg3 {
			t.Errorf("%s: DG3: got %s, want %s", c.name, got, c.dg3)
		}
		if got := readGroup(t, session, 4); got != c.dg4 {
			t.Errorf("%s: DG4: got %s, want %s", c.name, got, c.dg4)
		}
		if seen := card.Seen(); seen.Certificates != 2 || seen.TerminalAuth != 1 {
			t.Errorf("%s: seen %+v", c.name, seen)
		}
	}
}

// Every attack ends in a refusal, and leaves the session as it was and DG3 closed.
func TestTerminalAttacks(t *testing.T) {
	p := newAuthorities(t)
	cvca := p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01")
	dv := p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01")
	is := p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-01")
	forged := *dv
	forged.Signature = bytes.Clone(dv.Signature)
	forged.Signature[0] ^= 1
	old := p.issue("UTCVCA00001", "UTDV00002", cvc.DVDomestic, everyGroup, "2023-11-01", "2023-12-31")
	claimed := *is
	claimed.Authority = "UTCVCA00001" // names the CVCA's key in MSE:Set DST
	for _, c := range []struct {
		name  string
		chain []*cvc.Certificate
		sign  func([]byte) []byte
		want  apdu.StatusWord
	}{
		{"a signature changed", []*cvc.Certificate{&forged, is}, nil, apdu.AuthenticationFailed},
		{"a verifier that expired before the chip's day", []*cvc.Certificate{old, is}, nil, apdu.ConditionsOfUse},
		{"a terminal that expired before its verifier began", []*cvc.Certificate{
			dv, p.issue("UTDV00001", "UTIS00002", cvc.Terminal, everyGroup, "2024-01-01", "2024-01-31")}, nil, apdu.ConditionsOfUse},
		{"an authority the chip does not know", []*cvc.Certificate{p.issue("UTCVCA00009", "UTDV00009", cvc.DVDomestic, everyGroup, "2024-02-01")}, nil, apdu.ReferenceNotFound},
		{"a verifier left out", []*cvc.Certificate{is}, nil, apdu.ReferenceNotFound},
		{"another reference than the certificate's", []*cvc.Certificate{dv, &claimed}, nil, apdu.WrongData},
		{"a terminal certified by the CVCA", []*cvc.Certificate{p.issue("UTCVCA00001", "UTIS00003", cvc.Terminal, everyGroup, "2024-02-01")}, nil, apdu.ConditionsOfUse},
		{"a verifier certified by a verifier", []*cvc.Certificate{dv, p.issue("UTDV00001", "UTDV00003", cvc.DVDomestic, everyGroup, "2024-02-01")}, nil, apdu.ConditionsOfUse},
		{"a CVCA certified by a verifier", []*cvc.Certificate{dv, certifiedKeyless(p, "UTDV00001", "UTCVCA00002", cvc.CVCA)}, nil, apdu.ConditionsOfUse},
		{"a verifier as the terminal", []*cvc.Certificate{dv}, nil, apdu.ReferenceNotFound},
		{"the trust point sent again", []*cvc.Certificate{cvca}, nil, apdu.ConditionsOfUse},
		{"a signature over another challenge", []*cvc.Certificate{dv, is}, func(m []byte) []byte { m[12] ^= 1; return m }, apdu.AuthenticationFailed},
		{"a signature for another chip", []*cvc.Certificate{dv, is}, func(m []byte) []byte { m[0] ^= 1; return m }, apdu.AuthenticationFailed},
		{"a signature for another session", []*cvc.Certificate{dv, is}, func(m []byte) []byte { m[len(m)-1] ^= 1; return m }, apdu.AuthenticationFailed},
	} {
		card, session := openedForTerminals(t, Options{}, cvca)
		err := authenticate(session, system{p, c.chain, c.sign})
		var status *apdu.StatusError
		if !errors.Is(err, access.ErrTerminalRefused) || !errors.As(err, &status) || status.SW != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if got := readGroup(t, session, 3); got != apdu.SecurityStatus {
			t.Errorf("%s: DG3 afterwards: got %s", c.name, got)
		}
		if got := readGroup(t, session, 1); got != apdu.Success || card.Seen().SMErrors != 0 {
			t.Errorf("%s: DG1 afterwards: got %s", c.name, got)
		}
		// The honest terminal is still let in.
		if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{dv, is}}); err != nil || readGroup(t, session, 3) != apdu.Success {
			t.Errorf("%s: the honest terminal afterwards: %v", c.name, err)
		}
	}
}

// certifiedKeyless is a certificate without domain parameters whatever its role.
func certifiedKeyless(p *authorities, authority, holder string, role cvc.Role) *cvc.Certificate {
	public, _ := p.key(holder).Public(p.a)
	c, err := cvc.Issue(context.Background(), cvc.Certificate{
		Authority: authority, Holder: holder, Key: public,
		Effective: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Expires: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC),
		Authorization: cvc.Authorization{Type: cvc.InspectionSystems, Role: role, Rights: everyGroup},
	}, p.a, p.key(authority))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func TestTerminalBeforeChipAuthentication(t *testing.T) {
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
	card.terminalKey = nil
	terminal := system{p: p, chain: []*cvc.Certificate{p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01")}}
	var status *apdu.StatusError
	if err := authenticate(session, terminal); !errors.As(err, &status) || status.SW != apdu.SecurityStatus {
		t.Errorf("got %v, want 6982", err)
	}
	for name, raw := range map[string]string{"MSE:Set DST": "002281B60D830B5554435643413030303031", "PSO": "002A00BE0130"} {
		if b, err := card.Transmit(t.Context(), unhex(t, raw)); err != nil || !bytes.Equal(b, []byte{0x69, 0x82}) {
			t.Errorf("%s outside secure messaging: got %X, %v; want 6982", name, b, err)
		}
	}
}

func TestTerminalOnceInASessionAndBoundToItsKeys(t *testing.T) {
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
	terminal := system{p: p, chain: []*cvc.Certificate{
		p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01"),
		p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-01"),
	}}
	if err := authenticate(session, terminal); err != nil {
		t.Fatal(err)
	}
	var status *apdu.StatusError
	if err := authenticate(session, terminal); !errors.As(err, &status) || status.SW != apdu.SecurityStatus {
		t.Errorf("a second time: got %v, want 6982", err)
	}
	if readGroup(t, session, 3) != apdu.Success {
		t.Fatal("DG3 is closed")
	}
	// Chip authentication anew is another session: the file that is current closes with it.
	card.terminalKey = bytes.Repeat([]byte{0xCB}, 32)
	r, err := apdu.Send(t.Context(), session, apdu.ReadBinary(0, 4))
	if err != nil || r.SW != apdu.SecurityStatus || readGroup(t, session, 3) != apdu.SecurityStatus {
		t.Errorf("under other keys: got %s, %v; want 6982", r.SW, err)
	}
	session = reopen(t, card)
	if got := readGroup(t, session, 3); got != apdu.SecurityStatus {
		t.Errorf("in another session: got %s, want 6982", got)
	}
}

func TestChallengeServesOneTry(t *testing.T) {
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
	chain := []*cvc.Certificate{
		p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01"),
		p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-01"),
	}
	spy := system{p, chain, func(m []byte) []byte { m[0] ^= 1; return m }}
	if err := authenticate(session, spy); err == nil {
		t.Fatal("a wrong signature passed")
	}
	r, err := apdu.Send(t.Context(), session, apdu.ExternalAuthenticate(make([]byte, 64), 0))
	if err != nil || r.SW != apdu.ConditionsOfUse || card.Seen().TerminalAuth != 0 {
		t.Errorf("a second signature over one challenge: got %s, %v; want 6985", r.SW, err)
	}
}

// After PACE the signature covers the chip's ephemeral key, not its number.
func TestTerminalAfterPACE(t *testing.T) {
	p := newAuthorities(t)
	cvca := p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01")
	chain := []*cvc.Certificate{
		p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01"),
		p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-01"),
	}
	card, session := openedForTerminals(t, Options{}, cvca)
	card.chipID = bytes.Repeat([]byte{0xAB}, 32)
	if err := authenticate(session, system{p: p, chain: chain}); !errors.Is(err, access.ErrTerminalRefused) {
		t.Errorf("with the document number: got %v", err)
	}
	if _, err := access.TerminalAuthentication(t.Context(), session, nil, system{p: p, chain: chain}, access.ChipID(card.chipID), ephemeral); err != nil {
		t.Errorf("with the chip's key: %v", err)
	}
	if card.Reset(); card.chipID != nil {
		t.Error("the chip's key outlives its power")
	}
}

// RSA certificates are longer than a short command: they go at extended length,
// or in a chain.
func TestRSACertificatesFit(t *testing.T) {
	for name, opt := range map[string]Options{"extended": {}, "chained": {ShortOnly: true}} {
		p := newAuthorities(t)
		p.a, _ = cvc.AlgorithmOf(trust.RSAPSS, crypto.SHA256)
		for _, holder := range []string{"UTCVCA00001", "UTDV00001", "UTIS00001"} {
			p.keys[holder] = rsaTerminalKey(t)
		}
		card, session := openedForTerminals(t, opt, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
		terminal := &cvc.InspectionSystem{
			Certificates: []*cvc.Certificate{
				p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01"),
				p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-01"),
			},
			Keys: map[string]cvc.Signer{"UTIS00001": p.key("UTIS00001")},
			At:   time.Date(2024, 2, 10, 0, 0, 0, 0, time.UTC),
		}
		points, err := access.ReadTrustPoints(t.Context(), session, lds.EFCVCA)
		if err != nil {
			t.Fatal(err)
		}
		done, err := access.TerminalAuthentication(t.Context(), session, points.References(), terminal, access.DocumentChipID(keyTD3), ephemeral)
		if err != nil || done.Rights != everyGroup || len(done.Certificates) != 2 {
			t.Errorf("%s: got %+v, %v", name, done, err)
		}
		if got := readGroup(t, session, 3); got != apdu.Success {
			t.Errorf("%s: DG3: got %s", name, got)
		}
		if long := card.Seen().LongestAPDU > 261; long == opt.ShortOnly {
			t.Errorf("%s: the longest command has %d bytes", name, card.Seen().LongestAPDU)
		}
	}
}

// A passport can be personalized with an EF.CVCA of its own, and one without
// trust points has no terminal authentication: its DG3 is open to whoever opened it.
func TestPassportsWithoutTrustPoints(t *testing.T) {
	_, session := openedForTerminals(t, Options{})
	if got := readGroup(t, session, 3); got != apdu.Success {
		t.Errorf("DG3: got %s", got)
	}
	if got := readGroup(t, session, 0x1C); got != apdu.FileNotFound {
		t.Errorf("EF.CVCA: got %s", got)
	}
	r, err := apdu.Send(t.Context(), session, apdu.Command{INS: 0x2A, P2: 0xBE, Data: []byte{1}})
	if err != nil || r.SW != apdu.WrongINS {
		t.Errorf("PSO: got %s, %v", r.SW, err)
	}
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
	card.p.Files[lds.EFCVCA.Path()] = []byte{0x42, 1, 'X'}
	if got, err := access.ReadTrustPoints(t.Context(), session, lds.EFCVCA); err != nil || got.Current != "X" {
		t.Errorf("its own EF.CVCA: got %+v, %v", got, err)
	}
	// What is no CVCA's certificate is no trust point, and DG3 stays closed.
	q := specimen(true)
	q.CVCA = [][]byte{{1, 2, 3}, p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01").Raw}
	q.Files[0x0103] = ber.Encode(0x63, []byte("fingerprints"))
	card = New(q, Options{})
	if got := readGroup(t, reopen(t, card), 3); got != apdu.SecurityStatus || len(card.trusted.points) != 0 {
		t.Errorf("DG3 behind broken trust points: got %s", got)
	}
}

func rsaTerminalKey(t testing.TB) *cvc.Key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return cvc.RSAKey(k)
}

func FuzzTerminalCommands(f *testing.F) {
	p := newAuthorities(f)
	cvca := p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01")
	dv := p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01")
	f.Add(byte(0x2A), byte(0x00), byte(0xBE), append(bytes.Clone(dv.Body), ber.Encode(0x5F37, dv.Signature)...), false)
	f.Add(byte(0x22), byte(0x81), byte(0xB6), ber.Encode(0x83, []byte("UTCVCA00001")), false)
	f.Add(byte(0x82), byte(0), byte(0), make([]byte, 64), true)
	f.Fuzz(func(t *testing.T, ins, p1, p2 byte, data []byte, chained bool) {
		card, session := openedForTerminals(t, Options{}, cvca)
		if _, err := apdu.Send(t.Context(), session, apdu.MSE(0x81, 0xB6, ber.Encode(0x83, []byte("UTCVCA00001")))); err != nil {
			t.Fatal(err)
		}
		c := apdu.Command{INS: ins, P1: p1, P2: p2, Data: data[:min(len(data), 1<<15)]}
		if chained {
			c.CLA = 0x10
		}
		_, _ = apdu.Send(t.Context(), session, c)
		if card.Seen().TerminalAuth != 0 || card.terminal.rights != 0 {
			t.Error("a terminal was accepted without a key")
		}
	})
}
