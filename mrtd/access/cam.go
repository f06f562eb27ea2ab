package access

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// ErrChipKey says that the chip did not prove to hold the private half of its
// static key: it may be a copy.
var ErrChipKey = errors.New("access: the chip does not hold its key")

// CAMProof is what the chip sent as proof of its static key (4.4.3.5). It can be
// judged once the key is known from EF.CardSecurity, which is read with the
// session PACE opened; a proof by a key that passive authentication has not
// judged proves nothing. It prints as redacted.
type CAMProof struct {
	curve   *ec.Curve
	mapping []byte   // the chip's ephemeral key of the mapping, PK_Map,IC
	data    *big.Int // CA_IC; nil where problem says why
	problem error
}

// newCAMProof opens DO'8A'. A chip that sent none, or none that opens, has
// passed access control all the same: that is for Verify to say.
func newCAMProof(suite *Suite, curve *ec.Curve, mapping []byte, answer ber.TLV) *CAMProof {
	p := &CAMProof{curve: curve, mapping: mapping}
	do, ok := answer.Find(0x8A)
	if !ok {
		p.problem = errors.New("it sent no chip authentication data")
		return p
	}
	if len(do.Value) > 2*curve.ByteLen()+32 {
		p.problem = fmt.Errorf("its chip authentication data has %d bytes", len(do.Value))
		return p
	}
	// The initialization vector is E(KS_Enc, -1) (4.4.3.5.4).
	minusOne := make([]byte, suite.cipher.BlockSize())
	for i := range minusOne {
		minusOne[i] = 0xFF
	}
	padded, err := suite.Decrypt(suite.IV(minusOne), do.Value)
	if err == nil {
		padded, err = Unpad(padded, suite.cipher.BlockSize())
	}
	if err != nil {
		p.problem = fmt.Errorf("its chip authentication data does not open: %w", err)
		return p
	}
	p.data = new(big.Int).SetBytes(padded)
	return p
}

// Verify judges the proof by a static key of the chip, from EF.CardSecurity:
// CA_IC times the key must be the key of the mapping (4.4.3.5.2). ErrChipKey
// says that the chip does not hold the key; any other error, that this key
// cannot judge the proof, being none over the curve PACE ran on.
func (p *CAMProof) Verify(key lds.ChipAuthenticationPublicKeyInfo) error {
	if !key.Curve.Equal(p.curve) || !p.curve.Contains(key.Point) {
		return errors.New("access: the key is not over the curve that PACE ran on")
	}
	if p.problem != nil {
		return fmt.Errorf("%w: %w", ErrChipKey, p.problem)
	}
	product, err := onCurve{p.curve}.power(key.Point, p.data)
	if err != nil || !equal(p.curve.Marshal(product), p.mapping) {
		return ErrChipKey
	}
	return nil
}

// VerifyAmong judges the proof by all the static keys a chip has: one that it
// is proven to hold is enough. The errors are those of Verify.
func (p *CAMProof) VerifyAmong(keys []lds.ChipAuthenticationPublicKeyInfo) error {
	out := errors.New("access: no key is over the curve that PACE ran on")
	for _, key := range keys {
		err := p.Verify(key)
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrChipKey) {
			out = err
		}
	}
	return out
}

const redactedProof = "chip authentication mapping proof (redacted)"

// Format prints nothing of the proof, whatever the verb.
func (CAMProof) Format(f fmt.State, _ rune) { io.WriteString(f, redactedProof) }

// LogValue redacts the proof in logs.
func (CAMProof) LogValue() slog.Value { return slog.StringValue(redactedProof) }

// MarshalText redacts the proof in encoders.
func (CAMProof) MarshalText() ([]byte, error) { return []byte(redactedProof), nil }
