package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/cmd/internal/demo"
	"limen/matcher/catalog"
)

// Every row of the table comes out as it says, reaches the centre, and the
// history of it all verifies.
func TestEveryTravellerComesOutAsTheTableSays(t *testing.T) {
	t.Parallel()
	travellers := demo.Travellers()
	g := startGate(t, world{travellers: travellers})
	if p := g.stage.FaceProblem(); p != "" {
		t.Logf("faces cannot be checked (%s): every row is held against what must come of it then", p)
	}
	totals, err := g.all(t.Context(), travellers, func(l demo.Line) error {
		if !l.AsExpected() {
			t.Errorf("%s: got %s %v, want %s %v", l.Traveller, l.Outcome, l.Details, l.Expected.Outcome, l.Expected.Reasons)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(travellers); totals.Inspections != n || totals.AsExpected != n || totals.StoredAtCentre != n || !totals.HistoryVerified || !totals.Agree() {
		t.Errorf("got %+v, want %d of everything", totals, n)
	}
}

func TestTableShowsEveryReason(t *testing.T) {
	travellers := demo.Travellers()
	if len(travellers) < 16 {
		t.Errorf("got %d travellers, want at least 16", len(travellers))
	}
	var shown []string
	admitted := 0
	names := map[string]bool{}
	for _, tr := range travellers {
		for _, r := range tr.Expect.Reasons {
			code, _, _ := strings.Cut(r, ":")
			shown = append(shown, r, code)
		}
		if tr.Expect.Outcome == limen.Admit {
			admitted++
		}
		if names[tr.Name] {
			t.Errorf("two rows are called %q", tr.Name)
		}
		names[tr.Name] = true
	}
	for _, want := range []string{"chip_no_answer", "dg_hash_mismatch:DG1", "dg_hash_mismatch:DG2", "csca_unknown", "document_expired", "face_mismatch",
		"mrz_chip_mismatch", "chip_lost", "face_not_found", "presentation_attack_suspected", "morph_suspected", "stop_list_hit", "not_eligible", "pace_not_offered", "seen_before"} {
		if !slices.Contains(shown, want) {
			t.Errorf("no row shows %s", want)
		}
	}
	if admitted == 0 || admitted == len(travellers) {
		t.Errorf("%d of %d travellers are admitted, want some and not all", admitted, len(travellers))
	}
}

// Nothing but a row's input makes its outcome: mend a row and its traveller is
// admitted, spoil one and they are referred, whatever the row still expects.
func TestOutcomeFollowsInput(t *testing.T) {
	t.Parallel()
	var rows []demo.Traveller
	var want []demo.Expect
	change := func(name string, change func(*demo.Traveller), outcome limen.Outcome, reasons ...string) {
		tr := rowOf(t, name)
		change(&tr)
		rows, want = append(rows, tr), append(want, demo.Expect{Outcome: outcome, Reasons: reasons})
	}
	change("portrait changed in the chip", func(t *demo.Traveller) { t.Wrong.ChangedGroup = 0 }, limen.Admit)
	change("on the stop list", func(t *demo.Traveller) { t.Wrong.OnStopList = false }, limen.Admit)
	change("dead chip", func(t *demo.Traveller) { t.Wrong.NoChip = false }, limen.Admit)
	change("signed by nobody we trust", func(t *demo.Traveller) { t.Wrong.UnknownSigner = false }, limen.Admit)
	change("somebody else's passport", func(t *demo.Traveller) { t.Live.Face = "" }, limen.Admit)
	change("expired", func(t *demo.Traveller) { t.Document.Expiry = "" }, limen.Admit)
	change("passport by PACE", func(t *demo.Traveller) { t.Wrong.ChangedGroup = 2 }, limen.Refer, "dg_hash_mismatch:DG2")
	change("passport by BAC", func(t *demo.Traveller) { t.Wrong.OnStopList = true }, limen.Refer, "stop_list_hit:stop_list", "pace_not_offered")
	change("portrait in JPEG 2000", func(t *demo.Traveller) { t.Live.Face = "traveller-08" }, limen.Refer, "face_mismatch")
	g := startGate(t, world{travellers: rows})
	for i, tr := range rows {
		l, err := g.cross(tr)
		if err != nil {
			t.Fatal(err)
		}
		if l.AsExpected() && g.stage.FaceProblem() == "" { // else rows about faces cannot differ
			t.Errorf("%s, changed: came out as before, %s %v", tr.Name, l.Outcome, l.Details)
		}
		w := want[i]
		if p := g.stage.FaceProblem(); p != "" {
			w = demo.Expect{Outcome: limen.Refer, Reasons: append(slices.DeleteFunc(w.Reasons, func(r string) bool { return r == "face_mismatch" }), string(p))}
		}
		slices.Sort(l.Details)
		slices.Sort(w.Reasons)
		if l.Outcome != string(w.Outcome) || !slices.Equal(l.Details, w.Reasons) {
			t.Errorf("%s, changed: got %s %v, want %s %v", tr.Name, l.Outcome, l.Details, w.Outcome, w.Reasons)
		}
	}
}

// Without any model the demonstration still runs to its end: everybody is
// referred, and each line says why.
func TestDemoWithoutModels(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	c := program(ctx, "demo", "--headless", "--json")
	c.Env = append(c.Env, catalog.EnvModels+"="+t.TempDir())
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil {
		t.Errorf("got %v, want exit code 0; it said %s", err, errOut.String())
	}
	dec := json.NewDecoder(&out)
	for _, tr := range demo.Travellers() {
		var l struct {
			Traveller, Outcome, Note string
			Reasons                  []string
		}
		if err := dec.Decode(&l); err != nil {
			t.Fatalf("%s: %v", tr.Name, err)
		}
		if l.Traveller != tr.Name || l.Outcome != "refer" || !strings.Contains(l.Note, "face_model_missing") {
			t.Errorf("got %+v, want %q referred with a note that names the missing model", l, tr.Name)
		}
		if !slices.Contains(l.Reasons, "face_model_missing") && !slices.Contains(l.Reasons, "not_eligible") {
			t.Errorf("%s: got %v, want face_model_missing", tr.Name, l.Reasons)
		}
	}
	var totals demo.Totals
	if err := dec.Decode(&totals); err != nil || !totals.Agree() || totals.Inspections != len(demo.Travellers()) {
		t.Errorf("got totals %+v (%v), want everything as expected, stored and verified", totals, err)
	}
}
