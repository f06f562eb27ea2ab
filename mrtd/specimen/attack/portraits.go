package attack

import (
	"bytes"
	"encoding/binary"

	"limen/mrtd/lds"
)

// portraits are attacks on the decoder of portraits. The issuer has signed
// them: whatever else is looked at holds.
func (s *scene) portraits() []Attack {
	genuine := chip(s.issue(s.state, s.opened()))
	row := func(name string, picture []byte) Attack {
		spec := s.opened()
		dg2, err := lds.EncodeDG2(picture, 64, 80) // whatever the picture says of itself
		s.keep(err)
		spec.Portrait, spec.Groups = nil, map[int][]byte{2: dg2}
		return Attack{
			Name: name, Clause: "ISO/IEC 19794-5, 5.7", Has: hasIssuer, Stopped: "decoder of portraits, apart and sealed", Reason: "portrait_unreadable",
			Printed: s.lines, Card: chip(s.issue(s.state, spec)), Twin: genuine, Portrait: true,
		}
	}
	good := s.portrait
	if s.err != nil {
		return nil
	}
	return []Attack{
		row("JPEG of 65535 by 65535 pixels", resized(good)),
		row("JPEG cut off", good[:len(good)/2]),
		row("JPEG of fifteen hundred scans over 16 megapixels", scans(4096, 4096, 1500)),
		row("JPEG 2000 of 4294967295 by 4294967295 pixels", codestream(1<<32-1, 1<<32-1, 5, nil)),
		row("JPEG 2000 of 16 megapixels where DG2 says 64 by 80", codestream(4096, 4096, 5, nil)),
		row("JPEG 2000 of 16 million precincts", codestream(4096, 4096, 5, []byte{0, 0, 0, 0, 0, 0})),
		row("JPEG 2000 of three thousand tile-parts", tileParts(64, 80, 3000)),
		row("JPEG 2000 cut off in its header", codestream(64, 80, 5, nil)[:60]),
		row("JP2 of boxes that hold nothing", boxes(bytes.Repeat([]byte("\x00\x00\x00\x08free"), 4000))),
		row("JP2 with a box of 2^64-1 octets", boxes([]byte("\x00\x00\x00\x01jp2c\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"))),
		row("JP2 that holds itself", boxes(slicesOf(boxes(codestream(64, 80, 5, nil)), 3))),
		row("text behind the first octets of a JPEG", []byte("\xFF\xD8\xFFthis is no picture at all")),
	}
}

// resized is a JPEG whose header says 65535 by 65535.
func resized(picture []byte) []byte {
	out := bytes.Clone(picture)
	if at := bytes.Index(out, []byte{0xFF, 0xC0}); at > 0 {
		copy(out[at+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	}
	return out
}

// scans is a progressive JPEG that goes over all of its blocks, all of them
// empty, as many times as there are scans (ISO/IEC 10918-1, G).
func scans(width, height uint16, n int) []byte {
	var b bytes.Buffer
	segment := func(marker byte, body []byte) {
		b.Write([]byte{0xFF, marker})
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)))
		b.Write(body)
	}
	b.Write([]byte{0xFF, 0xD8})
	segment(0xDB, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...))
	segment(0xC2, append(append([]byte{8}, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, height), width)...), 1, 1, 0x11, 0))
	// Two codes: 0 for the end of 2^14 blocks and as many more as the next 14
	// bits say, 10 for that of one.
	segment(0xC4, append(append([]byte{0x10, 1, 1}, make([]byte, 14)...), 0xE0, 0x00))
	var bits bitWriter
	for left := int(width) / 8 * int(height) / 8; left > 0; {
		if run := min(left, 1<<15-1); run >= 1<<14 {
			bits.put(0, 1)
			bits.put(uint32(run-1<<14), 14)
			left -= run
			continue
		}
		bits.put(2, 2)
		left--
	}
	for range n {
		segment(0xDA, []byte{1, 1, 0x00, 1, 63, 0})
		b.Write(bits.bytes())
	}
	b.Write([]byte{0xFF, 0xD9})
	return b.Bytes()
}

// bitWriter writes the entropy-coded bits of a JPEG, with a zero stuffed behind
// every octet FF.
type bitWriter struct {
	out  []byte
	acc  uint32
	have int
}

func (w *bitWriter) put(v uint32, n int) {
	w.acc, w.have = w.acc<<n|v, w.have+n
	for ; w.have >= 8; w.have -= 8 {
		c := byte(w.acc >> (w.have - 8))
		w.out = append(w.out, c)
		if c == 0xFF {
			w.out = append(w.out, 0)
		}
	}
}

func (w *bitWriter) bytes() []byte {
	last := *w
	if last.have > 0 {
		last.put(1<<(8-last.have)-1, 8-last.have)
	}
	return last.out
}

// header is the main header of a codestream of one gray component (ISO/IEC
// 15444-1, A.5 and A.6), without its end. precincts are their sizes by level;
// nil is the largest there are.
func header(width, height uint32, levels byte, precincts []byte) []byte {
	u32 := binary.BigEndian.AppendUint32
	siz := []byte{0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0}
	for _, n := range []uint32{width, height, 0, 0, width, height, 0, 0} {
		siz = u32(siz, n)
	}
	siz = append(siz, 0, 1, 7, 1, 1)
	style := byte(0)
	if precincts != nil {
		style = 1
	}
	cod := append([]byte{0xFF, 0x52, 0, byte(12 + len(precincts)), style, 0, 0, 1, 0, levels, 4, 4, 0, 1}, precincts...)
	qcd := []byte{0xFF, 0x5C, 0, byte(4 + 3*levels), 0x40}
	for range 1 + 3*levels {
		qcd = append(qcd, 0x40)
	}
	return append(append(siz, cod...), qcd...)
}

// codestream is a codestream of one tile whose packets are empty.
func codestream(width, height uint32, levels byte, precincts []byte) []byte {
	tile := append([]byte{0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93}, make([]byte, 64)...)
	return append(append(header(width, height, levels, precincts), tile...), 0xFF, 0xD9)
}

// tileParts is a codestream of one tile in many parts that hold nothing.
func tileParts(width, height uint32, n int) []byte {
	out := header(width, height, 5, nil)
	for i := range n {
		out = append(out, 0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 14, byte(i), 0, 0xFF, 0x93)
	}
	return append(out, 0xFF, 0xD9)
}

// boxes is a JP2 file of its signature, its type and what is given (ISO/IEC
// 15444-1, I.5).
func boxes(content []byte) []byte {
	return append([]byte("\x00\x00\x00\x0CjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 "), content...)
}

// slicesOf is a codestream's box around a file, n deep.
func slicesOf(file []byte, n int) []byte {
	for range n {
		file = append(append(binary.BigEndian.AppendUint32(nil, uint32(len(file)+8)), "jp2c"...), file...)
	}
	return file
}
