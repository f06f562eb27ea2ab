package mrtd_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// provable is a passport whose chip has keys of its own.
func provable(t *testing.T) chipsim.Passport {
	t.Helper()
	a, err := specimen.NewAuthority(specimen.DefaultProfile(time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)), specimen.Seed("resume"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"},
		BAC:   true, PACE: []chipsim.PACE{{OID: oidGM + "2", ParameterID: 12}},
		ChipAuth: []specimen.ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}}, ActiveAuth: &specimen.ActiveAuth{Curve: "P-256", Hash: crypto.SHA256},
		Groups: map[int][]byte{13: append([]byte{0x6D, 0x82, 0x0F, 0xA0}, make([]byte, 4000)...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// once is a field that loses its chip at the n-th command.
type once struct {
	*chipsim.Card
	n int
}

func (c *once) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if c.n--; c.n == 0 {
		c.Card.Reset()
		return nil, lostOnce{}
	}
	return c.Card.Transmit(ctx, command)
}

type lostOnce struct{}

func (lostOnce) Error() string  { return "the chip left the field" }
func (lostOnce) CardGone() bool { return true }

// Wherever the field loses the chip, the reading goes on behind what has come:
// a new session, the same offset.
func TestReadGoesOnWhereTheChipWasLost(t *testing.T) {
	for _, c := range []struct {
		name string
		p    chipsim.Passport
	}{{"BAC", passport(9000, true)}, {"PACE", passport(9000, true, aes256)}, {"every proof", provable(t)}} {
		opt := mrtd.Options{Groups: []int{1, 2, 13, 14, 15}, Proof: mrtd.ProofEvery, MaxLe: 256}
		whole, err := mrtd.Read(t.Context(), chipsim.New(c.p, chipsim.Options{}), both, opt)
		if err != nil && c.name != "every proof" {
			t.Fatal(err)
		}
		for n := 1; n <= whole.Stats.Commands; n++ {
			card := &once{chipsim.New(c.p, chipsim.Options{}), n}
			opt.Reconnect = func(context.Context) (apdu.Card, error) { return card, nil }
			r, err2 := mrtd.Read(t.Context(), card, both, opt)
			if (err2 == nil) != (err == nil) || r.Returns != 1 {
				t.Fatalf("%s, lost at command %d: got %v after %d returns, want %v after 1", c.name, n, err2, r.Returns, err)
			}
			same(t, c.p, mrtd.Reading{Files: r.Files}, missing(c.p, whole)...)
			if r.ChipAuth.State != whole.ChipAuth.State || r.ActiveAuth.State != whole.ActiveAuth.State || r.Access.Name() != whole.Access.Name() {
				t.Errorf("%s, lost at command %d: access %s, proofs %s and %s; want %s, %s, %s", c.name, n,
					r.Access.Name(), r.ChipAuth.State, r.ActiveAuth.State, whole.Access.Name(), whole.ChipAuth.State, whole.ActiveAuth.State)
			}
			// The lost command, access and chip authentication anew, and the file selected.
			if more := r.Stats.Commands - whole.Stats.Commands; more > 14 {
				t.Errorf("%s, lost at command %d: %d commands more, want at most 14", c.name, n, more)
			}
		}
	}
}

// missing are the files of a passport that a reading does not have.
func missing(p chipsim.Passport, r mrtd.Reading) (out []lds.Path) {
	for path := range p.Files {
		if r.Files[path] == nil {
			out = append(out, path)
		}
	}
	return out
}

// Another chip that came in its place is not read on from: it has all files and
// not the key.
func TestReadGoesOnWithTheSameChipOnly(t *testing.T) {
	p := provable(t)
	opt := mrtd.Options{Groups: []int{1, 13}, MaxLe: 256}
	whole, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, opt)
	if err != nil || whole.ChipAuth.State != mrtd.ProofCompleted {
		t.Fatalf("got %v, chip authentication %s", err, whole.ChipAuth.State)
	}
	for _, faults := range []chipsim.Faults{{ChipAuthOtherKey: true}, {ChipAuthRefused: 0x6A80}, {PACEFails: true}} {
		other := chipsim.New(p, chipsim.Options{Faults: faults})
		card := &once{chipsim.New(p, chipsim.Options{}), whole.Stats.Commands - 3}
		opt.Reconnect = func(context.Context) (apdu.Card, error) { return other, nil }
		r, err := mrtd.Read(t.Context(), card, both, opt)
		if !errors.Is(err, mrtd.ErrAccessDenied) || r.Files[0x010D] != nil {
			t.Errorf("%+v: got %v with DG13 of %d bytes, want denied and none", faults, err, len(r.Files[0x010D]))
		}
	}
}

// A chip that never stays long enough does not keep the reader for ever.
func TestReadGivesUpOnAChipThatComesAndGoes(t *testing.T) {
	p := passport(9000, true)
	card := chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{GoneAfter: 6}})
	returns := 0
	_, err := mrtd.Read(t.Context(), card, both, mrtd.Options{MaxLe: 256, Reconnect: func(context.Context) (apdu.Card, error) {
		returns++
		card.Enter()
		return card, nil
	}})
	if !errors.Is(err, mrtd.ErrChipLost) || returns > 8 {
		t.Errorf("got %v after %d returns, want ErrChipLost after 8 at most", err, returns)
	}
}
