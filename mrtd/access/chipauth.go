package access

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// ChipAuthenticated is a session under the keys of chip authentication. That
// there is one proves nothing yet: see Proven.
type ChipAuthenticated struct {
	Session *Session
	// Key is the reader's ephemeral public key as terminal authentication signs
	// it, Comp(PK): the x-coordinate for ECDH, SHA-1 of the public value for DH
	// (7.1.4.1.3, 7.1.4.2.3).
	Key     []byte
	Variant ChipAuthVariant
}

// ChipAuthentication runs chip authentication version 1 in the selected
// application (6.2; BSI TR-03110-3, B.2) and restarts secure messaging under the
// new keys, its counter at zero. card is the session at hand, or the plain card
// where no access control came before; it is of no more use afterwards.
//
// The proof is implicit: the chip says 9000 whether it has the key or not, and
// is genuine only once an answer under the new keys has verified and the key
// itself has passed passive authentication. Reading DG1 anew is such an answer,
// Confirm asks for the cheapest one, and Proven tells whether one has come.
//
// A chip that declines gives an error for which Declined is true, and the old
// session goes on; ErrIntegrity is an answer that the old session did not make.
func ChipAuthentication(ctx context.Context, card apdu.Card, v ChipAuthVariant, random io.Reader) (*ChipAuthenticated, error) {
	own, err := v.agree(random)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	if err := v.send(ctx, card, own.public); err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	suite, err := SessionSuite(v.Cipher, own.secret)
	if err != nil {
		return nil, err
	}
	if old, ok := card.(*Session); ok {
		old.over = true
		card = old.card
	}
	session, err := NewSession(card, suite, nil)
	if err != nil {
		return nil, err
	}
	return &ChipAuthenticated{session, own.compressed, v}, nil
}

// Proven tells whether the chip has given a protected answer under the new
// keys, which it cannot without the private key.
func (a *ChipAuthenticated) Proven() bool { return a.Session.answered }

// Confirm makes the chip answer under the new keys: one command, SELECT of
// EF.DG14, which changes nothing that reading by short file identifier rests
// on; what it answers is of no account. It returns nil once that answer
// verifies, and ErrChipKey for a copy, which has other keys. A reader that sends
// a command of its own first saves this one: by Proven and KeysDiffer it learns
// the same.
func (a *ChipAuthenticated) Confirm(ctx context.Context) error {
	if a.Proven() {
		return nil
	}
	dg14, _ := lds.FileOfGroup(14)
	_, err := apdu.Send(ctx, a.Session, apdu.SelectFile(dg14.FID))
	if KeysDiffer(err) {
		err = fmt.Errorf("%w: %w", ErrChipKey, err)
	}
	if err != nil {
		return fmt.Errorf("chip authentication, first answer under the new keys: %w", err)
	}
	return nil
}

// KeysDiffer tells whether an error of a session means that chip and reader
// have different keys, or counters: an answer that does not verify, or the
// chip's word that the reader's command did not. As the first answer after chip
// authentication that is a copy, ErrChipKey; later it is a session that broke.
func KeysDiffer(err error) bool {
	var plain *PlainStatusError
	if errors.As(err, &plain) {
		return plain.SW == apdu.SMObjectsIncorrect || plain.SW == apdu.SMObjectsMissing
	}
	return errors.Is(err, ErrIntegrity)
}

// Declined returns the status word by which a chip declined a protocol, in
// secure messaging or outside it; false for errors of any other kind.
func Declined(err error) (apdu.StatusWord, bool) {
	var status *apdu.StatusError
	var plain *PlainStatusError
	switch {
	case errors.As(err, &status):
		return status.SW, true
	case errors.As(err, &plain):
		return plain.SW, true
	}
	return 0, false
}

// agreement is the reader's side of one key agreement.
type agreement struct {
	public     []byte // as it is sent
	secret     []byte
	compressed []byte
}

