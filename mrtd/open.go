package mrtd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// maxVariants bounds how many of a chip's PACE variants are tried: a chip that
// fails three will fail the fourth, and each costs a traveller's second.
const maxVariants = 3

// gainAccess opens the chip with the application selected at the end: PACE
// where the chip offers it, BAC otherwise or after PACE failed, and none where
// the chip asks for none.
func (r *reader) gainAccess(ctx context.Context) (apdu.Card, Access, error) {
	opened, a, refused, err := r.openPACE(ctx)
	if err != nil {
		return nil, a, err
	}
	if opened != nil {
		if err := r.proveMapping(ctx, opened); err != nil {
			return nil, a, err
		}
		return opened.Session, a, r.selectApplication(ctx, opened.Session)
	}
	// A plain SELECT also ends what PACE may have left half open.
	if err := r.selectApplication(ctx, r.card); err != nil {
		if lost := r.card.failure(ctx); lost == nil && refused != nil && !errors.Is(err, ErrNoApplication) {
			return nil, a, fmt.Errorf("%w: %w", ErrAccessDenied, refused)
		}
		return nil, a, err
	}
	if r.key.MRZ != "" {
		session, err := access.BAC(ctx, r.card, r.key.MRZ, r.opt.Random)
		if err == nil {
			a.Protocol, a.Password, a.Cipher = ProtocolBAC, "MRZ", session.Cipher().String()
			return session, a, nil
		}
		if lost := r.card.failure(ctx); lost != nil {
			return nil, a, fmt.Errorf("cannot run BAC: %w", lost)
		}
		switch {
		case statusOf(err) == apdu.ReferenceNotFound: // it has no keys for BAC: the key was not judged
			r.met(QuirkBACRefusedAsMissing)
			if refused == nil {
				refused = fmt.Errorf("%w: it opens by PACE alone, and that could not be run: %v", access.ErrRefused, statusOf(err))
			}
		case errors.Is(err, access.ErrRefused):
			refused = err
		case refused == nil:
			refused = fmt.Errorf("cannot run BAC: %w", err)
		}
	}
	free, err := openWithoutKey(ctx, r.card)
	switch {
	case err != nil:
		return nil, a, err
	case free:
		a.Protocol = ProtocolNone
		return r.card, a, nil
	case refused == nil:
		return nil, a, fmt.Errorf("%w: it asks for a key that only the MRZ gives", ErrAccessDenied)
	case errors.Is(refused, access.ErrRefused):
		return nil, a, fmt.Errorf("%w: %w", ErrAccessDenied, refused)
	}
	return nil, a, refused
}

// openPACE tries the chip's variants, best first, with the CAN and then the
// MRZ. Nil without error means that PACE is not to be had; refused then tells
// that a key was the reason.
func (r *reader) openPACE(ctx context.Context) (_ *access.Opened, a Access, refused, err error) {
	a.PACE = PACENotOffered
	if len(r.infos.PACE) > 0 {
		a.PACE = PACEUnsupported
	}
	var passwords []access.Password
	if r.key.CAN != "" {
		passwords = append(passwords, access.CANPassword(r.key.CAN))
	}
	if r.key.MRZ != "" {
		passwords = append(passwords, access.MRZPassword(r.key.MRZ))
	}
	variants := carried(r.card, access.Variants(r.infos))
	for _, v := range variants[:min(len(variants), maxVariants)] {
		for _, password := range passwords {
			opened, err := access.PACE(ctx, r.card, v, password, r.opt.Random)
			if err == nil {
				a.Protocol, a.PACE, a.PACEProblem, a.Password = ProtocolPACE, PACESucceeded, "", password.Name()
				a.setVariant(v)
				a.Opened = opened
				return opened, a, nil, nil
			}
			if lost := r.card.failure(ctx); lost != nil {
				return nil, a, nil, fmt.Errorf("cannot run PACE: %w", lost)
			}
			a.PACE, a.PACEProblem = PACEFailed, err.Error()
			if errors.Is(err, access.ErrRefused) {
				refused = err
			}
		}
		if refused != nil {
			break // another variant proves the same key
		}
	}
	return nil, a, refused, nil
}

// carried are the variants whose keys fit the commands and responses the card
// says it carries; one that does not say is tried.
func carried(card *link, variants []access.Variant) []access.Variant {
	if _, says := card.Card.(apdu.Limited); !says {
		return variants
	}
	command, response := card.Limits()
	return slices.DeleteFunc(variants, func(v access.Variant) bool {
		c, r := v.Longest()
		return c > command || r > response
	})
}

// selectApplication selects the eMRTD application, or says that there is none.
func (r *reader) selectApplication(ctx context.Context, card apdu.Card) error {
	c := apdu.SelectApplication(apdu.EMRTD())
	answer, err := apdu.Send(ctx, card, c)
	if err == nil && answer.SW == apdu.LastCommandExpected { // a chain that PACE left open: this command ended it
		answer, err = apdu.Send(ctx, card, c)
	}
	if err == nil && answer.SW == apdu.WrongP1P2 {
		withFCI := c
		withFCI.P2, withFCI.Le = 0, 256
		if answer, err = apdu.Send(ctx, card, withFCI); err == nil && answer.SW == apdu.Success {
			r.met(QuirkApplicationWantsFCI)
		}
	}
	if err == nil {
		err = answer.Check(c)
	}
	switch statusOf(err) {
	case apdu.FileNotFound, apdu.FunctionUnsupported, apdu.WrongP1P2, apdu.WrongINS, apdu.WrongCLA:
		return fmt.Errorf("%w: %w", ErrNoApplication, err)
	}
	if err != nil {
		return fmt.Errorf("cannot select the eMRTD application: %w", err)
	}
	return nil
}

// openWithoutKey tells whether the chip lets EF.COM be read as it is. Any
// answer but "security status not satisfied" leaves the verdict to the reading.
func openWithoutKey(ctx context.Context, card *link) (bool, error) {
	r, err := apdu.Send(ctx, card, apdu.ReadBinarySFI(lds.EFCOM.SFI, 4))
	if err != nil {
		return false, err
	}
	switch r.SW {
	case apdu.SecurityStatus, apdu.ConditionsOfUse, apdu.SMObjectsMissing, apdu.SMObjectsIncorrect:
		return false, nil
	}
	return true, nil
}
