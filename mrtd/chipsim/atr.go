package chipsim

// historical bytes, compact-TLV: card capabilities — selection by name, by
// file identifier and by short identifier; command chaining and, unless
// ShortOnly, extended length (ISO/IEC 7816-4, 12.1.1.9).
func (c *Card) historical() []byte {
	chaining, extended := byte(0x80), byte(0x40)
	if c.opt.ShortOnly {
		extended = 0
	}
	return []byte{0x80, 0x73, 0x94, 0x21, chaining | extended}
}

// ATS is the answer to select of ISO/IEC 14443-4, 5.2: frames of 256 bytes
// (FSCI 8), up to 848 kbit/s both ways, frame waiting integer 9, CID allowed.
// The two CRC bytes are the frame's, not part of it.
func (c *Card) ATS() []byte {
	h := c.historical()
	return append([]byte{byte(5 + len(h)), 0x78, 0x77, 0x94, 0x02}, h...)
}

// ATR is what a PC/SC reader shows for the chip (PC/SC part 3, 3.1.3.2.3.1).
func (c *Card) ATR() []byte {
	h := c.historical()
	atr := append([]byte{0x3B, 0x80 | byte(len(h)), 0x80, 0x01}, h...)
	check := byte(0)
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check)
}
