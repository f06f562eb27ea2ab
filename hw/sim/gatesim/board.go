package gatesim

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"limen/hw/door"
	"limen/hw/modbus"
	"limen/hw/sim/link"
)

// Fault is one way in which the board answers wrongly.
type Fault int

// The faults.
const (
	Right      Fault = iota
	Mute             // no answer
	Half             // the first half of the answer
	WrongCheck       // a wrong frame check
	WrongUnit        // another board's answer
	Noise            // octets that are no frame
	Refuses          // exception 4, device failure
)

// Board is a Modbus RTU relay board with the gate's coils and inputs, both from 0 on.
type Board struct {
	Unit byte
	Gate *Gate

	mu    sync.Mutex
	fault Fault
}

// Fault makes the board answer so from now on.
func (b *Board) Fault(f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = f
}

// Serve answers requests on the link until it is closed.
func (b *Board) Serve(l *link.Link) error {
	var frame []byte
	var last time.Time
	buffer := make([]byte, 256)
	for {
		n, err := l.Read(buffer)
		switch {
		case errors.Is(err, link.ErrUnplugged):
			frame = nil
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if time.Since(last) > 50*time.Millisecond {
			frame = nil // a silence ends a frame, whole or not
		}
		last = time.Now()
		frame = append(frame, buffer[:n]...)
		if want := requestLength(frame); want > 0 && len(frame) >= want {
			answer := b.answer(frame)
			frame = nil
			if _, err := l.Write(answer); err != nil && !errors.Is(err, link.ErrUnplugged) {
				return err
			}
		}
	}
}

// requestLength is the whole length of the request that begins with b, 0 while
// it cannot be told.
func requestLength(b []byte) int {
	switch {
	case len(b) < 8:
		return 0
	case b[1] == modbus.WriteCoils:
		return 9 + int(b[6])
	}
	return 8
}

// answer is what the board says to a whole frame: nothing to another's and to
// one whose check is wrong.
func (b *Board) answer(frame []byte) []byte {
	if !modbus.Sealed(frame) || frame[0] != b.Unit {
		return nil
	}
	b.mu.Lock()
	fault := b.fault
	b.mu.Unlock()
	refuse := func(code byte) []byte { return modbus.Seal([]byte{b.Unit, frame[1] | 0x80, code}) }
	answer := b.right(frame, refuse)
	switch fault {
	case Mute:
		return nil
	case Half:
		return answer[:len(answer)/2]
	case WrongCheck:
		answer[len(answer)-1] ^= 0x55
	case WrongUnit:
		answer[0]++
		return modbus.Seal(answer[:len(answer)-2])
	case Noise:
		return []byte{0xFF, 0x00, 0x55, 0xAA, 0x13, 0x37, 0x00, 0xFF, 0xFE, 0x01, 0x02}
	case Refuses:
		return refuse(4)
	}
	return answer
}

// right is the right answer, an exception included (V1.1b3, 6 and 7).
func (b *Board) right(frame []byte, refuse func(byte) []byte) []byte {
	first, word := int(binary.BigEndian.Uint16(frame[2:])), int(binary.BigEndian.Uint16(frame[4:]))
	var values []bool
	switch frame[1] {
	case modbus.ReadCoils, modbus.ReadInputs:
		b.Gate.do(func() {
			if frame[1] == modbus.ReadInputs {
				in := b.Gate.contacts()
				values = append(values, in[:]...)
			} else {
				values = append(values, b.Gate.coils[:]...)
			}
		})
		if word < 1 || word > 2000 {
			return refuse(3)
		}
		if first+word > len(values) {
			return refuse(2)
		}
		out := make([]byte, (word+7)/8)
		for i, on := range values[first : first+word] {
			if on {
				out[i/8] |= 1 << (i % 8)
			}
		}
		return modbus.Seal(append([]byte{b.Unit, frame[1], byte(len(out))}, out...))
	case modbus.WriteCoil:
		if word != 0 && word != 0xFF00 {
			return refuse(3)
		}
		if first >= int(door.NumOutputs) {
			return refuse(2)
		}
		b.Gate.set(first, []bool{word != 0})
		return append([]byte(nil), frame...)
	case modbus.WriteCoils:
		if word < 1 || int(frame[6]) != (word+7)/8 {
			return refuse(3)
		}
		if first+word > int(door.NumOutputs) {
			return refuse(2)
		}
		for i := range word {
			values = append(values, frame[7+i/8]>>(i%8)&1 != 0)
		}
		b.Gate.set(first, values)
		return modbus.Seal(append([]byte(nil), frame[:6]...))
	}
	return refuse(1)
}
