package lds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Iris image records of ISO/IEC 19794-6, 2005 and 2011.
const (
	irisHeader2005  = 45
	irisSubtype2005 = 3
	irisImage2005   = 11
	irisHeader2011  = 16
	irisView2011    = 52 // without quality blocks

	maxEyes = 2
)

// Formats at their codes: even ones in 2005, a few of them in 2011.
var (
	irisFormats   = map[int]ImageFormat{2: Raw, 4: Raw, 6: JPEG, 8: JPEG, 14: JPEG2000, 16: JPEG2000}
	irisFormats11 = map[int]ImageFormat{2: Raw, 10: JPEG2000, 14: PNG}
)

func parseIrises19794(b []byte) ([]Iris, error) {
	if len(b) < irisHeader2011 || !bytes.HasPrefix(b, magicIris) {
		return nil, errors.New("no iris record: it does not begin with IIR")
	}
	switch version := b[4:8]; {
	case bytes.Equal(version, version2005):
		return parseIrises2005(b)
	case bytes.Equal(version, magicVersion2011):
		return parseIrises2011(b)
	default:
		return nil, fmt.Errorf("iris record of version %q; 010 (ISO/IEC 19794-6:2005) and 020 (2011) are read", bytes.TrimRight(version, "\x00"))
	}
}

// parseIrises2005 reads the record header, then for each eye its header and
// its pictures, each behind a header that ends with its length (clause 6.5).
func parseIrises2005(b []byte) ([]Iris, error) {
	f := fields{b: b}
	f.skip(14) // identifier, version, length, device
	eyes := f.u8()
	f.skip(6) // length of the header, properties, diameter
	format := irisFormats[f.u16()]
	width, height, depth := f.u16(), f.u16(), f.u8()
	f.skip(17) // transformation, unique identifier of the device
	if f.short || eyes == 0 || eyes > maxEyes {
		return nil, fmt.Errorf("iris record of %d eyes; 1 or 2 are read", eyes)
	}
	var out []Iris
	for range eyes {
		eye, count := Eye(f.u8()), f.u16()
		if count > maxIrises-len(out) {
			return nil, fmt.Errorf("more than %d pictures of irises", maxIrises)
		}
		for range count {
			iris := Iris{Standard: Iris2005, Eye: eye, Stated: format, Width: width, Height: height, Depth: depth}
			f.skip(2) // number of the picture
			if q := f.u8(); q <= 100 {
				iris.Qualities = []Quality{{Score: q}}
			}
			f.skip(4) // rotation and its uncertainty
			if iris.Image = f.take(f.u32()); f.short || len(iris.Image) == 0 {
				return nil, fmt.Errorf("iris %d: %w", len(out)+1, errShort)
			}
			iris.Format = sniffed(iris.Image, format)
			out = append(out, iris)
		}
	}
	if f.short || len(out) == 0 {
		return nil, errShort
	}
	return out, nil
}

// parseIrises2011 reads the general header (table 3) and the representations,
// each with a header of its own (table 4).
func parseIrises2011(b []byte) ([]Iris, error) {
	f := fields{b: b}
	f.skip(12)
	count := f.u16()
	f.skip(2) // certification flag, which this part leaves 0; number of eyes
	if count == 0 || count > maxIrises {
		return nil, fmt.Errorf("iris record of %d pictures; 1 to %d are read", count, maxIrises)
	}
	var out []Iris
	for i := range count {
		if len(f.b) < irisView2011 {
			return nil, fmt.Errorf("iris %d: %w", i+1, errShort)
		}
		view, err := f.block(irisView2011, i == count-1)
		if err != nil {
			return nil, fmt.Errorf("iris %d: %w", i+1, err)
		}
		view.skip(4)
		c := view.capture2011()
		view.skip(2) // number of the representation
		iris := Iris{Standard: Iris2011, Captured: c.date, Qualities: c.qualities, Eye: Eye(view.u8())}
		view.skip(1) // kind of picture
		iris.Stated = irisFormats11[view.u8()]
		view.skip(1) // orientation, compression history
		iris.Width, iris.Height, iris.Depth = view.u16(), view.u16(), view.u8()
		view.skip(18) // range, roll, center and diameter of the iris
		iris.Image = view.take(min(view.u32(), len(view.b)))
		if view.short || len(iris.Image) == 0 {
			return nil, fmt.Errorf("iris %d: %w", i+1, errShort)
		}
		iris.Format = sniffed(iris.Image, iris.Stated)
		out = append(out, iris)
	}
	return out, nil
}

