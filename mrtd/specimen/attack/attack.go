// Package attack is a table of attacks on an inspection by way of the chip, for
// tests: what lies on the reader, what an unattacked document in its place would
// be, and the reason by which the attack must be found out.
//
//	time of the inspection -> Table -> trust to import, rows: card, twin, reason
//
// The cards are chips of package chipsim, some with a middleman before them,
// made by authorities of package specimen. Programs that are installed do not
// link this package.
package attack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"limen/mrtd/apdu"
)

// Card is what lies on the reader: a chip, or whoever stands before it. Reset
// is the field's coming back: the chip is powered up anew.
type Card interface {
	apdu.Card
	Reset()
}

// Attack is one row.
type Attack struct {
	Name    string
	Clause  string // that the inspection has to keep for the attack to fail
	Has     string // what the attacker has
	Stopped string // where the attack is stopped
	// Reason is the reason that the referral must name, "dg_hash_mismatch:DG2",
	// and Read that of a lone reading of the chip where it is another one.
	Reason, Read string
	// Printed are the lines of the data page; Genuine those of the twin's.
	Printed, Genuine []string
	// Card makes the attacker's card, and Twin the card that the same document
	// is without the attack: it must be admitted.
	Card, Twin func() Card
	// Hostile is an attack on the reader itself: what it costs is bounded.
	Hostile bool
	// Portrait is an attack on the decoder of portraits.
	Portrait bool
	// Slow is a card that only the reader's time limit ends.
	Slow bool
}

// ReadReason is the reason that a lone reading must name.
func (a Attack) ReadReason() string {
	if a.Read != "" {
		return a.Read
	}
	return a.Reason
}

// Import is a file of the trust store.
type Import struct {
	Name string
	Data []byte
}

// Stage is the table with what a trust store has to hold for it.
type Stage struct {
	Trust    []Import // in the order of import
	Attacks  []Attack
	Borne    []Attack // those that are not found out, and why
	Portrait []byte   // the genuine documents': the only one that decodes
}

// New makes the table for an inspection at a time: no certificate, list or
// document of it is to be judged at another.
func New(at time.Time) (*Stage, error) {
	s, err := newScene(at)
	if err != nil {
		return nil, fmt.Errorf("cannot make the scene of the attacks: %w", err)
	}
	var all []Attack
	for _, rows := range []func() []Attack{s.contents, s.signers, s.copies, s.middlemen, s.bombs, s.portraits} {
		all = append(all, rows()...)
	}
	borne, trust := s.borne(), s.trust()
	if s.err != nil {
		return nil, fmt.Errorf("cannot make an attack: %w", s.err)
	}
	for i, a := range all {
		all[i].Genuine = s.lines
		switch {
		case a.Name == "" || a.Clause == "" || a.Has == "" || a.Stopped == "" || a.Reason == "" || a.Card == nil || a.Twin == nil || len(a.Printed) == 0:
			return nil, fmt.Errorf("attack %d, %q, is not complete", i+1, a.Name)
		case slices.ContainsFunc(all[:i], func(b Attack) bool { return a.Name == b.Name }):
			return nil, fmt.Errorf("there are two attacks %q", a.Name)
		}
	}
	return &Stage{Trust: trust, Attacks: all, Borne: borne, Portrait: s.portrait}, nil
}

// What attackers have.
const (
	hasCard     = "a programmable card"
	hasFiles    = "a programmable card, the files of a genuine passport"
	hasMiddle   = "a device between chip and reader, the printed MRZ"
	hasInsider  = "a programmable card, the chip's private key of another genuine passport"
	hasOldKey   = "a programmable card, the key of a document signer"
	hasState    = "the keys of another state whose CSCA is in the list"
	hasIssuer   = "a programmable card, the issuer's signature over any portrait"
	hasTwoChips = "a genuine passport, a programmable card, a hand that is quick"
)

// errGone is what a reader says of a chip that left the field.
type errGone struct{ error }

// CardGone is true.
func (errGone) CardGone() bool { return true }

var gone = errGone{errors.New("attack: the chip is not in the field")}

// errLate is what a reader says of a chip that does not answer in time.
type errLate struct{ error }

// Timeout is true.
func (errLate) Timeout() bool { return true }

var late = errLate{errors.New("attack: no answer in time")}

// before is a card with somebody before it, who sees every command and may
// answer in the chip's place, or change what it answers.
type before struct {
	Card
	meddle func(ctx context.Context, command []byte, chip apdu.Card) ([]byte, error)
}

// Transmit implements apdu.Card.
func (b *before) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	return b.meddle(ctx, command, b.Card)
}

// answered changes the answers to commands of which is; n counts these from 1.
func answered(card func() Card, is func(command []byte) bool, change func(n int, answer []byte) []byte) func() Card {
	return func() Card {
		n := 0
		return &before{card(), func(ctx context.Context, command []byte, chip apdu.Card) ([]byte, error) {
			answer, err := chip.Transmit(ctx, command)
			if err != nil || !is(command) {
				return answer, err
			}
			n++
			return change(n, answer), nil
		}}
	}
}

// protected tells a command under secure messaging, by its instruction; 0 is any.
func protected(instruction byte) func([]byte) bool {
	return func(c []byte) bool { return c[0]&0x0C == 0x0C && (instruction == 0 || c[1] == instruction) }
}
