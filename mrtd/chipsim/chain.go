package chipsim

import "limen/mrtd/apdu"

// handOver sends a response through what the transport bears: whole, or in
// pieces that GET RESPONSE fetches (ISO/IEC 7816-4, 5.3.4).
func (c *Card) handOver(raw []byte, answer func([]byte) apdu.Response) apdu.Response {
	if c.opt.Faults.EndlessAnswers && c.sm != nil {
		return apdu.Response{Data: make([]byte, 200), SW: 0x6100}
	}
	held, sw := c.heldBack, c.heldStatus
	c.heldBack = nil
	r := apdu.Response{Data: held, SW: sw}
	if len(held) == 0 || len(raw) < 2 || raw[0]&^0x03 != 0 || raw[1] != 0xC0 {
		r = answer(raw)
	}
	n := c.opt.Faults.ChunkAnswers
	if n == 0 || len(r.Data) <= n || isExtended(raw) {
		return r
	}
	c.heldBack, c.heldStatus = r.Data[n:], r.SW
	return apdu.Response{Data: r.Data[:n:n], SW: 0x6100 | apdu.StatusWord(min(len(c.heldBack), 256)&0xFF)}
}
