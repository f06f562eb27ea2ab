package portrait

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/jpeg"
)

// Format is how a portrait is encoded.
type Format byte

// The formats.
const (
	UnknownFormat Format = iota
	JPEG                 // ISO/IEC 10918
	JP2                  // JPEG 2000 in its file format, ISO/IEC 15444-1 Annex I
	J2K                  // a bare JPEG 2000 codestream, ISO/IEC 15444-1 Annex A
)

// String names the format.
func (f Format) String() string {
	switch f {
	case JPEG:
		return "JPEG"
	case JP2:
		return "JPEG 2000 (JP2)"
	case J2K:
		return "JPEG 2000 (codestream)"
	}
	return "unknown format"
}

// Bounds every portrait is held to before it is decoded. Doc 9303's portraits
// are near 0.2 megapixels; the largest seen in ISO/IEC 39794-5 samples near 2.
const (
	MaxBytes  = 4 << 20  // encoded
	MaxSide   = 8192     // width and height
	MaxPixels = 16 << 20 // width times height
	maxComps  = 4
	maxDepth  = 16
	maxTiles  = 256 // the decoder allocates kilobytes for each, before any data

	// A picture of more than a megapixel has an octet for so many pixels at least:
	// one of 16 in 160 octets is a bomb, and photographs have fifty times as many.
	bombPixels   = 1 << 20
	maxExpansion = 1000
)

// Header is what an encoded portrait says of itself.
type Header struct {
	Format        Format
	Width, Height int
	// Codestream is the JPEG 2000 codestream within the file; nil for JPEG.
	Codestream []byte
	// YCC says that the file declares its three components to be sYCC.
	YCC bool
}

// Sniff reads the header of an encoded portrait and holds it to the bounds
// above; it allocates nothing by what the header says. Its errors wrap
// ErrUnreadable or ErrTooLarge.
func Sniff(data []byte) (Header, error) {
	switch {
	case len(data) > MaxBytes:
		return Header{}, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, len(data), MaxBytes)
	case bytes.HasPrefix(data, []byte{0xFF, 0xD8, 0xFF}):
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return Header{}, fmt.Errorf("%w: JPEG header: %v", ErrUnreadable, err)
		}
		h := Header{Format: JPEG, Width: cfg.Width, Height: cfg.Height}
		return h, checkSize(cfg.Width, cfg.Height, len(data))
	case bytes.HasPrefix(data, []byte{0xFF, 0x4F, 0xFF, 0x51}):
		return sniffCodestream(Header{Format: J2K}, data)
	case bytes.HasPrefix(data, []byte("\x00\x00\x00\x0CjP  \r\n\x87\n")):
		return sniffJP2(data)
	}
	return Header{}, fmt.Errorf("%w: neither JPEG nor JPEG 2000", ErrUnreadable)
}

func checkSize(width, height, octets int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("%w: %dx%d pixels", ErrUnreadable, width, height)
	}
	if width > MaxSide || height > MaxSide || width*height > MaxPixels {
		return fmt.Errorf("%w: %dx%d pixels, at most %d a side and %d in all are decoded", ErrTooLarge, width, height, MaxSide, MaxPixels)
	}
	if n := width * height; n > bombPixels && n/maxExpansion > octets {
		return fmt.Errorf("%w: %d pixels of %d bytes", ErrTooLarge, n, octets)
	}
	return nil
}

// sniffJP2 walks the boxes (Annex I.4) to the first codestream. Only the
// codestream is decoded later; of the boxes before it, only the enumerated
// color space is used, so the C library never sees a box.
func sniffJP2(data []byte) (Header, error) {
	h := Header{Format: JP2}
	for rest := data; ; {
		kind, body, after, err := nextBox(rest)
		if err != nil {
			return Header{}, err
		}
		switch kind {
		case "jp2h":
			if err := readImageBoxes(&h, body); err != nil {
				return Header{}, err
			}
		case "jp2c":
			return sniffCodestream(h, body)
		}
		rest = after
	}
}

