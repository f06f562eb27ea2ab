package chipsim

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// A link brings a new key for good, moves the day on and shows in EF.CVCA; an
// older key stays for one generation.
func TestLinksAreKept(t *testing.T) {
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2020-01-01", "2023-01-01"))
	named := func() string {
		t.Helper()
		c, err := access.ReadTrustPoints(t.Context(), session, lds.EFCVCA)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(c.References(), " ")
	}
	if got := named(); got != "UTCVCA00001" {
		t.Errorf("EF.CVCA: got %s", got)
	}
	second := p.issue("UTCVCA00001", "UTCVCA00002", cvc.CVCA, everyGroup, "2022-06-01", "2025-06-01")
	third := p.issue("UTCVCA00002", "UTCVCA00003", cvc.CVCA, everyGroup, "2025-01-01", "2028-01-01")
	verifier := p.issue("UTCVCA00003", "UTDV00003", cvc.DVDomestic, everyGroup, "2025-02-01")
	terminal := p.issue("UTDV00003", "UTIS00003", cvc.Terminal, everyGroup, "2025-02-01")
	if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{second, third, verifier, terminal}}); err != nil {
		t.Fatal(err)
	}
	card.Reset()
	session = reopen(t, card)
	if got := named(); got != "UTCVCA00003 UTCVCA00002" {
		t.Errorf("EF.CVCA after two links: got %s", got)
	}
	var status *apdu.StatusError
	gone := p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2025-02-01")
	if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{gone}}); !errors.As(err, &status) || status.SW != apdu.ReferenceNotFound {
		t.Errorf("the first key: got %v, want 6A88", err)
	}
	late := p.issue("UTCVCA00002", "UTDV00002", cvc.DVDomestic, everyGroup, "2025-06-15")
	if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{late, p.issue("UTDV00002", "UTIS00002", cvc.Terminal, everyGroup, "2025-06-15")}}); err != nil {
		t.Errorf("the second key, whose expiry the chip cannot know yet: %v", err)
	}
	// That verifier's date has moved the chip past the second key's end.
	session = reopen(t, card)
	if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{p.issue("UTCVCA00002", "UTDV00004", cvc.DVDomestic, everyGroup, "2025-06-15")}}); !errors.As(err, &status) || status.SW != apdu.ConditionsOfUse {
		t.Errorf("an expired key's verifier: got %v, want 6985", err)
	}
	fourth := p.issue("UTCVCA00002", "UTCVCA00004", cvc.CVCA, everyGroup, "2025-05-01", "2025-05-31")
	if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{fourth}}); !errors.As(err, &status) || status.Command != "MSE:SET AT" {
		t.Errorf("an expired link of an expired key: got %v, want it taken and no terminal found", err)
	}
}

// A domestic verifier's terminals move the chip's day on, a foreign one's do not.
func TestWhoseDateCounts(t *testing.T) {
	for role, want := range map[cvc.Role]string{cvc.DVDomestic: "2024-02-20", cvc.DVForeign: "2024-02-01"} {
		p := newAuthorities(t)
		card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
		if err := authenticate(session, system{p: p, chain: []*cvc.Certificate{
			p.issue("UTCVCA00001", "UTDV00001", role, everyGroup, "2024-02-01"),
			p.issue("UTDV00001", "UTIS00001", cvc.Terminal, everyGroup, "2024-02-20"),
		}}); err != nil {
			t.Fatal(err)
		}
		if got := card.trusted.today.Format(time.DateOnly); got != want {
			t.Errorf("%s: the chip's day is %s, want %s", role, got, want)
		}
	}
}

