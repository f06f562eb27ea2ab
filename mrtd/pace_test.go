package mrtd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// paceRow is one row of the matrix of PACE: mapping, agreement and parameters.
type paceRow struct {
	name  string // as Access.Name gives it
	arc   string // behind id-PACE
	first int    // its weakest cipher
	curve *ec.Curve
	group *dh.Group
	id    int
}

// paceRows is every mapping with every domain parameter set that bears it,
// standardized and spelled out.
func paceRows() (rows []paceRow) {
	for id := 8; id <= 18; id++ {
		c := ec.ByParameterID(id)
		rows = append(rows, paceRow{"PACE-ECDH-GM", "2", 1, c, nil, id}, paceRow{"PACE-ECDH-CAM", "6", 2, c, nil, id})
		if c.EncodesField() {
			rows = append(rows, paceRow{"PACE-ECDH-IM", "4", 1, c, nil, id})
		}
	}
	for id := range 3 {
		g := dh.ByParameterID(id)
		rows = append(rows, paceRow{"PACE-DH-GM", "1", 1, nil, g, id}, paceRow{"PACE-DH-IM", "3", 1, nil, g, id})
	}
	named, unnamed := ec.ByName("brainpoolP320r1"), unnamedCurve()
	for i, name := range []string{"PACE-ECDH-GM", "PACE-ECDH-IM", "PACE-ECDH-CAM"} {
		arc := fmt.Sprint(2 * (i + 1))
		rows = append(rows, paceRow{name, arc, 2, named, nil, 32}, paceRow{name, arc, 2, unnamed, nil, 200})
	}
	g := dh.ByParameterID(0)
	other := &dh.Group{P: g.P, G: g.Exp(g.G, big.NewInt(7)), Q: g.Q}
	for i, name := range []string{"PACE-DH-GM", "PACE-DH-IM"} {
		arc := fmt.Sprint(2*i + 1)
		rows = append(rows, paceRow{name, arc, 2, nil, dh.ByParameterID(1), 33}, paceRow{name, arc, 2, nil, other, 300})
	}
	return rows
}

// unnamedCurve is a curve with another generator: one that no table has.
func unnamedCurve() *ec.Curve {
	c := ec.ByName("brainpoolP256r1")
	g := c.ScalarMult(c.G, big.NewInt(7))
	out, err := ec.Explicit(c.P, c.A, c.B, g.X, g.Y, c.N, 1)
	if err != nil {
		panic(err)
	}
	return out
}

// passport bears the row's variant, and for CAM the static key; infos are the
// security infos with its public half.
func (r paceRow) passport(cipher int) (p chipsim.Passport, v chipsim.PACE) {
	v = chipsim.PACE{OID: fmt.Sprint("0.4.0.127.0.7.2.2.4.", r.arc, ".", cipher), ParameterID: r.id}
	infos := [][]byte{ber.Encode(ber.Sequence, ber.EncodeOID(v.OID), ber.EncodeInt(big.NewInt(2)), ber.EncodeInt(big.NewInt(int64(r.id))))}
	if r.id >= 32 {
		v.Curve, v.Group = r.curve, r.group
		infos = append(infos, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4."+r.arc), r.parameters(), ber.EncodeInt(big.NewInt(int64(r.id)))))
	}
	p = passport(300, false, v)
	p.Files[lds.EFCardAccess.Path()] = ber.Encode(ber.Set, infos...)
	if r.arc == "6" {
		p.CAM = []chipsim.ChipKey{{KeyID: r.id, Curve: r.curve, Private: big.NewInt(0xC0FFEE)}}
	}
	return p, v
}

// parameters is the AlgorithmIdentifier of parameters spelled out.
func (r paceRow) parameters() []byte {
	if g := r.group; g != nil {
		return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10046.2.1"), ber.Encode(ber.Sequence, ber.EncodeInt(g.P), ber.EncodeInt(g.G), ber.EncodeInt(g.Q)))
	}
	c := r.curve
	octets := func(n *big.Int) []byte { return ber.Encode(ber.OctetString, n.FillBytes(make([]byte, c.ByteLen()))) }
	return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(1)),
		ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeInt(c.P)),
		ber.Encode(ber.Sequence, octets(c.A), octets(c.B)),
		ber.Encode(ber.OctetString, c.Marshal(c.G)), ber.EncodeInt(c.N), ber.EncodeInt(big.NewInt(1))))
}

