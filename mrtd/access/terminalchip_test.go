package access_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"testing"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/cvc"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

var utopia = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}

const utopiaKey = "L898902C3674081221204159"

// guarded is a specimen whose chip keeps fingerprints and irises, and the
// hierarchy whose terminal may read them.
func guarded(t *testing.T, change func(*specimen.VerifierProfile)) (chipsim.Passport, *specimen.Verifier) {
	t.Helper()
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	profile := specimen.DefaultVerifier(from)
	if change != nil {
		change(&profile)
	}
	verifier, err := specimen.NewVerifier(profile, specimen.Seed("verifier"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(from), specimen.Seed("utopia"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := authority.Issue(specimen.Spec{
		Lines: utopia, BAC: true,
		PACE:     []chipsim.PACE{{OID: specimen.ProtocolOID("ECDH-GM-AES-CBC-CMAC-128"), ParameterID: 13}},
		ChipAuth: []specimen.ChipAuth{{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: -1}},
		Groups: map[int][]byte{
			3: ber.Encode(0x63, bytes.Repeat([]byte{3}, 300)),
			4: ber.Encode(0x76, bytes.Repeat([]byte{4}, 300)),
		},
		CVCA: [][]byte{verifier.TrustPoint()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, verifier
}

// readUnder runs BAC, chip authentication and terminal authentication, and reads DG3.
func readUnder(t *testing.T, card apdu.Card, p chipsim.Passport, terminal access.Terminal) (access.TerminalAuthenticated, []byte, error) {
	t.Helper()
	selectApplication(t, card)
	session, err := access.BAC(t.Context(), card, utopiaKey, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return readBehind(t, session, p, terminal, access.DocumentChipID(utopiaKey))
}

func selectApplication(t *testing.T, card apdu.Card) {
	t.Helper()
	if r, err := apdu.Send(t.Context(), card, apdu.SelectApplication(apdu.EMRTD())); err != nil || r.SW != apdu.Success {
		t.Fatal(r.SW, err)
	}
}

// readBehind goes on from an open session with chip authentication.
func readBehind(t *testing.T, session *access.Session, p chipsim.Passport, terminal access.Terminal, id access.ChipID) (access.TerminalAuthenticated, []byte, error) {
	t.Helper()
	group14, err := ber.Parse(p.Files[0x010E], 0x6E)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := lds.ParseSecurityInfos(group14.Value)
	if err != nil || len(infos.TermAuth) != 1 {
		t.Fatalf("DG14: %+v, %v", infos, err)
	}
	variants := access.ChipAuthVariants(infos)
	if len(variants) == 0 {
		t.Fatal("no chip authentication")
	}
	chip, err := access.ChipAuthentication(t.Context(), session, variants[0], rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return readAs(t, chip.Session, infos.EFCVCA(), terminal, id, chip.Key)
}

// readAs authenticates the terminal and reads DG3, nil where it is closed.
func readAs(t *testing.T, session *access.Session, cvca lds.File, terminal access.Terminal, id access.ChipID, ephemeral []byte) (done access.TerminalAuthenticated, dg3 []byte, err error) {
	t.Helper()
	points, err := access.ReadTrustPoints(t.Context(), session, cvca)
	if err != nil {
		t.Fatal(err)
	}
	done, err = access.TerminalAuthentication(t.Context(), session, points.References(), terminal, id, ephemeral)
	r, rerr := apdu.Send(t.Context(), session, apdu.ReadBinarySFI(3, 100))
	if rerr != nil {
		t.Fatal(rerr)
	}
	if r.SW == apdu.Success {
		dg3 = r.Data
	}
	return done, dg3, err
}

// After PACE the chip is known by its ephemeral key. With its mapping for chip
// authentication the terminal follows at once, with others it may not.
func TestTerminalAfterPACE(t *testing.T) {
	static := chipsim.ChipKey{KeyID: -1, Curve: ec.ByName("brainpoolP256r1"), Private: big.NewInt(0x5EC1E7)}
	at := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		protocol string
		id       int
		at       bool // whether the terminal may follow at once
	}{
		{"ECDH-GM-AES-CBC-CMAC-128", 13, false},
		{"ECDH-IM-AES-CBC-CMAC-256", 12, false},
		{"DH-GM-AES-CBC-CMAC-128", 2, false},
		{"ECDH-CAM-AES-CBC-CMAC-128", 13, true},
	} {
		p, verifier := guarded(t, nil)
		oid := specimen.ProtocolOID(c.protocol)
		p.PACE, p.CAM = []chipsim.PACE{{OID: oid, ParameterID: c.id}}, []chipsim.ChipKey{static}
		variants := access.Variants(lds.SecurityInfos{PACE: []lds.PACEInfo{{OID: oid, Version: 2, ParameterID: c.id}}})
		if len(variants) != 1 {
			t.Fatalf("%s: %d variants", c.protocol, len(variants))
		}
		open := func() *access.Opened {
			card := chipsim.New(p, chipsim.Options{})
			opened, err := access.PACE(t.Context(), card, variants[0], access.MRZPassword(utopiaKey), rand.Reader)
			if err != nil {
				t.Fatalf("%s: %v", c.protocol, err)
			}
			selectApplication(t, opened.Session)
			return opened
		}
		opened := open()
		if _, dg3, err := readAs(t, opened.Session, lds.EFCVCA, verifier.InspectionSystem(at), opened.ChipKey, opened.Key); (err == nil) != c.at || (dg3 != nil) != c.at {
			t.Errorf("%s: at once: got %v, %d bytes of DG3; want it to be let in: %v", c.protocol, err, len(dg3), c.at)
		}
		opened = open()
		if _, dg3, err := readBehind(t, opened.Session, p, verifier.InspectionSystem(at), opened.ChipKey); err != nil || dg3 == nil {
			t.Errorf("%s: behind chip authentication: got %v, %d bytes of DG3", c.protocol, err, len(dg3))
		}
		opened = open()
		if _, dg3, err := readBehind(t, opened.Session, p, verifier.InspectionSystem(at), access.DocumentChipID(utopiaKey)); !errors.Is(err, access.ErrTerminalRefused) || dg3 != nil {
			t.Errorf("%s: by the document's number: got %v, %d bytes of DG3", c.protocol, err, len(dg3))
		}
	}
}

func TestTerminalReadsFingerprints(t *testing.T) {
	for name, change := range map[string]func(*specimen.VerifierProfile){
		"one key":            nil,
		"two links":          func(p *specimen.VerifierProfile) { p.Links = 2 },
		"a foreign verifier": func(p *specimen.VerifierProfile) { p.Foreign = true },
		"brainpoolP512r1":    func(p *specimen.VerifierProfile) { p.Key.Curve = "brainpoolP512r1" },
	} {
		p, verifier := guarded(t, change)
		card := chipsim.New(p, chipsim.Options{})
		done, dg3, err := readUnder(t, card, p, verifier.InspectionSystem(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)))
		if err != nil || done.Rights != cvc.ReadDG3|cvc.ReadDG4 || !bytes.HasPrefix(p.Files[0x0103], dg3) || len(dg3) != 100 {
			t.Errorf("%s: got %+v, %d bytes of DG3, %v", name, done, len(dg3), err)
		}
		// Once the chip has taken the links over, they are not sent again.
		again, dg3, err := readUnder(t, card, p, verifier.InspectionSystem(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)))
		if err != nil || len(again.Certificates) != 2 || len(dg3) != 100 {
			t.Errorf("%s: a second time: got %d certificates, %d bytes of DG3, %v", name, len(again.Certificates), len(dg3), err)
		}
	}
}

func TestTerminalWithoutTheRight(t *testing.T) {
	p, verifier := guarded(t, func(p *specimen.VerifierProfile) { p.Rights = cvc.ReadDG4 })
	done, dg3, err := readUnder(t, chipsim.New(p, chipsim.Options{}), p, verifier.InspectionSystem(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)))
	if err != nil || done.Rights != cvc.ReadDG4 || dg3 != nil {
		t.Errorf("got %+v, %d bytes of DG3, %v; want DG4 alone", done, len(dg3), err)
	}
}

// A stranger's terminal finds no chain; one that names the chip's CVCA as its own is refused.
func TestTerminalOfAStranger(t *testing.T) {
	p, _ := guarded(t, nil)
	profile := specimen.DefaultVerifier(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	for country, want := range map[string]error{"XX": cvc.ErrNoChain, "UT": access.ErrTerminalRefused} {
		profile.Country = country
		stranger, err := specimen.NewVerifier(profile, specimen.Seed("stranger"))
		if err != nil {
			t.Fatal(err)
		}
		_, dg3, err := readUnder(t, chipsim.New(p, chipsim.Options{}), p, stranger.InspectionSystem(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)))
		if !errors.Is(err, want) || dg3 != nil {
			t.Errorf("%s: got %v, %d bytes of DG3; want %v", country, err, len(dg3), want)
		}
	}
}

// A terminal that speaks before chip authentication is turned away, whatever
// key it makes up for it.
func TestTerminalBeforeChipAuthentication(t *testing.T) {
	p, verifier := guarded(t, nil)
	card := chipsim.New(p, chipsim.Options{})
	selectApplication(t, card)
	session, err := access.BAC(context.Background(), card, utopiaKey, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = access.TerminalAuthentication(t.Context(), session, []string{"UTCVCA00001"},
		verifier.InspectionSystem(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)), access.DocumentChipID(utopiaKey), make([]byte, 32))
	var status *apdu.StatusError
	if !errors.Is(err, access.ErrTerminalRefused) || !errors.As(err, &status) || status.SW != apdu.SecurityStatus {
		t.Errorf("got %v, want 6982", err)
	}
}
