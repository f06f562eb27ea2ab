package pn532sim

import "context"

// Command codes, UM0701-02 chapter 7.
const (
	cmdDiagnose            = 0x00
	cmdGetFirmwareVersion  = 0x02
	cmdGetGeneralStatus    = 0x04
	cmdReadRegister        = 0x06
	cmdWriteRegister       = 0x08
	cmdReadGPIO            = 0x0C
	cmdWriteGPIO           = 0x0E
	cmdSetSerialBaudRate   = 0x10
	cmdSetParameters       = 0x12
	cmdSAMConfiguration    = 0x14
	cmdPowerDown           = 0x16
	cmdRFConfiguration     = 0x32
	cmdInDataExchange      = 0x40
	cmdInCommunicateThru   = 0x42
	cmdInDeselect          = 0x44
	cmdInJumpForPSL        = 0x46
	cmdInListPassiveTarget = 0x4A
	cmdInPSL               = 0x4E
	cmdInATR               = 0x50
	cmdInRelease           = 0x52
	cmdInSelect            = 0x54
	cmdInJumpForDEP        = 0x56
	cmdInAutoPoll          = 0x60
)

// Status bytes, UM0701-02 7.1.
const (
	statusOK      = 0x00
	statusTimeout = 0x01 // the target has not answered
	statusParam   = 0x10
	statusContext = 0x27 // not acceptable in the present context
	moreInfo      = 0x40 // MI, beside the status or the target number
)

// bauds by the code of SetSerialBaudRate (UM0701-02, 7.2.8).
var bauds = [...]int{9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000}

// execute returns the response's body, its code first; nil is a syntax error.
func (c *Chip) execute(ctx context.Context, body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	code, p := body[0], body[1:]
	out := []byte{code + 1}
	switch code {
	case cmdDiagnose:
		return c.diagnose(ctx, out, p)
	case cmdGetFirmwareVersion:
		return append(out, 0x32, 0x01, 0x06, 0x07)
	case cmdGetGeneralStatus:
		return c.generalStatus(out)
	case cmdReadRegister:
		return c.readRegister(out, p)
	case cmdWriteRegister:
		return c.writeRegister(out, p)
	case cmdReadGPIO:
		return append(out, c.gpio[:]...)
	case cmdWriteGPIO:
		return c.writeGPIO(out, p)
	case cmdSetSerialBaudRate:
		if len(p) != 1 || int(p[0]) >= len(bauds) {
			return nil
		}
		c.pending.Store(int64(bauds[p[0]]))
		return out
	case cmdSetParameters:
		if len(p) != 1 {
			return nil
		}
		c.autoRATS = p[0]&0x10 != 0
		return out
	case cmdSAMConfiguration:
		if len(p) < 1 || len(p) > 3 || p[0] < 1 || p[0] > 4 {
			return nil
		}
		c.power = normal
		return out
	case cmdPowerDown:
		if len(p) < 1 {
			return nil
		}
		c.fieldOff()
		return append(out, statusOK)
	case cmdRFConfiguration:
		return c.configureRF(out, p)
	}
	return c.executeInitiator(ctx, code, out, p)
}

// diagnose: UM0701-02 7.2.1.
func (c *Chip) diagnose(ctx context.Context, out, p []byte) []byte {
	if len(p) < 1 {
		return nil
	}
	switch p[0] {
	case 0x00: // communication line: the parameters come back
		return append(out, p...)
	case 0x01, 0x02: // ROM and RAM are well
		return append(out, statusOK)
	case 0x06: // is the card still there?
		return append(out, c.present(ctx))
	}
	return nil
}

func (c *Chip) generalStatus(out []byte) []byte {
	field, n := byte(0), byte(0)
	if c.fieldOn {
		field = 1
	}
	var tg []byte
	if t := c.target; t != nil {
		n = 1
		kind := byte(0x00)
		tg = []byte{0x01, rateCode(t.fromCard), rateCode(t.toCard), kind}
	}
	out = append(out, statusOK, field, n)
	return append(append(out, tg...), 0x80)
}

func (c *Chip) readRegister(out, p []byte) []byte {
	if len(p) == 0 || len(p)%2 != 0 {
		return nil
	}
	for ; len(p) > 0; p = p[2:] {
		out = append(out, c.registers[uint16(p[0])<<8|uint16(p[1])])
	}
	return out
}

func (c *Chip) writeRegister(out, p []byte) []byte {
	if len(p) == 0 || len(p)%3 != 0 {
		return nil
	}
	for ; len(p) > 0; p = p[3:] {
		c.registers[uint16(p[0])<<8|uint16(p[1])] = p[2]
	}
	return out
}

// writeGPIO: a port changes when its validation bit is set (7.2.7).
func (c *Chip) writeGPIO(out, p []byte) []byte {
	if len(p) != 2 {
		return nil
	}
	for i, b := range p {
		if b&0x80 != 0 {
			c.gpio[i] = b & 0x7F
		}
	}
	return out
}

// configureRF: UM0701-02 7.3.1. What concerns analog settings is taken and has no effect.
func (c *Chip) configureRF(out, p []byte) []byte {
	if len(p) < 2 {
		return nil
	}
	lengths := map[byte]int{0x01: 1, 0x02: 3, 0x04: 1, 0x05: 3, 0x0A: 11, 0x0B: 8, 0x0C: 3, 0x0D: 9}
	if n, ok := lengths[p[0]]; !ok || len(p)-1 != n {
		return nil
	}
	switch p[0] {
	case 0x01:
		if p[1]&0x01 == 0 {
			c.fieldOff()
		} else {
			c.fieldOn = true
		}
	case 0x05:
		c.retries = p[3]
	}
	return out
}
