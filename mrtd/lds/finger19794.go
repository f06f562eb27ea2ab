package lds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Finger image records of ISO/IEC 19794-4, 2005 and 2011.
const (
	fingerHeader2005 = 32
	fingerView2005   = 14
	fingerHeader2011 = 16
	fingerView2011   = 41 // without quality and certification blocks

	perInch = 1 // scale units; 2 is per centimeter
)

var (
	magicVersion2011 = []byte("020\x00") // of parts 4 and 6
	fingerFormats    = []ImageFormat{Raw, Raw, WSQ, JPEG, JPEG2000, PNG}
	fingerFormats11  = []ImageFormat{Raw, Raw, WSQ, JPEG, JPEG2000, JPEG2000, PNG}
)

func parseFingers19794(b []byte) ([]Finger, error) {
	if len(b) < fingerHeader2011 || !bytes.HasPrefix(b, magicFinger) {
		return nil, errors.New("no finger record: it does not begin with FIR")
	}
	switch version := b[4:8]; {
	case bytes.Equal(version, version2005):
		return parseFingers2005(b)
	case bytes.Equal(version, magicVersion2011):
		return parseFingers2011(b)
	default:
		return nil, fmt.Errorf("finger record of version %q; 010 (ISO/IEC 19794-4:2005) and 020 (2011) are read", bytes.TrimRight(version, "\x00"))
	}
}

// parseFingers2005 reads the general header (7.1), which holds the resolution
// and format of all pictures, and a header (7.2) before each of them. How many
// there are is not stated in one place: the count is of fingers, not of views.
func parseFingers2005(b []byte) ([]Finger, error) {
	f := fields{b: b}
	f.skip(18)
	count := f.u8()
	units := f.u8()
	f.skip(4) // scan resolution
	ppi := pixelsPerInch(f.u16(), units)
	f.skip(2)
	depth, format := f.u8(), formatOf(fingerFormats, f.u8())
	f.skip(2)
	if f.short {
		return nil, errShort
	}
	var out []Finger
	for len(f.b) >= fingerView2005 {
		if len(out) >= count && binary.BigEndian.Uint32(f.b) == 0 {
			break // padding
		}
		if len(out) == maxFingers {
			return nil, fmt.Errorf("more than %d pictures of fingers", maxFingers)
		}
		view, err := f.block(fingerView2005, false)
		if err != nil {
			return nil, fmt.Errorf("finger %d: %w", len(out)+1, err)
		}
		view.skip(4)
		finger := Finger{Standard: Finger2005, Stated: format, PPI: ppi, Depth: depth, Position: FingerPosition(view.u8())}
		view.skip(2) // how many views, and which this is
		if q := view.u8(); q <= 100 {
			finger.Qualities = []Quality{{Score: q}}
		}
		finger.Impression, finger.Width, finger.Height = view.u8(), view.u16(), view.u16()
		view.skip(1)
		if finger.Image = view.b; len(finger.Image) == 0 {
			return nil, fmt.Errorf("finger %d: %w", len(out)+1, errShort)
		}
		finger.Format = sniffed(finger.Image, format)
		out = append(out, finger)
	}
	if len(out) < count || len(out) == 0 {
		return nil, fmt.Errorf("%d pictures where the header counts %d fingers", len(out), count)
	}
	return out, nil
}

// block takes one block that begins with its length. The last one's is not
// relied on, nor one that reaches the end but for a header: writers count
// blocks without it.
func (f *fields) block(header int, last bool) (fields, error) {
	length := int(binary.BigEndian.Uint32(f.b))
	if last || length+header >= len(f.b) {
		length = len(f.b)
	}
	if length < header {
		return fields{}, errShort
	}
	return fields{b: f.take(length)}, nil
}

