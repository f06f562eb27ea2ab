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
	declined := false
	for _, v := range variants[:min(len(variants), maxVariants)] {
		for _, password := range passwords {
			opened, err := r.runPACE(ctx, v, password)
			if err == nil {
				if declined {
					r.met(QuirkPACEVariantRefused)
				}
				a.Protocol, a.PACE, a.PACEProblem, a.Password = ProtocolPACE, PACESucceeded, "", password.Name()
				a.setVariant(v)
				a.Opened = opened
				return opened, a, nil, nil
			}
			if lost := r.card.failure(ctx); lost != nil {
				return nil, a, nil, fmt.Errorf("cannot run PACE: %w", lost)
			}
			a.PACE, a.PACEProblem = PACEFailed, err.Error()
			declined = declined || declinedBegin(err) != 0
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

// runPACE runs a variant with a password. A chip that declines to begin is
// asked again where another form of the command may help.
func (r *reader) runPACE(ctx context.Context, v access.Variant, password access.Password) (*access.Opened, error) {
	opened, err := access.PACE(ctx, r.card, v, password, r.opt.Random)
	if sw := declinedBegin(err); sw == apdu.LastCommandExpected { // this command ended the chain that an earlier try left open
		r.met(QuirkChainLeftOpen)
		opened, err = access.PACE(ctx, r.card, v, password, r.opt.Random)
	}
	switch declinedBegin(err) {
	case apdu.WrongData, apdu.WrongP1P2, wrongLc, apdu.ReferenceNotFound:
		if v.Ambiguous || v.ParameterID < 0 {
			return opened, err
		}
		v.Ambiguous = true // has the parameters named
		again, err := access.PACE(ctx, r.card, v, password, r.opt.Random)
		if err == nil {
			r.met(QuirkPACEParametersWanted)
		}
		return again, err
	}
	return opened, err
}

// wrongLc says that Lc does not fit P1 P2.
const wrongLc apdu.StatusWord = 0x6A87

// declinedBegin is the answer by which a chip declined MSE:Set AT, 0 where it
// did not.
func declinedBegin(err error) apdu.StatusWord {
	var status *apdu.StatusError
	if errors.As(err, &status) && status.Command == apdu.MSE(0xC1, 0xA4, nil).Name() {
		return status.SW
	}
	return 0
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
	if r.wantsFCI {
		c.P2, c.Le = 0, 256
	}
	answer, err := apdu.Send(ctx, card, c)
	if err == nil && answer.SW == apdu.LastCommandExpected { // a chain that PACE left open: this command ended it
		r.met(QuirkChainLeftOpen)
		answer, err = apdu.Send(ctx, card, c)
	}
	if err == nil {
		err = answer.Check(c)
	}
	if r.noticed(err); !r.wantsFCI && statusOf(err) == apdu.WrongP1P2 {
		r.wantsFCI = true
		if err = r.selectApplication(ctx, card); err == nil {
			r.met(QuirkApplicationWantsFCI)
		}
		return err
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
