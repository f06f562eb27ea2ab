package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/sync/history"
)

// said are a line's details about the history.
func said(details []string) (out []string) {
	for _, d := range details {
		for _, code := range []limen.ReasonCode{limen.SeenBefore, limen.SODChanged, limen.ChipKeyChanged, limen.RefusedBefore, limen.TravelImpossible, limen.LostBefore} {
			if d == string(code) || strings.HasPrefix(d, string(code)+":") {
				out = append(out, d)
			}
		}
	}
	slices.Sort(out)
	return out
}

// The whole appliance asks its own history: a second chip under one number is
// noticed, and so is a document that an officer refused. What was asked and
// erased is forgotten while the appliance runs.
func TestTheApplianceAsksItsHistory(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	genuine := g.traveller()
	genuine.Face = "traveller-02" // of whom there is a portrait in either format
	twin := genuine
	twin.Document.JPEG2000 = true // personalized anew: another key, another EF.SOD
	crossed := func(what string, want ...string) limen.Record {
		t.Helper()
		who := genuine
		if what == "twin" {
			who = twin
		}
		l := g.expectAny(who)
		if got := said(l.Details); !slices.Equal(got, want) {
			t.Errorf("%s: the history says %v, want %v", what, got, want)
		}
		return g.record(l.Record.Index)
	}
	first := crossed("genuine")
	if len(first.Chip.SODMark) != limen.MarkSize || len(first.Chip.KeyMark) != limen.MarkSize {
		t.Fatalf("marks of %d and %d bytes, want %d", len(first.Chip.SODMark), len(first.Chip.KeyMark), limen.MarkSize)
	}
	crossed("genuine again", "seen_before")
	second := crossed("twin", "chip_data_changed:utopia-airport", "chip_key_changed:utopia-airport", "seen_before")
	if second.Decision.Outcome != limen.Refer || second.Document.Pseudonym != first.Document.Pseudonym {
		t.Errorf("twin: got %s under pseudonym %x, want a referral under the first's", second.Decision.Outcome, second.Document.Pseudonym[:4])
	}
	if err := g.appliance.appliance.Decide(t.Context(), second.ID, limen.Refuse, "4711", "refuse_b_false_document"); err != nil {
		t.Fatal(err)
	}
	crossed("genuine after the twin was refused", "chip_data_changed:utopia-airport", "chip_key_changed:utopia-airport", "refused_before:utopia-airport", "seen_before")

	client, err := history.Dial(t.Context(), g.stage.Config.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	d := history.Document{Issuer: "UTO", Number: genuine.Document.Number}
	if f, err := client.Find(t.Context(), d, history.Asker{Who: "4711", Why: "case 12"}); err != nil || f.Times != 4 || f.Checks[1].Officer != limen.Refuse {
		t.Errorf("find: got %+v, %v; want four checks, the third refused", f, err)
	}
	if e, err := client.Erase(t.Context(), history.Selection{Document: &d}, history.Asker{Who: "4711", Why: "order 1"}); err != nil || e.Entries != 5 {
		t.Errorf("erase: got %+v, %v; want four checks and the officer's word", e, err)
	}
	last := crossed("genuine after the erasure")
	if last.Document.Pseudonym == first.Document.Pseudonym {
		t.Error("a document that was forgotten has its old pseudonym")
	}
	// The centre hears of it and forgets too.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(30 * time.Second); ; <-look.C {
		names, _, err := g.appliance.history.Gone(10)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the centre still was not told of %d tombstones", len(names))
		}
	}
	if v, err := client.Verify(t.Context()); err != nil || v.Fault != nil || v.Erased != 5 {
		t.Errorf("verify: got %+v, %v; want 5 erased and no fault", v, err)
	}
}