// agree makes an ephemeral key and agrees with the chip's static one (9.6). A
// secret that anyone could guess is refused.
func (v ChipAuthVariant) agree(random io.Reader) (agreement, error) {
	var private *big.Int
	var err error
	switch k := v.Key; {
	case k.Curve != nil:
		private, _, err = k.Curve.GenerateKey(random, k.Curve.G)
	case k.Group != nil:
		private, _, err = k.Group.GenerateKey(random, nil)
	default:
		return agreement{}, errors.New("a key of no known kind")
	}
	if err != nil {
		return agreement{}, fmt.Errorf("no randomness: %w", err)
	}
	return v.agreeWith(private)
}

func (v ChipAuthVariant) agreeWith(private *big.Int) (agreement, error) {
	if c := v.Key.Curve; c != nil {
		own, shared := c.ScalarMult(c.G, private), c.ScalarMult(v.Key.Point, private)
		if shared.Infinity() {
			return agreement{}, errInfinity
		}
		return agreement{
			public:     c.Marshal(own),
			secret:     shared.X.FillBytes(make([]byte, c.ByteLen())),
			compressed: own.X.FillBytes(make([]byte, c.ByteLen())),
		}, nil
	}
	g := v.Key.Group
	own, shared := g.Exp(g.G, private), g.Exp(v.Key.Value, private)
	if !g.Contains(shared) {
		return agreement{}, errors.New("the agreed number is outside the group")
	}
	public := own.Bytes() // an unsigned integer has no leading zeros (9.4.1) …
	hash := sha1.Sum(public)
	return agreement{public, g.Marshal(shared), hash[:]}, nil // … the secret has (PKCS #3, 8.3)
}

// send carries the public key to the chip. One that is told the identifier of
// its only key and does not know it is asked again without: the identifier is
// for chips of several keys (6.2.4).
func (v ChipAuthVariant) send(ctx context.Context, card apdu.Card, public []byte) error {
	err := v.sendFor(ctx, card, public, v.KeyID)
	if sw, declined := Declined(err); declined && v.KeyID >= 0 && !v.Ambiguous &&
		(sw == apdu.WrongData || sw == apdu.ReferenceNotFound) {
		return v.sendFor(ctx, card, public, -1)
	}
	return err
}

// sendFor is MSE:Set KAT for 3DES, MSE:Set AT and GENERAL AUTHENTICATE for AES (6.2.4).
func (v ChipAuthVariant) sendFor(ctx context.Context, card apdu.Card, public []byte, keyID int) error {
	var reference []byte
	if keyID >= 0 {
		reference = ber.Encode(0x84, keyReference(keyID))
	}
	if v.Cipher == TripleDES {
		_, err := exchange(ctx, card, apdu.MSE(0x41, 0xA6, append(ber.Encode(0x91, public), reference...)))
		return err
	}
	if _, err := exchange(ctx, card, apdu.MSE(0x41, 0xA4, append(ber.Encode(0x80, oidValue(v.OID)), reference...))); err != nil {
		return err
	}
	answer, err := exchange(ctx, card, apdu.GeneralAuthenticate(false, ber.Encode(0x80, public)))
	if err != nil || len(answer) == 0 { // some chips leave out the empty template: it says nothing
		return err
	}
	template, err := ber.Parse(answer, 0x7C)
	if err != nil {
		return err
	}
	if _, ok := template.Find(0x82); ok {
		return errors.New("the chip answered as version 2, which runs after terminal authentication alone")
	}
	return nil
}

// keyReference writes a key identifier in the fewest bytes.
func keyReference(id int) []byte {
	if id == 0 {
		return []byte{0}
	}
	return big.NewInt(int64(id)).Bytes()
}

// exchange sends a command the card can carry and returns the data of a success.
func exchange(ctx context.Context, card apdu.Card, c apdu.Command) ([]byte, error) {
	raw, err := c.Encode()
	if err != nil {
		return nil, err
	}
	if most, _ := apdu.Limits(card); len(raw) > most {
		return nil, fmt.Errorf("%s of %d bytes is longer than the %d this reader carries", c.Name(), len(raw), most)
	}
	r, err := apdu.Send(ctx, card, c)
	if err != nil {
		return nil, err
	}
	return r.Data, r.Check(c)
}