func readImageBoxes(h *Header, body []byte) error {
	for len(body) > 0 {
		kind, inner, after, err := nextBox(body)
		if err != nil {
			return err
		}
		switch kind {
		case "pclr", "cmap":
			return fmt.Errorf("%w: a palette, which portraits do not have", ErrUnreadable)
		case "colr": // METH, PREC, APPROX, EnumCS (I.5.3.3); 18 is sYCC
			if len(inner) >= 7 && inner[0] == 1 {
				h.YCC = binary.BigEndian.Uint32(inner[3:]) == 18
			}
		}
		body = after
	}
	return nil
}

func nextBox(b []byte) (kind string, body, after []byte, err error) {
	if len(b) < 8 {
		return "", nil, nil, fmt.Errorf("%w: JP2 ends before its codestream", ErrUnreadable)
	}
	length, head := uint64(binary.BigEndian.Uint32(b)), 8
	switch length {
	case 0: // to the end of the file
		length = uint64(len(b))
	case 1: // 64-bit length follows
		if len(b) < 16 {
			return "", nil, nil, fmt.Errorf("%w: JP2 box cut short", ErrUnreadable)
		}
		length, head = binary.BigEndian.Uint64(b[8:]), 16
	}
	if length < uint64(head) || length > uint64(len(b)) {
		return "", nil, nil, fmt.Errorf("%w: JP2 box of %d bytes where %d remain", ErrUnreadable, length, len(b))
	}
	return string(b[4:8]), b[head:length], b[length:], nil
}

// sniffCodestream reads the SIZ marker segment, which comes right after SOC
// (A.5.1).
func sniffCodestream(h Header, cs []byte) (Header, error) {
	if len(cs) < 42 || !bytes.HasPrefix(cs, []byte{0xFF, 0x4F, 0xFF, 0x51}) {
		return Header{}, fmt.Errorf("%w: JPEG 2000 codestream without SIZ", ErrUnreadable)
	}
	u32 := func(at int) uint64 { return uint64(binary.BigEndian.Uint32(cs[at:])) }
	// Offsets from SOC: Lsiz 4, Rsiz 6, Xsiz 8, Ysiz 12, XOsiz 16, YOsiz 20,
	// XTsiz 24, YTsiz 28, XTOsiz 32, YTOsiz 36, Csiz 40, then 3 a component.
	xsiz, ysiz, xo, yo := u32(8), u32(12), u32(16), u32(20)
	xt, yt, xto, yto := u32(24), u32(28), u32(32), u32(36)
	comps := int(binary.BigEndian.Uint16(cs[40:]))
	if xo >= xsiz || yo >= ysiz || xt == 0 || yt == 0 || xto > xo || yto > yo {
		return Header{}, fmt.Errorf("%w: SIZ describes no picture", ErrUnreadable)
	}
	if err := checkSize(int(xsiz-xo), int(ysiz-yo), len(cs)); err != nil {
		return Header{}, err
	}
	// An offset of the reference grid costs the decoder nothing, but there is
	// no honest use for a large one.
	if xsiz > 2*MaxSide || ysiz > 2*MaxSide {
		return Header{}, fmt.Errorf("%w: reference grid %dx%d", ErrTooLarge, xsiz, ysiz)
	}
	if tiles := ((xsiz - xto + xt - 1) / xt) * ((ysiz - yto + yt - 1) / yt); tiles > maxTiles {
		return Header{}, fmt.Errorf("%w: %d tiles, at most %d are decoded", ErrTooLarge, tiles, maxTiles)
	}
	if comps < 1 || comps > maxComps || len(cs) < 42+3*comps {
		return Header{}, fmt.Errorf("%w: %d components, want 1 to %d", ErrUnreadable, comps, maxComps)
	}
	for i := range comps {
		depth, dx, dy := int(cs[42+3*i]&0x7F)+1, cs[43+3*i], cs[44+3*i]
		if depth > maxDepth || dx < 1 || dy < 1 || dx > 4 || dy > 4 {
			return Header{}, fmt.Errorf("%w: component %d of %d bits, sampled %dx%d", ErrUnreadable, i, depth, dx, dy)
		}
	}
	h.Width, h.Height, h.Codestream = int(xsiz-xo), int(ysiz-yo), cs
	return h, nil
}