// static is the public half of the chip's key, as EF.CardSecurity gives it.
func (r paceRow) static(p chipsim.Passport) lds.ChipAuthenticationPublicKeyInfo {
	return lds.ChipAuthenticationPublicKeyInfo{KeyID: r.id, Curve: r.curve, Point: r.curve.ScalarMult(r.curve.G, p.CAM[0].Private)}
}

func TestReadByEveryPACE(t *testing.T) {
	for _, row := range paceRows() {
		for cipher := row.first; cipher <= 4; cipher++ {
			name := fmt.Sprint(row.name, " ", access.Cipher(cipher), " ", row.id)
			p, v := row.passport(cipher)
			card := chipsim.New(p, chipsim.Options{Random: seeded(byte(100 + row.id))})
			r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{Random: seeded(byte(cipher))})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			same(t, p, r)
			a := r.Access
			if a.Name() != row.name || a.PACE != mrtd.PACESucceeded || a.OID != v.OID || a.ParameterID != row.id || a.Cipher != access.Cipher(cipher).String() {
				t.Errorf("%s: access %+v", name, a)
			}
			if row.curve != nil && (a.Curve != row.curve.Name || a.Group != "") || row.group != nil && (a.Group != row.group.Name || a.Curve != "") {
				t.Errorf("%s: curve %q, group %q", name, a.Curve, a.Group)
			}
			if s := card.Seen(); s.SMErrors != 0 || s.PACE != 1 || s.Refused != 0 {
				t.Errorf("%s: the chip saw %+v", name, s)
			}
			if (a.Opened.CAM != nil) != (row.arc == "6") {
				t.Fatalf("%s: proof %v", name, a.Opened.CAM)
			}
			if a.Opened.CAM == nil {
				continue
			}
			key := row.static(p)
			if err := a.Opened.CAM.Verify(key); err != nil {
				t.Errorf("%s: the chip's own key: %v", name, err)
			}
			key.Point = row.curve.Add(key.Point, row.curve.G)
			if err := a.Opened.CAM.Verify(key); !errors.Is(err, access.ErrChipKey) {
				t.Errorf("%s: another key: got %v, want ErrChipKey", name, err)
			}
		}
	}
}

func TestWrongPasswordByEveryMapping(t *testing.T) {
	for _, row := range paceRows() {
		if row.id != 0 && row.id != 13 && row.id < 32 {
			continue
		}
		p, _ := row.passport(4)
		card := chipsim.New(p, chipsim.Options{})
		_, err := mrtd.Read(t.Context(), card, mrtd.Key{MRZ: specimenKey[:23] + "0", CAN: "000000"}, mrtd.Options{})
		if !errors.Is(err, mrtd.ErrAccessDenied) || !errors.Is(err, access.ErrRefused) || card.Seen().PACE != 0 {
			t.Errorf("%s %d: got %v, want ErrAccessDenied", row.name, row.id, err)
		}
	}
}

// A copy of a passport has its files and not its key: it opens, and is found out.
func TestCopiedChipFailsChipAuthenticationMapping(t *testing.T) {
	row := paceRow{"PACE-ECDH-CAM", "6", 2, ec.ByName("brainpoolP256r1"), nil, 13}
	p, _ := row.passport(2)
	original := row.static(p)
	p.CAM[0].Private = big.NewInt(0xC0FFEF)
	r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{})
	if err != nil || r.Access.Name() != "PACE-ECDH-CAM" {
		t.Fatalf("got %v by %q; want that the copy opens", err, r.Access.Name())
	}
	same(t, p, r)
	if err := r.Access.Opened.CAM.Verify(original); !errors.Is(err, access.ErrChipKey) {
		t.Errorf("the copy's proof: got %v, want ErrChipKey", err)
	}
}

