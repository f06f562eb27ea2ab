package door_test

import (
	"fmt"
	"testing"
	"time"

	"limen/hw/door"
	"limen/hw/modbus"
	"limen/hw/serialport"
	"limen/hw/sim/gatesim"
	"limen/hw/sim/link"
)

// BenchmarkExchange is one setting of all relays and one reading of all
// contacts, over a wire that takes the time its octets need.
func BenchmarkExchange(b *testing.B) {
	for _, baud := range []int{9600, 19200, 115200} {
		b.Run(fmt.Sprint(baud, " baud"), func(b *testing.B) {
			l, err := link.New()
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			l.Pace(baud, 11)
			go (&gatesim.Board{Unit: 1, Gate: gatesim.NewGate(time.Second, time.Minute)}).Serve(l)
			port, err := serialport.Open(b.Context(), l.Path, serialport.Mode{Baud: baud})
			if err != nil {
				b.Fatal(err)
			}
			defer port.Close()
			bank := door.Board{Client: &modbus.Client{Port: port, Unit: 1, Baud: baud, Timeout: 2 * time.Second}}
			for b.Loop() {
				if _, err := bank.Exchange(b.Context(), [door.NumOutputs]bool{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
