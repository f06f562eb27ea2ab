package gatesim

import (
	"testing"
	"time"

	"limen/hw/modbus"
	"limen/internal/repotest"
)

// Whatever the host sends, the board answers within its frame or not at all.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{1, modbus.WriteCoils, 0, 0, 0, 6, 1, 0x15})
	f.Add([]byte{1, modbus.ReadInputs, 0, 0, 0, 15})
	f.Add([]byte{1, modbus.WriteCoil, 0, 1, 0xFF, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		board := Board{Unit: 1, Gate: NewGate(time.Second, time.Hour)}
		repotest.Bounded(t, len(b), func() {
			frame := modbus.Seal(append([]byte(nil), b...))
			if want := requestLength(frame); want == 0 || len(frame) < want {
				return
			}
			if a := board.answer(frame); len(a) > 256 || len(a) > 0 && !modbus.Sealed(a) {
				t.Errorf("% X: answered % X", frame, a)
			}
		})
	})
}
