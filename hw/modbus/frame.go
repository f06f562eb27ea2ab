package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The function codes used here (application protocol V1.1b3, 6).
const (
	ReadCoils    = 0x01
	ReadInputs   = 0x02
	WriteCoil    = 0x05
	WriteCoils   = 0x0F
	exceptionBit = 0x80
)

// maxFrame is the longest RTU frame, with unit and CRC (serial line V1.02, 2.5.1).
const maxFrame = 256

// MaxBits is how many coils or inputs one request may read or write here.
const MaxBits = 128

var (
	// ErrSilent means that the board did not answer in time.
	ErrSilent = errors.New("the relay board does not answer: check its power, the wiring (A and B may be swapped), unit number and speed")
	// ErrGarbled means that what came is no answer to the request.
	ErrGarbled = errors.New("the relay board's answer is garbled: check speed, parity, termination and that no other board has its unit number")
)

// Exception is a board's refusal of a request (V1.1b3, 7).
type Exception struct{ Function, Code byte }

func (e *Exception) Error() string {
	why := map[byte]string{1: "it does not know the function", 2: "it has no such coil or input; correct the board's number of coils and inputs",
		3: "a value is out of range", 4: "it failed; replace it", 6: "it is busy"}[e.Code]
	if why == "" {
		why = "for a reason of its own"
	}
	return fmt.Sprintf("the relay board refuses function %d with exception %d: %s", e.Function, e.Code, why)
}

// CRC is the frame check of serial line V1.02, 6.2.2: polynomial A001,
// reflected, from FFFF; sent low octet first.
func CRC(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, octet := range b {
		crc ^= uint16(octet)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// Seal appends the frame check.
func Seal(frame []byte) []byte { return binary.LittleEndian.AppendUint16(frame, CRC(frame)) }

// Sealed tells whether frame ends with its own frame check.
func Sealed(frame []byte) bool {
	n := len(frame) - 2
	return n > 0 && binary.LittleEndian.Uint16(frame[n:]) == CRC(frame[:n])
}

// request is unit, function, first and then a word or more.
func request(unit, function byte, first uint16, rest ...byte) []byte {
	return Seal(append(binary.BigEndian.AppendUint16([]byte{unit, function}, first), rest...))
}

// answerLength is the whole length of the answer that begins with b, 0 while
// too little came to tell. An answer is three octets at least.
func answerLength(b []byte) int {
	switch {
	case len(b) < 3:
		return 0
	case b[1]&exceptionBit != 0:
		return 5
	case b[1] == ReadCoils || b[1] == ReadInputs:
		return min(5+int(b[2]), maxFrame)
	}
	return 8
}

// answer checks a whole frame against the unit and function asked and returns
// what stands between function and frame check.
func answer(unit, function byte, frame []byte) ([]byte, error) {
	switch {
	case !Sealed(frame) || frame[0] != unit:
		return nil, ErrGarbled
	case frame[1] == function|exceptionBit && len(frame) == 5:
		return nil, &Exception{function, frame[2]}
	case frame[1] != function || len(frame) < 5:
		return nil, ErrGarbled
	}
	return frame[2 : len(frame)-2], nil
}

// bits unpacks n of them from a reading's octet count and octets.
func bits(body []byte, n int) ([]bool, error) {
	if len(body) != 1+(n+7)/8 || int(body[0]) != len(body)-1 {
		return nil, ErrGarbled
	}
	out := make([]bool, n)
	for i := range out {
		out[i] = body[1+i/8]>>(i%8)&1 != 0
	}
	return out, nil
}

// pack is bits' inverse, without the octet count.
func pack(values []bool) []byte {
	out := make([]byte, (len(values)+7)/8)
	for i, v := range values {
		if v {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}
