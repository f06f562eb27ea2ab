package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/mrtd/chipsim"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
)

// profile is a passport, how its chip behaves, how it is read, and what must
// come of that. matrix_*_test.go have those that there are; docs/chips.md tells
// how to add one.
type profile struct {
	made      []string // what it is made of; together its name
	clause    string   // of Doc 9303 ("11 4.4.3" is part 11), or the case of a test plan
	issuer    string   // one of issuers; "" is the usual one
	spec      specimen.Spec
	change    []func(*chipsim.Passport) // after it was issued
	faults    []string                  // misbehaviors of package chipsim
	unseen    bool                      // its printed MRZ was not seen
	typeB     bool
	shortOnly bool                      // the chip has no extended length
	inspector *specimen.VerifierProfile // of the terminal that the chip waits for; nil for none
	alone     bool                      // and the terminal is not there
	groups    []int
	args      []string // of chip read, besides the reader, the trust store, the terminal and the groups
	want      outcome
}

// outcome is what chip read must print and how it must exit.
type outcome struct {
	access                          string // protocol, with PACE's key agreement and mapping; "" where the chip is not opened
	channel                         string // cipher, and curve or group of PACE; "" is not looked at
	passive, mrz                    report.Status
	chip, mapping, active, terminal report.Status // not performed where the profile says nothing
	groups                          []int         // read, in their order
	quirks, reasons, notes          []string      // in any order; of notes at least these
	exit                            int
}

func (p profile) name() string { return strings.Join(p.made, " ") }

// matrix is every profile.
func matrix() []profile {
	return slices.Concat(accessProfiles(), proofProfiles(), issuerProfiles(), documentProfiles(), linkProfiles(), misbehaviorProfiles())
}

// TestMatrix reads every profile's chip by the command, over a simulated PN532,
// and holds what it prints against what the profile says.
func TestMatrix(t *testing.T) {
	profiles, issuing := matrix(), newOffice(t.TempDir())
	names := map[string]bool{}
	var asStated atomic.Int64
	t.Run("profiles", func(t *testing.T) {
		for _, p := range profiles {
			if names[p.name()] || p.clause == "" {
				t.Errorf("%s, clause %q: not a profile of its own with its clause", p.name(), p.clause)
			}
			names[p.name()] = true
			t.Run(strings.ReplaceAll(p.name(), "/", "-"), func(t *testing.T) {
				t.Parallel()
				got, exit := p.read(t, issuing)
				if wrong := p.want.differs(got, exit); len(wrong) > 0 {
					t.Errorf("%s (%s):\n%s", p.name(), p.clause, strings.Join(wrong, "\n"))
					return
				}
				asStated.Add(1)
			})
		}
	})
	fmt.Fprintf(os.Stdout, "profiles %d, as stated %d\n", len(profiles), asStated.Load())
	if len(profiles) < 200 {
		t.Errorf("got %d profiles, want 200 at least", len(profiles))
	}
}

// read issues the passport, lays it on a reader and runs the command.
func (p profile) read(t *testing.T, issuing *office) (readResult, int) {
	t.Helper()
	passport, store, terminal := issuing.issue(t, p)
	faults, err := chipsim.Misbehave(p.faults...)
	if err != nil {
		t.Fatal(err)
	}
	kind := pn532sim.TypeA
	if p.typeB {
		kind = pn532sim.TypeB
	}
	reader := layOnReader(t, chipsim.New(passport, chipsim.Options{ShortOnly: p.shortOnly, Faults: faults}), kind)
	groups := make([]string, len(p.groups))
	for i, n := range p.groups {
		groups[i] = fmt.Sprint(n)
	}
	args := append([]string{"chip", "read", "--json", "--wait", "1m", "--reader", "pn532:" + reader, "--trust", store, "--groups", strings.Join(groups, ",")}, p.args...)
	if terminal != "" {
		args = append(args, "--terminal", terminal)
	}
	var out, errOut bytes.Buffer
	exit := run(t.Context(), args, &out, &errOut)
	var got readResult
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s: exit %d, prints %q, %s", p.name(), exit, out.String(), errOut.String())
	}
	return got, exit
}

// layOnReader puts a card on a PN532 of its own and returns the reader's path.
// The reader is as quick as the machine: what its wire takes is measured elsewhere.
func layOnReader(t *testing.T, card pn532sim.Card, kind pn532sim.Type) string {
	t.Helper()
	line, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	chip := pn532sim.New(line, pn532sim.Options{Unpaced: true})
	chip.Insert(card, kind)
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
	return line.Path
}

// differs lists in what the result is not as stated.
func (want outcome) differs(got readResult, exit int) []string {
	var wrong []string
	compare := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			wrong = append(wrong, fmt.Sprintf("%s: got %v, want %v", what, got, want))
		}
	}
	compare("access", got.Access, want.access)
	if want.channel != "" {
		compare("channel", strings.TrimSpace(got.Channel.Cipher+" "+got.Channel.Domain), want.channel)
	}
	for _, c := range []struct {
		check report.Check
		want  report.Status
	}{
		{report.PassiveAuthentication, want.passive}, {report.MRZAndDG1, want.mrz}, {report.ChipAuthentication, want.chip},
		{report.ChipAuthMapping, want.mapping}, {report.ActiveAuthentication, want.active}, {report.TerminalAuthentication, want.terminal},
	} {
		if c.want == "" {
			c.want = report.NotPerformed
		}
		compare(string(c.check), got.Checks[c.check].Status, c.want)
	}
	var groups []string
	for _, n := range want.groups {
		groups = append(groups, fmt.Sprintf("DG%d", n))
	}
	compare("groups", got.Groups, groups)
	for _, f := range got.Files {
		if want.chip == report.Passed && (f.Name == "DG1" || f.Name == "DG2") {
			compare("keys over "+f.Name, f.By, "CA") // whoever sat between BAC and CA is out
		}
	}
	compare("quirks", sorted(got.Quirks), sorted(want.quirks))
	compare("reasons", sorted(got.Reasons), sorted(want.reasons))
	for _, n := range want.notes {
		if !slices.Contains(got.Notes, n) {
			wrong = append(wrong, fmt.Sprintf("notes: got %v, want %s among them", got.Notes, n))
		}
	}
	compare("exit code", exit, want.exit)
	if len(wrong) > 0 && got.Error != "" {
		wrong = append(wrong, "it says: "+got.Error)
	}
	return wrong
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
