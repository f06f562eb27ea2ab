package chipsim

import (
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// ChipKey is a static key pair of the chip, for chip authentication (Doc
// 9303-11, 6.2) and for PACE with chip authentication mapping (4.4.3.3.3): over
// a curve, or in a group. It prints as redacted.
type ChipKey struct {
	KeyID   int       // by which the security infos name it; -1 where they do not
	Curve   *ec.Curve // nil for a key in Group
	Group   *dh.Group // nil for a key on Curve
	Private *big.Int
}

// Public is the key's other half as it is sent and stored: an uncompressed
// point, or an element at the length of the modulus.
func (k ChipKey) Public() []byte {
	if k.Curve != nil {
		return k.Curve.Marshal(k.Curve.ScalarMult(k.Curve.G, k.Private))
	}
	return k.Group.Marshal(k.Group.Exp(k.Group.G, k.Private))
}

const redactedChipKey = "chip key pair (redacted)"

// Format prints none of the key, whatever the verb.
func (ChipKey) Format(f fmt.State, _ rune) { io.WriteString(f, redactedChipKey) }

// LogValue redacts the key in logs.
func (ChipKey) LogValue() slog.Value { return slog.StringValue(redactedChipKey) }

// MarshalText redacts the key in encoders.
func (ChipKey) MarshalText() ([]byte, error) { return []byte(redactedChipKey), nil }