// parseFingers2011 reads the general header (8.2) and the representations,
// each with a header of its own (8.3).
func parseFingers2011(b []byte) ([]Finger, error) {
	f := fields{b: b}
	f.skip(12)
	count, certified := f.u16(), f.u8()
	f.skip(1) // distinct positions
	if count == 0 || count > maxFingers {
		return nil, fmt.Errorf("finger record of %d pictures; 1 to %d are read", count, maxFingers)
	}
	var out []Finger
	for i := range count {
		if len(f.b) < fingerView2011 {
			return nil, fmt.Errorf("finger %d: %w", i+1, errShort)
		}
		view, err := f.block(fingerView2011, i == count-1)
		if err != nil {
			return nil, fmt.Errorf("finger %d: %w", i+1, err)
		}
		view.skip(4)
		c := view.capture2011()
		if certified == 1 {
			view.skip(3 * view.u8())
		}
		finger := Finger{Standard: Finger2011, Captured: c.date, Qualities: c.qualities, Position: FingerPosition(view.u8())}
		view.skip(1) // number of the representation
		units := view.u8()
		view.skip(4) // scan sampling rate
		finger.PPI = pixelsPerInch(view.u16(), units)
		view.skip(2)
		finger.Depth, finger.Stated, finger.Impression = view.u8(), formatOf(fingerFormats11, view.u8()), view.u8()
		finger.Width, finger.Height = view.u16(), view.u16()
		finger.Image = view.take(min(view.u32(), len(view.b))) // segmentation and comments may follow
		if view.short || len(finger.Image) == 0 {
			return nil, fmt.Errorf("finger %d: %w", i+1, errShort)
		}
		finger.Format = sniffed(finger.Image, finger.Stated)
		out = append(out, finger)
	}
	return out, nil
}

func pixelsPerInch(rate, units int) int {
	if units == perInch {
		return rate
	}
	return (rate*254 + 50) / 100
}

// record writes the finger in its standard.
func (f Finger) record() ([]byte, error) {
	formats := map[Standard][]ImageFormat{Finger2005: fingerFormats, Finger2011: fingerFormats11, Finger39794: fingerFormats39794}[f.Standard]
	if formats == nil {
		return nil, fmt.Errorf("standard %q is none of a finger", f.Standard)
	}
	format, ok := formatCode(formats, sniffed(f.Image, Raw))
	if !ok {
		return nil, fmt.Errorf("picture's first bytes are of no format that %s has", f.Standard)
	}
	if len(f.Image) == 0 || f.Position < 0 || f.Position > 0xFF || len(f.Image) > maxBiometrics/2 || f.Width < 0 || f.Width > 0xFFFF || f.Height < 0 || f.Height > 0xFFFF ||
		f.PPI < 0 || f.PPI > 0xFFFF || len(f.Qualities) > maxQualities {
		return nil, fmt.Errorf("picture of %d bytes, %d by %d pixels, does not fit", len(f.Image), f.Width, f.Height)
	}
	if f.Depth == 0 {
		f.Depth = 8
	}
	switch f.Standard {
	case Finger2011:
		return f.record2011(byte(format)), nil
	case Finger39794:
		return f.record39794(format), nil
	}
	return f.record2005(byte(format)), nil
}

func (f Finger) record2005(format byte) []byte {
	b := append(append([]byte{}, magicFinger...), version2005...)
	b = append(b, 0, 0) // six octets of length, two of device, two of acquisition level
	b = binary.BigEndian.AppendUint32(b, uint32(fingerHeader2005+fingerView2005+len(f.Image)))
	b = append(b, 0, 0, 0, 31, 1, perInch)
	for range 4 { // scan and image, each in both directions
		b = binary.BigEndian.AppendUint16(b, uint16(f.PPI))
	}
	b = append(b, byte(f.Depth), format, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(fingerView2005+len(f.Image)))
	quality := byte(0xFE) // not reported
	if len(f.Qualities) > 0 && f.Qualities[0].Score >= 0 {
		quality = byte(f.Qualities[0].Score)
	}
	b = append(b, byte(f.Position), 1, 1, quality, byte(f.Impression))
	b = binary.BigEndian.AppendUint16(b, uint16(f.Width))
	b = binary.BigEndian.AppendUint16(b, uint16(f.Height))
	return append(append(b, 0), f.Image...)
}

func (f Finger) record2011(format byte) []byte {
	view := appendCapture2011(make([]byte, 4), f.Captured, 0, f.Qualities)
	view = append(view, byte(f.Position), 1, perInch)
	for range 4 {
		view = binary.BigEndian.AppendUint16(view, uint16(f.PPI))
	}
	view = append(view, byte(f.Depth), format, byte(f.Impression))
	view = binary.BigEndian.AppendUint16(view, uint16(f.Width))
	view = binary.BigEndian.AppendUint16(view, uint16(f.Height))
	view = append(binary.BigEndian.AppendUint32(view, uint32(len(f.Image))), f.Image...)
	binary.BigEndian.PutUint32(view, uint32(len(view)))
	b := append(append([]byte{}, magicFinger...), magicVersion2011...)
	b = binary.BigEndian.AppendUint32(b, uint32(fingerHeader2011+len(view)))
	return append(append(b, 0, 1, 0, 1), view...)
}
