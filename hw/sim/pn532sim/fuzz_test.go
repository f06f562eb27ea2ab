package pn532sim

import (
	"context"
	"testing"

	"limen/hw/pn532/hsu"
)

// FuzzExecute: no command makes the chip panic, and every response fits a frame.
func FuzzExecute(f *testing.F) {
	f.Add([]byte{0x4A, 1, 0}, []byte{0x40, 1, 0, 0xA4, 4, 0x0C})
	f.Add([]byte{0x60, 1, 1, 0x20}, []byte{0x00, 0x06})
	f.Add([]byte{0x32, 5, 0, 0, 0}, []byte{0x4E, 1, 2, 2})
	f.Add([]byte{0x06, 0x63, 0x01}, []byte{0x08, 0x63, 0x01, 0xFF})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := New(nil, Options{Unpaced: true})
		c.Insert(&listener{chip: c}, TypeA)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that no poll waits
		for _, body := range [][]byte{first, second} {
			if len(body) > hsu.MaxData {
				body = body[:hsu.MaxData]
			}
			if rsp := c.execute(ctx, body); len(rsp) > hsu.MaxData || rsp != nil && rsp[0] != body[0]+1 {
				t.Fatalf("command %x: got a response of %d bytes", body, len(rsp))
			}
		}
	})
}
