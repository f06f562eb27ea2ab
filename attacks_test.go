package limen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"limen/mrtd/specimen/attack"
	"limen/mrtd/trust"
)

// What an attack on the reader may cost: a DG2 of the longest that is read, in
// short pieces, and what comes before it; the structures of a file of 64 KiB,
// as often as they are taken apart; some seconds on a machine that is busy.
const (
	hostileCommands = 1500
	hostileOctets   = 64 << 20
	hostileTime     = time.Minute
)

// The policies as they are shipped.
var shipped = []string{"utopia-egate", "schengen-egate"}

// Every attack of the table is referred with its own reason; the same document
// without the attack is admitted.
func TestAttacks(t *testing.T) {
	stage, store := attackStage(t)
	admitted := 0
	for i, policy := range shipped {
		for _, a := range stage.Attacks {
			if a.Hostile && i > 0 {
				continue // what the reader bears is no policy's matter
			}
			t.Run(policy+"/"+a.Name, func(t *testing.T) {
				if d := crossWith(t, stage, store, policy, a.Genuine, a.Twin()); d.Outcome != Admit {
					t.Errorf("without the attack: got %s %v, want %s", d.Outcome, codes(d.Reasons), Admit)
				}
				card := &counting{Card: a.Card()}
				octets, began := allocated(), time.Now()
				d := crossWith(t, stage, store, policy, a.Printed, card)
				octets, took := allocated()-octets, time.Since(began)
				if d.Outcome == Admit {
					admitted++
				}
				if d.Outcome != Refer || !slices.Contains(codes(d.Reasons), a.Reason) {
					t.Errorf("got %s %v, notes %v; want %s for %s", d.Outcome, codes(d.Reasons), codes(d.Notes), Refer, a.Reason)
				}
				if a.Hostile && (card.commands > hostileCommands || octets > hostileOctets || took > hostileTime) {
					t.Errorf("cost %d commands, %d octets, %v; want at most %d, %d, %v", card.commands, octets, took, hostileCommands, hostileOctets, hostileTime)
				}
			})
		}
	}
	fmt.Printf("attacks %d, admitted %d\n", len(stage.Attacks), admitted)
}

// What cannot be told from an honest document's ways is borne, and leaves the
// note that the document says it leaves.
func TestWhatIsBorne(t *testing.T) {
	stage, store := attackStage(t)
	for _, policy := range shipped {
		for _, a := range stage.Borne {
			t.Run(policy+"/"+a.Name, func(t *testing.T) {
				d := crossWith(t, stage, store, policy, a.Printed, a.Card())
				if d.Outcome != Admit || a.Reason != "" && !slices.Contains(codes(d.Notes), a.Reason) {
					t.Errorf("got %s %v, notes %v; want %s with %q", d.Outcome, codes(d.Reasons), codes(d.Notes), Admit, a.Reason)
				}
			})
		}
	}
}

// docs/attacks.md holds the tables, row by row.
func TestAttacksAreDocumented(t *testing.T) {
	stage, _ := attackStage(t)
	b, err := os.ReadFile("docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| attack |") && !strings.HasPrefix(line, "| ---") {
			documented = append(documented, line)
		}
	}
	var want []string
	for _, a := range stage.Attacks {
		read := ""
		if a.Read != "" {
			read = "`" + a.Read + "`"
		}
		want = append(want, strings.Join(strings.Fields(fmt.Sprintf("| %s | %s | %s | %s | `%s` | %s |", a.Name, a.Has, a.Stopped, a.Clause, a.Reason, read)), " "))
	}
	for _, a := range stage.Borne {
		note := ""
		if a.Reason != "" {
			note = "`" + a.Reason + "`"
		}
		want = append(want, strings.Join(strings.Fields(fmt.Sprintf("| %s | %s | %s | %s |", a.Name, a.Has, note, a.Stopped)), " "))
	}
	for i := range max(len(want), len(documented)) {
		var got, expected string
		if i < len(documented) {
			got = documented[i]
		}
		if i < len(want) {
			expected = want[i]
		}
		if got != expected {
			t.Errorf("row %d:\ngot  %s\nwant %s", i+1, got, expected)
		}
	}
}

// attackStage is the table for the tests' day, and the store for it.
func attackStage(t *testing.T) (*attack.Stage, *trust.Store) {
	t.Helper()
	stage, err := attack.New(day)
	if err != nil {
		t.Fatal(err)
	}
	store := trust.NewStore()
	for _, i := range stage.Trust {
		if _, err := store.Import(i.Name, i.Data, nil, day.AddDate(0, 0, -1)); err != nil {
			t.Fatal(err)
		}
	}
	return stage, store
}

// crossWith lays a card down at a gate where all else is in order.
func crossWith(t *testing.T, stage *attack.Stage, store *trust.Store, policy string, printed []string, card attack.Card) (d Decision) {
	t.Helper()
	p := policyOf(t, policy)
	synctest.Test(t, func(t *testing.T) {
		f := &fakes{face: fakeFace{score: 0.9}}
		in := &Inspection{
			ID: "01", Site: "utopia-airport", Device: "gate-1", Policy: p, Chip: antenna{card}, Camera: f, Portraits: onlyOf(stage.Portrait),
			Trust: store, Lookups: []Lookup{database("national"), database("stop_list")}, History: f, Pseudonyms: f, Now: func() time.Time { return day },
		}
		began := time.Now()
		finished := in.Run(t.Context(), Presented{Lines: printed})
		if took := time.Since(began); took > p.Times.Inspection {
			t.Errorf("took %v, want at most the policy's %v", took, p.Times.Inspection)
		}
		if finished.Err != nil || len(f.appended) != 1 {
			t.Errorf("got %d records, %v; want one", len(f.appended), finished.Err)
		}
		d = finished.Record.Decision
	})
	return d
}

// policyOf is a policy of firmware-config, for the documents of Utopia.
func policyOf(t *testing.T, name string) Policy {
	t.Helper()
	var p, utopia Policy
	for _, c := range []struct {
		file string
		into *Policy
	}{{name, &p}, {"utopia-egate", &utopia}} {
		b, err := os.ReadFile("firmware-config/policies/" + c.file + ".yaml")
		if err == nil {
			err = yaml.UnmarshalWithOptions(b, c.into, yaml.Strict())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Eligibility = utopia.Eligibility
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// allocated is what has been allocated since the program began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// counting counts the commands that reach a card.
type counting struct {
	attack.Card
	commands int
}

func (c *counting) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	c.commands++
	return c.Card.Transmit(ctx, command)
}

// antenna is a chip reader on which a card lies, powered up anew whenever it is
// looked for.
type antenna struct{ attack.Card }

func (a antenna) Connect(context.Context) (Chip, error) {
	a.Reset()
	return a, nil
}

func (antenna) Close() error { return nil }

// onlyOf decodes one portrait and no other.
type onlyOf []byte

func (o onlyOf) Decode(_ context.Context, encoded []byte) (image.Image, error) {
	if !bytes.Equal(encoded, o) {
		return nil, &Unable{because(PortraitUnreadable), errors.New("another picture")}
	}
	return image.NewGray(image.Rect(0, 0, 8, 8)), nil
}

// database has nothing against anybody.
type database string

func (d database) Name() string { return string(d) }

func (database) Ask(context.Context, LookupQuery) (LookupAnswer, error) {
	return LookupAnswer{AsOf: day}, nil
}