func TestChainsOfCommands(t *testing.T) {
	p := newAuthorities(t)
	card, session := openedForTerminals(t, Options{}, p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01"))
	part := func(ins byte, data []byte) apdu.Command {
		return apdu.Command{CLA: 0x10, INS: ins, P1: 0, P2: map[byte]byte{0x2A: 0xBE}[ins], Data: data}
	}
	send := func(c apdu.Command) apdu.StatusWord {
		t.Helper()
		r, err := apdu.Send(t.Context(), session, c)
		if err != nil {
			t.Fatal(err)
		}
		return r.SW
	}
	for _, c := range []struct {
		name     string
		commands []apdu.Command
		want     apdu.StatusWord
	}{
		{"a part", []apdu.Command{part(0x2A, make([]byte, 200))}, apdu.Success},
		{"another instruction in between", []apdu.Command{part(0x2A, make([]byte, 200)), part(0x82, make([]byte, 8))}, apdu.LastCommandExpected},
		{"the chain was dropped", []apdu.Command{{INS: 0x2A, P2: 0xBE, Data: make([]byte, 8)}}, apdu.ConditionsOfUse},
		{"MSE in a chain", []apdu.Command{{CLA: 0x10, INS: 0x22, P1: 0x81, P2: 0xB6, Data: []byte{0x83, 1, 0}}}, apdu.ChainingUnsupported},
		{"endless", slices.Repeat([]apdu.Command{part(0x2A, make([]byte, 200))}, 21), apdu.WrongLength},
	} {
		var got apdu.StatusWord
		for _, command := range c.commands {
			got = send(command)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	if card.Seen().Certificates != 0 {
		t.Error("a certificate verified")
	}
}

func TestTerminalStatusWords(t *testing.T) {
	p := newAuthorities(t)
	cvca := p.issue("UTCVCA00001", "UTCVCA00001", cvc.CVCA, everyGroup, "2024-01-01", "2027-01-01")
	_, session := openedForTerminals(t, Options{}, cvca)
	named := ber.Encode(0x83, []byte("UTCVCA00001"))
	explicit := p.issue("UTCVCA00001", "UTDV00001", cvc.DVDomestic, everyGroup, "2024-02-01")
	withParameters := *explicit
	withParameters.Key.Curve, withParameters.Key.Explicit = ec.ByName("brainpoolP256r1"), true
	withParameters.Key.Point = ec.ByName("brainpoolP256r1").G
	issued, err := cvc.Issue(t.Context(), withParameters, p.a, p.key("UTCVCA00001"))
	if err != nil {
		t.Fatal(err)
	}
	pso := func(c *cvc.Certificate) []byte {
		return append(bytes.Clone(c.Body), ber.Encode(0x5F37, c.Signature)...)
	}
	for _, c := range []struct {
		name string
		apdu.Command
		want apdu.StatusWord
	}{
		{"PSO before MSE", apdu.Command{INS: 0x2A, P2: 0xBE, Data: pso(explicit)}, apdu.ConditionsOfUse},
		{"MSE without a reference", apdu.MSE(0x81, 0xB6, []byte{0x84, 1, 1}), apdu.WrongData},
		{"MSE of nothing", apdu.MSE(0x81, 0xB6, nil), apdu.WrongData},
		{"MSE of an unknown key", apdu.MSE(0x81, 0xB6, ber.Encode(0x83, []byte("UTCVCA00002"))), apdu.ReferenceNotFound},
		{"MSE", apdu.MSE(0x81, 0xB6, named), apdu.Success},
		{"PSO of something else", apdu.Command{INS: 0x2A, P1: 0x9E, P2: 0x9A, Data: pso(explicit)}, apdu.WrongP1P2},
		{"PSO of no certificate", apdu.Command{INS: 0x2A, P2: 0xBE, Data: []byte{0x30, 0}}, apdu.WrongData},
		{"the key served once", apdu.Command{INS: 0x2A, P2: 0xBE, Data: pso(explicit)}, apdu.ConditionsOfUse},
		{"MSE", apdu.MSE(0x81, 0xB6, named), apdu.Success},
		{"a verifier that states domain parameters", apdu.Command{INS: 0x2A, P2: 0xBE, Data: pso(issued)}, apdu.WrongData},
		{"MSE", apdu.MSE(0x81, 0xB6, named), apdu.Success},
		{"PSO with Le", apdu.Command{INS: 0x2A, P2: 0xBE, Data: pso(explicit), Le: 256}, apdu.WrongLength},
		{"AT of no terminal", apdu.MSE(0x81, 0xA4, named), apdu.ReferenceNotFound},
		{"challenge of 4", apdu.GetChallenge(4), apdu.WrongLength},
		{"challenge", apdu.GetChallenge(8), apdu.Success},
		{"a signature before MSE:Set AT", apdu.ExternalAuthenticate(make([]byte, 64), 0), apdu.ConditionsOfUse},
		{"PACE's template in session", apdu.MSE(0xC1, 0xA4, named), apdu.WrongP1P2},
	} {
		r, err := apdu.Send(t.Context(), session, c.Command)
		if err != nil || r.SW != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.name, r.SW, err, c.want)
		}
	}
}
