package mrtd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/chipsim"
)

// A chip that hands its files out byte by byte, or more of them than was asked
// for, is given up before it has cost much.
func TestChipsThatAnswerTooLittleOrTooMuch(t *testing.T) {
	for _, c := range []struct {
		name     string
		faults   chipsim.Faults
		want     string
		commands int
	}{
		{"one byte an answer", chipsim.Faults{Trickle: true}, "pieces that are too small", 500},
		{"more than was asked for", chipsim.Faults{LongAnswers: 1}, "longer than was asked for", 100},
	} {
		p := passport(2000, true)
		card := chipsim.New(p, chipsim.Options{Faults: c.faults})
		r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || len(r.Files) > 1 {
			t.Errorf("%s: got %v with %d files, want %q and EF.COM at most", c.name, err, len(r.Files), c.want)
		}
		if got := card.Seen().Commands; got > c.commands {
			t.Errorf("%s: %d commands, want at most %d", c.name, got, c.commands)
		}
	}
	// Pieces of the last step's length are borne.
	p := passport(9000, true)
	r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{ShortAnswers: 64}}), both, mrtd.Options{})
	if err != nil {
		t.Errorf("pieces of 64 bytes: %v", err)
	}
	same(t, p, r)
}

// A chip that leaves again and again is waited for as long as each time brings
// more of a file, and not much longer.
func TestReturnsThatBringNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		after   int // commands until it leaves
		whole   bool
		returns int
	}{
		{"before it is opened", 3, false, 4},
		{"with a piece each time", 14, true, 8},
	} {
		p := passport(1500, true)
		card := chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{GoneAfter: c.after}})
		asked := 0
		r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{Reconnect: func(context.Context) (apdu.Card, error) {
			asked++
			card.Enter()
			return card, nil
		}})
		if (err == nil) != c.whole || err != nil && !errors.Is(err, mrtd.ErrChipLost) {
			t.Errorf("%s: got %v with %d files", c.name, err, len(r.Files))
		}
		if asked > c.returns || r.Returns != asked {
			t.Errorf("%s: waited %d times (%d told), want at most %d", c.name, asked, r.Returns, c.returns)
		}
	}
}
