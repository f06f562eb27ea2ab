package main

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"limen"
	"limen/mrtd/mrz"
)

// noon is a day on which the specimens live.
var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// crossing tells m of a document and of an inspection's end.
func (m *metrics) crossing(t *testing.T, id string, outcome limen.Outcome, sex mrz.Sex, birth mrz.Date) {
	t.Helper()
	lines, err := mrz.Format(mrz.Fields{Layout: mrz.TD3, DocumentCode: "P", Issuer: "UTO", Number: "L898902C3", Nationality: "UTO",
		Primary: "ERIKSSON", Secondary: "ANNA MARIA", Sex: sex, Birth: birth, Expiry: mrz.Date{Year: 2034, Month: 4, Day: 15}, Optional: "ZE184226B"})
	if err != nil {
		t.Fatal(err)
	}
	document, err := mrz.Parse(lines, noon)
	if err != nil {
		t.Fatal(err)
	}
	m.outcomes.observe(limen.Event{Inspection: id, At: noon, Step: limen.StepMRZ, MRZ: &document})
	m.outcomes.observe(limen.Event{Inspection: id, At: noon, Step: limen.StepChip})
	m.finished(limen.Finished{Record: limen.Record{ID: id, Kind: limen.KindInspection, Site: "utopia-airport",
		Document: limen.Document{Format: "TD3", Code: "P", Issuer: "UTO"}, Decision: limen.Decision{Outcome: outcome, Reasons: []limen.Reason{{Code: limen.FaceMismatch}}}}})
}

func (m *metrics) text() string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func byGroup(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "limen_outcomes_by_group_total") {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "limen_outcomes_by_group_total")))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestOutcomesAreCountedByGroup(t *testing.T) {
	m := newMetrics()
	born := func(year int) mrz.Date { return mrz.Date{Year: year, Month: 8, Day: 12} }
	for i := range 25 {
		m.crossing(t, fmt.Sprint("a", i), limen.Admit, mrz.Female, born(1974)) // 51
	}
	for i := range 12 {
		m.crossing(t, fmt.Sprint("b", i), limen.Refer, mrz.Male, born(1996)) // 29 until August
	}
	for i := range 3 {
		m.crossing(t, fmt.Sprint("c", i), limen.Refer, mrz.Female, born(1950)) // few
	}
	for i := range 9 { // no MRZ was read
		m.finished(limen.Finished{Record: limen.Record{ID: fmt.Sprint("d", i), Decision: limen.Decision{Outcome: limen.Refer}}})
	}
	if got := byGroup(m.text()); got != nil {
		t.Errorf("after 49 inspections: %v, want nothing", got)
	}
	m.crossing(t, "e", limen.Refer, mrz.Unspecified, mrz.Date{})
	want := []string{`{age="18-29",outcome="refer",sex="M"} 10`, `{age="45-59",outcome="admit",sex="F"} 20`, `{age="unstated",outcome="refer",sex="unstated"} 10`}
	if got := byGroup(m.text()); !slices.Equal(got, want) {
		t.Errorf("after 50 inspections: got %v, want %v", got, want)
	}
	for i := range 49 { // what is seen does not move with those who pass
		m.crossing(t, fmt.Sprint("f", i), limen.Admit, mrz.Female, born(1974))
		if got := byGroup(m.text()); !slices.Equal(got, want) {
			t.Fatalf("after %d more: got %v, want %v", i+1, got, want)
		}
	}
	m.crossing(t, "g", limen.Admit, mrz.Female, born(1974))
	want[1] = `{age="45-59",outcome="admit",sex="F"} 70`
	if got := byGroup(m.text()); !slices.Equal(got, want) {
		t.Errorf("after 100 inspections: got %v, want %v", got, want)
	}
}

// Of documents, the metrics know nothing but the cells of the table: every
// label's value is one that was written by us.
func TestMetricsHoldNoDocument(t *testing.T) {
	m := newMetrics()
	for i := range 100 {
		m.crossing(t, fmt.Sprint("inspection-", i), limen.Admit, mrz.Female, mrz.Date{Year: 1974, Month: 8, Day: 12})
	}
	text := m.text()
	allowed := []string{
		`outcome="admit"`, `sex="F"`, `age="45-59"`, `code="face_mismatch"`, `part="chip"`, `part="face"`, `part="total"`,
		`le="0.05"`, `le="0.1"`, `le="0.25"`, `le="0.5"`, `le="1"`, `le="2"`, `le="3"`, `le="5"`, `le="8"`, `le="13"`, `le="21"`, `le="+Inf"`,
	}
	labels := regexp.MustCompile(`[a-z_]+="[^"]*"`).FindAllString(text, -1)
	if len(labels) < 10 || byGroup(text) == nil {
		t.Fatalf("this is not what was to be searched: %s", text)
	}
	for _, l := range labels {
		if !slices.Contains(allowed, l) {
			t.Errorf("the metrics hold %s", l)
		}
	}
	kept := fmt.Sprintf("%+v %+v", m.outcomes.counts, m.outcomes.visible) + m.outcomes.inspection + m.outcomes.sex + m.outcomes.age
	for _, secret := range []string{"ERIKSSON", "ANNA", "L898902C3", "740812", "1974", "ZE184226B", "UTO", "utopia", "inspection-"} {
		if strings.Contains(text+kept, secret) {
			t.Errorf("%q is in the metrics or kept for them", secret)
		}
	}
}

func TestAge(t *testing.T) {
	for _, c := range []struct {
		birth mrz.Date
		want  int
	}{
		{mrz.Date{Year: 2008, Month: 6, Day: 15}, 18}, {mrz.Date{Year: 2008, Month: 6, Day: 16}, 17}, {mrz.Date{Year: 2008, Month: 7, Day: 1}, 17},
		{mrz.Date{Year: 2008}, 18}, {mrz.Date{Year: 2008, Month: 6}, 18}, {mrz.Date{}, -1}, {mrz.Date{Year: 2030, Month: 1, Day: 1}, -4},
	} {
		if got := ageAt(c.birth, noon); got != c.want {
			t.Errorf("born %s: %d years, want %d", c.birth.ISO(), got, c.want)
		}
	}
}
