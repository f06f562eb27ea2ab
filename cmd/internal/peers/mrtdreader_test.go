package peers

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// onPN532 lays the passport on a simulated PN532 and returns its serial line.
func onPN532(t testing.TB, p chipsim.Passport, kind pn532sim.Type) (*counted, string) {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	chip := pn532sim.New(l, pn532sim.Options{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- chip.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the PN532 ended with %v", err)
		}
		l.Close()
	})
	c := &counted{card: chipsim.New(p, chipsim.Options{})}
	chip.Insert(c, kind)
	return c, l.Path
}

var contentOf = regexp.MustCompile(`(?s)Getting EF\.SOD\.\.\. done\s+File content: ([0-9a-f]+)`)

// mrtdreaderTries: it gives each command half a second, and ends without a word
// where the machine's other work took longer.
const mrtdreaderTries = 5

// mrtdreader reads the chip on a PN532's line and returns what it printed and
// the picture that it saved.
func mrtdreader(t testing.TB, port string) (out string, picture []byte) {
	t.Helper()
	reader := program(t, "mrtdreader", "mrtdreader")
	for range mrtdreaderTries {
		dir := t.TempDir()
		out = run(t, dir, []string{"LIBNFC_DEFAULT_DEVICE=pn532_uart:" + port + ":115200", "LIBNFC_AUTO_SCAN=false"}, reader, specimenLines[1])
		if picture, err := os.ReadFile(filepath.Join(dir, "image.jpg")); err == nil {
			return out, picture
		}
	}
	t.Fatalf("mrtdreader saved no picture in %d tries:\n%s", mrtdreaderTries, tail([]byte(out)))
	return "", nil
}

// TestPeerMrtdreaderReadsOurChip: libmrtd over libnfc over the serial line of
// our PN532, so that chip and reader's device both meet others.
func TestPeerMrtdreaderReadsOurChip(t *testing.T) {
	p := bacChip.passport(t)
	_, port := onPN532(t, p, pn532sim.TypeA)
	out, picture := mrtdreader(t, port)
	if want := strings.Join(specimenLines, ""); !strings.Contains(out, want) {
		t.Error("mrtdreader printed no MRZ of DG1")
	}
	if m := contentOf.FindStringSubmatch(out); m == nil || !strings.EqualFold(m[1], hexed(file(t, p, lds.EFSOD))) {
		t.Error("mrtdreader printed another EF.SOD than the chip's")
	}
	dg2, _ := lds.FileOfGroup(2)
	if len(picture) < 10_000 || !bytes.Contains(file(t, p, dg2), picture) {
		t.Errorf("mrtdreader saved a picture of %d bytes that is not DG2's", len(picture))
	}
}
