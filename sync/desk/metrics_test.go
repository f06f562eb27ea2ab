package desk

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"limen/internal/repotest"
	"limen/sync/fleet"
)

// Every metric, label and label's value that the dashboard and the alert rules
// name is there once something of everything has happened.
func TestMetricsOfDashboardAndRulesExist(t *testing.T) {
	s, _, lost := busy(t)
	lost.stop()
	s.as(fleet.Supervisor)
	b := s.browser()
	b.post("/sign-in", map[string][]string{"name": {"viewer"}, "password": {"wrong"}})
	address := "http://" + s.centre.MetricsAddr()
	r, said := b.get(address + "/metrics")
	if r.StatusCode != http.StatusOK {
		t.Fatalf("got %s", r.Status)
	}
	have := map[string]map[string]map[string]bool{} // metric, label, value
	sample := regexp.MustCompile(`(?m)^([a-z_]+?)(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
	for _, m := range sample.FindAllStringSubmatch(said, -1) {
		if have[m[1]] == nil {
			have[m[1]] = map[string]map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if have[m[1]][l[1]] == nil {
				have[m[1]][l[1]] = map[string]bool{}
			}
			have[m[1]][l[1]][l[2]] = true
		}
	}
	used := regexp.MustCompile(`(limen_fleet_[a-z_]+)(?:\{([^}]*)\})?`)
	selector := regexp.MustCompile(`([a-z_]+)="([^"$]*)"`)
	checked := 0
	for _, expression := range expressions(t) {
		for _, m := range used.FindAllStringSubmatch(expression, -1) {
			checked++
			if have[m[1]] == nil {
				t.Errorf("there is no %s, which %q needs", m[1], expression)
				continue
			}
			for _, l := range selector.FindAllStringSubmatch(m[2], -1) {
				if values := have[m[1]][l[1]]; values == nil || !values[l[2]] && l[2] != "rewritten" {
					t.Errorf("%s has no %s=%q, which %q needs: %v", m[1], l[1], l[2], expression, values)
				}
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d uses of metrics were found", checked)
	}
	for _, word := range []string{"abcd", "supervisor", "UTO"} { // pseudonyms, users, what documents say
		if strings.Contains(said, word) {
			t.Errorf("the metrics say %q", word)
		}
	}
	if r, body := b.get(address + "/healthz"); r.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: got %s, %q", r.Status, body)
	}
	if r, _ := b.get(address + "/"); r.StatusCode != http.StatusNotFound {
		t.Errorf("pages beside the metrics: got %s", r.Status)
	}
}

// expressions are those of the dashboard and of the alert rules.
func expressions(t *testing.T) (out []string) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(repotest.Root(t), "firmware-config", "centre", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("grafana.json"), &board); err != nil || len(board.Panels) < 20 {
		t.Fatalf("the dashboard: %d panels, %v", len(board.Panels), err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			out = append(out, target.Expr)
		}
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(read("alerts.yaml"), &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" || r.Labels["severity"] == "" {
				t.Errorf("a rule without name, expression, severity, summary or action: %+v", r)
			}
			out = append(out, r.Expr)
		}
	}
	return out
}
