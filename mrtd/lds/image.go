package lds

import (
	"bytes"
	"fmt"
	"log/slog"
)

// ImageFormat is how a picture is compressed. "" is a format that is not known here.
type ImageFormat string

// The formats of the data groups.
const (
	JPEG     ImageFormat = "JPEG"
	JPEG2000 ImageFormat = "JPEG 2000" // a JP2 file or a bare codestream
	WSQ      ImageFormat = "WSQ"       // fingers
	PNG      ImageFormat = "PNG"
	TIFF     ImageFormat = "TIFF"
	Raw      ImageFormat = "raw" // rows of pixels: told by a record's header alone
)

var signatures = []struct {
	format ImageFormat
	bytes  []byte
}{
	{JPEG, []byte{0xFF, 0xD8, 0xFF}},
	{JPEG2000, []byte{0, 0, 0, 12, 'j', 'P', ' ', ' '}},
	{JPEG2000, []byte{0xFF, 0x4F, 0xFF, 0x51}},
	{WSQ, []byte{0xFF, 0xA0, 0xFF}},
	{PNG, []byte{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}},
	{TIFF, []byte{'I', 'I', 42, 0}},
	{TIFF, []byte{'M', 'M', 0, 42}},
}

// SniffImage tells a picture's format by its first bytes, and nothing else of it.
func SniffImage(b []byte) ImageFormat {
	for _, s := range signatures {
		if bytes.HasPrefix(b, s.bytes) {
			return s.format
		}
	}
	return ""
}

// Image is a picture of a data group, never decoded here. It prints as redacted.
type Image struct {
	Format ImageFormat // by the first bytes
	Data   []byte      // sharing memory with the parsed file
}

// String tells format and size, nothing of the picture.
func (i Image) String() string { return pictureText(i.Format, "picture", i.Data) }

// GoString is String, for %#v.
func (i Image) GoString() string { return i.String() }

// LogValue is String, for logs.
func (i Image) LogValue() slog.Value { return slog.StringValue(i.String()) }

// MarshalText writes String, so that no encoder prints the picture.
func (i Image) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

func pictureText(format ImageFormat, what string, data []byte) string {
	if format == "" {
		format = "unknown"
	}
	return fmt.Sprintf("[%s %s of %d bytes redacted]", format, what, len(data))
}
