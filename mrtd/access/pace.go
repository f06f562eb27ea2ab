package access

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// Password is what PACE proves knowledge of (4.4, table 14). It prints as redacted.
type Password struct {
	reference byte // DO'83' of MSE:Set AT
	encoded   Key
}

// MRZPassword is the password of document number, date of birth and date of
// expiry, each with its check digit, as for BAC.
func MRZPassword(mrzInformation string) Password {
	h := sha1.Sum([]byte(mrzInformation))
	return Password{1, h[:]}
}

// CANPassword is the password of the card access number.
func CANPassword(can string) Password { return Password{2, Key(can)} }

// Format prints which password it is and none of its content.
func (p Password) Format(f fmt.State, _ rune) { io.WriteString(f, p.Name()+" (redacted)") }

// LogValue redacts the password in logs.
func (p Password) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// Name is "MRZ" or "CAN".
func (p Password) Name() string {
	if p.reference == 2 {
		return "CAN"
	}
	return "MRZ"
}

// Key derives the key that encrypts the nonce, K_pi (9.7.3).
func (p Password) Key(c Cipher) Key { return c.Derive(p.encoded, forPassword) }

// NonceSuite encrypts and decrypts PACE's nonce under the password.
func (p Password) NonceSuite(c Cipher) (*Suite, error) {
	key := p.Key(c)
	return NewSuite(c, key, key)
}

const oidPACE = "0.4.0.127.0.7.2.2.4."

// PACECipher tells which cipher a PACE protocol uses, and whether it is one
// that runs here: elliptic curves with generic mapping (4.4.3.2, table 3).
func PACECipher(oid string) (Cipher, bool) {
	tail, ok := strings.CutPrefix(oid, oidPACE+"2.")
	if !ok || len(tail) != 1 || tail[0] < '1' || tail[0] > '4' {
		return 0, false
	}
	return Cipher(tail[0] - '0'), true
}

// Variant is one way to run PACE that chip and reader share.
type Variant struct {
	OID         string
	Cipher      Cipher
	ParameterID int
	Curve       *ec.Curve
	Ambiguous   bool // the chip has several domain parameters: name the set in DO'84'
}