// A specimen's mapping is judged by the key that its EF.CardSecurity signs, and
// by none of another's.
func TestSpecimenProvesItsKeyByMapping(t *testing.T) {
	var proofs []*access.CAMProof
	var keys [][]lds.ChipAuthenticationPublicKeyInfo
	for _, seed := range []string{"one", "another"} {
		at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		a, err := specimen.NewAuthority(specimen.DefaultProfile(at), specimen.Seed(seed))
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Issue(specimen.Spec{
			Lines: strings.Split(specimenMRZ, "\n"), SignedAt: at,
			PACE: []chipsim.PACE{{OID: oidGM + "2", ParameterID: 13}, {OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{Groups: []int{1, 14}})
		if err != nil || r.Access.Name() != "PACE-ECDH-CAM" {
			t.Fatalf("got %v by %q", err, r.Access.Name())
		}
		c, err := lds.ParseCardSecurity(p.Files[lds.EFCardSecurity.Path()])
		if err != nil {
			t.Fatal(err)
		}
		proofs, keys = append(proofs, r.Access.Opened.CAM), append(keys, c.Infos.PublicKeys)
	}
	for i, proof := range proofs {
		if err := proof.VerifyAmong(keys[i]); err != nil {
			t.Errorf("specimen %d: %v", i, err)
		}
		if err := proof.VerifyAmong(keys[1-i]); !errors.Is(err, access.ErrChipKey) {
			t.Errorf("specimen %d by the other's key: got %v, want ErrChipKey", i, err)
		}
	}
}

// A chip that offers chip authentication mapping and was given no key refuses
// it; what else it offers opens it.
func TestChipWithoutStaticKeyFallsBack(t *testing.T) {
	row := paceRow{"PACE-ECDH-CAM", "6", 2, ec.ByName("brainpoolP256r1"), nil, 13}
	p, cam := row.passport(2)
	p.CAM = nil
	p.PACE = []chipsim.PACE{cam, {OID: oidGM + "2", ParameterID: 13}}
	p.Files[lds.EFCardAccess.Path()] = passport(10, false, p.PACE...).Files[lds.EFCardAccess.Path()]
	r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{})
	if err != nil || r.Access.Name() != "PACE-ECDH-GM" || r.Access.Opened.CAM != nil {
		t.Errorf("got %v by %q, want generic mapping", err, r.Access.Name())
	}
}

// carrying is a reader that says how much it carries, and takes no more.
type carrying struct {
	*chipsim.Card
	command, response int
}

func (c carrying) Limits() (command, response int) { return c.command, c.response }

func (c carrying) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) > c.command {
		return nil, fmt.Errorf("command of %d bytes is longer than %d", len(command), c.command)
	}
	return c.Card.Transmit(ctx, command)
}

// Keys of 2048 bits need extended length: a reader without it takes another variant.
func TestKeysTheReaderCannotCarry(t *testing.T) {
	dhGM, ecGM := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.1.4", ParameterID: 2}, chipsim.PACE{OID: oidGM + "2", ParameterID: 13}
	for _, c := range []struct {
		name     string
		pace     []chipsim.PACE
		limit    int
		protocol string
		state    string
	}{
		{"extended", []chipsim.PACE{dhGM, ecGM}, 2000, "PACE-DH-GM", mrtd.PACESucceeded},
		{"short", []chipsim.PACE{dhGM, ecGM}, 261, "PACE-ECDH-GM", mrtd.PACESucceeded},
		{"short, no other", []chipsim.PACE{dhGM}, 261, "BAC", mrtd.PACEUnsupported},
	} {
		p := passport(300, true, c.pace...)
		r, err := mrtd.Read(t.Context(), carrying{chipsim.New(p, chipsim.Options{}), c.limit, c.limit}, both, mrtd.Options{})
		if err != nil || r.Access.Name() != c.protocol || r.Access.PACE != c.state {
			t.Errorf("%s: got %v by %q, PACE %s; want %q, %s", c.name, err, r.Access.Name(), r.Access.PACE, c.protocol, c.state)
		}
	}
}

