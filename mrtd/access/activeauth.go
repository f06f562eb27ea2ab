package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"limen/mrtd/apdu"
)

// ActiveAuthentication has the chip sign a challenge of 8 bytes (6.1.3). size
// is how many bytes the signature of DG15's key has, 0 where that is not known.
// What the signature proves is for package authn to say. AskSignature tells how.
func ActiveAuthentication(ctx context.Context, card apdu.Card, challenge []byte, size int) ([]byte, error) {
	signature, _, err := AskSignature(ctx, card, challenge, size)
	return signature, err
}

// AskSignature is ActiveAuthentication that also tells the lengths, Le, it asked
// for, one for each INTERNAL AUTHENTICATE.
//
// Chips disagree on Le. Some, of China, answer nothing to 65536; others, of
// Australia, cut off at 256 what does not fit; others refuse one of the two
// with 6700, or name the right one with 6Cxx. So the length that should do is
// tried first, the other after it where the card carries it, and the longest
// answer counts. Where the chip declines all, the error is one for which
// Declined is true.
//
// A chip may end the session over the first Le, which KeysDiffer tells: then
// InternalAuthenticate in a new session, with the last Le, is what is left.
func AskSignature(ctx context.Context, card apdu.Card, challenge []byte, size int) (signature []byte, asked []int, err error) {
	if len(challenge) != challengeLen {
		return nil, nil, fmt.Errorf("access: challenge of %d bytes where %d belong", len(challenge), challengeLen)
	}
	var best []byte
	var declined error
	for lengths := signatureLe(card, size); len(lengths) > 0; {
		le := lengths[0]
		lengths, asked = lengths[1:], append(asked, le)
		signature, err := InternalAuthenticate(ctx, card, challenge, le)
		if err != nil {
			sw, ok := Declined(err)
			switch {
			case declined != nil && KeysDiffer(err):
				return nil, asked, fmt.Errorf("the chip ended the session (%v): %w", declined, err)
			case !ok || !aboutLength(sw): // no more answers will come, and what came was perhaps cut off
				return nil, asked, err
			}
			if right, named := sw.CorrectLe(); named && !slices.Contains(asked, right) {
				lengths = []int{right}
			}
			declined = err
			continue
		}
		if len(signature) > len(best) {
			best = signature
		}
		if len(best) > 0 && len(best) >= size {
			break
		}
	}
	switch {
	case len(best) > 0:
		return best, asked, nil
	case declined != nil:
		return nil, asked, declined
	}
	return nil, asked, errors.New("access: the chip signed nothing and said success")
}

// challengeLen is that of RND.IFD (6.1.2.1).
const challengeLen = 8

// signatureLe lists the lengths to try: 256 and, where the card carries it,
// 65536. The latter goes first for signatures that do not fit otherwise.
func signatureLe(card apdu.Card, size int) []int {
	_, response := apdu.Limits(card)
	short := min(response-2, 256)
	if s, ok := card.(*Session); ok {
		_, below := apdu.Limits(s.card)
		short, response = s.MaxPlain(256), below
	}
	switch {
	case response <= 258:
		return []int{256}
	case size > short:
		return []int{apdu.MaxLe, 256}
	}
	return []int{256, apdu.MaxLe}
}

// InternalAuthenticate is one try of AskSignature, with an Le of the caller's:
// 256 or 65536. An empty signature is what some chips answer to an Le
// they do not like.
func InternalAuthenticate(ctx context.Context, card apdu.Card, challenge []byte, le int) ([]byte, error) {
	c := apdu.InternalAuthenticate(challenge, le)
	r, err := apdu.Exchange(ctx, card, c)
	if err != nil {
		return nil, err
	}
	if r.SW == apdu.EndOfFile { // 6282: less came than Le asked for, as one does of any signature
		return r.Data, nil
	}
	return r.Data, r.Check(c)
}

// aboutLength tells the status words with which chips decline an Le they do not
// like. Others decline the protocol.
func aboutLength(sw apdu.StatusWord) bool {
	_, other := sw.CorrectLe()
	return other || sw == apdu.WrongLength || sw == apdu.NoDiagnosis || sw == apdu.WrongP1P2
}
