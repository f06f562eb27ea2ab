package mrzsim

import (
	"math/bits"
	"slices"
	"strings"

	"limen/hw/mrzreader"
)

// inquireAnswer is "I", the length and the lines, each ended by CR, and one CR more.
func (r *Reader) inquireAnswer(lines []string) []byte {
	text := ""
	if len(lines) > 0 {
		text = strings.Join(r.spoilLines(lines), "\r") + "\r\r"
	}
	return r.spoil(append([]byte{'I', byte(len(text) >> 8), byte(len(text))}, text...))
}

// block is a 3M block: three lines, the top ones empty where there are fewer,
// padded with underscores.
func (r *Reader) block(lines []string) []byte {
	lines = r.spoilLines(lines)
	width := 44
	if len(lines) == 3 && !slices.ContainsFunc(lines, func(l string) bool { return len(l) > 30 }) {
		width = 30
	}
	var text strings.Builder
	for range 3 - len(lines) {
		text.WriteByte('\r')
	}
	for _, line := range lines {
		text.WriteString(line + strings.Repeat("_", max(0, width-len(line))) + "\r")
	}
	const flag = '0'
	// The length counts what follows its own field, check byte included.
	rest := len("OU") + 1 + 1 + text.Len() + 1 + 1
	b := []byte{0x01, byte(rest)}
	if r.s.RTE.Length != mrzreader.OneByte {
		b = append(b, byte(rest>>8))
	}
	header := len(b)
	b = append(b, 'O', 'U', 0x02, flag)
	b = append(b, text.String()...)
	b = append(b, 0x03)
	from := map[mrzreader.BCCSpan]int{mrzreader.FromLength: 1, mrzreader.FromSTX: header + 2, mrzreader.AfterSTX: header + 3}[r.s.RTE.BCC]
	check := byte(0)
	for _, c := range b[from:] {
		check ^= c
	}
	if r.take(WrongCheck) {
		check ^= 0x10
	}
	return r.spoil(append(b, check))
}

// text is plain lines, each ended by CR LF.
func (r *Reader) text(lines []string) []byte {
	return r.spoil([]byte(strings.Join(r.spoilLines(lines), "\r\n") + "\r\n"))
}

// spoilLines applies the faults that lie in the lines.
func (r *Reader) spoilLines(lines []string) []string {
	lines = slices.Clone(lines)
	if r.take(MissingFiller) {
		lines[0] = strings.TrimSuffix(lines[0], "<")
	}
	if r.take(DoubledLine) {
		lines = slices.Insert(lines, 0, lines[0])
	}
	return lines
}

// spoil applies the faults that lie in the bytes.
func (r *Reader) spoil(b []byte) []byte {
	if r.take(HalfMessage) {
		b = b[:len(b)/2]
	}
	if r.take(Garbage) {
		b = append([]byte{0x00, 0x15, 0x7F, 0x04}, b...)
	}
	return b
}

// evenParity sets the eighth bit of each byte to even parity, as a port of
// 8N1 sees what a reader of 7E1 sends.
func evenParity(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = c & 0x7F
		if bits.OnesCount8(out[i])%2 != 0 {
			out[i] |= 0x80
		}
	}
	return out
}

// take tells whether a fault is set, and uses it up.
func (r *Reader) take(f Fault) bool {
	i := slices.Index(r.faults, f)
	if i < 0 {
		return false
	}
	r.faults = slices.Delete(r.faults, i, i+1)
	return true
}
