package mrtd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"limen/mrtd/access"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
)

// ProofState is how far a chip got with a protocol. That one was completed
// proves something only with the key it was run with: see package authn.
type ProofState string

// The states of a proof. The zero ProofState means that it was not asked for.
const (
	ProofNotOffered  ProofState = "not_offered" // the chip names no key for it
	ProofUnsupported ProofState = "unsupported" // … or only in variants that are not implemented
	ProofRefused     ProofState = "refused"     // the chip declined it with a status word
	ProofFailed      ProofState = "failed"      // it answered, and not as the holder of the key would
	ProofCompleted   ProofState = "completed"
)

// ChipAuth is how chip authentication went (Doc 9303-11, 6.2).
type ChipAuth struct {
	State   ProofState
	Variant access.ChipAuthVariant // the last tried
	Problem string                 // why it was not completed; holds nothing of the document
}

// ActiveAuth is what active authentication gave (Doc 9303-11, 6.1): the
// challenge and the chip's signature over it, for package authn to judge.
type ActiveAuth struct {
	State     ProofState
	Challenge []byte
	Signature []byte
	Problem   string
}

// TerminalAuth is how the reader was received (Doc 9303-11, 7.1).
type TerminalAuth struct {
	State   ProofState
	Rights  cvc.Rights // that its certificates grant, DG3 and DG4 among them
	Problem string
}

// maxKeys bounds how many of a chip's keys are tried.
const maxKeys = 3

// proveMapping reads EF.CardSecurity after PACE with chip authentication
// mapping: it has the key by which the mapping is judged (Doc 9303-11, 4.4.3.5).
func (r *reader) proveMapping(ctx context.Context, opened *access.Opened) error {
	f := lds.EFCardSecurity
	if opened.CAM == nil || r.has(f) {
		return nil
	}
	data, err := newFiles(opened.Session, r.maxLe, nil, r.met).read(ctx, f, nil)
	if lost := r.card.failure(ctx); lost != nil {
		return fmt.Errorf("cannot read %s: %w", f, lost)
	}
	if err != nil {
		r.fail(f, err)
		return nil
	}
	r.keep(f, data)
	return nil
}

// mapped tells whether PACE has bound the channel to a key of DG14. One that
// EF.CardSecurity alone has may be another document's: the chip is to prove
// itself by DG14's or DG15's as well.
func (r *reader) mapped() bool {
	opened := r.reading.Access.Opened
	if opened == nil || opened.CAM == nil {
		return false
	}
	infos, err := lds.ParseDG14(r.reading.Files[groupFile(14).Path()])
	return err == nil && opened.CAM.VerifyAmong(infos.PublicKeys) == nil
}

// proveChip has the chip run chip authentication with a key of DG14. What is
// read from here on comes from the holder of that key, or not at all.
func (r *reader) proveChip(ctx context.Context) error {
	dg14 := r.reading.Files[groupFile(14).Path()]
	switch {
	case r.opt.Proof == ProofNone, r.reading.ChipAuth.State != "" && r.reading.ChipAuth.State != ProofNotOffered:
		return nil
	case r.opt.Proof == ProofOnce && r.mapped() && r.opt.Terminal == nil:
		return nil // PACE has bound the channel to the chip's key
	case dg14 == nil:
		r.reading.ChipAuth.State = ProofNotOffered
		return nil
	}
	return r.hold(ctx, func() error {
		if r.reading.Channel == nil { // the chip was lost over the last try
			if err := r.establish(ctx); err != nil {
				return err
			}
		}
		return r.chipAuthentication(ctx)
	})
}

// chipAuthentication runs it once over the open channel, with the chip's keys
// in turn, and goes on under the new keys.
func (r *reader) chipAuthentication(ctx context.Context) error {
	r.reading.ChipAuth = ChipAuth{State: ProofNotOffered}
	infos, err := lds.ParseDG14(r.reading.Files[groupFile(14).Path()])
	if err != nil {
		r.reading.ChipAuth.Problem = err.Error()
		return nil
	}
	variants := access.ChipAuthVariants(infos)
	if len(variants) == 0 && len(infos.PublicKeys) > 0 {
		r.reading.ChipAuth.State = ProofUnsupported
	}
	declined := false
	for i, v := range variants[:min(len(variants), maxKeys)] {
		done, broke, err := r.tryChipKey(ctx, v)
		if broke && declined && !done && err == nil { // the session had ended over the key before
			done, _, err = r.tryChipKey(ctx, v)
		}
		if done || err != nil {
			return err
		}
		if i == 0 && len(variants) > 1 {
			r.met(QuirkChipAuthKeyRefused)
		}
		declined = !broke
	}
	return nil
}

