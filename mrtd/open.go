package mrtd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/lds"
)

// maxVariants bounds how many of a chip's PACE variants are tried: a chip that
// fails three will fail the fourth, and each costs a traveller's second.
const maxVariants = 3

// open gains access with the application selected at the end: PACE where the
// chip offers it, BAC otherwise or after PACE failed, and none where the chip
// asks for none.
func open(ctx context.Context, card *link, infos lds.SecurityInfos, key Key, random io.Reader) (apdu.Card, Access, error) {
	session, a, refused, err := openPACE(ctx, card, infos, key, random)
	if err != nil {
		return nil, a, err
	}
	if session != nil {
		return session, a, selectApplication(ctx, session)
	}
	// A plain SELECT also ends what PACE may have left half open.
	if err := selectApplication(ctx, card); err != nil {
		if lost := card.failure(ctx); lost == nil && refused != nil && !errors.Is(err, ErrNoApplication) {
			return nil, a, fmt.Errorf("%w: %w", ErrAccessDenied, refused)
		}
		return nil, a, err
	}
	if key.MRZ != "" {
		session, err := access.BAC(ctx, card, key.MRZ, random)
		if err == nil {
			a.Protocol, a.Password, a.Cipher = ProtocolBAC, "MRZ", session.Cipher().String()
			return session, a, nil
		}
		if lost := card.failure(ctx); lost != nil {
			return nil, a, fmt.Errorf("cannot run BAC: %w", lost)
		}
		if errors.Is(err, access.ErrRefused) {
			refused = err
		} else if refused == nil {
			refused = fmt.Errorf("cannot run BAC: %w", err)
		}
	}
	free, err := openWithoutKey(ctx, card)
	switch {
	case err != nil:
		return nil, a, err
	case free:
		a.Protocol = ProtocolNone
		return card, a, nil
	case refused == nil:
		return nil, a, fmt.Errorf("%w: it asks for a key that only the MRZ gives", ErrAccessDenied)
	case errors.Is(refused, access.ErrRefused):
		return nil, a, fmt.Errorf("%w: %w", ErrAccessDenied, refused)
	}
	return nil, a, refused
}

// openPACE tries the chip's variants, best first, with the CAN and then the
// MRZ. A nil session without error means that PACE is not to be had; refused
// then tells that a key was the reason.
func openPACE(ctx context.Context, card *link, infos lds.SecurityInfos, key Key, random io.Reader) (_ apdu.Card, a Access, refused, err error) {
	a.PACE = PACENotOffered
	if len(infos.PACE) > 0 {
		a.PACE = PACEUnsupported
	}
	var passwords []access.Password
	if key.CAN != "" {
		passwords = append(passwords, access.CANPassword(key.CAN))
	}
	if key.MRZ != "" {
		passwords = append(passwords, access.MRZPassword(key.MRZ))
	}
	variants := carried(card, access.Variants(infos))
	for _, v := range variants[:min(len(variants), maxVariants)] {
		for _, password := range passwords {
			opened, err := access.PACE(ctx, card, v, password, random)
			if err == nil {
				a.Protocol, a.PACE, a.PACEProblem, a.Password = ProtocolPACE, PACESucceeded, "", password.Name()
				a.setVariant(v)
				a.Opened = opened
				return opened.Session, a, nil, nil
			}
			if lost := card.failure(ctx); lost != nil {
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
func selectApplication(ctx context.Context, card apdu.Card) error {
	c := apdu.SelectApplication(apdu.EMRTD())
	r, err := apdu.Send(ctx, card, c)
	if err == nil {
		err = r.Check(c)
	}
	switch r.SW {
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
