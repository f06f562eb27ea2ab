package lds

import (
	"encoding/binary"
	"errors"

	"limen/mrtd/mrz"
)

// Records of ISO/IEC 19794 are fields of fixed length, one behind the other.
// This file has what its parts share.

var errShort = errors.New("record ends inside its headers")

// fields takes fields off the front of a record. After the first that is not
// there every one is zero and short is set.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.short, f.b = true, nil
		return nil
	}
	out := f.b[:n:n]
	f.b = f.b[n:]
	return out
}

func (f *fields) skip(n int) { f.take(n) }

func (f *fields) u8() int {
	if b := f.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (f *fields) u16() int {
	if b := f.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (f *fields) u32() int {
	if b := f.take(4); b != nil {
		return int(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Quality is one statement on how fit for comparison a picture is.
type Quality struct {
	Score     int // 0 to 100; -1 where it could not be assessed
	Vendor    int // registered numbers of who made the algorithm, and of the algorithm
	Algorithm int
}

// maxQualities bounds the statements kept of one picture.
const maxQualities = 16

// capture2011 is what the representation headers of the editions of 2011 begin
// with: date and time, the device, and the quality.
type capture2011 struct {
	date      mrz.Date
	device    int // technology
	qualities []Quality
}

func (f *fields) capture2011() capture2011 {
	var c capture2011
	c.date = mrz.Date{Year: f.u16(), Month: f.u8(), Day: f.u8()}
	if c.date.Year == 0xFFFF || c.date.Month > 12 || c.date.Day > 31 { // all ones are unknown
		c.date = mrz.Date{}
	}
	f.skip(5) // hour, minute, second, millisecond
	c.device = f.u8()
	f.skip(4) // vendor and type of the device
	for range f.u8() {
		q := Quality{f.u8(), f.u16(), f.u16()}
		if q.Score > 100 { // 255 is a failed attempt, 254 none
			q.Score = -1
		}
		if !f.short && len(c.qualities) < maxQualities {
			c.qualities = append(c.qualities, q)
		}
	}
	return c
}

// appendCapture2011 writes what capture2011 reads.
func appendCapture2011(b []byte, date mrz.Date, device int, qualities []Quality) []byte {
	if date.Year == 0 {
		date.Year = 0xFFFF
	}
	b = binary.BigEndian.AppendUint16(b, uint16(date.Year))
	b = append(b, byte(date.Month), byte(date.Day), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	b = append(b, byte(device), 0, 0, 0, 0, byte(len(qualities)))
	for _, q := range qualities {
		score := byte(q.Score)
		if q.Score < 0 {
			score = 0xFF
		}
		b = append(b, score)
		b = binary.BigEndian.AppendUint16(b, uint16(q.Vendor))
		b = binary.BigEndian.AppendUint16(b, uint16(q.Algorithm))
	}
	return b
}

// named returns the name of a code, "" where it has none.
func named(names []string, code int) string {
	if code < 0 || code >= len(names) {
		return ""
	}
	return names[code]
}

// codeOf is the code of a name, 0 where it has none.
func codeOf(names []string, name string) int {
	for i, n := range names {
		if n == name && n != "" {
			return i
		}
	}
	return 0
}

// namedBits lists the names of the bits that are set, the lowest first.
func namedBits(names []string, mask int) []string {
	var out []string
	for i, n := range names {
		if mask>>i&1 != 0 && n != "" {
			out = append(out, n)
		}
	}
	return out
}

func bitsOf(names []string, set []string) int {
	mask := 0
	for _, s := range set {
		if i := codeOf(names, s); i > 0 {
			mask |= 1<<i | 1 // the lowest bit says that the others are given
		}
	}
	return mask
}
