package pn532sim

import (
	"context"
	"time"
)

// Type is the signal interface of ISO/IEC 14443-2.
type Type uint8

// The two types.
const (
	TypeA Type = iota + 1
	TypeB
)

// Radio is a card as the antenna sees it.
type Radio struct {
	Type Type
	// FSCI codes the longest frame the card takes: 5 is 64 bytes, 8 is 256 (ISO/IEC 14443-4, 5.2.3).
	FSCI byte
	// FWI codes how long the card may take to answer: 302 µs times 2^FWI.
	FWI byte
	// MaxBitRate is the fastest the card bears in both directions: 106000,
	// 212000, 424000 or 848000. Type B cards announce it, but a PN532 keeps them at 106.
	MaxBitRate int
}

// DefaultRadio is a passport of recent make: frames of 256 bytes, up to 848 kbit/s, 77 ms to answer.
func DefaultRadio(t Type) Radio { return Radio{Type: t, FSCI: 8, FWI: 8, MaxBitRate: 848_000} }

// frameSizes is FSC by FSCI.
var frameSizes = [...]int{16, 24, 32, 40, 48, 64, 96, 128, 256}

func (r Radio) fsc() int {
	return frameSizes[min(int(r.FSCI), len(frameSizes)-1)]
}

func (r Radio) frameWait() time.Duration { return 302 * time.Microsecond << r.FWI }

// rateBits are bits 0 to 2 (212, 424, 848) of a capability nibble.
func (r Radio) rateBits() byte {
	var b byte
	for i, rate := range []int{212_000, 424_000, 848_000} {
		if r.MaxBitRate >= rate {
			b |= 1 << i
		}
	}
	return b
}

func (r Radio) bitsPerByte() int {
	if r.Type == TypeB {
		return 10 // start and stop bit, no parity
	}
	return 9
}

// AirTime is how long a command and its response of so many bytes take in the
// air at a bit rate both ways, the card's own computing left out: what any
// reader needs that takes frames of 256 bytes.
func (r Radio) AirTime(command, response, rate int) time.Duration {
	bits := r.bitsPerByte()
	return airTime(command, r.fsc(), bits, rate, rate) + airTime(response, frameSizes[8], bits, rate, rate)
}

// slot is a card on the antenna.
type slot struct {
	card  Card
	radio Radio
	id    [4]byte       // NFCID1 or PUPI, made anew whenever the card loses power
	gone  chan struct{} // closed when the card is taken away
}

// newID makes a random identifier; for type A it starts with 08, which says
// so (ISO/IEC 14443-3, 6.5.4), and is how passports do it (Doc 9303-11).
func (s *slot) newID() {
	random(s.id[:])
	if s.radio.Type == TypeA {
		s.id[0] = 0x08
	}
}

func (s *slot) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// ats is the answer to select, its length byte first: T0 with TA, TB and TC
// following, bit rates, waiting time, CID supported, no historical bytes.
func (s *slot) ats() []byte {
	rates := s.radio.rateBits()
	return []byte{0x05, 0x70 | s.radio.FSCI, rates<<4 | rates, s.radio.FWI<<4 | 0x01, 0x02}
}

// targetData is what InListPassiveTarget tells of the card, target number first
// (UM0701-02, 7.3.5).
func (s *slot) targetData(rats bool) []byte {
	if s.radio.Type == TypeB {
		rates := s.radio.rateBits()
		d := []byte{0x01, 0x50}
		d = append(d, s.id[:]...)
		d = append(d, 0x00, 0x00, 0x00, 0x00) // application data
		d = append(d, rates<<4|rates, s.radio.FSCI<<4|0x01, s.radio.FWI<<4|0x01)
		return append(d, 0x01, 0x00) // the answer to ATTRIB: no higher layer, CID 0
	}
	d := []byte{0x01, 0x00, 0x08, 0x20, byte(len(s.id))}
	d = append(d, s.id[:]...)
	if rats {
		d = append(d, s.ats()...)
	}
	return d
}

// target is an activated card.
type target struct {
	*slot
	toCard, fromCard int    // bit rates
	deselected       bool   // after InDeselect, until InSelect
	command          []byte // pieces of a chained command so far
	response         []byte // what is left of a chained response
}

// activate selects the card in the slot and wakes its application.
func (c *Chip) activate(s *slot) *target {
	c.fieldOn = true
	c.target = &target{slot: s, toCard: 106_000, fromCard: 106_000}
	// About what REQA, anticollision, SELECT and RATS, or REQB and ATTRIB take.
	bits := s.radio.bitsPerByte()
	c.line.add(4*frameDelay + time.Duration(40*bits)*time.Second/106_000)
	s.card.Reset()
	return c.target
}

// fieldOff takes the power from the card.
func (c *Chip) fieldOff() {
	c.fieldOn = false
	c.target = nil
	if s, _ := c.card(); s != nil {
		c.mu.Lock()
		s.newID()
		c.mu.Unlock()
	}
}

// attempt is how long the chip waits for the answer to one REQA or REQB.
const attempt = 5 * time.Millisecond

// find looks for a card of a type for so many attempts (0xFF+1 is without
// end), and returns nil when none came or ctx ended.
func (c *Chip) find(ctx context.Context, t Type, attempts int) *slot {
	for n := 0; ; n++ {
		s, changed := c.card()
		if s != nil && s.radio.Type == t {
			return s
		}
		if attempts > 0xFF {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if n >= attempts || ctx.Err() != nil {
			return nil
		}
		c.line.add(attempt)
		c.line.wait(ctx, changed)
	}
}
