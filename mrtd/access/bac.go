package access

import (
	"context"
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"limen/mrtd/apdu"
)

// Lengths of BAC (4.3.1).
const (
	nonceLen  = 8
	secretLen = 16
)

// ErrRefused says that chip and reader do not share the password: one of them
// found the other's proof wrong.
var ErrRefused = errors.New("access: the key does not open this chip")

// BAC runs Basic Access Control (4.3) on the selected eMRTD application.
// mrzInformation is document number, date of birth and date of expiry, each
// with its check digit. random supplies 24 bytes.
//
// A wrong key gives ErrRefused, joined with the chip's *apdu.StatusError where
// it was the chip that said so.
func BAC(ctx context.Context, card apdu.Card, mrzInformation string, random io.Reader) (*Session, error) {
	suite, err := DocumentAccessSuite(mrzInformation)
	if err != nil {
		return nil, err
	}
	challenge := apdu.GetChallenge(nonceLen)
	r, err := apdu.Send(ctx, card, challenge)
	if err != nil {
		return nil, err
	}
	if err := r.Check(challenge); err != nil {
		return nil, err
	}
	if len(r.Data) != nonceLen {
		return nil, fmt.Errorf("access: challenge of %d bytes where %d belong", len(r.Data), nonceLen)
	}
	rndIC := r.Data
	own := make([]byte, nonceLen+secretLen)
	if _, err := io.ReadFull(random, own); err != nil {
		return nil, fmt.Errorf("access: no randomness: %w", err)
	}
	rndIFD, kIFD := own[:nonceLen], own[nonceLen:]

	zero := make([]byte, suite.cipher.BlockSize())
	s := append(append(append([]byte(nil), rndIFD...), rndIC...), kIFD...)
	cryptogram := suite.Encrypt(zero, s)
	authenticate := apdu.ExternalAuthenticate(append(cryptogram, suite.Token(cryptogram)...), 40)
	if r, err = apdu.Send(ctx, card, authenticate); err != nil {
		return nil, err
	}
	if err := r.Check(authenticate); err != nil {
		return nil, errors.Join(ErrRefused, err)
	}
	if len(r.Data) != 40 {
		return nil, fmt.Errorf("access: proof of %d bytes where 40 belong", len(r.Data))
	}
	if !equal(suite.Token(r.Data[:32]), r.Data[32:]) {
		return nil, fmt.Errorf("%w: its proof does not verify", ErrRefused)
	}
	answer, err := suite.Decrypt(zero, r.Data[:32])
	if err != nil {
		return nil, err
	}
	// Both nonces must come back swapped, or an old proof is being replayed.
	if !equal(answer[:8], rndIC) || !equal(answer[8:16], rndIFD) {
		return nil, fmt.Errorf("%w: its proof is of another session", ErrRefused)
	}
	seed := make([]byte, secretLen)
	subtle.XORBytes(seed, kIFD, answer[16:])
	session, err := SessionSuite(TripleDES, seed)
	if err != nil {
		return nil, err
	}
	return NewSession(card, session, append(append([]byte(nil), rndIC[4:]...), rndIFD[4:]...))
}

// DocumentAccessSuite holds the document basic access keys (9.7.2): the chip
// has them from personalization, the reader from the printed MRZ.
func DocumentAccessSuite(mrzInformation string) (*Suite, error) {
	if mrzInformation == "" {
		return nil, errors.New("access: BAC needs the MRZ")
	}
	h := sha1.Sum([]byte(mrzInformation))
	return SessionSuite(TripleDES, h[:16])
}
