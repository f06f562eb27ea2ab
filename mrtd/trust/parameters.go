package trust

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

// ParseParameters reads the domain parameters of an elliptic-curve key: a named
// curve's object identifier, or explicit parameters (BSI TR-03111, annex D).
func ParseParameters(t ber.TLV) (*ec.Curve, error) {
	switch t.Tag {
	case ber.OID:
		oid, err := t.OID()
		if err != nil {
			return nil, err
		}
		if curve := ec.ByOID(oid); curve != nil {
			return curve, nil
		}
		return nil, fmt.Errorf("curve %s is not known", oid)
	case ber.Sequence:
		return explicitCurve(t)
	}
	return nil, errors.New("neither a named curve nor explicit parameters")
}
