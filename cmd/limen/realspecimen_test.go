package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"limen"
	"limen/device"
	"limen/hw/mrzreader"
	"limen/hw/sim/link"
	"limen/hw/sim/mrzsim"
	"limen/hw/sim/pcscdtest"
	"limen/hw/sim/pn532sim"
	"limen/hw/sim/vpcd"
	"limen/internal/repotest"
	"limen/mrtd/chipsim"
	"limen/mrtd/specimen"
	"limen/sync/history"
)

// The specimen of the German BSI from 2008, put down at a gate with the
// shipped Schengen policy and the German master list: the whole line, over
// both kinds of chip reader, to the record in the journal.
func TestRealSpecimenInspected(t *testing.T) {
	files := os.DirFS(repotest.Shared(t, "data/emrtd/specimen/bsi2008"))
	passport, err := specimen.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("PN532", func(t *testing.T) {
		line := serialLine(t)
		chip := pn532sim.New(line, pn532sim.Options{})
		far(t, "PN532", chip.Run)
		chip.Insert(chipsim.New(passport, chipsim.Options{}), pn532sim.TypeA)
		inspectSpecimen(t, strings.Split(passport.MRZ, "\n"), device.ChipReaderConfig{Kind: "pn532", Port: line.Path})
	})
	t.Run("PC/SC", func(t *testing.T) {
		pcscdtest.Start(t)
		card := chipsim.New(passport, chipsim.Options{})
		far(t, "virtual card", func(ctx context.Context) error { return vpcd.Serve(ctx, pcscdtest.Address, card, card.ATR()) })
		inspectSpecimen(t, strings.Split(passport.MRZ, "\n"), device.ChipReaderConfig{Kind: "pcsc", Name: pcscdtest.Reader})
	})
}

// inspectSpecimen puts the MRZ before a reader's simulated end and holds the
// record, as limen history shows it, against what chip read finds.
func inspectSpecimen(t *testing.T, lines []string, chipReader device.ChipReaderConfig) {
	mrzLine := serialLine(t)
	reader := mrzsim.New(mrzLine, mrzreader.Elyctis, mrzreader.Settings{})
	far(t, "MRZ reader", reader.Run)

	dir, err := os.MkdirTemp("", "limen") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := device.Defaults()
	cfg.Site, cfg.Device, cfg.Policy = "test-site", "gate-1", "schengen-egate"
	cfg.MRZReader.Port, cfg.ChipReader, cfg.PortraitProgram = mrzLine.Path, chipReader, portraitProgram
	cfg.Trust, cfg.Store, cfg.Keys, cfg.Socket = realTrust(t), filepath.Join(dir, "store"), filepath.Join(dir, "keys"), filepath.Join(dir, "sock")
	cfg.Console.Listen = "127.0.0.1:0"
	config := writeConfig(t, dir, cfg)

	finished := make(chan limen.Finished, 1)
	a, err := assemble(cfg, slog.New(slog.DiscardHandler), func(f limen.Finished) { finished <- f })
	if err != nil {
		t.Fatal(err)
	}
	far(t, "appliance", a.run)
	if !soon(t, a.appliance.Ready) {
		t.Fatalf("the devices are not ready: %v", a.appliance.States())
	}
	if err := reader.Present(lines); err != nil {
		t.Fatal(err)
	}
	select {
	case f := <-finished:
		if f.Err != nil {
			t.Fatalf("the record was not stored: %v", f.Err)
		}
	case <-time.After(time.Minute):
		t.Fatal("no decision within a minute")
	}

	var shown []history.Shown
	answers(t, 0, &shown, "history", "show", "--config", config)
	if len(shown) != 1 || shown[0].Record == nil {
		t.Fatalf("got %d entries, want the one record", len(shown))
	}
	record := *shown[0].Record
	got := map[string]string{}
	for _, c := range record.Checks {
		word := string(c.Status)
		for _, r := range c.Reasons {
			word += " " + r.String()
		}
		got[limen.Reason{Code: limen.ReasonCode(c.Name), Subject: c.Subject}.String()] = word
	}
	for check, want := range map[string]string{
		"mrz": "passed", "eligibility": "passed", "chip_read": "passed", "chip_access": "passed pace_not_offered",
		"sod_signature": "passed", "csca_chain": "failed csca_unknown", "issuer_country": "passed", "com_sod": "passed",
		"dg_hash:DG1": "passed", "dg_hash:DG2": "passed", "mrz_chip": "passed", "expiry": "failed document_expired",
		"portrait": "passed", "inspection": "passed", "face_capture": "not_performed camera_unavailable",
	} {
		if got[check] != want {
			t.Errorf("%s: got %q, want %q", check, got[check], want)
		}
	}
	if d := record.Decision; d.Outcome != limen.Refer || d.Recommendation != limen.RecommendExamine {
		t.Errorf("got %s, recommended %s; want refer, examine", d.Outcome, d.Recommendation)
	}
	if record.Chip.Access != "BAC 3DES" || record.Chip.SignerCountry != "DE" {
		t.Errorf("got a chip opened by %s and signed by %s, want BAC 3DES and DE", record.Chip.Access, record.Chip.SignerCountry)
	}
	t.Logf("%d commands, %d bytes; chip %v, whole inspection %v", record.Chip.Commands, record.Chip.Bytes, record.Spent.Chip.Duration(), record.Spent.Total.Duration())
}

// writeConfig writes the configuration that commands are given.
func writeConfig(t *testing.T, dir string, cfg device.Config) string {
	t.Helper()
	path := filepath.Join(dir, "limen.yaml")
	b, err := yaml.Marshal(cfg)
	if err := errors.Join(err, os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// serialLine is a cable until the test ends.
func serialLine(t *testing.T) *link.Link {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// far runs what is at the far end of a wire, or the appliance itself, until the test ends.
func far(t *testing.T, name string, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s ended with: %v", name, err)
		}
	})
}
