package pn532_test

import (
	"bytes"
	"testing"
	"time"

	"limen/hw/pn532"
	"limen/hw/sim/pn532sim"
)

// BenchmarkRead20kB reads a portrait's worth in steps of 224 bytes over a paced
// line and tells how near the driver comes to the time the bytes need.
func BenchmarkRead20kB(b *testing.B) {
	for _, c := range []struct {
		name  string
		bauds []int
		kind  pn532sim.Type
	}{
		{"A424/921600", nil, pn532sim.TypeA},
		{"A424/1288000", []int{1288000}, pn532sim.TypeA},
		{"A424/115200", []int{}, pn532sim.TypeA},
		{"B106/921600", nil, pn532sim.TypeB},
	} {
		b.Run(c.name, func(b *testing.B) {
			took, needed := read20kB(b, c.bauds, c.kind, b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(took.Seconds()*1000/float64(b.N), "ms/read")
			b.ReportMetric(needed.Seconds()*1000/float64(b.N), "ms-needed/read")
			b.ReportMetric(float64(took)/float64(needed), "ratio")
		})
	}
}

// The pace is real: a read takes at least what its bytes need; how much more
// is the benchmark's to tell, since a test shares its machine.
func TestPacedReadTakesItsTime(t *testing.T) {
	took, needed := read20kB(t, nil, pn532sim.TypeA, 1)
	t.Logf("20 kB in %v, the bytes need %v, ratio %.3f", took.Round(time.Millisecond), needed.Round(time.Millisecond), float64(took)/float64(needed))
	if took < needed*99/100 {
		t.Errorf("took %v, want at least the %v that the bytes need", took, needed)
	}
	// 90 commands of 5 and 90 responses of 226 bytes: 5 and 91 frames a side.
	if needed < 600*time.Millisecond || needed > 900*time.Millisecond {
		t.Errorf("needed %v, want 600ms to 900ms for 20 kB at 424 kbit/s and 921600 baud", needed)
	}
}

func read20kB(t testing.TB, bauds []int, kind pn532sim.Type, times int) (took, needed time.Duration) {
	card := &fileCard{file: pattern(20_000)}
	b := newBench(t, pn532sim.Options{})
	b.chip.Insert(card, kind)
	target, err := b.open(t, pn532.Options{Bauds: bauds}).Poll(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	b.chip.ResetNeeded()
	start := time.Now()
	for range times {
		got, err := readFile(t.Context(), target, len(card.file), 224)
		if err != nil || !bytes.Equal(got, card.file) {
			t.Fatalf("got %d bytes, %v, want the file", len(got), err)
		}
	}
	return time.Since(start), b.chip.Needed()
}