// meddling changes what the chip answers to one step of PACE: 2 maps, 3 agrees.
type meddling struct {
	*chipsim.Card
	at     int
	change func(own []byte) []byte
	step   int
}

func (m *meddling) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := m.Card.Transmit(ctx, command)
	if err != nil || command[1] != 0x86 {
		return answer, err
	}
	if m.step++; m.step != m.at {
		return answer, err
	}
	c, _ := apdu.ParseCommand(command)
	outer, err := ber.Parse(c.Data, 0x7C)
	if err != nil {
		return nil, err
	}
	inner, err := outer.Children()
	if err != nil {
		return nil, err
	}
	return append(ber.Encode(0x7C, ber.Encode(ber.Tag(0x80+2*(m.at-1)), m.change(inner[0].Value))), 0x90, 0), nil
}

// A middleman's keys: the reader's own, the neutral element, one of small
// order. The chip has no BAC, so that nothing else opens it.
func TestMiddlemanOfPACEIsRefused(t *testing.T) {
	g := dh.ByParameterID(0)
	minus := new(big.Int).Sub(g.P, big.NewInt(1))
	echo := func(own []byte) []byte { return bytes.Clone(own) }
	say := func(b []byte) func([]byte) []byte { return func([]byte) []byte { return b } }
	for _, row := range paceRows() {
		attacks := map[string]func([]byte) []byte{"echo": echo, "nothing": say(nil)}
		switch {
		case row.id == 13:
			attacks["infinity"] = say([]byte{0})
			attacks["off the curve"] = say(append([]byte{4}, make([]byte, 64)...))
			attacks["a point of another curve"] = say(ec.ByName("P-256").Marshal(ec.ByName("P-256").G))
		case row.id == 0:
			attacks["0"], attacks["1"], attacks["-1"] = say([]byte{0}), say([]byte{1}), say(minus.Bytes())
			attacks["small order"] = say(g.Exp(big.NewInt(3), new(big.Int).Div(minus, big.NewInt(10))).Bytes())
		default:
			continue
		}
		for name, change := range attacks {
			for step := 2; step <= 3; step++ {
				if step == 2 && (row.arc == "3" || row.arc == "4") {
					continue // the integrated mapping sends no key
				}
				p, _ := row.passport(2)
				card := &meddling{Card: chipsim.New(p, chipsim.Options{}), at: step, change: change}
				r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{})
				if err == nil || r.Access.PACE != mrtd.PACEFailed || card.Seen().PACE != 0 || len(r.Files) > 1 {
					t.Errorf("%s, %s in step %d: got %v, PACE %s, %d sessions", row.name, name, step, err, r.Access.PACE, card.Seen().PACE)
				}
			}
		}
	}
}

// What one run of PACE costs reader and chip together, without files.
func BenchmarkPACE(b *testing.B) {
	for _, row := range paceRows() {
		switch row.id {
		case 0, 1, 2, 12, 13, 16, 17, 18:
		default:
			continue
		}
		p, v := row.passport(2)
		var parameters string
		if row.curve != nil {
			parameters = row.curve.Name
		} else {
			parameters = row.group.Name
		}
		b.Run(row.name[len("PACE-"):]+"/"+parameters, func(b *testing.B) {
			infos, err := lds.ParseCardAccess(p.Files[lds.EFCardAccess.Path()])
			if err != nil {
				b.Fatal(err)
			}
			variants := access.Variants(infos)
			if len(variants) != 1 || variants[0].OID != v.OID {
				b.Fatalf("variants: got %v", variants)
			}
			for b.Loop() {
				opened, err := access.PACE(b.Context(), chipsim.New(p, chipsim.Options{}), variants[0], access.MRZPassword(specimenKey), seeded(3))
				if err != nil {
					b.Fatal(err)
				}
				if opened.CAM != nil {
					if err := opened.CAM.Verify(row.static(p)); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
