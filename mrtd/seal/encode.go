package seal

import (
	"errors"
	"fmt"
	"math/big"

	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

// Put sets a feature by name, in the form its profile gives it: characters for
// an MRZ (its lines joined), numbers and names. It is an error where the
// seal's kind has no such feature. A feature that is octets is given as they are.
func (s *Seal) Put(name Name, text string) error {
	for tag, d := range s.profile().features {
		if d.name != name || name == MRZ && !d.fits(text) {
			continue
		}
		value := []byte(text)
		if d.form == characters {
			if name == MRZ {
				text = text[:(d.shape[0]-1)*d.shape[1]+d.shape[2]]
			}
			var err error
			if value, err = encodeC40(text); err != nil {
				return fmt.Errorf("seal: %s: %w", name, err)
			}
		}
		if len(value) < d.min || len(value) > d.max {
			return fmt.Errorf("seal: %s of %d octets; %d to %d belong", name, len(value), d.min, d.max)
		}
		s.Features = append(s.Features, Feature{tag, value})
		return nil
	}
	return fmt.Errorf("seal: a %s has no %s of that length", s.Kind(), name)
}

// fits tells whether the joined lines of an MRZ are of the definition's shape.
func (d definition) fits(mrz string) bool { return len(mrz) == d.shape[0]*d.shape[1] }

// Encode writes a seal and has it signed. sign is given the digest (see
// HashFor) and returns the signature's numbers; curve is the key's. Signature
// is not looked at.
func Encode(s Seal, curve *ec.Curve, sign func(digest []byte) (r, s *big.Int, err error)) ([]byte, error) {
	out, err := s.Header.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot encode the seal: %w", err)
	}
	for _, f := range s.Features {
		if f.Tag == signatureMarker || s.Version == 3 && len(f.Value) > 0xFF {
			return nil, fmt.Errorf("cannot encode the seal: feature %02X of %d bytes", f.Tag, len(f.Value))
		}
		out = append(out, f.Tag)
		if s.Version == 3 {
			out = append(out, byte(len(f.Value)))
		} else {
			out = append(out, ber.EncodeLength(len(f.Value))...)
		}
		out = append(out, f.Value...)
	}
	hash := HashFor(curve)
	if hash == 0 {
		return nil, errors.New("cannot encode the seal: no hash belongs to a key of that length")
	}
	h := hash.New()
	h.Write(out)
	r, sig, err := sign(h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("cannot sign the seal: %w", err)
	}
	n := orderOctets(curve)
	if r.BitLen() > 8*n || sig.BitLen() > 8*n {
		return nil, errors.New("cannot sign the seal: signature is longer than the key")
	}
	signature := append(r.FillBytes(make([]byte, n)), sig.FillBytes(make([]byte, n))...)
	out = append(append(out, signatureMarker), ber.EncodeLength(len(signature))...)
	if out = append(out, signature...); len(out) > maxSeal {
		return nil, fmt.Errorf("cannot encode the seal: %d bytes are longer than %d", len(out), maxSeal)
	}
	return out, nil
}
