package peers

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/pn532sim"
	"limen/mrtd"
)

var (
	all     = flag.Bool("all", false, "also meet the peers that take long: make peers")
	figures = flag.Int("figures", 0, "print what a reading costs ours and the peers, from so many readings each: make peers")
)

// reading is one way of reading EF.SOD, DG1 and DG2 of the chip at hand.
type reading struct {
	reader string
	read   func(t *testing.T)
	seen   []tally
}

// alternate has every reader read in turn, so that what else the machine does
// meets all of them, and prints the medians.
func alternate(t *testing.T, chip string, c *counted, readings []*reading) {
	t.Helper()
	for range *figures {
		for _, r := range readings {
			c.taken()
			r.read(t)
			r.seen = append(r.seen, c.taken())
		}
	}
	var b strings.Builder
	base := median(readings[0].seen)
	for _, r := range readings {
		m := median(r.seen)
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %.1f | %.1f |\n", chip, r.reader, m.commands, m.bytes, ms(m), ms(m)/ms(base))
	}
	t.Logf("medians of %d readings\n| chip | reader | APDUs | bytes | ms | times ours |\n| --- | --- | --- | --- | --- | --- |\n%s", *figures, b.String())
}

// median is the reading in the middle by time.
func median(seen []tally) tally {
	sorted := slices.SortedFunc(slices.Values(seen), func(a, b tally) int { return int(a.took() - b.took()) })
	return sorted[len(sorted)/2]
}

func ms(s tally) float64 { return float64(s.took().Microseconds()) / 1000 }

// byOurs reads with limen's reader; maxLe as in mrtd.Options.
func byOurs(maxLe int) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if _, err := ours(t, byMRZ(t), mrtd.Options{Groups: []int{1, 2}, MaxLe: maxLe}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPeerFigures: the same chip, machine, pcscd and virtual reader for every
// reader, none with a link's delay; the time is from the first command to the
// last answer, as the chip sees it, so that no program's start counts.
func TestPeerFigures(t *testing.T) {
	if *figures == 0 {
		t.Skip("wants -figures 9: make peers")
	}
	cards := newCardpeek(t)
	openpaceReader(t)
	c := insert(t, bacChip.passport(t))
	extended := &reading{reader: "limen, extended length", read: byOurs(0)}
	short := &reading{reader: "limen, short", read: byOurs(256)}
	alternate(t, "BAC", c, []*reading{extended, short, {reader: "Cardpeek", read: func(t *testing.T) { cards.read(t) }}})

	c.lay(gmAES256.passport(t))
	extended.seen, short.seen = nil, nil
	alternate(t, "PACE", c, []*reading{extended, short, {reader: "OpenPACE's library", read: func(t *testing.T) { openpaceRead(t, "MRZ", specimenLines[1]) }}})
}

// TestPeerFiguresPN532 is the same for a PN532's line. Its delay is most of the
// time, which is that of the whole reading, the look for a card included.
func TestPeerFiguresPN532(t *testing.T) {
	if *figures == 0 {
		t.Skip("wants -figures 9: make peers")
	}
	program(t, "mrtdreader", "mrtdreader")
	p := bacChip.passport(t)
	for _, r := range []struct {
		name string
		read func(port string)
	}{
		{"limen, 921600 baud", func(port string) { readPN532(t, port) }},
		{"mrtdreader, 115200 baud", func(port string) { mrtdreader(t, port) }},
	} {
		c, port := onPN532(t, p, pn532sim.TypeA)
		var seen []tally
		for range min(*figures, 3) { // the line's pace leaves little noise
			start := time.Now()
			r.read(port)
			s := c.taken()
			s.first, s.last = start, time.Now()
			seen = append(seen, s)
		}
		m := median(seen)
		t.Logf("| BAC | %s | %d | %d | %.0f |", r.name, m.commands, m.bytes, ms(m))
	}
}

// readPN532 reads the chip on a PN532 with limen's driver and reader.
func readPN532(t *testing.T, path string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	port, err := serialport.Open(ctx, path, serialport.Mode{Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	reader, err := pn532.Open(ctx, port, pn532.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(ctx)
	target, err := reader.Poll(ctx, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mrtd.Read(ctx, target, byMRZ(t), mrtd.Options{Groups: []int{1, 2}}); err != nil {
		t.Fatal(err)
	}
}
