package pn532

import (
	"errors"
	"fmt"
	"time"
)

// Type is the signal interface of ISO/IEC 14443-2.
type Type uint8

// The two types.
const (
	TypeA Type = iota + 1
	TypeB
)

// String is "A" or "B".
func (t Type) String() string {
	switch t {
	case TypeA:
		return "A"
	case TypeB:
		return "B"
	}
	return "unknown"
}

// Info is what a card said of its radio side when it was selected. The
// identifier is random in most passports and is left out of String.
type Info struct {
	Type Type
	ID   []byte // NFCID1 (type A) or PUPI (type B)
	ATQA uint16 // type A: SENS_RES
	SAK  byte   // type A: SEL_RES
	ATS  []byte // type A: the answer to select with its length byte
	ATQB []byte // type B: from 50 on
	// FrameSize is the longest ISO-DEP frame the card takes, in bytes (FSC).
	FrameSize int
	// FrameWait is how long the card may take to answer a frame (FWT).
	FrameWait time.Duration
	// ToCard and FromCard are the bit rates in use, in bits a second.
	ToCard, FromCard int

	canTake, canSend byte // bits 0 to 2: 212, 424, 848 kbit/s
	sameRate         bool // both directions must agree
}

// String tells the type and rates, and not the identifier.
func (i Info) String() string {
	return fmt.Sprintf("type %v card, frames of %d bytes, %d/%d kbit/s", i.Type, i.FrameSize, i.ToCard/1000, i.FromCard/1000)
}

// frameSizes is FSC by FSCI (ISO/IEC 14443-4, table 1); beyond it 256 is meant here,
// which is all that a PN532 sends in one frame.
var frameSizes = [...]int{16, 24, 32, 40, 48, 64, 96, 128, 256}

func frameSize(fsci byte) int { return frameSizes[min(int(fsci), len(frameSizes)-1)] }

// frameWait: 256·16/fc·2^FWI (ISO/IEC 14443-4, 7.2); 15 is reserved and read as the default 4.
func frameWait(fwi byte) time.Duration {
	if fwi == 15 {
		fwi = 4
	}
	return time.Duration(4096<<fwi) * time.Second / 13_560_000
}

// errNoISODEP: a card, but not one of part 4, or one whose answer to select is
// broken. That is the card's fault: the reader is fit for the next one.
var errNoISODEP = errors.New("not ISO 14443-4")

// parseTypeA reads the target data of InListPassiveTarget for BrTy 00, target
// number first (UM0701-02, 7.3.5).
func parseTypeA(p []byte) (Info, error) {
	i := Info{Type: TypeA, ToCard: 106_000, FromCard: 106_000}
	if len(p) < 5 {
		return i, fmt.Errorf("InListPassiveTarget: %d bytes of target data, at least 5 wanted", len(p))
	}
	i.ATQA, i.SAK = uint16(p[1])<<8|uint16(p[2]), p[3]
	n, p := int(p[4]), p[5:]
	if n > len(p) {
		return i, fmt.Errorf("InListPassiveTarget: identifier of %d bytes announced, %d there", n, len(p))
	}
	i.ID, p = append([]byte(nil), p[:n]...), p[n:]
	if i.SAK&0x20 == 0 || len(p) == 0 {
		return i, errNoISODEP
	}
	if int(p[0]) > len(p) || p[0] == 0 {
		return i, fmt.Errorf("%w: ATS of %d bytes announced, %d there", errNoISODEP, p[0], len(p))
	}
	i.ATS = append([]byte(nil), p[:p[0]]...)
	return i, i.readATS()
}

// readATS: ISO/IEC 14443-4, 5.2. What is absent has its default.
func (i *Info) readATS() error {
	fsci, fwi := byte(2), byte(4)
	rest := i.ATS[1:]
	if len(rest) > 0 {
		t0 := rest[0]
		rest = rest[1:]
		fsci = t0 & 0x0F
		for _, present := range []struct {
			bit byte
			use func(byte)
		}{
			{0x10, i.readRates},
			{0x20, func(tb byte) { fwi = tb >> 4 }},
			{0x40, func(byte) {}}, // CID and NAD, of which nothing is used
		} {
			if t0&present.bit == 0 {
				continue
			}
			if len(rest) == 0 {
				return fmt.Errorf("%w: ATS ends before the bytes that it announces", errNoISODEP)
			}
			present.use(rest[0])
			rest = rest[1:]
		}
	}
	i.FrameSize, i.FrameWait = frameSize(fsci), frameWait(fwi)
	return nil
}

// readRates reads TA(1), or the same byte of ATQB's protocol info.
func (i *Info) readRates(ta byte) {
	if ta&0x08 != 0 {
		return // reserved: a reader takes it as 106 kbit/s only (5.2.4)
	}
	i.canTake, i.canSend, i.sameRate = ta&0x07, ta>>4&0x07, ta&0x80 != 0
}

// parseTypeB reads the same for BrTy 03: ATQB and the answer to ATTRIB.
func parseTypeB(p []byte) (Info, error) {
	i := Info{Type: TypeB, ToCard: 106_000, FromCard: 106_000}
	if len(p) < 13 || p[1] != 0x50 {
		return i, fmt.Errorf("InListPassiveTarget: %d bytes of type B target data are no ATQB", len(p))
	}
	i.ATQB = append([]byte(nil), p[1:13]...)
	i.ID = i.ATQB[1:5]
	protocol := i.ATQB[9:12]
	if protocol[1]&0x01 == 0 {
		return i, errNoISODEP
	}
	i.readRates(protocol[0])
	i.FrameSize, i.FrameWait = frameSize(protocol[1]>>4), frameWait(protocol[2]>>4)
	return i, nil
}

// rateCodes picks the fastest rates both sides bear up to limit, as InPSL codes
// them: 0 is 106, 1 is 212, 2 is 424 kbit/s.
func (i Info) rateCodes(limit int) (toCard, fromCard byte) {
	pick := func(can byte) byte {
		for code := byte(2); code > 0; code-- {
			if can&(1<<(code-1)) != 0 && 106_000<<code <= limit {
				return code
			}
		}
		return 0
	}
	if i.sameRate {
		c := pick(i.canTake & i.canSend)
		return c, c
	}
	return pick(i.canTake), pick(i.canSend)
}
