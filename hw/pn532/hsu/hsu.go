// Package hsu frames bytes on the PN532's high-speed UART: NXP UM0701-02,
// chapter 6.2.1. It is pure: bytes in, frames out. Timing, retries and the
// meaning of commands belong to the driver (package pn532) and to the chip
// (package pn532sim), which both speak through it.
package hsu

// Frame identifiers (TFI), UM0701-02 6.2.1.1, and the error frame's.
const (
	FromHost = 0xD4
	FromChip = 0xD5
	tfiError = 0x7F
)

// MaxData is the longest body after the frame identifier: an extended frame
// carries 265 bytes, the identifier among them (UM0701-02, 6.2.1.2).
const MaxData = 264

// maxNormal is the longest body of a normal frame, whose one-byte length
// counts the identifier.
const maxNormal = 254

// Kind tells frames apart.
type Kind uint8

// The kinds of UM0701-02 6.2.1, and Corrupt for an information frame whose
// length was right and whose data checksum was not: the host answers it with a NACK.
const (
	Data Kind = iota + 1
	ACK
	NACK
	Error
	Corrupt
)

// String names the kind as the manual does.
func (k Kind) String() string {
	switch k {
	case Data:
		return "information frame"
	case ACK:
		return "ACK"
	case NACK:
		return "NACK"
	case Error:
		return "error frame"
	case Corrupt:
		return "frame with a wrong checksum"
	}
	return "unknown frame"
}

// Frame is one frame as it came.
type Frame struct {
	Kind Kind
	TFI  byte   // of information frames: FromHost or FromChip
	Body []byte // of information frames: command or response code and its data
	Size int    // bytes on the wire from start code to postamble
}

// AppendACK appends an ACK frame.
func AppendACK(dst []byte) []byte { return append(dst, 0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00) }

// AppendNACK appends a NACK frame, with which a host asks for the last response again.
func AppendNACK(dst []byte) []byte { return append(dst, 0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00) }

// AppendError appends the frame by which the chip rejects a command it cannot parse.
func AppendError(dst []byte) []byte {
	return append(dst, 0x00, 0x00, 0xFF, 0x01, 0xFF, tfiError, 0x81, 0x00)
}

// AppendData appends an information frame, extended where the body asks for
// it. The body is at most MaxData bytes; a longer one is the caller's defect.
func AppendData(dst []byte, tfi byte, body []byte) []byte {
	if len(body) > MaxData {
		panic("hsu: body longer than an extended frame carries")
	}
	n := len(body) + 1
	dst = append(dst, 0x00, 0x00, 0xFF)
	if len(body) <= maxNormal {
		dst = append(dst, byte(n), byte(-n))
	} else {
		hi, lo := byte(n>>8), byte(n)
		dst = append(dst, 0xFF, 0xFF, hi, lo, -(hi + lo))
	}
	dst = append(dst, tfi)
	dst = append(dst, body...)
	sum := tfi
	for _, b := range body {
		sum += b
	}
	return append(dst, -sum, 0x00)
}
