package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

// Opened is what PACE leaves. It prints as redacted.
type Opened struct {
	Session *Session
	// ChipKey is the compressed ephemeral key of the chip's key agreement, which
	// terminal authentication takes as the chip's identifier (BSI TR-03110-3,
	// A.2.2.3): the x-coordinate on a curve, the SHA-1 hash in a group.
	ChipKey []byte
	// Key is the reader's own ephemeral key, compressed alike: after chip
	// authentication mapping terminal authentication may follow at once, and signs
	// it (Doc 9303-11, 7.1.2). After other mappings the chip must authenticate first.
	Key []byte
	// CARs are the certification authority references the chip sent, DO'87' and
	// DO'88', the most recent first (4.4.5.5); most chips send none.
	CARs [][]byte
	// CAM is the chip's proof of its static key, yet to be judged; nil unless the
	// mapping was CAM.
	CAM *CAMProof
}

const redactedOpened = "opened by PACE (redacted)"

// Format prints nothing of the keys, whatever the verb.
func (Opened) Format(f fmt.State, _ rune) { io.WriteString(f, redactedOpened) }

// LogValue redacts in logs.
func (Opened) LogValue() slog.Value { return slog.StringValue(redactedOpened) }

// MarshalText redacts in encoders.
func (Opened) MarshalText() ([]byte, error) { return []byte(redactedOpened), nil }

// PACE opens the chip from its master file (4.4): the password is proven
// without being sent, and the session keys do not depend on its strength.
//
// A wrong password gives ErrRefused, joined with the chip's *apdu.StatusError
// where it was the chip that said so.
func PACE(ctx context.Context, card apdu.Card, v Variant, password Password, random io.Reader) (*Opened, error) {
	p := pace{ctx, card, v, random}
	if v.Group != nil {
		return run[*big.Int](p, inGroup{v.Group}, password)
	}
	return run[ec.Point](p, onCurve{v.Curve}, password)
}

// pace is what every step needs; no step changes it.
type pace struct {
	ctx    context.Context
	card   apdu.Card
	v      Variant
	random io.Reader
}

func run[E any](p pace, d domain[E], password Password) (*Opened, error) {
	if err := p.choose(password); err != nil {
		return nil, err
	}
	s, err := p.nonce(password)
	if err != nil {
		return nil, err
	}
	var generator E
	var mapping []byte
	if p.v.Mapping == IM {
		generator, err = mapIntegrated(p, d, s)
	} else {
		generator, mapping, err = mapGeneric(p, d, s)
	}
	if err != nil {
		return nil, fmt.Errorf("PACE mapping: %w", err)
	}
	secret, own, theirs, err := agree(p, d, generator)
	if err != nil {
		return nil, fmt.Errorf("PACE key agreement: %w", err)
	}
	suite, err := SessionSuite(p.v.Cipher, secret)
	if err != nil {
		return nil, err
	}
	answer, err := authenticate(p, d, suite, own, theirs)
	if err != nil {
		return nil, fmt.Errorf("PACE mutual authentication: %w", err)
	}
	out := &Opened{ChipKey: d.compressed(theirs.element), Key: d.compressed(own.element), CARs: references(answer)}
	if p.v.Mapping == CAM {
		out.CAM = newCAMProof(suite, p.v.Curve, mapping, answer)
	}
	out.Session, err = NewSession(p.card, suite, nil)
	return out, err
}

// choose names protocol, password and, where the chip has several, parameters.
func (p pace) choose(password Password) error {
	data := ber.Encode(0x80, oidValue(p.v.OID))
	data = append(data, ber.Encode(0x83, []byte{password.reference})...)
	if p.v.Ambiguous && p.v.ParameterID >= 0 {
		id := big.NewInt(int64(p.v.ParameterID)).Bytes()
		if len(id) == 0 {
			id = []byte{0}
		}
		data = append(data, ber.Encode(0x84, id)...)
	}
	c := apdu.MSE(0xC1, 0xA4, data)
	r, err := apdu.Send(p.ctx, p.card, c)
	if err != nil {
		return err
	}
	// Warnings 63Cx tell the tries a blocking password has left: go on.
	if r.SW.Refused() && r.SW != apdu.AuthenticationFailed {
		return nil
	}
	return r.Check(c)
}

