package mrtd

import (
	"context"
	"errors"
	"fmt"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// How often a reading starts over: a session that a chip broke off, and a chip
// that came back into the field. A document held by hand slips more than once.
const (
	maxReopens   = 3
	maxReturns   = 8
	maxFruitless = 3 // in a row that brought nothing more of any file
)

// sureLength is a length that no chip is known to end a session over.
const sureLength = 128

// hold does a part of the reading that can be done again from its start, and
// does so when the chip was lost meanwhile and has come back.
func (r *reader) hold(ctx context.Context, part func() error) error {
	for {
		err := part()
		if err == nil || !r.returned(ctx) {
			return err
		}
	}
}

// returned waits for a lost chip to come back, where there is a way to, and
// tells whether it did. It is then as if just powered up.
func (r *reader) returned(ctx context.Context) bool {
	if r.opt.Reconnect == nil || r.reading.Returns >= maxReturns || !errors.Is(r.card.failure(ctx), ErrChipLost) {
		return false
	}
	if got := r.got(); got > r.gotBefore {
		r.gotBefore, r.fruitless = got, 0
	} else if r.fruitless++; r.fruitless > maxFruitless {
		return false
	}
	r.reading.Returns++
	card, err := r.opt.Reconnect(ctx)
	if err != nil {
		return false
	}
	r.card.Card, r.card.err = card, nil
	r.met(QuirkChipReturned)
	return true
}

// got is how much of the files has come, by all sessions.
func (r *reader) got() int {
	if r.files == nil {
		return 0
	}
	return r.files.got
}

// establish opens the chip and, where it had proven itself by chip
// authentication before, has it do so again: nothing more is read from one that
// cannot. What the reads have learned is kept.
func (r *reader) establish(ctx context.Context) error {
	before, files := r.reading.Access, r.files
	r.reading.Channel = nil
	if err := r.open(ctx); err != nil {
		r.reading.Access = before
		return err
	}
	// A chip that opened by PACE a moment ago is not to be talked down now.
	if now := r.reading.Access.Protocol; before.Protocol == ProtocolPACE && now != ProtocolPACE {
		r.reading.Access, r.reading.Channel = before, nil
		return fmt.Errorf("%w: it opened by PACE before and by %s now", ErrAccessDenied, now)
	}
	r.files.keep(files)
	if r.reading.ChipAuth.State == ProofCompleted {
		if err := r.chipAuthentication(ctx); err != nil {
			return err
		}
		if r.reading.ChipAuth.State != ProofCompleted {
			return fmt.Errorf("%w: it ran chip authentication before and does not now", ErrAccessDenied)
		}
	}
	if r.reading.TerminalAuth.State == ProofCompleted {
		return r.terminalAuthentication(ctx)
	}
	return nil
}

// reopen starts over from the master file: a plain command ends what is left
// of the old session at the chip.
func (r *reader) reopen(ctx context.Context) error {
	r.reopens++
	answer, err := apdu.Send(ctx, r.card, apdu.SelectMF())
	if err != nil {
		return err
	}
	if err = r.establish(ctx); err == nil && answer.SW != apdu.Success {
		r.met(QuirkMasterFileRefused)
	}
	return err
}

// fetch reads one file. Where a chip breaks off secure messaging over it, most
// often for a length it does not bear, the session is opened anew; where the
// chip was lost and has come back, too. The file goes on from what had come.
func (r *reader) fetch(ctx context.Context, f lds.File) ([]byte, error) {
	var data []byte
	for first := true; ; first = false {
		before, restart := r.files.learned, r.establish
		var err error
		data, err = r.files.read(ctx, f, data)
		r.noticed(err)
		switch {
		case err == nil:
			return data, nil
		case r.card.failure(ctx) == nil && r.reopens < maxReopens && errors.Is(err, access.ErrIntegrity) && !r.files.whole:
			r.files.whole = true // the checksum is never left out: the piece comes again
			r.files.doubt(QuirkChecksumAtEnd)
			restart = r.reopen
		// A second opening for one file is worth its time only where the first led
		// to another way of reading.
		case r.card.failure(ctx) == nil && r.reopens < maxReopens && brokenOff(err, first || r.files.learned != before):
			restart = r.reopen
			if over(err) {
				r.files.doubt(QuirkSessionBrokenOff)
			}
			if r.reopens > 0 && r.files.block < before.block {
				r.files.block = min(r.files.block, sureLength) // sessions are not to be spent on finding the best
			}
		case !r.returned(ctx):
			r.files.doubts = nil // nothing was borne
			return nil, err
		}
		if err := r.hold(ctx, func() error { return restart(ctx) }); err != nil {
			return nil, err
		}
	}
}

// noticed notes what an answer outside secure messaging departs by. That of a
// chip to a command whose protection it could not verify is as it should be.
func (r *reader) noticed(err error) {
	if bare := (*access.PlainStatusError)(nil); errors.As(err, &bare) && !over(err) {
		r.met(QuirkBareError)
	}
}

// over tells that the session is over, as the reader knows or the chip says.
func over(err error) bool {
	var bare *access.PlainStatusError
	return errors.Is(err, access.ErrSessionOver) ||
		errors.As(err, &bare) && (bare.SW == apdu.SMObjectsMissing || bare.SW == apdu.SMObjectsIncorrect)
}

// brokenOff tells that the session has to be opened anew to go on: it is over,
// or a bare answer says that it is, or may mean so by speaking of rights or
// length. Other bare answers (a file that is not there) are that file's own.
func brokenOff(err error, worthIt bool) bool {
	var plain *access.PlainStatusError
	if errors.Is(err, access.ErrSessionOver) {
		return true
	}
	if !errors.As(err, &plain) {
		return false
	}
	switch plain.SW {
	case apdu.SMObjectsMissing, apdu.SMObjectsIncorrect, apdu.SecurityStatus, apdu.ConditionsOfUse:
		return worthIt
	}
	return aboutLength(plain.SW) && worthIt
}

// broken tells that the channel cannot carry another file: its answers do not
// verify, or it could not be opened again.
func broken(err error) bool {
	return errors.Is(err, access.ErrIntegrity) || errors.Is(err, access.ErrSessionOver) || errors.Is(err, ErrAccessDenied)
}
