package limen

import (
	"bytes"
	"context"
	"errors"
	"image"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen/attack"
	"limen/mrtd/trust"
)

// antenna is a chip reader on which one card lies, powered up anew whenever it
// is looked for.
type antenna struct{ card attack.Card }

func (a antenna) Connect(context.Context) (Chip, error) {
	a.card.Reset()
	return a, nil
}

func (a antenna) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	return a.card.Transmit(ctx, command)
}

func (antenna) Close() error { return nil }

type counted struct {
	attack.Card
	n int
}

func (c *counted) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	c.n++
	return c.Card.Transmit(ctx, command)
}

// onlyOf decodes one portrait and no other.
type onlyOf []byte

func (o onlyOf) Decode(_ context.Context, encoded []byte) (image.Image, error) {
	if !bytes.Equal(encoded, o) {
		return nil, &Unable{because(PortraitUnreadable), errors.New("another picture")}
	}
	return image.NewGray(image.Rect(0, 0, 8, 8)), nil
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
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalWithOptions(b, c.into, yaml.Strict()); err != nil {
			t.Fatal(err)
		}
	}
	p.Eligibility = utopia.Eligibility
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every attack of the table is referred with its own reason, under the policies
// as they are shipped; the same document without the attack is admitted.
func TestAttacks(t *testing.T) {
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
	admitted := 0
	for _, policy := range []string{"utopia-egate", "schengen-egate"} {
		cross := func(t *testing.T, printed []string, card attack.Card) (d Decision) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakes{face: fakeFace{score: 0.9}}
				in := &Inspection{ID: "01", Site: "utopia-airport", Device: "gate-1", Policy: policyOf(t, policy), Chip: antenna{card}, Camera: f, Portraits: onlyOf(stage.Portrait),
					Trust: store, Lookups: []Lookup{database{"national"}, database{"stop_list"}}, History: f, Pseudonyms: f, Now: func() time.Time { return day }}
				finished := in.Run(t.Context(), Presented{Lines: printed})
				if finished.Err != nil || len(f.appended) != 1 {
					t.Errorf("got %d records, %v; want one", len(f.appended), finished.Err)
				}
				d = finished.Record.Decision
			})
			return d
		}
		for _, a := range stage.Attacks {
			t.Run(policy+"/"+a.Name, func(t *testing.T) {
				if d := cross(t, genuineLines(t, a), a.Twin()); d.Outcome != Admit {
					t.Errorf("without the attack: got %s %v, want %s", d.Outcome, codes(d.Reasons), Admit)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				card := &counted{Card: a.Card()}
				d := cross(t, a.Printed, card)
				runtime.ReadMemStats(&after)
				if a.Hostile {
					t.Logf("COST %-60s %5d cmds %6d KiB %v", a.Name, card.n, (after.TotalAlloc-before.TotalAlloc)>>10, time.Since(start))
				}
				if d.Outcome == Admit {
					admitted++
				}
				if d.Outcome != Refer || !slices.Contains(codes(d.Reasons), a.Reason) {
					t.Errorf("got %s %v notes %v, want %s for %s", d.Outcome, codes(d.Reasons), codes(d.Notes), Refer, a.Reason)
				}
			})
		}
	}
	t.Logf("attacks %d, admitted %d", len(stage.Attacks), admitted)
}

// genuineLines are what is printed on the document that the twin is.
func genuineLines(t *testing.T, a attack.Attack) []string {
	t.Helper()
	return a.Genuine
}

// database knows of nothing.
type database struct{ name string }

func (d database) Name() string { return d.name }
func (database) Ask(context.Context, LookupQuery) (LookupAnswer, error) {
	return LookupAnswer{AsOf: day}, nil
}

var _ = lds.EFSOD
var _ = mrz.TD3
