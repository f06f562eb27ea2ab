package mrzreader

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// LengthField is the form of the 3M length field. In an MRZ message, which is
// shorter than 128 bytes, TwoBytes and two septets look the same.
type LengthField string

// The length fields.
const (
	TwoBytes LengthField = "two" // low byte first: "14 significant bits" in the RTE6701-OEM manual
	OneByte  LengthField = "one"
)

// BCCSpan is which bytes the 3M block check covers; the last is always ETX.
type BCCSpan string

// The spans.
const (
	FromSOH    BCCSpan = "soh"    // the whole block
	FromLength BCCSpan = "length" // the block without SOH
	FromSTX    BCCSpan = "stx"
	AfterSTX   BCCSpan = "text"
)

// RTESettings is what the published pages of the RTE6701 manuals leave open.
type RTESettings struct {
	Length LengthField // TwoBytes where empty
	BCC    BCCSpan     // FromSOH where empty
}

func (s *RTESettings) check() error {
	if s.Length == "" {
		s.Length = TwoBytes
	}
	if s.BCC == "" {
		s.BCC = FromSOH
	}
	if s.Length != TwoBytes && s.Length != OneByte {
		return fmt.Errorf("MRZ reader: 3M length field %q is neither %q nor %q", s.Length, TwoBytes, OneByte)
	}
	switch s.BCC {
	case FromSOH, FromLength, FromSTX, AfterSTX:
		return nil
	}
	return fmt.Errorf("MRZ reader: 3M check byte span %q is none of %q, %q, %q and %q", s.BCC, FromSOH, FromLength, FromSTX, AfterSTX)
}

// lengthBytes is the width of the length field.
func (s RTESettings) lengthBytes() int {
	if s.Length == OneByte {
		return 1
	}
	return 2
}

// Bytes of the block: SOH length "OU" STX flag data ETX BCC.
const (
	soh = 0x01
	stx = 0x02
	etx = 0x03
)

// maxRTE bounds a block: three lines of 44 and what is around them.
const maxRTE = 256

// rteBlock reads one block from the start of b. n is how many bytes to drop:
// the block, or bytes that begin none (lines is nil and err says why). n is 0
// where more bytes are needed. A block that was read has err nil.
func rteBlock(s RTESettings, b []byte) (lines []string, n int, note Note, err error) {
	if n = bytes.IndexByte(b, soh); n != 0 {
		if n < 0 {
			n = len(b)
		}
		if n > 0 {
			err = errNoBlock
		}
		return nil, n, "", err
	}
	header := 1 + s.lengthBytes()
	if len(b) < header+3 {
		return nil, 0, "", nil
	}
	if string(b[header:header+3]) != "OU\x02" {
		return nil, 1, "", errNoBlock
	}
	// The text is MRZ characters and CRs: the first ETX after the flag ends it.
	text := header + 4
	end := bytes.IndexByte(b[min(text, len(b)):], etx)
	if end < 0 || text+end+1 >= len(b) {
		if len(b) > maxRTE {
			return nil, 1, "", errNoBlock
		}
		return nil, 0, "", nil
	}
	end += text
	n = end + 2
	if bcc := b[end+1]; xor(s.covered(b, header, end)) != bcc {
		return nil, n, "", s.badCheck(b, header, end, bcc)
	}
	data := b[text:end]
	if crs := bytes.Count(data, []byte{'\r'}); crs != 3 {
		return nil, n, "", fmt.Errorf("the block has %d lines, not the three a 3M reader sends (empty ones included)", crs)
	}
	if !s.lengthFits(b, header, n) {
		note = WrongLength
	}
	for line := range strings.SplitSeq(string(data), "\r") {
		if line = strings.TrimRight(line, "_ "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, n, note, nil
}

var errNoBlock = errors.New("bytes that begin no block")

// covered is what the check byte is calculated over.
func (s RTESettings) covered(b []byte, header, end int) []byte {
	from := 0
	switch s.BCC {
	case FromLength:
		from = 1
	case FromSTX:
		from = header + 2
	case AfterSTX:
		from = header + 3
	}
	return b[from : end+1]
}

// badCheck names the span that would fit: a wrong setting is more likely than
// a fault that happens to fit another one.
func (s RTESettings) badCheck(b []byte, header, end int, bcc byte) error {
	for _, span := range []BCCSpan{FromSOH, FromLength, FromSTX, AfterSTX} {
		other := RTESettings{Length: s.Length, BCC: span}
		if xor(other.covered(b, header, end)) == bcc {
			return fmt.Errorf("the check byte does not fit the span %q, but would fit %q: set the reader's check byte span to that", s.BCC, span)
		}
	}
	return errors.New("the check byte is wrong: a byte was lost or changed; check speed, parity and cable, then present the document again")
}

// lengthFits: the manual counts the bytes up to and with the check byte; from
// where is not in the pages at hand, so each plausible start is accepted.
func (s RTESettings) lengthFits(b []byte, header, n int) bool {
	length := int(b[1])
	if s.Length != OneByte {
		length |= int(b[2]) << 8
	}
	return length == n || length == n-1 || length == n-header
}

func xor(b []byte) (x byte) {
	for _, c := range b {
		x ^= c
	}
	return x
}

// takeRTE takes the blocks in buf.
func (w *wire) takeRTE(silent bool) {
	for {
		lines, n, note, err := rteBlock(w.s.RTE, w.buf)
		switch {
		case n == 0:
			if silent && len(w.buf) > 0 {
				w.s.Report(HalfMessage)
			}
			return
		case err == errNoBlock:
			w.s.Report(Garbage)
		case err != nil:
			w.s.Report(Note(err.Error()))
		case len(lines) == 0:
			w.s.Report(Unread)
		case note != "":
			w.give(lines, note)
		default:
			w.give(lines)
		}
		w.drop(n)
	}
}
