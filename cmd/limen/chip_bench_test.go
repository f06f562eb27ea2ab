package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"limen/cmd/internal/demo/faces"
	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/mrtd"
	"limen/mrtd/chipsim"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
)

// BenchmarkChipRead reads a passport with a portrait of 20 000 bytes as the
// line does: look for a chip, access, EF.COM, EF.SOD, DG1, DG2; over a
// simulated PN532 at 921600 baud and 424 kbit/s that takes as long as its
// bytes need. "needed" is that time, "chipsim" what the simulated chip itself
// computed, a real one's share of which is not known.
func BenchmarkChipRead(b *testing.B) {
	portrait, err := faces.Portrait("traveller-08")
	if err != nil {
		b.Fatal(err)
	}
	portrait = append(slices.Clone(portrait), make([]byte, max(0, 20_000-len(portrait)))...)
	lines := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	document, err := mrz.Parse(lines, time.Date(2011, 5, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		b.Fatal(err)
	}
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)), specimen.Seed("the benchmark's state"))
	if err != nil {
		b.Fatal(err)
	}
	pace := []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.2.4", ParameterID: 13}}
	for _, c := range []struct {
		name  string
		pace  []chipsim.PACE
		maxLe int
	}{
		{"PACE-brainpoolP256-AES256/extended", pace, 0},
		{"PACE-brainpoolP256-AES256/short", pace, 256},
		{"BAC-3DES/extended", nil, 0},
		{"BAC-3DES/short", nil, 256},
	} {
		passport, err := authority.Issue(specimen.Spec{Lines: lines, Portrait: portrait, BAC: true, PACE: c.pace})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			reader, chip := openChipBench(b)
			card := &timedCard{card: chipsim.New(passport, chipsim.Options{})}
			chip.Insert(card, pn532sim.TypeA)
			chip.ResetNeeded()
			var reading mrtd.Reading
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				target, err := reader.Poll(b.Context(), time.Second)
				if err != nil {
					b.Fatal(err)
				}
				reading, err = mrtd.Read(b.Context(), target, mrtd.Key{MRZ: document.KeyMaterial()}, mrtd.Options{Groups: []int{1, 2}, MaxLe: c.maxLe})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			needed := float64(chip.Needed().Microseconds()) / 1000 / float64(len(took))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(reading.Stats.Commands), "APDUs")
			b.ReportMetric(float64(reading.Stats.BytesSent+reading.Stats.BytesReceived), "bytes")
			b.ReportMetric(quantile(took, 0.5), "p50-ms")
			b.ReportMetric(needed, "needed-ms")
			b.ReportMetric(float64(card.spent.Microseconds())/1000/float64(len(took)), "chipsim-ms")
			b.ReportMetric(quantile(took, 0.5)/needed, "ratio")
		})
	}
}

// openChipBench opens a PN532 over a fresh link.
func openChipBench(b *testing.B) (*pn532.Reader, *pn532sim.Chip) {
	b.Helper()
	line, err := link.New()
	if err != nil {
		b.Fatal(err)
	}
	chip := pn532sim.New(line, pn532sim.Options{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- chip.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
		line.Close()
	})
	port, err := serialport.Open(b.Context(), line.Path, serialport.Mode{Baud: 115200})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { port.Close() })
	reader, err := pn532.Open(b.Context(), port, pn532.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return reader, chip
}

// timedCard adds up what a simulated card computes.
type timedCard struct {
	card  *chipsim.Card
	spent time.Duration
}

// Transmit implements pn532sim.Card.
func (c *timedCard) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	start := time.Now()
	defer func() { c.spent += time.Since(start) }()
	return c.card.Transmit(ctx, command)
}

// Reset implements pn532sim.Card.
func (c *timedCard) Reset() { c.card.Reset() }
