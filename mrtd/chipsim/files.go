package chipsim

import (
	"bytes"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// selectFile is SELECT: the master file, the application by its identifier, an
// elementary file of the current one by file identifier (Doc 9303-10, 3.6.1).
func (c *Card) selectFile(cmd apdu.Command) apdu.Response {
	r := status(c.selects(cmd))
	if c.opt.Faults.SelectAnswers && r.SW == apdu.Success {
		r.Data = ber.Encode(0x6F, ber.Encode(0x82, []byte{0x01}))
	}
	return r
}

func (c *Card) selects(cmd apdu.Command) apdu.StatusWord {
	switch {
	case cmd.P1 == 0x00 && (len(cmd.Data) == 0 || bytes.Equal(cmd.Data, []byte{0x3F, 0x00})):
		if sw := c.opt.Faults.MasterFile; sw != 0 {
			return sw
		}
		c.inApplication, c.current = false, nil
		return apdu.Success
	case cmd.P1 == 0x04:
		if !bytes.Equal(cmd.Data, apdu.EMRTD()) {
			return apdu.FileNotFound
		}
		if c.opt.Faults.ApplicationWantsFCI && cmd.P2 == 0x0C {
			return apdu.WrongP1P2
		}
		c.inApplication, c.current = true, nil
		return apdu.Success
	case cmd.P1 == 0x02 || cmd.P1 == 0x00:
		if len(cmd.Data) != 2 {
			return apdu.WrongLength
		}
		f, known := c.byFID(uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1]))
		content, sw := c.find(f, known)
		if sw == apdu.Success {
			c.current, c.file = content, f
		}
		return sw
	}
	return apdu.WrongP1P2
}

// find returns a file of the current directory, if the reader may see it.
// Without rights a file that is not there looks like one that is (4.4.2).
func (c *Card) find(f lds.File, known bool) ([]byte, apdu.StatusWord) {
	if f == lds.EFCardAccess && c.opt.Faults.CardAccess != 0 {
		return nil, c.opt.Faults.CardAccess
	}
	if !known || f.MasterFile == c.inApplication {
		return nil, apdu.FileNotFound
	}
	if !c.mayRead(f) {
		return nil, apdu.SecurityStatus
	}
	faults := c.opt.Faults
	content, ok := c.content(f)
	ok = ok && (f.Group == 0 || f.Group != faults.Withheld)
	if optional := f.Group > 0 || f == lds.EFDIR || f == lds.EFATRInfo; !ok && optional && faults.OptionalFile != 0 {
		return nil, faults.OptionalFile
	}
	if !ok {
		return nil, apdu.FileNotFound
	}
	if f == lds.EFCardAccess && faults.CardAccessEmpty {
		return []byte{}, apdu.Success
	}
	return append(content[:len(content):len(content)], make([]byte, faults.Padding)...), apdu.Success
}

// readBinary is READ BINARY by short identifier or offset, and with the odd
// instruction for offsets beyond 32767 (Doc 9303-10, 3.6.2).
func (c *Card) readBinary(cmd apdu.Command) apdu.Response {
	if cmd.Le == 0 {
		return status(apdu.WrongLength)
	}
	if c.opt.Faults.LeRefused > 0 && cmd.Le > c.opt.Faults.LeRefused {
		switch sw := c.opt.Faults.LeStatus; sw {
		case 0:
			return status(apdu.WrongLength)
		case 0x6C00:
			return status(sw | apdu.StatusWord(c.opt.Faults.LeRefused&0xFF))
		default:
			return status(sw)
		}
	}
	file, offset := c.current, int(cmd.P1)<<8|int(cmd.P2)
	odd := cmd.INS&1 == 1
	switch {
	case odd:
		var sw apdu.StatusWord
		if offset, sw = oddOffset(cmd); sw != apdu.Success {
			return status(sw)
		}
	case len(cmd.Data) > 0:
		return status(apdu.WrongLength)
	case cmd.P1&0x80 != 0:
		if cmd.P1&0x60 != 0 || c.opt.Faults.NoSFI || c.opt.Faults.MasterFileNoSFI && !c.inApplication {
			return status(apdu.WrongP1P2)
		}
		f, known := c.bySFI(cmd.P1 & 0x1F)
		content, sw := c.find(f, known)
		if sw != apdu.Success {
			return status(sw)
		}
		c.current, c.file, file, offset = content, f, content, int(cmd.P2)
	}
	if file == nil {
		if !c.mayRead(lds.File{}) {
			return status(apdu.SecurityStatus)
		}
		return status(apdu.CommandNotAllowed)
	}
	if !c.mayRead(c.file) { // rights can end while a file stays current
		return status(apdu.SecurityStatus)
	}
	if offset >= len(file) {
		return status(apdu.WrongOffset)
	}
	le := cmd.Le
	switch f := c.opt.Faults; {
	case f.PastEnd != 0 && !odd && le > len(file)-offset:
		return status(f.PastEnd)
	case f.EmptyAbove > 0 && le > f.EmptyAbove:
		return status(apdu.Success)
	case f.Trickle && !odd:
		return part(file[offset:offset+1], 256, odd)
	case f.ShortAnswers > 0 && le > f.ShortAnswers && len(file)-offset > f.ShortAnswers:
		return part(file[offset:offset+f.ShortAnswers], 256, odd)
	}
	if n := c.opt.Faults.LongAnswers; n > 0 && !odd {
		rest := append(append([]byte(nil), file[offset:]...), make([]byte, le+n)...)
		return apdu.Response{Data: rest[:le+n], SW: apdu.Success}
	}
	c.fileEnded = le >= len(file)-offset
	return part(file[offset:], le, odd)
}

// part returns at most le bytes of response. A reader that asked for a number
// beyond the end gets what there is with 6282; 256 and 65536 mean "all".
func part(rest []byte, le int, odd bool) apdu.Response {
	n := le
	if odd {
		for n = le; n > 0 && 1+len(ber.EncodeLength(n))+n > le; n-- {
		}
		if n == 0 {
			return status(apdu.WrongLength)
		}
	}
	sw := apdu.Success
	if n > len(rest) {
		if le != 256 && le != apdu.MaxLe {
			sw = apdu.EndOfFile
		}
		n = len(rest)
	}
	data := append([]byte(nil), rest[:n]...)
	if odd {
		data = ber.Encode(0x53, data)
	}
	return apdu.Response{Data: data, SW: sw}
}

func oddOffset(cmd apdu.Command) (int, apdu.StatusWord) {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return 0, apdu.WrongP1P2
	}
	t, err := ber.Parse(cmd.Data, 0x54)
	if err != nil || len(t.Value) == 0 || len(t.Value) > 4 {
		return 0, apdu.WrongData
	}
	offset := 0
	for _, b := range t.Value {
		offset = offset<<8 | int(b)
	}
	return offset, apdu.Success
}

// bySFI finds a file of the current directory by its short identifier.
func (c *Card) bySFI(sfi byte) (lds.File, bool) {
	return c.here(func(f lds.File) bool { return f.SFI == sfi })
}

// byFID finds a file of the current directory by its identifier.
func (c *Card) byFID(fid uint16) (lds.File, bool) {
	return c.here(func(f lds.File) bool { return f.FID == fid })
}

func (c *Card) here(is func(lds.File) bool) (lds.File, bool) {
	for _, f := range lds.EveryFile() {
		if is(f) && f.MasterFile != c.inApplication {
			return f, true
		}
	}
	return lds.File{}, false
}
