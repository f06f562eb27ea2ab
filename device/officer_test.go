package device

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"limen"
)

type memory struct {
	records []limen.Record
	fail    error
}

func (m *memory) Append(ctx context.Context, r limen.Record, _ limen.Subject) (limen.Receipt, error) {
	if err := errors.Join(m.fail, ctx.Err()); err != nil {
		return limen.Receipt{}, err
	}
	m.records = append(m.records, r)
	return limen.Receipt{Index: uint64(len(m.records) - 1)}, nil
}

func (m *memory) Subject(context.Context, []limen.Trace) (limen.Subject, error) {
	return limen.Subject{}, nil
}

func (m *memory) Earlier(context.Context, limen.Subject, time.Time) ([]limen.Earlier, error) {
	return nil, nil
}

type officerKey struct{ ed25519.PrivateKey }

func (k officerKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.PrivateKey, message), nil
}
func (k officerKey) PublicKey() []byte { return k.Public().(ed25519.PublicKey) }

func TestOfficerDecisionPointsToItsInspection(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	history := &memory{}
	a := New(Defaults(), Parts{History: history, Officers: officerKey{private}})
	defer a.closeFace()
	about := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: "ab", Site: "s", Device: "d"}
	receipt, err := history.Append(t.Context(), about, limen.Subject{})
	if err != nil {
		t.Fatal(err)
	}
	a.remember(limen.Finished{Record: about, Receipt: receipt})
	a.remember(limen.Finished{Record: limen.Record{ID: "lost"}, Err: errors.New("not stored")})

	if err := a.Decide(t.Context(), "ab", limen.Refuse, "officer-12", "false_document"); err != nil {
		t.Fatal(err)
	}
	got := history.records[1]
	if got.Kind != limen.KindOfficer || got.Officer.Inspection != "ab" || got.Officer.Index != receipt.Index || got.Decision.Outcome != limen.Refuse {
		t.Errorf("got %+v, want the officer's refusal of inspection ab", got)
	}
	if err := got.VerifyOfficer(); err != nil {
		t.Error(err)
	}
	for name, decide := range map[string]func() error{
		"unknown inspection":        func() error { return a.Decide(t.Context(), "zz", limen.Admit, "o", "g") },
		"inspection without record": func() error { return a.Decide(t.Context(), "lost", limen.Admit, "o", "g") },
		"refer":                     func() error { return a.Decide(t.Context(), "ab", limen.Refer, "o", "g") },
		"a history that cannot keep": func() error {
			history.fail = errors.New("full")
			return a.Decide(t.Context(), "ab", limen.Admit, "o", "g")
		},
	} {
		if decide() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(history.records) != 2 {
		t.Errorf("%d records, want 2: what was refused is not recorded", len(history.records))
	}
}

// The page was closed while the decision was on its way.
func TestOfficerDecisionOutlivesThePage(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	history := &memory{}
	a := New(Defaults(), Parts{History: history, Officers: officerKey{private}})
	defer a.closeFace()
	a.remember(limen.Finished{Record: limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: "ab"}})
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Decide(closed, "ab", limen.Admit, "officer-12", "identity_confirmed"); err != nil || len(history.records) != 1 {
		t.Errorf("got %v and %d records, want the decision recorded", err, len(history.records))
	}
}
