package seal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/mrz"
)

// Seal is a seal taken apart. It prints as redacted. Slices share memory with
// the parsed bytes.
type Seal struct {
	Header
	Features  []Feature
	Signature []byte // r and s, each as long as the key

	signed []byte // what the signature is over: header and message zone
}

// Header is a seal's header (Doc 9303-13, 2.2).
type Header struct {
	Version int // 3 or 4; the octet is one less
	// Country is the issuing state as an MRZ has it: three letters, or "D<<".
	Country string
	// SignerCountry (two letters) and Signer (two characters) name the signer,
	// Reference (hexadecimal) its certificate.
	SignerCountry string
	Signer        string
	Reference     string
	Issued        mrz.Date // of the document
	Signed        mrz.Date // of the seal
	// FeatureReference and Category together say which features there are: see Kind.
	FeatureReference byte
	Category         byte
}

// Feature is one element of the message zone, as it came.
type Feature struct {
	Tag   byte
	Value []byte
}

const (
	magic           = 0xDC
	signatureMarker = 0xFF
	headerLength3   = 18
	fixedHeader4    = 12 // of version 4, without signer and certificate reference

	// Bounds: a bar code holds a few thousand octets at most.
	maxSeal      = 4 << 10
	maxFeatures  = 64
	maxReference = 64
)

// Parse takes a seal apart and verifies nothing. What follows the signature
// must be padding, zeros.
func Parse(b []byte) (*Seal, error) {
	s, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("visible digital seal: %w", err)
	}
	return s, nil
}

func parse(b []byte) (*Seal, error) {
	if len(b) > maxSeal {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxSeal)
	}
	h, rest, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	s := &Seal{Header: h}
	for {
		if len(rest) == 0 {
			return nil, errors.New("no signature")
		}
		tag := rest[0]
		at := len(b) - len(rest)
		value, after, err := element(rest[1:], h.Version >= 4 || tag == signatureMarker)
		if err != nil {
			return nil, err
		}
		rest = after
		if tag == signatureMarker {
			s.Signature, s.signed = value, b[:at:at]
			break
		}
		if len(s.Features) == maxFeatures {
			return nil, fmt.Errorf("more than %d features", maxFeatures)
		}
		s.Features = append(s.Features, Feature{tag, value})
	}
	for _, c := range rest {
		if c != 0 {
			return nil, fmt.Errorf("%d bytes after the signature", len(rest))
		}
	}
	return s, nil
}

// element reads length and value: a length of one octet, or one in DER (2.3).
func element(b []byte, der bool) (value, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errors.New("ends inside a feature")
	}
	n := int(b[0])
	b = b[1:]
	if der && n >= 0x80 {
		octets := n & 0x7F
		if octets == 0 || octets > 4 || octets > len(b) {
			return nil, nil, errors.New("feature with a malformed length")
		}
		n = 0
		for _, c := range b[:octets] {
			n = n<<8 | int(c)
		}
		b = b[octets:]
	}
	if n < 0 || n > len(b) {
		return nil, nil, fmt.Errorf("feature of %d bytes where %d remain", n, len(b))
	}
	return b[:n:n], b[n:], nil
}

// String tells the kind of document and who signed, nothing of the bearer.
func (s Seal) String() string {
	return fmt.Sprintf("[seal of %s, signed by %s%s, redacted]", s.Kind(), s.SignerCountry, s.Signer)
}

// Format writes String for every verb.
func (s Seal) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue is String, for logs.
func (s Seal) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText writes String, so that no encoder prints the features.
func (s Seal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String tells tag and length.
func (f Feature) String() string {
	return fmt.Sprintf("[feature %02X of %d bytes redacted]", f.Tag, len(f.Value))
}

// Format writes String for every verb.
func (f Feature) Format(s fmt.State, _ rune) { io.WriteString(s, f.String()) }

// LogValue is String, for logs.
func (f Feature) LogValue() slog.Value { return slog.StringValue(f.String()) }

// MarshalText writes String, so that no encoder prints the value.
func (f Feature) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