// oidValue is an object identifier without tag and length.
func oidValue(oid string) []byte {
	t, _, err := ber.Next(ber.EncodeOID(oid))
	if err != nil {
		panic("access: own encoding of " + oid + " does not parse")
	}
	return t.Value
}

// step sends one GENERAL AUTHENTICATE and returns the chip's data objects.
func (p pace) step(more bool, do []byte) (ber.TLV, error) {
	c := apdu.GeneralAuthenticate(more, do)
	if c.Extended() {
		c.Le = apdu.MaxLe // the answer is as long
	}
	r, err := apdu.Send(p.ctx, p.card, c)
	if err != nil {
		return ber.TLV{}, err
	}
	if err := r.Check(c); err != nil {
		if r.SW.Refused() {
			err = errors.Join(ErrRefused, err)
		}
		return ber.TLV{}, err
	}
	return ber.Parse(r.Data, 0x7C)
}

func (p pace) nonce(password Password) ([]byte, error) {
	answer, err := p.step(true, nil)
	if err != nil {
		return nil, fmt.Errorf("PACE nonce: %w", err)
	}
	z, ok := answer.Find(0x80)
	block := p.v.Cipher.BlockSize()
	if !ok || len(z.Value) == 0 || len(z.Value) > 64 || len(z.Value)%block != 0 {
		return nil, fmt.Errorf("PACE nonce: %d bytes where blocks of %d belong", len(z.Value), block)
	}
	suite, err := password.NonceSuite(p.v.Cipher)
	if err != nil {
		return nil, err
	}
	return suite.Decrypt(make([]byte, block), z.Value)
}

// public is a public key and how it was sent.
type public[E any] struct {
	element E
	encoded []byte
}

// agree runs Diffie-Hellman over the mapped generator.
func agree[E any](p pace, d domain[E], generator E) (secret []byte, own, theirs public[E], err error) {
	private, own, theirs, err := swap(p, d, 0x83, 0x84, generator)
	if err != nil {
		return nil, own, theirs, err
	}
	k, err := d.power(theirs.element, private)
	if err != nil {
		return nil, own, theirs, err
	}
	return d.secret(k), own, theirs, nil
}

// swap exchanges ephemeral keys over a generator.
func swap[E any](p pace, d domain[E], send, receive ber.Tag, generator E) (private *big.Int, own, theirs public[E], err error) {
	private, own.element, err = d.GenerateKey(p.random, generator)
	if err != nil {
		return nil, own, theirs, fmt.Errorf("no randomness: %w", err)
	}
	own.encoded = d.encode(own.element)
	answer, err := p.step(true, ber.Encode(send, own.encoded))
	if err != nil {
		return nil, own, theirs, err
	}
	do, ok := answer.Find(receive)
	if !ok {
		return nil, own, theirs, errors.New("the chip sent no key")
	}
	theirs.encoded = do.Value
	if theirs.element, err = d.decode(do.Value); err != nil {
		return nil, own, theirs, err
	}
	if d.equal(own.element, theirs.element) {
		return nil, own, theirs, errEcho
	}
	return private, own, theirs, nil
}

// authenticate swaps tokens, each side's MAC over the other's key (4.4.3.4),
// and returns what else the chip sent along. Keys in a group may begin with
// zeros: the chip's is taken as it was sent, and its token accepted over the
// reader's in either length.
func authenticate[E any](p pace, d domain[E], suite *Suite, own, theirs public[E]) (ber.TLV, error) {
	token := func(key []byte) []byte {
		return suite.Token(ber.Encode(0x7F49, ber.EncodeOID(p.v.OID), ber.Encode(d.tag(), key)))
	}
	answer, err := p.step(false, ber.Encode(0x85, token(theirs.encoded)))
	if err != nil {
		return answer, err
	}
	do, ok := answer.Find(0x86)
	if !ok || !equal(do.Value, token(own.encoded)) && !equal(do.Value, token(d.padded(own.element))) {
		return answer, fmt.Errorf("%w: its token does not verify", ErrRefused)
	}
	return answer, nil
}

// maxReference is the longest certification authority reference (Doc 9303-12, 8.2.1.2).
const maxReference = 16

// references are the certification authority references of the last step.
func references(answer ber.TLV) (out [][]byte) {
	for _, tag := range []ber.Tag{0x87, 0x88} {
		if do, ok := answer.Find(tag); ok && len(do.Value) > 0 && len(do.Value) <= maxReference {
			out = append(out, do.Value)
		}
	}
	return out
}