// tryChipKey runs chip authentication with one key. It is done when another
// key would not help, and broke where the session had ended and was opened anew.
func (r *reader) tryChipKey(ctx context.Context, v access.ChipAuthVariant) (done, broke bool, err error) {
	result, err := access.ChipAuthentication(ctx, r.reading.Channel, v, r.opt.Random)
	agreed := err == nil
	if agreed {
		err = result.Confirm(ctx)
	}
	if lost := r.card.failure(ctx); lost != nil {
		r.reading.Channel = nil
		return true, false, fmt.Errorf("cannot run chip authentication: %w", lost)
	}
	r.noticed(err)
	r.reading.ChipAuth = ChipAuth{State: ProofCompleted, Variant: v}
	if agreed && (err == nil || result.Proven()) {
		r.caKey = result.Key
		r.use(result.Session)
		return true, false, nil
	}
	r.reading.ChipAuth.State, r.reading.ChipAuth.Problem = ProofRefused, err.Error()
	if agreed && access.KeysDiffer(err) {
		r.reading.ChipAuth.State = ProofFailed
	}
	if !agreed && !brokenOff(err, true) && !broken(err) {
		return false, false, nil // the old session goes on
	}
	// What the chip holds is still to be told, as that of a chip that did not
	// prove itself: the session's end is not the reading's.
	state := r.reading.ChipAuth
	r.reading.ChipAuth = ChipAuth{}
	err = r.reopen(ctx)
	r.reading.ChipAuth = state
	return state.State == ProofFailed, true, err
}

// wantsActive tells whether active authentication is still called for.
func (r *reader) wantsActive() bool {
	switch r.opt.Proof {
	case ProofEvery:
		return true
	case ProofOnce:
		return r.reading.ChipAuth.State != ProofCompleted && !r.mapped()
	}
	return false
}

// challengeLen is the length of active authentication's challenge (Doc 9303-11, 6.1).
const challengeLen = 8

// proveActive has the chip sign a challenge with the key of DG15.
func (r *reader) proveActive(ctx context.Context) error {
	if !r.wantsActive() {
		return nil
	}
	dg15 := r.reading.Files[groupFile(15).Path()]
	if dg15 == nil {
		r.reading.ActiveAuth.State = ProofNotOffered
		return nil
	}
	return r.hold(ctx, func() error {
		if r.reading.Channel == nil {
			if err := r.establish(ctx); err != nil {
				return err
			}
		}
		return r.activeAuthentication(ctx, dg15)
	})
}

func (r *reader) activeAuthentication(ctx context.Context, dg15 []byte) error {
	size := 0
	if key, err := lds.ParseDG15(dg15); err == nil {
		size = key.SignatureLength()
	}
	asked, err := r.sign(ctx, func(challenge []byte) ([]byte, []int, error) {
		return access.AskSignature(ctx, r.reading.Channel, challenge, size)
	})
	if access.KeysDiffer(err) && len(asked) > 1 && r.reopens < maxReopens {
		// It ended the session over the length that was asked for before the last.
		if err := r.reopen(ctx); err != nil {
			return err
		}
		r.met(QuirkSessionBrokenOff)
		last := asked[len(asked)-1]
		_, err = r.sign(ctx, func(challenge []byte) ([]byte, []int, error) {
			signature, err := access.InternalAuthenticate(ctx, r.reading.Channel, challenge, last)
			return signature, nil, err
		})
	}
	switch lost := r.card.failure(ctx); {
	case lost != nil:
		r.reading.Channel = nil
		return fmt.Errorf("cannot run active authentication: %w", lost)
	case errors.Is(err, errNoRandomness):
		return err
	case brokenOff(err, true) || broken(err):
		return r.reopen(ctx)
	case err == nil && len(asked) > 1:
		r.met(QuirkActiveAuthLength)
	}
	return nil
}

var errNoRandomness = errors.New("no randomness")

// sign has the chip sign a new challenge and keeps what came of it, unless the
// chip was lost over it. asked are the lengths that ask has tried.
func (r *reader) sign(ctx context.Context, ask func(challenge []byte) (signature []byte, asked []int, err error)) ([]int, error) {
	challenge := make([]byte, challengeLen)
	if _, err := io.ReadFull(r.opt.Random, challenge); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoRandomness, err)
	}
	signature, asked, err := ask(challenge)
	switch r.noticed(err); {
	case r.card.failure(ctx) != nil:
	case err != nil:
		r.reading.ActiveAuth = ActiveAuth{State: ProofRefused, Problem: err.Error()}
	default:
		r.reading.ActiveAuth = ActiveAuth{State: ProofCompleted, Challenge: challenge, Signature: signature}
	}
	return asked, err
}
