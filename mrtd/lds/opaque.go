package lds

import (
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/ber"
)

// Opaque is content whose form is the issuer's own: DG13 (Doc 9303-10,
// 4.7.13), and DG6, DG8, DG9 and DG10, which the standard leaves undefined. It
// prints as redacted.
type Opaque []byte

// String tells the length.
func (o Opaque) String() string { return fmt.Sprintf("[%d bytes redacted]", len(o)) }

// Format writes String for every verb.
func (o Opaque) Format(f fmt.State, _ rune) { io.WriteString(f, o.String()) }

// LogValue is String, for logs.
func (o Opaque) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText writes String, so that no encoder prints the content.
func (o Opaque) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// ParseOpaque reads the whole file of a data group, 1 to 16, and returns what
// its tag holds, sharing memory with the file.
func ParseOpaque(group int, b []byte) (Opaque, error) {
	f, ok := FileOfGroup(group)
	if !ok {
		return nil, fmt.Errorf("data group %d is not 1 to 16", group)
	}
	if len(b) > maxDetails {
		return nil, fmt.Errorf("%s: %d bytes are longer than %d", f.Name, len(b), maxDetails)
	}
	t, err := ber.Parse(b, f.Tag)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return t.Value, nil
}

// ParseDG13 reads the whole file, tag 6D: optional details at the issuer's discretion.
func ParseDG13(b []byte) (Opaque, error) { return ParseOpaque(13, b) }

// EncodeDG13 writes DG13 around content of the issuer's own.
func EncodeDG13(content []byte) []byte { return ber.Encode(groupTags[13], content) }