// Variants lists the variants of EF.CardAccess that run here, best first: AES
// before 3DES, longer keys before shorter, otherwise as the chip lists them.
// Curves with a cofactor are left out: none of table 12 has one.
func Variants(infos lds.SecurityInfos) []Variant {
	var out []Variant
	sets := map[int]bool{}
	for _, info := range infos.PACE {
		sets[info.ParameterID] = true
		cipher, ok := PACECipher(info.OID)
		if !ok || info.Version != 2 {
			continue
		}
		curve := ec.ByParameterID(info.ParameterID)
		for _, d := range infos.Domains {
			if curve == nil && d.ParameterID == info.ParameterID && strings.HasPrefix(info.OID, d.OID+".") {
				curve = d.Curve
			}
		}
		if curve == nil || curve.H != 1 {
			continue
		}
		out = append(out, Variant{info.OID, cipher, info.ParameterID, curve, false})
	}
	for i := range out {
		out[i].Ambiguous = len(sets) > 1
		for j := i; j > 0 && out[j].Cipher > out[j-1].Cipher; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// PACE opens the chip from its master file (4.4): the password is proven
// without being sent, and the session keys do not depend on its strength.
//
// A wrong password gives ErrRefused, joined with the chip's *apdu.StatusError
// where it was the chip that said so.
func PACE(ctx context.Context, card apdu.Card, v Variant, password Password, random io.Reader) (*Session, error) {
	p := pace{ctx, card, v, random}
	if err := p.choose(password); err != nil {
		return nil, err
	}
	s, err := p.nonce(password)
	if err != nil {
		return nil, err
	}
	generator, err := p.mapNonce(s)
	if err != nil {
		return nil, fmt.Errorf("PACE mapping: %w", err)
	}
	secret, own, theirs, err := p.agree(generator)
	if err != nil {
		return nil, fmt.Errorf("PACE key agreement: %w", err)
	}
	suite, err := SessionSuite(v.Cipher, secret)
	if err != nil {
		return nil, err
	}
	if err := p.authenticate(suite, own, theirs); err != nil {
		return nil, err
	}
	return NewSession(card, suite, nil)
}

// pace is what every step needs; no step changes it.
type pace struct {
	ctx    context.Context
	card   apdu.Card
	v      Variant
	random io.Reader
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

func (p pace) nonce(password Password) (*big.Int, error) {
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
	s, err := suite.Decrypt(make([]byte, block), z.Value)
	if err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(s), nil
}

// mapNonce is the generic mapping G' = s·G + H, H agreed anonymously (4.4.3.3.1).
func (p pace) mapNonce(s *big.Int) (ec.Point, error) {
	c := p.v.Curve
	private, own, theirs, err := p.exchange(0x81, 0x82, ec.Point{})
	if err != nil {
		return ec.Point{}, err
	}
	if own.Equal(theirs) {
		return ec.Point{}, errEcho
	}
	h := c.ScalarMult(theirs, private)
	if h.Infinity() {
		return ec.Point{}, errInfinity
	}
	g := c.Add(c.ScalarMult(c.G, new(big.Int).Mod(s, c.N)), h)
	if g.Infinity() {
		return ec.Point{}, errInfinity
	}
	return g, nil
}

var (
	errEcho     = errors.New("the chip sent back the reader's own key")
	errInfinity = errors.New("the agreed point is at infinity")
)

// agree runs Diffie-Hellman over the mapped generator; the secret is the
// x-coordinate at the field's length (9.7.1).
func (p pace) agree(generator ec.Point) (secret []byte, own, theirs ec.Point, err error) {
	c := p.v.Curve
	private, own, theirs, err := p.exchange(0x83, 0x84, generator)
	if err != nil {
		return nil, own, theirs, err
	}
	if own.Equal(theirs) {
		return nil, own, theirs, errEcho
	}
	k := c.ScalarMult(theirs, private)
	if k.Infinity() {
		return nil, own, theirs, errInfinity
	}
	return k.X.FillBytes(make([]byte, c.ByteLen())), own, theirs, nil
}

// exchange swaps ephemeral keys over a generator.
func (p pace) exchange(send, receive ber.Tag, generator ec.Point) (private *big.Int, own, theirs ec.Point, err error) {
	c := p.v.Curve
	private, own, err = c.GenerateKey(p.random, generator)
	if err != nil {
		return nil, own, theirs, fmt.Errorf("no randomness: %w", err)
	}
	answer, err := p.step(true, ber.Encode(send, c.Marshal(own)))
	if err != nil {
		return nil, own, theirs, err
	}
	do, ok := answer.Find(receive)
	if !ok || len(do.Value) == 0 || do.Value[0] != 4 { // only uncompressed points (4.4.3.2)
		return nil, own, theirs, errors.New("the chip sent no uncompressed point")
	}
	theirs, err = c.Unmarshal(do.Value)
	return private, own, theirs, err
}

// authenticate swaps tokens: each side's MAC over the other's key (4.4.3.4).
// What else the chip may send along (certification authority references,
// encrypted chip authentication data) is left aside.
func (p pace) authenticate(suite *Suite, own, theirs ec.Point) error {
	token := PACEToken(suite, p.v.OID, p.v.Curve, theirs)
	answer, err := p.step(false, ber.Encode(0x85, token))
	if err != nil {
		return fmt.Errorf("PACE mutual authentication: %w", err)
	}
	do, ok := answer.Find(0x86)
	if !ok || !equal(do.Value, PACEToken(suite, p.v.OID, p.v.Curve, own)) {
		return fmt.Errorf("PACE mutual authentication: %w: its token does not verify", ErrRefused)
	}
	return nil
}

// PACEToken is the MAC over the public key data object of protocol and key (4.4.3.4, 9.4.4).
func PACEToken(suite *Suite, oid string, curve *ec.Curve, key ec.Point) []byte {
	return suite.Token(ber.Encode(0x7F49, ber.EncodeOID(oid), ber.Encode(0x86, curve.Marshal(key))))
}
