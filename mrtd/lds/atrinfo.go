package lds

import (
	"errors"
	"fmt"
	"log/slog"

	"limen/mrtd/ber"
)

// ATRInfo is EF.ATR/INFO: what the chip says of itself before any access
// control (Doc 9303-10, 3.11.1; ISO/IEC 7816-4, 8.1). It is not signed: take
// it as advice on how to talk, never as a fact about the document. It prints
// without its objects, which may hold the chip's serial number.
type ATRInfo struct {
	ShortEF         bool // files may be read by short identifier
	CommandChaining bool
	ExtendedLength  bool // extended Lc and Le fields are supported

	// MaxCommand and MaxResponse are the most bytes of a command and of a
	// response APDU, header and status words included. 0 is not stated.
	MaxCommand  int
	MaxResponse int

	Capabilities []byte    // the software function octets, at most 3; nil where none are stated
	Objects      []ber.TLV // every object as it came, these included
}

const (
	tagCapabilities   ber.Tag = 0x47
	tagExtendedLength ber.Tag = 0x7F66
	tagHistorical     ber.Tag = 0x5F52

	maxATRInfo    = 4 << 10
	maxATRObjects = 64
)

// ParseATRInfo reads the whole file: BER-TLV objects with padding between
// them, or, as some cards have it, historical bytes in COMPACT-TLV. An object
// of a form that is not understood states nothing and hides no other.
func ParseATRInfo(b []byte) (ATRInfo, error) {
	if len(b) == 0 || len(b) > maxATRInfo {
		return ATRInfo{}, fmt.Errorf("EF.ATR/INFO: %d bytes; 1 to %d are read", len(b), maxATRInfo)
	}
	var a ATRInfo
	objects, err := atrObjects(b)
	if err != nil {
		return ATRInfo{}, fmt.Errorf("EF.ATR/INFO: %w", err)
	}
	for _, o := range objects {
		a.add(o)
		if o.Tag == tagHistorical {
			inner, err := compactObjects(o.Value)
			if err != nil {
				continue
			}
			for _, o := range inner {
				a.add(o)
			}
		}
	}
	return a, nil
}

func (a *ATRInfo) add(o ber.TLV) {
	a.Objects = append(a.Objects, o)
	switch o.Tag {
	case tagCapabilities:
		a.setCapabilities(o.Value)
	case tagExtendedLength:
		a.setLengths(o)
	}
}

// setCapabilities reads the software functions (ISO/IEC 7816-4, 8.1.1.2.7).
func (a *ATRInfo) setCapabilities(b []byte) {
	if len(b) == 0 || len(b) > 3 {
		return
	}
	a.Capabilities = b
	a.ShortEF = b[0]&0x04 != 0
	if len(b) == 3 {
		a.CommandChaining = b[2]&0x80 != 0
		a.ExtendedLength = b[2]&0x40 != 0
	}
}

// setLengths reads the two integers. They are taken as unsigned: cards write
// FFFF without the zero octet that an INTEGER would need.
func (a *ATRInfo) setLengths(o ber.TLV) {
	numbers, err := children(o, 2)
	if err != nil || len(numbers) != 2 || numbers[0].Tag != ber.Integer || numbers[1].Tag != ber.Integer {
		return
	}
	command, response := unsigned(numbers[0].Value), unsigned(numbers[1].Value)
	if command.BitLen() > 24 || response.BitLen() > 24 { // no length field holds it
		return
	}
	a.MaxCommand, a.MaxResponse = int(command.Int64()), int(response.Int64())
}

// atrObjects splits the file. 80, 00 and 10 are category indicators of
// historical bytes and no object's tag here (ISO/IEC 7816-4, 8.1.1.1); but a
// file that parses as objects behind a leading 00 is one with padding.
func atrObjects(b []byte) ([]ber.TLV, error) {
	if b[0] == 0x80 || b[0] == 0x10 {
		return compactObjects(b)
	}
	out, err := paddedList(b)
	if err != nil && b[0] == 0 {
		return compactObjects(b)
	}
	return out, err
}

// paddedList splits objects between which 00 and FF mean nothing (ISO/IEC 7816-4, 5.2.2.1).
func paddedList(b []byte) ([]ber.TLV, error) {
	var out []ber.TLV
	for len(b) > 0 {
		if b[0] == 0 || b[0] == 0xFF {
			b = b[1:]
			continue
		}
		if len(out) == maxATRObjects {
			return nil, fmt.Errorf("more than %d objects", maxATRObjects)
		}
		t, rest, err := ber.Next(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, t), rest
	}
	return out, nil
}

// compactObjects reads historical bytes. The high half of an object's octet is
// its tag's low half, 4 being the high one: 73 is DO'47' of three octets. The
// status that category 00 ends with is three octets and no object.
func compactObjects(b []byte) ([]ber.TLV, error) {
	if len(b) == 0 {
		return nil, errors.New("historical bytes without a category")
	}
	category, b := b[0], b[1:]
	switch category {
	case 0x80:
	case 0x00:
		if len(b) < 3 {
			return nil, errors.New("historical bytes without the status their category wants")
		}
		b = b[:len(b)-3]
	default:
		return nil, fmt.Errorf("historical bytes of category %02X, whose form is not known", category)
	}
	var out []ber.TLV
	for len(b) > 0 {
		n := 1 + int(b[0]&0x0F)
		if n > len(b) {
			return nil, fmt.Errorf("historical bytes: %w", ber.ErrTruncated)
		}
		if len(out) == maxATRObjects {
			return nil, fmt.Errorf("more than %d objects", maxATRObjects)
		}
		out = append(out, ber.TLV{Tag: 0x40 | ber.Tag(b[0]>>4), Value: b[1:n:n], Raw: b[:n:n]})
		b = b[n:]
	}
	return out, nil
}

// EncodeATRInfo writes card capabilities and, where MaxCommand or MaxResponse
// is given, the extended length information, then Objects but for these two.
func EncodeATRInfo(a ATRInfo) []byte {
	flag := func(is bool, bit byte) byte {
		if is {
			return bit
		}
		return 0
	}
	lengths := a.MaxCommand > 0 || a.MaxResponse > 0
	out := ber.Encode(tagCapabilities, []byte{
		0x80 | flag(a.ShortEF, 0x04), 0x01, // selection by name; data units of one octet
		flag(a.CommandChaining, 0x80) | flag(a.ExtendedLength, 0x40) | flag(lengths, 0x20),
	})
	if lengths {
		out = append(out, ber.Encode(tagExtendedLength, encodeSmall(a.MaxCommand), encodeSmall(a.MaxResponse))...)
	}
	for _, o := range a.Objects {
		if o.Tag != tagCapabilities && o.Tag != tagExtendedLength {
			out = append(out, ber.Encode(o.Tag, o.Value)...)
		}
	}
	return out
}

// String tells what the chip supports and nothing that would tell it from another.
func (a ATRInfo) String() string {
	return fmt.Sprintf("[EF.ATR/INFO of %d objects, extended length %t, command %d, response %d]",
		len(a.Objects), a.ExtendedLength, a.MaxCommand, a.MaxResponse)
}

// GoString is String, for %#v.
func (a ATRInfo) GoString() string { return a.String() }

// LogValue is String, for logs.
func (a ATRInfo) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalText writes String, so that no encoder prints the objects.
func (a ATRInfo) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
