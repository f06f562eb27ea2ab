package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/cmd/internal/demo"
	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/mrtd/specimen/attack"
	"limen/mrtd/trust"
)

// A lone reading of the chip names the reason for every attack of the table,
// and none for the document without it.
func TestAttacksByCommand(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	stage, err := attack.New(now)
	if err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(t.TempDir(), "trust")
	importAttackTrust(t, store, stage, now)
	shared := newAttackGate(t, store)
	for _, a := range stage.Attacks {
		t.Run(a.Name, func(t *testing.T) {
			gate := shared
			if a.Slow {
				t.Parallel()
				gate = newAttackGate(t, store)
			}
			if code, reasons := gate.read(t, a, a.Genuine, a.Twin()); code != 0 || len(reasons) > 0 {
				t.Errorf("without the attack: exit %d, %v; want 0 and no reason", code, reasons)
			}
			code, reasons := gate.read(t, a, a.Printed, a.Card())
			if code != 1 && code != 3 || !slices.Contains(reasons, a.ReadReason()) {
				t.Errorf("got exit %d, %v; want 1 or 3 for %s", code, reasons, a.ReadReason())
			}
		})
	}
	t.Logf("attacks %d", len(stage.Attacks))
}

// The appliance outlives whatever a portrait does to its decoder: the traveler
// is referred for it, and the next one is served.
func TestPortraitsThatAttack(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	stage, err := attack.New(now)
	if err != nil {
		t.Fatal(err)
	}
	g := startGate(t, world{before: func(s *demo.Stage) { importAttackTrust(t, s.Config.Trust, stage, now) }})
	for _, a := range stage.Attacks {
		if !a.Portrait {
			continue
		}
		g.stage.Between = func(pn532sim.Card) pn532sim.Card { return a.Card() }
		who := rowOf(t, "passport by PACE")
		who.Document.Expiry = now.AddDate(5, 0, 0).Format(time.DateOnly)
		l := g.expectAny(who)
		t.Log(a.Name, l.Details, l.MS)
		if l.Outcome != string(limen.Refer) || !slices.Contains(l.Details, a.Reason) {
			t.Errorf("%s: got %s %v, want %s for %s", a.Name, l.Outcome, l.Details, limen.Refer, a.Reason)
		}
	}
	g.stage.Between = nil
	g.admits()
}

// expectAny sends a traveler across, whatever comes of it.
func (g *gate) expectAny(t demo.Traveller) demo.Line {
	g.t.Helper()
	l, err := g.cross(t)
	if err != nil {
		g.t.Fatalf("%s: %v", t.Name, err)
	}
	return l
}

// attackGate is a PN532 that does not wait for what its bytes would take, and
// the trust store for what is laid on it.
type attackGate struct {
	path, store string
	antenna     *pn532sim.Chip
}

// read has the command read a card: its exit code and the reasons it prints.
func (g *attackGate) read(t *testing.T, a attack.Attack, printed []string, card attack.Card) (code int, reasons []string) {
	t.Helper()
	g.antenna.Insert(card, pn532sim.TypeA)
	defer g.antenna.Remove()
	args := []string{"chip", "read", "--reader", "pn532:" + g.path, "--mrz", strings.Join(printed, " "), "--trust", g.store, "--wait", "5s", "--json"}
	if a.Portrait {
		args = append(args, "--portrait", filepath.Join(t.TempDir(), "portrait.png"))
	}
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, &out, &errOut)
	var result struct{ Reasons []string }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("exit %d, no result: %v\n%s", code, err, &errOut)
	}
	return code, result.Reasons
}

// importAttackTrust makes the trust store that the table needs.
func importAttackTrust(t *testing.T, dir string, stage *attack.Stage, at time.Time) {
	t.Helper()
	store, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range stage.Trust {
		if _, err := store.Import(i.Name, i.Data, nil, at); err != nil {
			t.Fatal(err)
		}
	}
}

func newAttackGate(t *testing.T, store string) *attackGate {
	t.Helper()
	line, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	chip := pn532sim.New(line, pn532sim.Options{Unpaced: true})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- chip.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		line.Close()
	})
	return &attackGate{line.Path, store, chip}
}