// record writes the iris in its standard.
func (i Iris) record() ([]byte, error) {
	format := sniffed(i.Image, Raw)
	if i.Eye < UnknownEye || i.Eye > LeftEye || len(i.Image) == 0 || len(i.Image) > maxBiometrics/2 || i.Width < 0 || i.Width > 0xFFFF || i.Height < 0 || i.Height > 0xFFFF ||
		i.Depth < 0 || i.Depth > 0xFF || len(i.Qualities) > maxQualities {
		return nil, fmt.Errorf("picture of %d bytes, %d by %d pixels, does not fit", len(i.Image), i.Width, i.Height)
	}
	if i.Depth == 0 {
		i.Depth = 8
	}
	code, ok := 0, false
	switch i.Standard {
	case Iris2005:
		code, ok = irisCode(irisFormats, format)
	case Iris2011:
		code, ok = irisCode(irisFormats11, format)
	case Iris39794:
		code, ok = formatCode(irisFormats39794, format)
	default:
		return nil, fmt.Errorf("standard %q is none of an iris", i.Standard)
	}
	if !ok {
		return nil, fmt.Errorf("picture's first bytes are of no format that %s has", i.Standard)
	}
	switch i.Standard {
	case Iris2011:
		return i.record2011(code), nil
	case Iris39794:
		return i.record39794(code), nil
	}
	return i.record2005(code), nil
}

// irisCode is the lowest code of a format: monochrome.
func irisCode(formats map[int]ImageFormat, format ImageFormat) (int, bool) {
	for c := range 17 {
		if formats[c] == format && format != "" {
			return c, true
		}
	}
	return 0, false
}

func (i Iris) record2005(format int) []byte {
	b := append(append([]byte{}, magicIris...), version2005...)
	b = binary.BigEndian.AppendUint32(b, uint32(irisHeader2005+irisSubtype2005+irisImage2005+len(i.Image)))
	b = append(b, 0, 0, 1, 0, irisHeader2005, 0, 0, 0, 0, 0, byte(format))
	b = binary.BigEndian.AppendUint16(b, uint16(i.Width))
	b = binary.BigEndian.AppendUint16(b, uint16(i.Height))
	b = append(b, byte(i.Depth))
	b = append(b, make([]byte, 17)...)
	quality := byte(0xFE) // not reported
	if len(i.Qualities) > 0 && i.Qualities[0].Score >= 0 {
		quality = byte(i.Qualities[0].Score)
	}
	b = append(b, byte(i.Eye), 0, 1, 0, 1, quality, 0xFF, 0xFF, 0xFF, 0xFF)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(i.Image))), i.Image...)
}

func (i Iris) record2011(format int) []byte {
	view := appendCapture2011(make([]byte, 4), i.Captured, 0, i.Qualities)
	view = append(view, 0, 1, byte(i.Eye), 1, byte(format), 0)
	view = binary.BigEndian.AppendUint16(view, uint16(i.Width))
	view = binary.BigEndian.AppendUint16(view, uint16(i.Height))
	view = append(view, byte(i.Depth))
	view = append(view, make([]byte, 18)...)
	view = append(binary.BigEndian.AppendUint32(view, uint32(len(i.Image))), i.Image...)
	binary.BigEndian.PutUint32(view, uint32(len(view)))
	b := append(append([]byte{}, magicIris...), magicVersion2011...)
	b = binary.BigEndian.AppendUint32(b, uint32(irisHeader2011+len(view)))
	return append(append(b, 0, 1, 0, 1), view...)
}
