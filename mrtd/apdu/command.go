// Package apdu encodes and decodes the commands and responses that a contactless
// chip understands (ISO/IEC 7816-4), names its status words, and sends one
// command through what may be several exchanges.
//
//	Command -> bytes -> Card -> bytes -> Response
//
// A command carries keys' tokens and a response what a passport says, so both
// print as redacted. The package knows no file, no protocol and no reader.
package apdu

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// MaxData and MaxLe bound an extended command and response (ISO/IEC 7816-4, 5.1).
const (
	MaxData = 65535
	MaxLe   = 65536
)

// Command is one command APDU. Le is the number of response bytes expected at
// most: 0 for none (cases 1 and 3), 256 for "all" in a short command, 65536 in
// an extended one. A command is extended when Data or Le need it.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Le               int
}

// Extended tells whether the command needs extended length fields.
func (c Command) Extended() bool { return len(c.Data) > 255 || c.Le > 256 }

// Encode writes the command in its case: header; header Le; header Lc data;
// header Lc data Le (ISO/IEC 7816-4, 5.1).
func (c Command) Encode() ([]byte, error) {
	if len(c.Data) > MaxData {
		return nil, fmt.Errorf("apdu: %d bytes of command data are more than %d", len(c.Data), MaxData)
	}
	if c.Le < 0 || c.Le > MaxLe {
		return nil, fmt.Errorf("apdu: Le %d is outside 0 to %d", c.Le, MaxLe)
	}
	out := make([]byte, 0, 9+len(c.Data))
	out = append(out, c.CLA, c.INS, c.P1, c.P2)
	if !c.Extended() {
		if len(c.Data) > 0 {
			out = append(append(out, byte(len(c.Data))), c.Data...)
		}
		if c.Le > 0 {
			out = append(out, byte(c.Le)) // 256 is written 00
		}
		return out, nil
	}
	out = append(out, 0)
	if len(c.Data) > 0 {
		out = append(append(out, byte(len(c.Data)>>8), byte(len(c.Data))), c.Data...)
	}
	if c.Le > 0 {
		out = append(out, byte(c.Le>>8), byte(c.Le)) // 65536 is written 0000
	}
	return out, nil
}

// ErrLength says that a command's length fields do not fit its bytes.
var ErrLength = errors.New("apdu: length fields do not fit the command")

// ParseCommand reads a command APDU in any of its cases. Data shares memory with b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, fmt.Errorf("%w: %d bytes are no header", ErrLength, len(b))
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Le = orMax(int(body[0]), 256)
		return c, nil
	case body[0] != 0:
		n := int(body[0])
		switch len(body) {
		case 1 + n:
		case 2 + n:
			c.Le = orMax(int(body[1+n]), 256)
		default:
			return Command{}, ErrLength
		}
		c.Data = body[1 : 1+n : 1+n]
		return c, nil
	case len(body) < 3:
		return Command{}, ErrLength
	case len(body) == 3:
		c.Le = orMax(int(body[1])<<8|int(body[2]), MaxLe)
		return c, nil
	}
	n := int(body[1])<<8 | int(body[2])
	switch {
	case n == 0:
		return Command{}, ErrLength
	case len(body) == 3+n:
	case len(body) == 5+n:
		c.Le = orMax(int(body[3+n])<<8|int(body[4+n]), MaxLe)
	default:
		return Command{}, ErrLength
	}
	c.Data = body[3 : 3+n : 3+n]
	return c, nil
}

func orMax(n, most int) int {
	if n == 0 {
		return most
	}
	return n
}

// Format prints the command without its data, which holds tokens and keys.
func (c Command) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "command %02X %02X (%d bytes redacted)", c.CLA, c.INS, len(c.Data))
}

// LogValue redacts the command in logs.
func (c Command) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalText redacts the command in encoders that would take its fields.
func (c Command) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// Response is one response APDU.
type Response struct {
	Data []byte
	SW   StatusWord
}

// ParseResponse reads a response APDU. Data shares memory with b.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 2 || len(b) > MaxLe+2 {
		return Response{}, fmt.Errorf("apdu: response of %d bytes is not within 2 and %d", len(b), MaxLe+2)
	}
	n := len(b) - 2
	return Response{b[:n:n], StatusWord(b[n])<<8 | StatusWord(b[n+1])}, nil
}

// Encode writes the response APDU.
func (r Response) Encode() []byte {
	out := make([]byte, 0, len(r.Data)+2)
	return append(append(out, r.Data...), byte(r.SW>>8), byte(r.SW))
}

// Format prints the status word and how much data there was.
func (r Response) Format(f fmt.State, _ rune) {
	io.WriteString(f, fmt.Sprintf("response %04X (%d bytes redacted)", uint16(r.SW), len(r.Data)))
}

// LogValue redacts the response in logs.
func (r Response) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// MarshalText redacts the response in encoders that would take its fields.
func (r Response) MarshalText() ([]byte, error) { return fmt.Append(nil, r), nil }
