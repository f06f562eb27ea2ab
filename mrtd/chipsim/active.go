package chipsim

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// ActiveKey is the private key of active authentication (Doc 9303-11, 6.1): RSA
// where Modulus is set, else on a curve. It prints as redacted.
type ActiveKey struct {
	Modulus *big.Int
	Curve   *ec.Curve
	Private *big.Int    // the exponent, or the scalar
	Hash    crypto.Hash // of the signatures it makes
}

const redactedActiveKey = "active authentication key (redacted)"

// Format prints none of the key, whatever the verb.
func (ActiveKey) Format(f fmt.State, _ rune) { io.WriteString(f, redactedActiveKey) }

// LogValue redacts the key in logs.
func (ActiveKey) LogValue() slog.Value { return slog.StringValue(redactedActiveKey) }

// MarshalText redacts the key in encoders.
func (ActiveKey) MarshalText() ([]byte, error) { return []byte(redactedActiveKey), nil }

// Size is how many bytes a signature has.
func (k ActiveKey) Size() int {
	if k.Modulus != nil {
		return (k.Modulus.BitLen() + 7) / 8
	}
	return 2 * ((k.Curve.N.BitLen() + 7) / 8)
}

// internalAuthenticate signs RND.IFD (Doc 9303-11, 6.1.3).
func (c *Card) internalAuthenticate(cmd apdu.Command) apdu.Response {
	key, faults := c.p.ActiveAuth, c.opt.Faults
	switch {
	case key == nil:
		return status(apdu.WrongINS)
	case faults.ActiveAuthRefused != 0:
		return status(faults.ActiveAuthRefused)
	case !c.inApplication:
		return status(apdu.ConditionsOfUse)
	case !c.mayRead(lds.File{}):
		return status(apdu.SecurityStatus)
	case cmd.P1 != 0 || cmd.P2 != 0:
		return status(apdu.WrongP1P2)
	case len(cmd.Data) != 8 || cmd.Le == 0 || faults.ActiveAuthLe != 0 && cmd.Le != faults.ActiveAuthLe:
		return status(apdu.WrongLength)
	case faults.ActiveAuthEmpty && cmd.Le > 256:
		return status(apdu.Success)
	}
	challenge := cmd.Data
	if faults.ActiveAuthReplay {
		challenge = make([]byte, 8)
	}
	signature, err := c.sign(*key, challenge)
	if err != nil {
		return status(apdu.NoDiagnosis)
	}
	if faults.ActiveAuthOtherKey {
		signature[len(signature)/2] ^= 1
	}
	most := min(cmd.Le, len(signature))
	if c.sm != nil && cmd.Le <= 256 {
		for c.sm.sealedLen(most) > 256 {
			most--
		}
	}
	if most < len(signature) {
		if !faults.ActiveAuthCut {
			return status(apdu.WrongLength)
		}
		signature = signature[:most]
	}
	c.seen.ActiveAuth++
	return apdu.Response{Data: signature, SW: apdu.Success}
}

// sign makes the signature of 6.1.2: by ISO/IEC 9796-2, scheme 1, or by ECDSA.
func (c *Card) sign(k ActiveKey, challenge []byte) ([]byte, error) {
	h := k.Hash.New()
	if k.Modulus == nil {
		h.Write(challenge)
		r, s, err := k.Curve.Sign(c.opt.Random, k.Private, h.Sum(nil))
		if err != nil {
			return nil, err
		}
		if c.opt.Faults.ActiveAuthDER {
			return ber.Encode(ber.Sequence, ber.EncodeInt(r), ber.EncodeInt(s)), nil
		}
		half := k.Size() / 2
		return append(r.FillBytes(make([]byte, half)), s.FillBytes(make([]byte, half))...), nil
	}
	trailer, ok := trailers[k.Hash]
	nonce := make([]byte, max(k.Size()-1-h.Size()-len(trailer), 0))
	if !ok || len(nonce) == 0 {
		return nil, fmt.Errorf("an RSA key of %d bits does not sign with %s", k.Modulus.BitLen(), k.Hash)
	}
	if _, err := io.ReadFull(c.opt.Random, nonce); err != nil {
		return nil, err
	}
	block := representative(k.Hash, nonce, challenge, trailer)
	m := new(big.Int).SetBytes(block)
	s := m.Exp(m, k.Private, k.Modulus)
	if other := new(big.Int).Sub(k.Modulus, s); c.opt.Faults.ActiveAuthSmaller && other.Cmp(s) < 0 {
		s = other
	}
	return s.FillBytes(make([]byte, k.Size())), nil
}

// trailers name the hash: option 1 for SHA-1, option 2 for the others (6.1.2.2).
var trailers = map[crypto.Hash][]byte{
	crypto.SHA1:   {0xBC},
	crypto.SHA224: {0x38, 0xCC},
	crypto.SHA256: {0x34, 0xCC},
	crypto.SHA384: {0x36, 0xCC},
	crypto.SHA512: {0x35, 0xCC},
}

// representative is what an RSA key signs: header 6A for a message that is
// recovered in part, the recoverable nonce M1, the hash of M1 and the reader's
// challenge M2, the trailer.
func representative(hash crypto.Hash, m1, m2, trailer []byte) []byte {
	h := hash.New()
	h.Write(m1)
	h.Write(m2)
	return append(h.Sum(append([]byte{0x6A}, m1...)), trailer...)
}
