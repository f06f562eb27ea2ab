package main

import (
	"bytes"
	"context"
	"crypto"
	"image"
	"image/jpeg"
	"syscall"
	"testing"
	"time"

	"limen/hw/pcsc"
	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/link"
	"limen/hw/sim/pcscdtest"
	"limen/hw/sim/pn532sim"
	"limen/hw/sim/vpcd"
	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/authn"
	"limen/mrtd/chipsim"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// fullRead is a passport with all that a reading of it takes: EF.SOD, DG1, DG2
// of 20 kB, DG14 with a key of chip authentication, DG15.
type fullRead struct {
	passport chipsim.Passport
	key      mrtd.Key
	lines    []string
	store    *trust.Store
	at       time.Time
}

func newFullRead(b *testing.B, pace []chipsim.PACE) fullRead {
	b.Helper()
	f := fullRead{
		lines: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"},
		at:    time.Date(2011, 5, 1, 0, 0, 0, 0, time.UTC), store: trust.NewStore(),
	}
	document, err := mrz.Parse(f.lines, f.at)
	if err != nil {
		b.Fatal(err)
	}
	f.key = mrtd.Key{MRZ: document.KeyMaterial()}
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(f.at.AddDate(-1, 0, 0)), specimen.Seed("the benchmark's state"))
	if err != nil {
		b.Fatal(err)
	}
	var portrait bytes.Buffer
	if err := jpeg.Encode(&portrait, image.NewGray(image.Rect(0, 0, 413, 531)), nil); err != nil {
		b.Fatal(err)
	}
	portrait.Write(make([]byte, 20_000-portrait.Len()))
	f.passport, err = authority.Issue(specimen.Spec{
		Lines: f.lines, Portrait: portrait.Bytes(), BAC: true, PACE: pace, SignedAt: f.at.AddDate(0, -11, 0),
		ChipAuth:   []specimen.ChipAuth{{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: -1}},
		ActiveAuth: &specimen.ActiveAuth{Curve: "brainpoolP256r1", Hash: crypto.SHA256},
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.store.Import("csca", authority.CSCA(), nil, f.at); err != nil {
		b.Fatal(err)
	}
	return f
}

// read reads and examines the passport; every proof must hold.
func (f fullRead) read(b *testing.B, card apdu.Card, maxLe int, proof mrtd.Proof) mrtd.Reading {
	b.Helper()
	r, err := mrtd.Read(b.Context(), card, f.key, mrtd.Options{MaxLe: maxLe, Proof: proof})
	if err != nil {
		b.Fatal(err)
	}
	found := authn.Options{}.Examine(r.Chip(f.lines), f.store, f.at)
	if found.Passive.Signature.Status != authn.Passed || found.Passive.Chain.Status != authn.Passed || found.Genuine.Status != authn.Passed {
		b.Fatalf("passive authentication %v, %v; chip %v", found.Passive.Signature, found.Passive.Chain, found.Genuine)
	}
	return r
}

// lengths are the longest response data asked for: 239 raw bytes hold 223 plain
// ones under AES.
var lengths = []struct {
	name  string
	maxLe int
}{{"223", 239}, {"256", 256}, {"extended", 0}}

var paceAES256 = []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.2.4", ParameterID: 13}}

// BenchmarkChipRead reads a passport whole: look for the chip, access, EF.COM,
// DG14, chip authentication, EF.SOD, DG1, DG15, DG2 with a portrait of 20 000
// bytes; passive authentication. The simulated PN532 at 921600 baud, and the
// simulated reader behind pcscd, take as long as the bytes need. "needed" is
// that time, "chipsim" what the simulated chip itself computed, a real one's
// share of which is not known.
func BenchmarkChipRead(b *testing.B) {
	for _, way := range []struct {
		name string
		pace []chipsim.PACE
	}{{"PACE-brainpoolP256-AES256", paceAES256}, {"BAC-3DES", nil}} {
		f := newFullRead(b, way.pace)
		for _, le := range lengths {
			for _, rate := range []int{106_000, 424_000} {
				b.Run(way.name+"/Le-"+le.name+"/PN532-"+map[int]string{106_000: "106", 424_000: "424"}[rate], func(b *testing.B) {
					benchPN532(b, f, le.maxLe, rate)
				})
			}
			b.Run(way.name+"/Le-"+le.name+"/PCSC-848", func(b *testing.B) { benchPCSC(b, f, le.maxLe) })
		}
	}
}

func benchPN532(b *testing.B, f fullRead, maxLe, rate int) {
	reader, chip := openChipBench(b)
	card := &timedCard{card: chipsim.New(f.passport, chipsim.Options{})}
	radio := pn532sim.DefaultRadio(pn532sim.TypeA)
	radio.MaxBitRate = rate
	chip.InsertRadio(card, radio)
	chip.ResetNeeded()
	var reading mrtd.Reading
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		target, err := reader.Poll(b.Context(), time.Second)
		if err != nil {
			b.Fatal(err)
		}
		reading = f.read(b, target, maxLe, mrtd.ProofOnce)
		took = append(took, time.Since(start))
	}
	figures(b, reading, took, chip.Needed(), card.spent)
}

func benchPCSC(b *testing.B, f fullRead, maxLe int) {
	pcscdtest.Start(b)
	chip := chipsim.New(f.passport, chipsim.Options{})
	card := &timedCard{card: chip, rate: 848_000}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- vpcd.Serve(ctx, pcscdtest.Address, card, chip.ATR()) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	reader, err := pcsc.Open(b.Context(), pcscdtest.Reader)
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	var reading mrtd.Reading
	var took []time.Duration
	for b.Loop() {
		target, err := reader.WaitCard(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if len(took) == 0 {
			card.needed, card.spent = 0, 0
		}
		start := time.Now()
		reading = f.read(b, target, maxLe, mrtd.ProofOnce)
		took = append(took, time.Since(start))
	}
	figures(b, reading, took, card.needed, card.spent)
}

func figures(b *testing.B, reading mrtd.Reading, took []time.Duration, needed, chip time.Duration) {
	n := time.Duration(len(took))
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(reading.Stats.Commands), "APDUs")
	b.ReportMetric(float64(reading.Stats.BytesSent+reading.Stats.BytesReceived), "bytes")
	b.ReportMetric(quantile(took, 0.5), "p50-ms")
	b.ReportMetric(ms(needed/n), "needed-ms")
	b.ReportMetric(ms(chip/n), "chipsim-ms")
	b.ReportMetric(quantile(took, 0.5)/ms(needed/n), "ratio")
}

// BenchmarkChipReadCPU is the processor time of a whole reading without a link,
// its examination included, what the simulated chip computed taken off.
func BenchmarkChipReadCPU(b *testing.B) {
	for _, way := range []struct {
		name  string
		pace  []chipsim.PACE
		proof mrtd.Proof
	}{
		{"PACE-GM+CA", paceAES256, mrtd.ProofOnce}, {"PACE-GM+CA+AA", paceAES256, mrtd.ProofEvery}, {"BAC+CA", nil, mrtd.ProofOnce},
		{"PACE-CAM", []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.4", ParameterID: 13}}, mrtd.ProofOnce},
	} {
		f := newFullRead(b, way.pace)
		b.Run(way.name, func(b *testing.B) {
			card := &timedCard{card: chipsim.New(f.passport, chipsim.Options{})}
			before := processorTime(b)
			n := time.Duration(0)
			for b.Loop() {
				card.Reset()
				f.read(b, card, 65536, way.proof)
				n++
			}
			spent := processorTime(b) - before - card.spent
			b.ReportMetric(float64((spent/n).Microseconds())/1000, "cpu-ms")
			b.ReportMetric(float64((card.spent/n).Microseconds())/1000, "chipsim-ms")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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

// timedCard adds up what a simulated card computes. With a rate it also takes
// as long as its bytes need in the air, for a reader that paces nothing.
type timedCard struct {
	card   *chipsim.Card
	spent  time.Duration
	rate   int
	needed time.Duration
	late   time.Duration // what the last waiting was woken up too late by: it is taken off the next
}

// Transmit implements pn532sim.Card and vpcd.Card.
func (c *timedCard) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	start := time.Now()
	response, err := c.card.Transmit(ctx, command)
	c.spent += time.Since(start)
	if c.rate > 0 {
		air := pn532sim.DefaultRadio(pn532sim.TypeA).AirTime(len(command), len(response), c.rate)
		c.needed += air
		through := start.Add(air - c.late)
		time.Sleep(time.Until(through))
		c.late = max(0, time.Since(through))
	}
	return response, err
}

// Reset implements pn532sim.Card and vpcd.Card.
func (c *timedCard) Reset() { c.card.Reset() }
