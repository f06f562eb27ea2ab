package peers

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"limen/hw/sim/pcscdtest"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

var limen = flag.String("limen", "", "program with which a peer's chip is read and ours simulated, as a user does: make peers")

// TestPeerCommands is the same as a user has it: `limen chip read` on a peer's
// chip, and a peer on the chip of `limen chip simulate`.
func TestPeerCommands(t *testing.T) {
	if *limen == "" {
		t.Skip("wants -limen bin/limen: make peers")
	}
	t.Run("read", func(t *testing.T) {
		longPeer(t)
		p := small(t, gmAES256)
		startVicc(t, "nPA", p, "sfi")
		dir := t.TempDir()
		out := run(t, dir, nil, *limen, "chip", "read", "--reader", "pcsc", "--can", viccCAN, "--out", "read", "--wait", limit.String())
		if want := "PACE"; !strings.Contains(out, want) {
			t.Errorf("limen chip read printed no %q:\n%s", want, out)
		}
		for name, f := range map[string]lds.File{"EF_SOD": lds.EFSOD, "EF_COM": lds.EFCOM, "EF_CardAccess": lds.EFCardAccess} {
			got, err := os.ReadFile(filepath.Join(dir, "read", name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, file(t, p, f)) {
				t.Errorf("%s: limen chip read kept %d bytes that are not the chip's", f, len(got))
			}
		}
	})
	t.Run("simulate", func(t *testing.T) {
		cards := newCardpeek(t)
		p := bacChip.passport(t)
		dir := t.TempDir()
		if err := specimen.Save(p, dir); err != nil {
			t.Fatal(err)
		}
		pcscdtest.Start(t)
		start(t, *limen, "chip", "simulate", dir, "--vpcd", pcscdtest.Address)
		_, release := await(t)
		release()
		dg1, _ := lds.FileOfGroup(1)
		if got := cards.read(t)[0]; !bytes.Equal(got, file(t, p, dg1)) {
			t.Errorf("cardpeek read a DG1 of %d bytes, want the %d of the chip", len(got), len(file(t, p, dg1)))
		}
	})
}
